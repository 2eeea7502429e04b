#include "base/crypto/sign.h"

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::crypto {
namespace {

constexpr SigAlg kAlgs[] = {SigAlg::kEd25519, SigAlg::kMlDsa44, SigAlg::kMlDsa65, SigAlg::kMlDsa87};
constexpr std::string_view kContext = "hanse/test/1";

class Sign : public testing::TestWithParam<SigAlg> {
 protected:
  SeededRandom random_{1, "sign test"};
  SecretKey key_ = SecretKey::generate(GetParam(), random_);
  Bytes message_ = to_bytes("a job for the league");
};

TEST_P(Sign, signature_verifies_under_its_key_context_and_message) {
  const Bytes sig = key_.sign(kContext, message_);
  const auto sizes = sig_sizes(static_cast<std::uint8_t>(GetParam()));
  ASSERT_TRUE(sizes);
  EXPECT_EQ(sig.size(), sizes->signature);
  EXPECT_EQ(key_.public_key().bytes.size(), sizes->public_key);
  EXPECT_TRUE(verify(key_.public_key(), kContext, message_, sig));
  EXPECT_TRUE(verify(key_.public_key(), "", {}, key_.sign("", {})));
}

TEST_P(Sign, refuses_other_message_context_key_and_signature) {
  const Bytes sig = key_.sign(kContext, message_);
  const auto verifier = Verifier::create(key_.public_key());
  ASSERT_TRUE(verifier);
  Bytes other = message_;
  other[0] ^= 1;
  const auto refused = verifier->verify(kContext, other, sig);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "crypto.bad_signature");
  EXPECT_EQ(refused.error().kind(), Kind::kDenied);
  EXPECT_FALSE(verifier->verify("hanse/test/2", message_, sig));
  EXPECT_FALSE(verifier->verify("", message_, sig));
  EXPECT_FALSE(verify(SecretKey::generate(GetParam(), random_).public_key(), kContext, message_, sig));
  for (const std::size_t at : {std::size_t{0}, sig.size() / 2, sig.size() - 1}) {
    Bytes bad = sig;
    bad[at] ^= 0x10;
    EXPECT_FALSE(verifier->verify(kContext, message_, bad)) << "byte " << at;
  }
  EXPECT_TRUE(verifier->verify(kContext, message_, sig)) << "a refusal leaves the verifier usable";
}

TEST_P(Sign, refuses_signatures_and_keys_one_byte_off) {
  const Bytes sig = key_.sign(kContext, message_);
  Bytes shorter = sig, longer = sig;
  shorter.pop_back();
  longer.push_back(0);
  EXPECT_FALSE(verify(key_.public_key(), kContext, message_, shorter));
  EXPECT_FALSE(verify(key_.public_key(), kContext, message_, longer));
  PublicKey key = key_.public_key();
  key.bytes.push_back(0);
  EXPECT_EQ(Verifier::create(key).error().id(), "crypto.bad_key");
  key.bytes.resize(key.bytes.size() - 2);
  EXPECT_EQ(Verifier::create(key).error().id(), "crypto.bad_key");
}

TEST_P(Sign, context_may_have_255_bytes_and_no_more) {
  const std::string context(255, 'c');
  const Bytes sig = key_.sign(context, message_);
  EXPECT_TRUE(verify(key_.public_key(), context, message_, sig));
  EXPECT_FALSE(verify(key_.public_key(), context + "c", message_, sig));
}

TEST_P(Sign, one_seed_gives_one_key) {
  const Hash32 seed = blake3(as_bytes("seed"));
  const auto a = SecretKey::from_seed(GetParam(), seed.view());
  const auto b = SecretKey::from_seed(GetParam(), seed.view());
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->public_key(), b->public_key());
  EXPECT_EQ(SecretKey::from_seed(GetParam(), seed.view().first(31)).error().id(), "crypto.bad_seed");
}

INSTANTIATE_TEST_SUITE_P(Algs, Sign, testing::ValuesIn(kAlgs),
                         [](const auto& i) { return std::string(sig_alg_name(i.param)); });

TEST(SignAlg, unknown_numbers_are_refused) {
  EXPECT_EQ(sig_sizes(0).error().id(), "crypto.bad_key");
  EXPECT_TRUE(sig_sizes(4));
  EXPECT_EQ(sig_sizes(5).error().id(), "crypto.bad_key");
}

TEST(SignEd25519, knows_rfc_8032_test_1) {
  const std::uint8_t seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                                 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                                 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
  const auto key = SecretKey::from_seed(SigAlg::kEd25519, seed);
  ASSERT_TRUE(key);
  EXPECT_EQ(text("{}", ByteView(key->public_key().bytes)),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(text("{}", ByteView(key->sign("", {}))),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b");
}

TEST(Identity, both_keys_come_from_one_seed_and_the_id_names_the_mldsa_key) {
  const Hash32 seed = blake3(as_bytes("seed"));
  const auto a = Identity::from_seed(seed.view());
  const auto b = Identity::from_seed(seed.view());
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->id(), b->id());
  EXPECT_EQ(a->ed25519().public_key(), b->ed25519().public_key());
  EXPECT_EQ(a->id(), account_id(a->mldsa().public_key()));
  EXPECT_NE(a->id(), Identity::from_seed(seed.view(), SigAlg::kMlDsa87)->id());
  EXPECT_EQ(Identity::from_seed(seed.view(), SigAlg::kEd25519).error().id(), "crypto.bad_key");
}

TEST(Identity, key_id_is_sha256_of_algorithm_and_key) {
  SeededRandom random(3);
  const PublicKey key = SecretKey::generate(SigAlg::kEd25519, random).public_key();
  const std::uint8_t one = 1;
  EXPECT_EQ(key_id(key), sha256({ByteView(&one, 1), key.bytes}));
  EXPECT_TRUE(equal(account_id(key).view(), blake3("hanse/id/1", {ByteView(&one, 1), key.bytes}).view()));
}

// By Euler's criterion of (y^2 - 1) / (d y^2 + 1), computed elsewhere.
TEST(Sign, small_y_that_are_points_decode) {
  constexpr std::string_view kPoint = "110111100110001110110";  // y = 0, 1, ... 20
  for (std::uint8_t y = 0; y < kPoint.size(); ++y) {
    Bytes key(32);
    key[0] = y;
    EXPECT_EQ(Verifier::create({SigAlg::kEd25519, key}).has_value(), kPoint[y] == '1') << int{y};
  }
}

}  // namespace
}  // namespace hanse::crypto
