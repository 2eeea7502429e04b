#include "mesh/links/pieces.h"

#include <gtest/gtest.h>

#include "base/core/text.h"

namespace hanse::links {
namespace {

constexpr std::uint8_t kType = 5;
constexpr std::uint32_t kTypeMax = 3 * kPieceMax;

FrameLimits limits() {
  FrameLimits l{};
  l[kType] = kTypeMax;
  return l;
}
const FrameLimits kLimits = limits();

Shared body_of(std::size_t size) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + i / kPieceMax);
  return std::make_shared<const Bytes>(std::move(out));
}

std::string_view fed(Joiner& joiner, std::uint8_t type, Bytes body) {
  static std::string id;
  auto got = joiner.feed(type, body, kLimits);
  if (got) return *got ? "whole" : "begun";
  return id = std::string(got.error().id());
}

TEST(Pieces, a_meet_is_read_as_written) {
  Meet meet{.epoch = 0x0102030405060708, .from = 0x090a, .to = 0x0b0c, .nonce = {}};
  meet.nonce.data[15] = 7;
  const Bytes bytes = encode(meet);
  ASSERT_EQ(bytes.size(), kMeetSize);
  EXPECT_EQ(Bytes(bytes.begin(), bytes.begin() + 13), (Bytes{1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  const auto again = decode_meet(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->epoch, meet.epoch);
  EXPECT_EQ(again->to, meet.to);
  EXPECT_EQ(again->nonce, meet.nonce);
  Bytes wrong = bytes;
  wrong[0] = 2;
  EXPECT_EQ(decode_meet(wrong).error().id(), "links.bad_meet");
  wrong = bytes;
  wrong.push_back(0);
  EXPECT_EQ(decode_meet(wrong).error().id(), "links.bad_meet");
  EXPECT_EQ(decode_meet({}).error().id(), "links.bad_meet");
}

TEST(Pieces, bodies_of_every_size_are_cut_and_joined) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kPieceMax, kPieceMax + 1, 2 * kPieceMax,
                                 2 * kPieceMax + 1, std::size_t{kTypeMax}}) {
    const Shared body = body_of(size);
    const auto cuts = cut(kType, body);
    EXPECT_EQ(cuts->count(), size <= kPieceMax ? 1 : 1 + (size + kPieceMax - 1) / kPieceMax);
    Joiner joiner;
    for (std::size_t n = 0; n < cuts->count(); ++n) {
      EXPECT_LE(cuts->frame(n)->size(), kPieceMax);
      Bytes bytes = *cuts->frame(n);
      auto got = joiner.feed(cuts->frame_type(n), bytes, kLimits);
      ASSERT_TRUE(got) << got.error().str();
      ASSERT_EQ(got->has_value(), n + 1 == cuts->count()) << size;
      if (!*got) continue;
      EXPECT_EQ((*got)->type, kType);
      EXPECT_EQ((*got)->body, *body) << size;
    }
    EXPECT_EQ(joiner.held_bytes(), 0u);
  }
}

TEST(Pieces, a_body_over_its_limit_is_refused_before_memory_is_taken) {
  Joiner joiner;
  EXPECT_EQ(fed(joiner, kBeginType, {kType, 0, 0x0c, 0, 0}), "begun") << "the limit itself";
  EXPECT_EQ(fed(joiner = {}, kBeginType, {kType, 0, 0x0c, 0, 1}), "links.frame_limit");
  EXPECT_EQ(fed(joiner = {}, kBeginType, {kType, 0xff, 0xff, 0xff, 0xff}), "links.frame_limit");
  EXPECT_EQ(joiner.held_bytes(), 0u);
  FrameLimits small{};
  small[kType] = 3;
  Bytes body(4);
  EXPECT_EQ(joiner.feed(kType, body, small).error().id(), "links.frame_limit");
  body.resize(3);
  EXPECT_TRUE(joiner.feed(kType, body, small));
}

TEST(Pieces, refuses_what_no_cutter_makes) {
  Joiner joiner;
  EXPECT_EQ(fed(joiner, 6, {}), "links.bad_frame") << "an unknown type";
  EXPECT_EQ(fed(joiner = {}, kPieceType, Bytes(1)), "links.bad_frame") << "a piece without a begin";
  EXPECT_EQ(fed(joiner = {}, kBeginType, {6, 0, 8, 0, 0}), "links.bad_frame") << "a begin of an unknown type";
  EXPECT_EQ(fed(joiner = {}, kBeginType, {kType, 0, 8, 0}), "links.bad_frame") << "a short begin";
  EXPECT_EQ(fed(joiner = {}, kBeginType, {kType, 0, 4, 0, 0}), "links.bad_frame") << "small enough to come whole";
  const auto inside = [&](std::uint8_t type, std::size_t size) {
    joiner = {};
    EXPECT_EQ(fed(joiner, kBeginType, {kType, 0, 4, 0, 1}), "begun");
    return fed(joiner, type, Bytes(size));
  };
  EXPECT_EQ(inside(kPieceType, kPieceMax), "begun");
  EXPECT_EQ(fed(joiner, kPieceType, Bytes(1)), "whole");
  EXPECT_EQ(inside(kPieceType, kPieceMax - 1), "links.bad_frame") << "a short piece";
  EXPECT_EQ(inside(kType, kPieceMax), "links.bad_frame") << "another frame inside a body";
  EXPECT_EQ(inside(kBeginType, kBeginSize), "links.bad_frame") << "a begin inside a body";
}

}  // namespace
}  // namespace hanse::links
