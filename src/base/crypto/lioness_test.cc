#include "base/crypto/lioness.h"

#include <gtest/gtest.h>

#include <bit>

#include "base/codec/hex.h"
#include "base/core/random.h"
#include "base/crypto/hash.h"

namespace hanse::crypto {
namespace {

LionessKey key_of(SeededRandom& random) {
  LionessKey key;
  random.fill(key.span());
  return key;
}

TEST(Lioness, decrypts_what_it_encrypted) {
  SeededRandom random(1);
  for (const std::size_t size : {33, 64, 1000, 11'264}) {
    const LionessKey key = key_of(random);
    Bytes plain(size);
    random.fill(plain);
    Bytes block = plain;
    lioness_encrypt(key, block);
    EXPECT_NE(block, plain);
    lioness_decrypt(key, block);
    EXPECT_EQ(block, plain) << size;
  }
}

// RFC 8439, appendix A.1, vector 1: the key stream of a zero key. Where L = k1 and R = 0 the first round makes it; a k3
// chosen from it by the definition makes the second key zero too, so R is 0 again and L is known.
TEST(Lioness, follows_its_definition_on_the_published_key_stream) {
  const Bytes keystream = *codec::from_hex(
      "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
      "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
  SeededRandom random(2);
  LionessKey key = key_of(random);
  Bytes block(32 + keystream.size());
  std::copy_n(key.view().begin(), 32, block.begin());
  Hash32 left = sha256({key.view().subspan(32, 64), keystream});
  for (std::size_t i = 0; i < 32; ++i) left.data[i] ^= block[i];
  std::copy_n(left.data.begin(), 32, key.span().begin() + 96);
  Bytes expected(block.size());
  const Hash32 last = sha256({key.view().subspan(128), Bytes(keystream.size())});
  for (std::size_t i = 0; i < 32; ++i) expected[i] = static_cast<std::uint8_t>(left.data[i] ^ last.data[i]);
  lioness_encrypt(key, block);
  EXPECT_EQ(block, expected);
}

TEST(Lioness, one_bit_changes_about_half_of_all_bits) {
  SeededRandom random(3);
  const LionessKey key = key_of(random);
  Bytes plain(4096);
  Bytes first = plain;
  lioness_decrypt(key, first);
  for (const std::size_t at : {std::size_t{0}, std::size_t{31}, std::size_t{32}, plain.size() - 1}) {
    Bytes second = plain;
    second[at] ^= 0x80;
    lioness_decrypt(key, second);
    int bits = 0;
    for (std::size_t i = 0; i < first.size(); ++i) bits += std::popcount(static_cast<unsigned>(first[i] ^ second[i]));
    EXPECT_NEAR(bits, 4096 * 4, 600) << at;  // six standard deviations are 543
  }
}

}  // namespace
}  // namespace hanse::crypto
