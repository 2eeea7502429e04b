#include "exchange/proof/detail/commit.h"

#include "base/core/random.h"
#include "base/core/text.h"
#include "exchange/proof/detail/multilinear.h"

#include <gtest/gtest.h>

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
