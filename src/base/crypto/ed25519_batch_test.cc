#include <gtest/gtest.h>

#include "base/crypto/detail/test_vectors.h"
#include "base/crypto/ed25519_batch.h"
#include "base/crypto/sign.h"

namespace hanse::crypto {
namespace {

using codec::Json;
using detail::at, detail::each_wycheproof, detail::has_flag, detail::hex_of, detail::read_vectors, detail::text_of;
using enum Ed25519Verdict;

struct Signed {
  Bytes key, message, signature;
};

class Batch {
 public:
  void put(Signed s) { signed_.push_back(std::move(s)); }
  Signed& operator[](std::size_t i) { return signed_[i]; }
  std::size_t size() const { return signed_.size(); }

  std::vector<Ed25519Verdict> verify(std::string_view backend, Random& random = system_random()) {
    std::vector<Ed25519Item> items;
    for (const Signed& s : signed_) items.push_back({s.key, s.message, s.signature});
    std::vector<Ed25519Verdict> verdicts(items.size(), kBadEquation);
    auto batch = Ed25519Batch::create(backend);
    EXPECT_TRUE(batch.has_value());
    const auto stats = batch->verify(items, verdicts, random);
    EXPECT_TRUE(stats.has_value());
    if (stats) stats_ = *stats;
    return verdicts;
  }
  bool single(std::size_t i) const {
    return crypto::verify({SigAlg::kEd25519, signed_[i].key}, "", signed_[i].message, signed_[i].signature).has_value();
  }
  const Ed25519BatchStats& stats() const { return stats_; }

 private:
  std::vector<Signed> signed_;
  Ed25519BatchStats stats_;
};

std::vector<std::string> backends() {
  std::vector<std::string> out;
  for (const char* name : {"portable", "ifma"})
    if (Ed25519Batch::create(name)) out.push_back(name);
  return out;
}

// Messages of every length up to a few hash blocks; `keys` keys by turns.
Batch honest(std::size_t n, std::size_t keys, Random& random) {
  std::vector<SecretKey> secrets;
  for (std::size_t i = 0; i < keys; ++i) secrets.push_back(SecretKey::generate(SigAlg::kEd25519, random));
  Batch batch;
  for (std::size_t i = 0; i < n; ++i) {
    Bytes message(random.below(400));
    random.fill(message);
    const SecretKey& key = secrets[i % keys];
    batch.put({key.public_key().bytes, message, key.sign("", message)});
  }
  return batch;
}

void expect_as_single(Batch& batch, std::string_view backend) {
  const auto verdicts = batch.verify(backend);
  for (std::size_t i = 0; i < batch.size(); ++i)
    EXPECT_EQ(verdicts[i] == kOk, batch.single(i)) << backend << " item " << i << " of " << batch.size();
}

TEST(Ed25519Batch, honest_signatures_take_one_equation) {
  SeededRandom random(1);
  for (const std::string& backend : backends())
    for (const std::size_t n : {0U, 1U, 8U, 9U, 15U, 64U, 300U, 1024U})
      for (const std::size_t keys : {std::size_t{1}, std::size_t{5}, std::max<std::size_t>(n, 1)}) {
        Batch batch = honest(n, keys, random);
        EXPECT_EQ(batch.verify(backend), std::vector<Ed25519Verdict>(n, kOk)) << backend << " " << n << " " << keys;
        EXPECT_EQ(batch.stats().equations, n > kEd25519ExactMax ? 1U : 0U);
        EXPECT_EQ(batch.stats().exact, n > kEd25519ExactMax ? 0U : n);
      }
}

TEST(Ed25519Batch, verdicts_are_those_of_single_verification) {
  for (const std::string& backend : backends())
    for (std::uint64_t seed = 0; seed < 24; ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      SeededRandom random(seed, "batch");
      Batch batch = honest(1 + random.below(200), 1 + random.below(40), random);
      for (std::uint64_t bad = random.below(6); bad > 0; --bad) {
        Signed& s = batch[static_cast<std::size_t>(random.below(batch.size()))];
        Bytes& field = *std::array{&s.key, &s.signature, &s.signature, &s.message}[random.below(4)];
        if (!field.empty()) field[random.below(field.size())] ^= static_cast<std::uint8_t>(1U << random.below(8));
      }
      expect_as_single(batch, backend);
    }
}

TEST(Ed25519Batch, says_what_is_wrong) {
  for (const std::string& backend : backends())
    for (const std::size_t n : {6U, 60U}) {
      SeededRandom random(7);
      Batch batch = honest(n, n, random);
      batch[0].key.pop_back();
      batch[1].signature.push_back(0);
      for (std::size_t i = 32; i < 64; ++i) batch[2].signature[i] = 0xff;
      batch[3].key.assign(32, 0);
      batch[3].key[0] = 2;  // no point has y = 2
      std::fill_n(batch[4].signature.begin(), 32, std::uint8_t{0});
      batch[4].signature[0] = 2;
      batch[5].message.push_back(1);
      auto expected = std::vector<Ed25519Verdict>(n, kOk);
      std::ranges::copy(std::array{kBadLength, kBadLength, kBadScalar, kBadKey, kBadPoint, kBadEquation},
                        expected.begin());
      EXPECT_EQ(batch.verify(backend), expected) << backend << " " << n;
    }
}

// S + 1 in one and S - 1 in another cancel out in a sum without coefficients, also between signatures of one key.
TEST(Ed25519Batch, errors_that_cancel_out_are_seen) {
  for (const std::string& backend : backends())
    for (const std::size_t keys : {1U, 16U}) {
      SeededRandom random(3);
      Batch batch = honest(16, keys, random);
      std::size_t up = 0;
      while (batch[up].signature[33] == 0xff) ++up;
      std::size_t other = up + 1;
      while (batch[other].signature[33] == 0) ++other;
      batch[up].signature[33] += 1;
      batch[other].signature[33] -= 1;
      const auto verdicts = batch.verify(backend);
      for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(verdicts[i] == kOk, i != up && i != other) << i;
    }
}

TEST(Ed25519Batch, all_false_signatures_are_found) {
  for (const std::string& backend : backends()) {
    SeededRandom random(5);
    Batch batch = honest(100, 10, random);
    for (std::size_t i = 0; i < 100; ++i) batch[i].message.push_back(0);
    EXPECT_EQ(batch.verify(backend), std::vector<Ed25519Verdict>(100, kBadEquation));
    EXPECT_EQ(batch.stats().exact, 100U);
    EXPECT_EQ(batch.stats().depth, 4U);  // 100, 50, 25, 13, 7
  }
}

TEST(Ed25519Batch, refuses_one_more_than_the_most) {
  SeededRandom random(9);
  Batch one = honest(1, 1, random);
  const std::vector<Ed25519Item> items(kEd25519BatchMax + 1, Ed25519Item{one[0].key, one[0].message, one[0].signature});
  std::vector<Ed25519Verdict> verdicts(items.size());
  Ed25519Batch batch = *Ed25519Batch::create();
  EXPECT_EQ(batch.verify(items, verdicts, random).error().id(), "crypto.batch_size");
  EXPECT_EQ(batch.verify(std::span(items).first(9), std::span(verdicts).first(8), random).error().id(),
            "crypto.batch_verdicts");
  EXPECT_TRUE(
      batch.verify(std::span(items).first(kEd25519BatchMax), std::span(verdicts).first(kEd25519BatchMax), random));
  EXPECT_EQ(std::ranges::count(verdicts, kOk), static_cast<std::ptrdiff_t>(kEd25519BatchMax + 1));
  EXPECT_EQ(Ed25519Batch::create("abacus").error().id(), "crypto.ed25519_backend");
}

TEST(Ed25519Batch, environment_names_the_back_end) {
  const char* before = std::getenv("HANSE_ED25519_BACKEND");
  const std::string kept = before != nullptr ? before : "";
  ::setenv("HANSE_ED25519_BACKEND", "portable", 1);
  EXPECT_EQ(Ed25519Batch::create()->backend(), "portable");
  ::setenv("HANSE_ED25519_BACKEND", "abacus", 1);
  EXPECT_EQ(Ed25519Batch::create().error().id(), "crypto.ed25519_backend");
  EXPECT_EQ(Ed25519Batch::create("portable")->backend(), "portable");  // a name given comes first
  if (before != nullptr)
    ::setenv("HANSE_ED25519_BACKEND", kept.c_str(), 1);
  else
    ::unsetenv("HANSE_ED25519_BACKEND");
}

// As in vectors_test.cc; the expectation is that of single verification there.
TEST(Ed25519Batch, cctv_as_one_batch) {
  const auto file = read_vectors("cctv/ed25519vectors.json");
  if (!file) return;
  for (const std::string& backend : backends()) {
    Batch all, good;
    std::vector<bool> expected;
    for (const Json& t : file->items()) {
      const Signed s{hex_of(t, "key"), to_bytes(text_of(t, "msg")), hex_of(t, "sig")};
      expected.push_back(!has_flag(t, "reencoded_k") || has_flag(t, "low_order_A"));
      if (!has_flag(t, "reencoded_k")) good.put(s);
      all.put(s);
    }
    ASSERT_EQ(all.size(), 914U);
    ASSERT_EQ(good.size(), 768U);
    const auto verdicts = all.verify(backend);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(verdicts[i] == kOk, expected[i]) << backend << " " << i;
    EXPECT_EQ(std::ranges::count(verdicts, kOk), 826);
    EXPECT_EQ(good.verify(backend), std::vector<Ed25519Verdict>(768, kOk));
    EXPECT_EQ(good.stats().equations, 1U);
  }
}

TEST(Ed25519Batch, speccheck_as_one_batch) {
  const auto file = read_vectors("speccheck/cases.json");
  if (!file) return;
  constexpr std::string_view kExpected = "VVVVVVXXXVVV";
  for (const std::string& backend : backends()) {
    Batch batch;
    for (const Json& t : file->items()) batch.put({hex_of(t, "pub_key"), hex_of(t, "message"), hex_of(t, "signature")});
    const auto verdicts = batch.verify(backend);
    ASSERT_EQ(verdicts.size(), kExpected.size());
    for (std::size_t i = 0; i < kExpected.size(); ++i) EXPECT_EQ(verdicts[i] == kOk, kExpected[i] == 'V') << i;
  }
}

TEST(Ed25519Batch, wycheproof_as_one_batch) {
  for (const std::string& backend : backends()) {
    Batch batch;
    each_wycheproof("ed25519_test.json", [&batch](const Json& group, const Json& test) {
      batch.put({hex_of(at(group, "publicKey"), "pk"), hex_of(test, "msg"), hex_of(test, "sig")});
    });
    expect_as_single(batch, backend);
  }
}

}  // namespace
}  // namespace hanse::crypto
