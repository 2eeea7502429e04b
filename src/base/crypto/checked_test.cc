#include "base/crypto/checked.h"

#include <gtest/gtest.h>

namespace hanse::crypto {
namespace {

Hash32 name(std::uint32_t n) {
  Hash32 out;
  store_be(out.data.data(), n);
  return out;
}

TEST(CheckedSignatures, forgets_a_name_only_after_two_generations) {
  CheckedSignatures checked;
  constexpr auto kMax = static_cast<std::uint32_t>(CheckedSignatures::kGenerationMax);
  EXPECT_FALSE(checked.contains(name(0)));
  for (std::uint32_t n = 0; n < 2 * kMax; ++n) checked.add(name(n));
  EXPECT_TRUE(checked.contains(name(0)));
  EXPECT_TRUE(checked.contains(name(2 * kMax - 1)));
  checked.add(name(2 * kMax));  // one past both generations
  EXPECT_FALSE(checked.contains(name(0)));
  EXPECT_TRUE(checked.contains(name(2 * kMax)));
}

TEST(CheckedSignatures, keeps_a_decoded_key_until_it_is_full) {
  CheckedSignatures checked;
  SeededRandom random(1);
  const auto first = SecretKey::generate(SigAlg::kEd25519, random);
  const auto kept = checked.verifier(first.public_key());
  ASSERT_TRUE(kept);
  EXPECT_EQ(checked.verifier(first.public_key())->get(), kept->get());
  for (std::size_t n = 0; n < CheckedSignatures::kVerifiersMax; ++n)
    ASSERT_TRUE(checked.verifier(SecretKey::generate(SigAlg::kEd25519, random).public_key()));
  const auto again = checked.verifier(first.public_key());
  ASSERT_TRUE(again);
  EXPECT_NE(again->get(), kept->get());
  const Bytes message(3);
  EXPECT_TRUE((*again)->verify("", message, first.sign("", message)));
}

TEST(CheckedSignatures, refuses_a_key_that_is_none) {
  CheckedSignatures checked;
  const auto refused = checked.verifier({.alg = SigAlg::kMlDsa65, .bytes = Bytes(7)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "crypto.bad_key");
}

}  // namespace
}  // namespace hanse::crypto
