#include "base/crypto/aead.h"

#include <gtest/gtest.h>

namespace hanse::crypto {
namespace {

class Aead : public testing::Test {
 protected:
  AeadKey key(AeadOptions options = {}) { return AeadKey(secret_.clone(), options); }

  SeededRandom random_{1, "aead test"};
  Secret<32> secret_ = [this] {
    Secret<32> s;
    random_.fill(s.span());
    return s;
  }();
  Bytes plain_ = to_bytes("bid 17"), aad_ = to_bytes("lane 3");
};

TEST_F(Aead, opens_what_it_sealed) {
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 5000U}) {
    const Bytes plain(size, 7);
    const auto sealed = key().seal(aad_, plain, random_);
    ASSERT_TRUE(sealed);
    EXPECT_EQ(sealed->size(), size + kAeadOverhead);
    const auto opened = key().open(aad_, *sealed);
    ASSERT_TRUE(opened) << opened.error().str();
    EXPECT_TRUE(equal(opened->view(), plain));
  }
}

TEST_F(Aead, every_altered_byte_is_refused) {
  const Bytes sealed = key().seal(aad_, plain_, random_).value();
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes altered = sealed;
    altered[i] ^= 0x80;
    EXPECT_FALSE(key().open(aad_, altered)) << "byte " << i;
  }
  const auto other = key().open(as_bytes("lane 4"), sealed);
  EXPECT_EQ(other.error().id(), "crypto.open_failed");
  EXPECT_EQ(other.error().kind(), Kind::kDenied);
}

TEST_F(Aead, version_length_and_key_id_are_checked_and_the_key_id_is_authenticated) {
  const Bytes sealed = key({.key_id = 9}).seal(aad_, plain_, random_).value();
  EXPECT_EQ(sealed_key_id(sealed).value(), 9);
  EXPECT_EQ(key().open(aad_, sealed).error().id(), "crypto.sealed_format");
  Bytes renamed = sealed;
  renamed[1] = 0;
  EXPECT_EQ(key().open(aad_, renamed).error().id(), "crypto.open_failed");
  Bytes version = sealed;
  version[0] = 2;
  EXPECT_EQ(sealed_key_id(version).error().id(), "crypto.sealed_format");
  EXPECT_EQ(sealed_key_id(ByteView(sealed).first(kAeadOverhead - 1)).error().id(), "crypto.sealed_format");
  EXPECT_TRUE(sealed_key_id(ByteView(sealed).first(kAeadOverhead)));
}

TEST_F(Aead, a_key_seals_up_to_its_limit_and_no_further) {
  const AeadKey limited = key({.seals_max = 2});
  EXPECT_TRUE(limited.seal(aad_, plain_, random_));
  EXPECT_TRUE(limited.seal(aad_, plain_, random_));
  EXPECT_EQ(limited.seal(aad_, plain_, random_).error().id(), "crypto.key_exhausted");
}

TEST_F(Aead, keys_have_32_bytes) {
  EXPECT_TRUE(AeadKey::from_bytes(Bytes(32)));
  EXPECT_EQ(AeadKey::from_bytes(Bytes(31)).error().id(), "crypto.bad_key");
  EXPECT_EQ(AeadKey::from_bytes(Bytes(33)).error().id(), "crypto.bad_key");
}

TEST_F(Aead, bare_gcm_needs_a_whole_tag) {
  GcmNonce nonce;
  EXPECT_EQ(gcm_open({secret_, nonce, {}}, Bytes(15)).error().id(), "crypto.sealed_format");
  EXPECT_EQ(gcm_open({secret_, nonce, {}}, Bytes(16)).error().id(), "crypto.open_failed");
  const Bytes sealed = gcm_seal({secret_, nonce, aad_}, plain_).value();
  EXPECT_TRUE(equal(gcm_open({secret_, nonce, aad_}, sealed)->view(), plain_));
}

TEST_F(Aead, sizes_beyond_the_limit_are_refused) {
  // The view is longer than what it points at: the size is refused before a byte is read.
  const ByteView huge(plain_.data(), kSealedMax + 1);
  GcmNonce nonce;
  EXPECT_EQ(key().seal(aad_, huge, random_).error().id(), "crypto.too_large");
  EXPECT_EQ(gcm_seal({secret_, nonce, aad_}, huge).error().id(), "crypto.too_large");
}

TEST(Hkdf, knows_rfc_5869_case_1_and_its_length_limit) {
  const Bytes material(22, 0x0b);
  Bytes out(255 * 32);
  EXPECT_TRUE(hkdf_sha256({material, {}, {}}, out));
  out.push_back(0);
  EXPECT_EQ(hkdf_sha256({material, {}, {}}, out).error().id(), "crypto.hkdf_length");
  EXPECT_EQ(hkdf_sha256({material, {}, {}}, {}).error().id(), "crypto.hkdf_length");
}

TEST(Secret, is_wiped_when_moved_from_and_compares_by_value) {
  Secret<32> a;
  a.span()[0] = 5;
  const Secret<32> copy = a.clone();
  const Secret<32> b = std::move(a);
  EXPECT_EQ(b, copy);
  EXPECT_EQ(a.view()[0], 0);  // NOLINT: the moved-from value is what is tested
  EXPECT_FALSE(equal_secret(Bytes(3), Bytes(4)));
}

}  // namespace
}  // namespace hanse::crypto
