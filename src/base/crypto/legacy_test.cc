#include "base/crypto/legacy.h"

#include <gtest/gtest.h>

#include "base/codec/hex.h"

namespace hanse::crypto {
namespace {

TEST(Legacy, hmac_sha1_answers_what_rfc_2202_says) {
  const Bytes key(20, 0x0b), long_key(80, 0xaa);
  EXPECT_EQ(codec::to_hex(hmac_sha1(key, {as_bytes("Hi There")}).view()), "b617318655057264e28bc0b6fb378c8ef146be00");
  EXPECT_EQ(codec::to_hex(hmac_sha1(as_bytes("Jefe"), {as_bytes("what do ya want "), as_bytes("for nothing?")}).view()),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(
      codec::to_hex(hmac_sha1(long_key, {as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")}).view()),
      "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

TEST(Legacy, md5_answers_what_rfc_1321_says) {
  EXPECT_EQ(codec::to_hex(md5({as_bytes("")}).view()), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(codec::to_hex(md5({as_bytes("message"), as_bytes(" digest")}).view()), "f96b697d7cb7938d525a2f31aaf161d0");
}

}  // namespace
}  // namespace hanse::crypto
