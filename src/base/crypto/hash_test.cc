#include "base/crypto/hash.h"

#include <gtest/gtest.h>

#include "base/core/text.h"

namespace hanse::crypto {
namespace {

std::string hex(ByteView b) { return text("{}", b); }

TEST(Hash, blake3_of_nothing_is_the_published_digest) {
  EXPECT_EQ(hex(blake3(ByteView{}).view()), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
}

TEST(Hash, sha2_and_sha3_of_abc_are_the_published_digests) {
  const ByteView abc = as_bytes("abc");
  EXPECT_EQ(hex(sha256({abc}).view()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha512({abc}).view()),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  EXPECT_EQ(hex(sha3_256({abc}).view()), "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
  FixedBytes<16> out;
  shake256({}, out.span());
  EXPECT_EQ(hex(out.view()), "46b9dd2b0ba88d13233b3feb743eeb24");
}

TEST(Hash, hmac_gives_the_published_codes) {  // RFC 4231, test cases 1, 2 and 6 (a key longer than a block)
  EXPECT_EQ(hex(hmac_sha256(Bytes(20, 0x0b), {as_bytes("Hi "), as_bytes("There")}).view()),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(hmac_sha256(as_bytes("Jefe"), {as_bytes("what do ya want for nothing?")}).view()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      hex(hmac_sha256(Bytes(131, 0xaa), {as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")}).view()),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hash, parts_are_hashed_as_if_joined) {
  const ByteView a = as_bytes("ab"), b = as_bytes("c"), ab = as_bytes("abc");
  EXPECT_EQ(sha256({a, b}), sha256({ab}));
  EXPECT_EQ(sha512({a, b}), sha512({ab}));
  EXPECT_EQ(sha3_256({a, b}), sha3_256({ab}));
  EXPECT_EQ(blake3("hanse/test/1", {a, b}), blake3("hanse/test/1", {ab}));
}

TEST(Hash, a_context_separates_digests) {
  const ByteView abc = as_bytes("abc");
  EXPECT_NE(blake3("hanse/test/1", {abc}), blake3("hanse/test/2", {abc}));
  EXPECT_NE(blake3("hanse/test/1", {abc}), blake3(abc));
}

// More contexts than a thread keeps, and one longer than it keeps at all: each still gives its own digest.
TEST(Hash, many_contexts_do_not_mix) {
  const ByteView abc = as_bytes("abc");
  std::vector<Hash32> first;
  const auto context = [](int i) {
    return "hanse/test-" + std::string(static_cast<std::size_t>(i % 50), 'x') + std::to_string(i);
  };
  for (int i = 0; i < 200; ++i) {
    Blake3 h(context(i));
    h.update(abc);
    first.push_back(h.finish());
  }
  for (int i = 199; i >= 0; --i) {
    EXPECT_EQ(blake3(context(i), {abc}), first[static_cast<std::size_t>(i)]) << i;
    for (int j = 0; j < i; ++j) ASSERT_NE(first[static_cast<std::size_t>(i)], first[static_cast<std::size_t>(j)]);
  }
}

TEST(Hash, blob_id_is_the_digest_without_context) {
  EXPECT_TRUE(equal(blob_id(as_bytes("abc")).view(), blake3(as_bytes("abc")).view()));
}

TEST(Hash, hasher_in_pieces_equals_one_call_and_may_go_on_after_finish) {
  Bytes data(5000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i % 251);
  const ByteView view = data;
  Blake3 plain, keyed("hanse/test/1");
  plain.update(view.first(1025));
  keyed.update(view.first(1025));
  EXPECT_EQ(plain.finish(), blake3(view.first(1025)));
  plain.update(view.subspan(1025));
  keyed.update(view.subspan(1025));
  EXPECT_EQ(plain.finish(), blake3(view));
  EXPECT_EQ(keyed.finish(), blake3("hanse/test/1", {view}));
}

TEST(Hash, longer_output_starts_with_the_digest) {
  FixedBytes<100> out;
  blake3_xof("hanse/test/1", {as_bytes("abc")}, out.span());
  EXPECT_TRUE(equal(out.view().first(32), blake3("hanse/test/1", {as_bytes("abc")}).view()));
}

}  // namespace
}  // namespace hanse::crypto
