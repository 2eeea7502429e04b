#include "exchange/proof/detail/commit.h"

#include "base/core/random.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/proof/detail/multilinear.h"
#include "exchange/proof/detail/sumcheck.h"

#include <gtest/gtest.h>

#include <functional>

namespace hanse::proof {
namespace {

std::vector<std::int32_t> table_of(unsigned size_log2, Random& random) {
  std::vector<std::int32_t> out(std::size_t{1} << size_log2);
  for (std::int32_t& v : out) v = static_cast<std::int32_t>(random.next_u64());
  return out;
}

std::vector<Ext> point_of(std::size_t variables, Random& random) {
  std::vector<Ext> out(variables);
  for (Ext& e : out) e = {{random.next_u64() >> 1}, {random.next_u64() >> 1}};
  return out;
}

Ext value_at(const std::vector<std::int32_t>& table, std::size_t begin, std::span<const Ext> point) {
  const std::vector<Ext> weights = eq_table(point);
  Ext out;
  for (std::size_t i = 0; i < weights.size(); ++i) out += weights[i] * from_int(table[begin + i]);
  return out;
}

// The whole, its first half, its last quarter and one cell of it.
std::vector<Evaluation> claims_of(const std::vector<std::int32_t>& table, unsigned size_log2, Random& random) {
  std::vector<Evaluation> out;
  for (const unsigned less : {0u, 1u, 2u, size_log2}) {
    if (less > size_log2) continue;
    const std::size_t size = table.size() >> less;
    const std::size_t begin = less < 2 ? 0 : table.size() - size;
    std::vector<Ext> point = point_of(size_log2 - less, random);
    const Ext value = value_at(table, begin, point);
    out.push_back({.block = begin, .inner = std::move(point), .value = value});
  }
  return out;
}

// What a verifier says of the claims `told`, when the prover has `table` and proves `claims`.
std::string verdict(const Hash32& root, const Committed& table, unsigned size_log2, std::span<const Evaluation> claims,
                    std::span<const Evaluation> told) {
  Writer out("test");
  prove_evaluations(out, table, claims);
  const Bytes proof = std::move(out).finish();
  Reader in("test", proof);
  const Status held = in.finish(check_evaluations(in, root, size_log2, told));
  return held ? "" : std::string(held.error().id());
}

TEST(Commit, opens_tables_of_every_size_in_blocks_of_every_size) {
  SeededRandom random(21);
  for (unsigned n = 0; n <= 11; ++n) {
    const Committed table(table_of(n, random));
    const std::vector<Evaluation> claims = claims_of(table.table(), n, random);
    EXPECT_EQ(verdict(table.root(), table, n, claims, claims), "") << n;
  }
}

TEST(Commit, holds_each_claim_to_its_table) {
  SeededRandom random(22);
  for (unsigned n = 0; n <= 9; ++n) {
    const Committed table(table_of(n, random));
    const std::vector<Evaluation> claims = claims_of(table.table(), n, random);
    for (std::size_t c = 0; c < claims.size(); ++c) {
      std::vector<Evaluation> told = claims;
      told[c].value += kOne;
      EXPECT_EQ(verdict(table.root(), table, n, claims, told), "proof.opening") << n << " " << c;
      if (c + 1 == claims.size()) continue;
      told[c + 1].value = told[c + 1].value - kOne;  // nor do two lies cancel
      EXPECT_EQ(verdict(table.root(), table, n, claims, told), "proof.opening") << n << " " << c;
    }
  }
}

// An opening put together by hand, so that a part of it can be another.
class Forger {
 public:
  static constexpr unsigned kSize = 8;
  explicit Forger(const std::vector<std::int32_t>& table) : encoder_(layout.col_log2) {
    for (std::size_t i = 0; i < layout.rows(); ++i) {
      for (std::size_t j = 0; j < layout.cols(); ++j) rows.push_back(from_int(table[i * layout.cols() + j]));
      words.emplace_back(encoder_.size());
      encoder_.encode(std::span(rows).last(layout.cols()), words.back());
    }
  }
  // The root of the words, and what a verifier says of the opening at a point.
  Hash32 root() const { return tree().root(); }
  std::string verdict(std::span<const Ext> point, const std::function<void(std::vector<Ext>&, int)>& change) const {
    const crypto::LogTree columns = tree();
    Writer out("test");
    const std::vector<Ext> weights[] = {out.draw(layout.rows()), eq_table(point.first(layout.row_log2))};
    for (int k = 0; k < 2; ++k) {
      std::vector<Ext> sum(layout.cols());
      for (std::size_t i = 0; i < rows.size(); ++i) sum[i % layout.cols()] += weights[k][i / layout.cols()] * rows[i];
      change(sum, k);
      out.put(sum);
    }
    for (const std::uint32_t at : out.draw_below(kQueries, layout.word_log2())) {
      out.put(column(at));
      const auto path = crypto::log_prove_inclusion(columns, {.index = at, .size = encoder_.size()});
      for (const Hash32& hash : *path) out.put(hash);
    }
    const Bytes proof = std::move(out).finish();
    Reader in("test", proof);
    const Status held = in.finish(check_opening(in, root(), point).transform([](Ext) {}));
    return held ? "" : std::string(held.error().id());
  }

  Layout layout{kSize};
  std::vector<Fp> rows;
  std::vector<std::vector<Fp>> words;

 private:
  std::vector<Fp> column(std::size_t at) const {
    std::vector<Fp> out;
    for (const std::vector<Fp>& word : words) out.push_back(word[at]);
    return out;
  }
  crypto::LogTree tree() const {
    crypto::LogTree out;
    for (std::size_t at = 0; at < encoder_.size(); ++at) {
      Bytes bytes;
      for (const Fp v : column(at)) {
        bytes.resize(bytes.size() + 8);
        store_le(bytes.data() + bytes.size() - 8, v.v);
      }
      out.append(crypto::blake3("hanse/proof-column/1", {bytes}));
    }
    return out;
  }
  Encoder encoder_;
};

TEST(Commit, refuses_a_combination_that_is_not_that_of_the_columns) {
  SeededRandom random(24);
  const std::vector<std::int32_t> table = table_of(Forger::kSize, random);
  const std::vector<Ext> point = point_of(Forger::kSize, random);
  const Forger forger(table);
  EXPECT_EQ(forger.root(), Committed(table).root());
  EXPECT_EQ(forger.verdict(point, [](std::vector<Ext>&, int) {}), "");
  for (const int which : {0, 1})
    EXPECT_EQ(forger.verdict(point, [&](std::vector<Ext>& sum, int k) { sum[3] += k == which ? kOne : Ext{}; }),
              "proof.opening")
        << which;
}

TEST(Commit, refuses_a_table_that_is_far_from_the_code) {
  SeededRandom random(25);
  const std::vector<Ext> point = point_of(Forger::kSize, random);
  Forger forger(table_of(Forger::kSize, random));
  for (std::size_t at = 0; at < forger.words[1].size(); at += 4) forger.words[1][at] = {random.next_u64() >> 1};
  EXPECT_EQ(forger.verdict(point, [](std::vector<Ext>&, int) {}), "proof.opening");
}

// 2 / 5 + 3 / 7 is no sum of fractions over one, however well it is shown.
TEST(Fractions, have_numerators_of_one) {
  const auto verdict = [](Fp p0, Fp p1) {
    Writer out("test");
    const Ext q0 = lift({5}), q1 = lift({7});
    out.put(std::vector<Ext>{lift(p0) * q1 + lift(p1) * q0, q0 * q1});
    (void)out.draw();
    out.put(std::vector<Ext>{lift(p0), lift(p1), q0, q1});
    const Bytes proof = std::move(out).finish();
    Reader in("test", proof);
    const auto held = check_fractions(in, 1);
    return held ? "" : std::string(held.error().id());
  };
  EXPECT_EQ(verdict({1}, {1}), "");
  EXPECT_EQ(verdict({2}, {3}), "proof.sum");
  EXPECT_EQ(verdict({1}, {0}), "proof.sum");
}

TEST(Commit, binds_each_cell) {
  SeededRandom random(23);
  constexpr unsigned kSize = 7;
  const Committed table(table_of(kSize, random));
  for (std::size_t i = 0; i < table.table().size(); i += 5) {
    std::vector<std::int32_t> cells = table.table();
    cells[i] ^= 1;
    const Committed other(std::move(cells));
    EXPECT_NE(other.root(), table.root());
    const std::vector<Evaluation> claims = claims_of(other.table(), kSize, random);
    EXPECT_EQ(verdict(other.root(), other, kSize, claims, claims), "");
    EXPECT_EQ(verdict(table.root(), other, kSize, claims, claims), "proof.opening") << i;
  }
}

}  // namespace
}  // namespace hanse::proof
