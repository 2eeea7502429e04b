#include "base/crypto/kem.h"

#include <gtest/gtest.h>

#include "base/crypto/hash.h"

namespace hanse::crypto {
namespace {

constexpr KemAlg kAlgs[] = {KemAlg::kMlKem768, KemAlg::kMlKem1024, KemAlg::kXWing};

class Kem : public testing::TestWithParam<KemAlg> {
 protected:
  SeededRandom random_{1, "kem test"};
  KemSecretKey key_ = KemSecretKey::generate(GetParam(), random_);
  KemSizes sizes_ = *kem_sizes(static_cast<std::uint8_t>(GetParam()));
};

TEST_P(Kem, both_sides_get_one_secret_of_the_listed_sizes) {
  const auto sent = encapsulate(key_.public_key(), random_);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->ciphertext.size(), sizes_.ciphertext);
  EXPECT_EQ(key_.public_key().bytes.size(), sizes_.public_key);
  EXPECT_EQ(key_.decapsulate(sent->ciphertext).value(), sent->secret);
  EXPECT_FALSE(encapsulate(key_.public_key(), random_)->secret == sent->secret);
}

TEST_P(Kem, an_altered_ciphertext_gives_another_secret) {
  const auto sent = encapsulate(key_.public_key(), random_);
  for (const std::size_t at : {std::size_t{0}, sizes_.ciphertext / 2, sizes_.ciphertext - 2}) {
    Bytes altered = sent->ciphertext;
    altered[at] ^= 1;
    const auto got = key_.decapsulate(altered);
    ASSERT_TRUE(got);
    EXPECT_FALSE(*got == sent->secret) << at;
  }
}

TEST_P(Kem, lengths_one_off_are_refused) {
  Bytes ciphertext = encapsulate(key_.public_key(), random_)->ciphertext;
  ciphertext.push_back(0);
  EXPECT_EQ(key_.decapsulate(ciphertext).error().id(), "crypto.bad_ciphertext");
  ciphertext.resize(sizes_.ciphertext - 1);
  EXPECT_EQ(key_.decapsulate(ciphertext).error().id(), "crypto.bad_ciphertext");
  KemPublicKey key = key_.public_key();
  key.bytes.push_back(0);
  EXPECT_EQ(encapsulate(key, random_).error().id(), "crypto.bad_key");
  const Bytes seed(sizes_.seed + 1);
  EXPECT_EQ(KemSecretKey::from_seed(GetParam(), seed).error().id(), "crypto.bad_seed");
  EXPECT_TRUE(KemSecretKey::from_seed(GetParam(), ByteView(seed).first(sizes_.seed)));
}

TEST_P(Kem, coefficients_beyond_the_modulus_are_refused) {
  KemPublicKey key = key_.public_key();
  key.bytes[0] = 0xff;
  key.bytes[1] = 0xff;
  EXPECT_EQ(encapsulate(key, random_).error().id(), "crypto.bad_key");
}

INSTANTIATE_TEST_SUITE_P(Algs, Kem, testing::ValuesIn(kAlgs),
                         [](const auto& i) { return std::string(kem_alg_name(i.param)); });

TEST(KemXWing, points_of_small_order_are_refused) {
  SeededRandom random(2);
  const KemSecretKey secret = KemSecretKey::generate(KemAlg::kXWing, random);
  KemPublicKey key = secret.public_key();
  std::fill(key.bytes.end() - 32, key.bytes.end(), std::uint8_t{0});
  EXPECT_EQ(encapsulate(key, random).error().id(), "crypto.bad_key");
  Bytes ciphertext = encapsulate(secret.public_key(), random)->ciphertext;
  std::fill(ciphertext.end() - 32, ciphertext.end(), std::uint8_t{0});
  EXPECT_EQ(secret.decapsulate(ciphertext).error().id(), "crypto.bad_ciphertext");
}

TEST(KemAlgs, unknown_numbers_are_refused) {
  EXPECT_EQ(kem_sizes(0).error().id(), "crypto.bad_key");
  EXPECT_TRUE(kem_sizes(3));
  EXPECT_EQ(kem_sizes(4).error().id(), "crypto.bad_key");
}

}  // namespace
}  // namespace hanse::crypto
