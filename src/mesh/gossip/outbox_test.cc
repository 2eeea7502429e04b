#include "mesh/gossip/outbox.h"

#include <gtest/gtest.h>

#include "mesh/gossip/score.h"

namespace hanse::gossip {
namespace {

Frame frame_of(std::size_t bytes) { return std::make_shared<const Bytes>(bytes, 1); }

struct One {
  OutboxConfig config{.queue_bytes = 1'000, .in_flight_bytes = 300};
  Outbox box;
  Outbox::Shed shed;
  ShedCounters counters;
  Outbox::Outcome push(Class cls, std::size_t bytes, std::uint8_t mark = 0) {
    const Push p{.to = {}, .message = nullptr, .hops = mark};
    return box.push(config, cls, frame_of(bytes), cls == Class::kMessage ? &p : nullptr, shed, counters);
  }
};

TEST(Outbox, hands_out_what_the_connection_may_take_and_waits_for_the_rest) {
  One one;
  for (int i = 0; i < 5; ++i) one.push(Class::kMessage, 100);
  EXPECT_EQ(one.box.take(one.config).size(), 3u);
  EXPECT_TRUE(one.box.take(one.config).empty());
  one.box.sent(100);
  EXPECT_EQ(one.box.take(one.config).size(), 1u);
  EXPECT_EQ(one.box.queued_bytes(), 100u);
  one.box.sent(10'000);  // more than was given: a repeated report
  EXPECT_EQ(one.box.in_flight_bytes(), 0u);
}

TEST(Outbox, control_goes_first_and_reconciliation_last) {
  One one;
  one.push(Class::kReconcile, 14);
  one.push(Class::kAnnounce, 13);
  one.push(Class::kMessage, 12);
  one.push(Class::kControl, 11);
  const auto out = one.box.take(one.config);
  ASSERT_EQ(out.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(out[i]->size(), 11 + i);
}

TEST(Outbox, a_frame_larger_than_the_window_goes_alone) {
  One one;
  one.push(Class::kMessage, 900);
  EXPECT_EQ(one.box.take(one.config).size(), 1u);
}

TEST(Outbox, sheds_reconciliation_then_announcements_then_the_oldest_messages) {
  One one;
  one.push(Class::kReconcile, 300);
  one.push(Class::kAnnounce, 300);
  one.push(Class::kMessage, 400, 1);
  EXPECT_EQ(one.box.queued_bytes(), 1'000u);  // at the limit: nothing is shed
  EXPECT_EQ(one.counters.reconciliations, 0u);
  one.push(Class::kMessage, 300, 2);
  EXPECT_EQ(one.counters.reconciliations, 1u);
  EXPECT_TRUE(one.shed.announcements.empty());
  one.push(Class::kMessage, 300, 3);
  EXPECT_EQ(one.shed.announcements.size(), 1u);
  EXPECT_EQ(one.counters.announcements, 1u);
  one.push(Class::kMessage, 100, 4);
  ASSERT_EQ(one.shed.messages.size(), 1u);
  EXPECT_EQ(one.shed.messages[0].hops, 1);
  EXPECT_EQ(one.counters.messages, 1u);
  EXPECT_LE(one.box.queued_bytes(), 1'000u);
}

TEST(Outbox, control_alone_over_the_limit_gives_the_connection_up) {
  One one;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(one.push(Class::kControl, 100), Outbox::Outcome::kTaken);
  EXPECT_EQ(one.push(Class::kControl, 1), Outbox::Outcome::kOverflow);
  EXPECT_EQ(one.counters.overflows, 1u);
}

PeerId peer(std::uint32_t n) {
  PeerId id;
  store_be(id.data.data(), n);
  return id;
}
constexpr std::int64_t kSecondNs = 1'000 * kMs;

TEST(Score, two_forgeries_silence_and_eleven_ban_for_an_hour) {
  Scores s;
  s.did(0, peer(1), Deed::kInvalid);
  EXPECT_EQ(s.of(0, peer(1)), -100);
  s.did(0, peer(1), Deed::kInvalid);
  EXPECT_LT(s.of(0, peer(1)), kScoreIgnored);
  for (int i = 2; i < 10; ++i) s.did(0, peer(1), Deed::kInvalid);
  EXPECT_FALSE(s.banned(0, peer(1)));
  s.did(0, peer(1), Deed::kInvalid);
  EXPECT_TRUE(s.banned(0, peer(1)));
  EXPECT_TRUE(s.banned(3'599 * kSecondNs, peer(1)));
  EXPECT_FALSE(s.banned(3'601 * kSecondNs, peer(1)));
}

TEST(Score, everything_decays_to_97_of_100_a_second) {
  Scores s;
  for (int i = 0; i < 100; ++i) s.did(0, peer(1), Deed::kFirstDelivery);
  EXPECT_EQ(s.of(0, peer(1)), 100);
  EXPECT_EQ(s.of(1 * kSecondNs, peer(1)), 97);
  EXPECT_EQ(s.of(60 * kSecondNs, peer(1)), 16);
  EXPECT_EQ(s.of(600 * kSecondNs, peer(1)), 0);
}

TEST(Score, a_thin_line_never_silences_a_peer) {
  Scores s;
  for (int i = 0; i < 1'000; ++i) s.did(0, peer(1), Deed::kDeficit);
  EXPECT_EQ(s.of(0, peer(1)), -50);
}

TEST(Score, behaviour_counts_squared_after_a_little_patience) {
  Scores s;
  for (int i = 0; i < 4; ++i) s.did(0, peer(1), Deed::kBehaviour);
  EXPECT_EQ(s.of(0, peer(1)), 0);
  for (int i = 0; i < 10; ++i) s.did(0, peer(1), Deed::kBehaviour);
  EXPECT_EQ(s.of(0, peer(1)), -100);
}

TEST(Score, peers_are_bounded_and_bans_outlive_newcomers) {
  Scores s;
  for (int i = 0; i < 11; ++i) s.did(0, peer(0), Deed::kInvalid);
  for (std::uint32_t n = 1; n < 5'000; ++n) {
    s.did(n * kMs, peer(n), Deed::kFirstDelivery);
    ASSERT_LE(s.size(), kScoresMax);
  }
  EXPECT_TRUE(s.banned(5 * kSecondNs, peer(0)));
}

}  // namespace
}  // namespace hanse::gossip
