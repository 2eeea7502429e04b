#include "mesh/peers/meters.h"

#include <gtest/gtest.h>

namespace hanse::peers {
namespace {

constexpr std::uint64_t kTalk = 0x40, kRate = 1'000'000;  // a byte a microsecond
constexpr std::int64_t kSecondNs = 1'000'000'000, kByteNs = 1'000;

PeerId peer(std::uint8_t n) {
  PeerId out;
  out.data[0] = n;
  return out;
}
Held held(std::uint64_t credit, transport::StreamId stream = 1) {
  return {.connection = 7, .stream = stream, .credit = credit};
}

TEST(Meters, count_by_peer_protocol_and_direction_and_in_all) {
  Meters m(0);
  m.up(peer(1), 0);
  m.up(peer(2), 0);
  m.came(peer(1), kTalk, 10);
  m.came(peer(1), 0, 1);
  m.sent(peer(1), kTalk, 5);
  m.sent(peer(2), kTalk, 7);
  EXPECT_TRUE(m.take_datagram(peer(2), 100, 0));
  EXPECT_EQ(*m.flows(peer(1)), (Flows{{0, {1, 0}}, {kTalk, {10, 5}}}));
  EXPECT_EQ(*m.flows(peer(2)), (Flows{{kTalk, {0, 7}}, {kDatagramFlow, {100, 0}}}));
  m.down(peer(1));
  EXPECT_EQ(m.flows(peer(1)), nullptr);
  m.up(peer(1), 1);
  EXPECT_TRUE(m.flows(peer(1))->empty());
  EXPECT_EQ(m.totals(), (Flows{{0, {1, 0}}, {kTalk, {10, 12}}, {kDatagramFlow, {100, 0}}}));
  EXPECT_TRUE(m.may_send(peer(1), 1u << 30, 0)) << "no budget, no limit";
  EXPECT_EQ(m.next_ns(), INT64_MAX);
}

TEST(Meters, give_back_what_frames_hold_as_the_budget_allows_and_in_order) {
  Meters m(kRate);
  m.up(peer(1), 0);
  EXPECT_TRUE(m.give_back(peer(1), held(kRate), 0));
  EXPECT_FALSE(m.give_back(peer(1), held(1), 0)) << "one byte past the budget";
  EXPECT_FALSE(m.give_back(peer(1), held(10, 2), 0));
  EXPECT_EQ(m.next_ns(), kByteNs);
  EXPECT_TRUE(m.due(kByteNs - 1).empty());
  EXPECT_EQ(m.due(kByteNs), std::vector{held(1)});
  EXPECT_FALSE(m.give_back(peer(1), held(1, 3), 5 * kByteNs)) << "no overtaking";
  EXPECT_EQ(m.due(12 * kByteNs), (std::vector{held(10, 2), held(1, 3)}));
  EXPECT_EQ(m.counts().held_back, 3u);
  EXPECT_TRUE(m.give_back(peer(2), held(kRate + 1), 0)) << "of nobody who is here";
}

TEST(Meters, drop_datagrams_beyond_the_budget) {
  Meters m(kRate);
  m.up(peer(1), 0);
  EXPECT_TRUE(m.take_datagram(peer(1), kRate, 0));
  EXPECT_FALSE(m.take_datagram(peer(1), 1, 0));
  EXPECT_EQ(m.counts().dropped, 1u);
  EXPECT_EQ(m.flows(peer(1))->at(kDatagramFlow).bytes_in, kRate) << "what was dropped is not counted";
  EXPECT_TRUE(m.take_datagram(peer(1), 1, kByteNs));
}

TEST(Meters, refuse_to_send_beyond_the_budget_and_say_when_there_is_room) {
  Meters m(kRate);
  m.up(peer(1), 0);
  m.up(peer(2), 0);
  EXPECT_TRUE(m.may_send(peer(1), kRate, 0));
  EXPECT_FALSE(m.may_send(peer(1), 1, 0));
  EXPECT_FALSE(m.may_send(peer(1), 20, 0));
  EXPECT_TRUE(m.may_send(peer(2), kRate, 0)) << "each has its own";
  EXPECT_EQ(m.next_ns(), 20 * kByteNs);
  EXPECT_TRUE(m.roomy(20 * kByteNs - 1).empty());
  EXPECT_EQ(m.roomy(20 * kByteNs), std::vector{peer(1)});
  EXPECT_TRUE(m.roomy(30 * kByteNs).empty()) << "told once";
  EXPECT_TRUE(m.may_send(peer(1), 20, 30 * kByteNs));
  EXPECT_EQ(m.counts().refused, 2u);
}

TEST(Meters, have_room_for_a_frame_of_the_largest_size_at_any_rate) {
  Meters m(16);
  m.up(peer(1), 0);
  EXPECT_TRUE(m.may_send(peer(1), transport::kFrameBodyMax, 0));
  EXPECT_FALSE(m.may_send(peer(1), transport::kFrameBodyMax, 0));
  EXPECT_LT(m.next_ns(), INT64_MAX) << "it does not wait for ever";
}

TEST(Meters, of_who_comes_back_are_as_it_left_them_and_full_ones_are_forgotten) {
  Meters m(kRate);
  m.up(peer(1), 0);
  EXPECT_TRUE(m.may_send(peer(1), kRate, 0));
  EXPECT_FALSE(m.give_back(peer(1), held(kRate), 0) && m.give_back(peer(1), held(1), 0));
  m.down(peer(1));
  EXPECT_EQ(m.next_ns(), INT64_MAX);
  m.up(peer(1), 0);
  EXPECT_FALSE(m.may_send(peer(1), 1, 0));
  m.down(peer(1));
  m.up(peer(2), kSecondNs - 1);
  EXPECT_EQ(m.size(), 2u);
  m.up(peer(3), kSecondNs);
  EXPECT_EQ(m.size(), 2u);
}

}  // namespace
}  // namespace hanse::peers
