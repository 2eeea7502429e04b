#include "node/mixing/wire.h"

#include <gtest/gtest.h>

namespace hanse::mixing {
namespace {

constexpr std::size_t kKeySize = 1'216;

ToldKeys told(std::size_t count) {
  ToldKeys out{.deep_per_1000s = 70'000, .keys = {}};
  for (std::uint32_t i = 0; i < count; ++i)
    out.keys.push_back({10 + i, {crypto::KemAlg::kXWing, Bytes(kKeySize, static_cast<std::uint8_t>(i))}});
  return out;
}
Result<ToldKeys> decode(ByteView bytes) { return decode_keys(crypto::KemAlg::kXWing, bytes); }

TEST(Keys, come_back_as_they_were_told_and_fit_a_frame) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, kKeysMax}) {
    const Bytes bytes = encode_keys(told(count));
    EXPECT_EQ(bytes.size(), 4 + count * (4 + kKeySize));
    EXPECT_LE(bytes.size(), router::kCellSize);
    const auto back = decode(bytes);
    ASSERT_TRUE(back) << back.error().str();
    EXPECT_EQ(back->deep_per_1000s, 70'000u);
    ASSERT_EQ(back->keys.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(back->keys[i].epoch, 10 + i);
      EXPECT_EQ(back->keys[i].key.bytes, Bytes(kKeySize, static_cast<std::uint8_t>(i)));
    }
  }
}

TEST(Keys, one_too_many_a_cut_key_and_another_order_are_refused) {
  const auto refused = [](ByteView bytes) {
    const auto found = decode(bytes);
    return !found && found.error().id() == "mixing.keys";
  };
  EXPECT_TRUE(refused(encode_keys(told(kKeysMax + 1))));
  const Bytes two = encode_keys(told(2));
  for (const std::size_t size : {std::size_t{0}, std::size_t{3}, std::size_t{5}, two.size() - 1})
    EXPECT_TRUE(refused(ByteView(two).first(size))) << size;
  ToldKeys same = told(2);
  same.keys[1].epoch = same.keys[0].epoch;
  EXPECT_TRUE(refused(encode_keys(same)));
}

}  // namespace
}  // namespace hanse::mixing
