#include "mesh/gossip/detector.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hanse::gossip {
namespace {

PeerId peer(std::uint32_t n) {
  PeerId id;
  store_be(id.data.data(), n + 1);
  return id;
}

struct One {
  One() : random(4, "detector test"), detector({}, random, 0) {
    for (std::uint32_t n = 1; n <= 5; ++n) detector.up(0, peer(n));
  }
  // To the next moment at which something is due.
  void step() {
    now = std::max(now, detector.wake_ns());
    out = {};
    detector.tick(now, out);
    for (const PeerId& p : out.failed) failed.push_back(p);
    for (const Outgoing& o : out.sends) {
      if (const auto* ping = std::get_if<Ping>(&o.body)) answer(o.to, *ping);
      if (std::holds_alternative<PingRequest>(o.body)) ++asked_helpers;
    }
  }
  void answer(const PeerId& p, const Ping& ping) {
    if (std::ranges::count(silent, p) != 0) {
      last_ping = ping;
      return;
    }
    DetectorOut more;
    detector.receive(now + 40 * kMs, p, Ack{ping.nonce, 1, 1}, true, more);
  }
  void run(std::int64_t ms) {
    const std::int64_t until = now + ms * kMs;
    while (detector.wake_ns() <= until) step();
    now = until;
  }
  std::int64_t now = 0;
  SeededRandom random;
  Detector detector;
  DetectorOut out;
  std::vector<PeerId> silent, failed;
  Ping last_ping;
  int asked_helpers = 0;
};

TEST(Detector, neighbours_that_answer_are_left_alone_and_each_has_its_turn) {
  One one;
  one.run(10'000);
  EXPECT_EQ(one.detector.counters().probes, 10u);
  EXPECT_EQ(one.detector.counters().suspicions, 0u);
  EXPECT_EQ(one.detector.rtt_p90_ns(), 40 * kMs);
}

TEST(Detector, a_silent_neighbour_is_asked_through_three_others_suspected_and_failed) {
  One one;
  one.silent = {peer(3)};
  one.run(20'000);
  EXPECT_EQ(one.failed, std::vector<PeerId>{peer(3)});
  EXPECT_GE(one.asked_helpers, 3);
  EXPECT_EQ(one.detector.counters().suspicions, 1u);
  EXPECT_LE(one.now, 20'000 * kMs);
}

TEST(Detector, a_neighbour_heard_in_the_last_two_seconds_is_not_suspected) {
  One one;
  one.silent = {peer(3)};
  for (int i = 0; i < 40; ++i) {
    one.detector.heard(one.now, peer(3));
    one.run(500);
  }
  EXPECT_TRUE(one.failed.empty());
  EXPECT_EQ(one.detector.counters().suspicions, 0u);
}

TEST(Detector, only_a_higher_incarnation_clears_a_suspicion) {
  One one;
  one.silent = {peer(3)};
  while (!one.detector.suspected(peer(3))) one.run(100);
  while (one.last_ping.suspected == 0) one.step();
  DetectorOut out;
  one.detector.receive(one.now, peer(3), Ack{one.last_ping.nonce, one.last_ping.incarnation, 1}, true, out);
  EXPECT_TRUE(one.detector.suspected(peer(3)));  // sent before it knew
  one.detector.receive(one.now, peer(1), PingAnswer{7, peer(3), one.last_ping.incarnation + 1}, true, out);
  EXPECT_FALSE(one.detector.suspected(peer(3)));
  EXPECT_EQ(one.detector.counters().refutations, 1u);
}

TEST(Detector, who_is_suspected_answers_with_a_higher_incarnation) {
  One one;
  DetectorOut out;
  one.detector.receive(0, peer(1), Ping{5, 1, one.detector.incarnation()}, true, out);
  const Ack ack = std::get<Ack>(out.sends.at(0).body);
  EXPECT_EQ(ack.incarnation, 2u);
  EXPECT_EQ(ack.neighbour, 1);
  // Nor can anybody push it to the end of the numbers.
  one.detector.receive(0, peer(1), Ping{6, 1, UINT64_MAX}, true, out);
  EXPECT_EQ(one.detector.incarnation(), 2u);
}

TEST(Detector, pings_for_a_neighbour_are_carried_out_and_bounded) {
  One one;
  DetectorOut out;
  one.detector.receive(0, peer(1), PingRequest{77, peer(9), 1, 4}, true, out);
  ASSERT_EQ(out.sends.size(), 1u);
  EXPECT_EQ(out.sends[0].to, peer(9));
  const Ping ping = std::get<Ping>(out.sends[0].body);
  EXPECT_EQ(ping.suspected, 1);
  out = {};
  one.detector.receive(0, peer(8), Ack{ping.nonce, 5, 0}, false, out);  // not whom we asked
  EXPECT_TRUE(out.sends.empty());
  one.detector.receive(0, peer(9), Ack{ping.nonce, 5, 0}, false, out);
  ASSERT_EQ(out.sends.size(), 1u);
  EXPECT_EQ(std::get<PingAnswer>(out.sends[0].body), (PingAnswer{77, peer(9), 5}));
  EXPECT_TRUE(out.disowned.empty());  // of us it says nothing
  out = {};
  for (std::uint64_t i = 0; i < kRelaysMax + 10; ++i)
    one.detector.receive(0, peer(1), PingRequest{i, peer(9), 0, 0}, true, out);
  EXPECT_EQ(out.sends.size(), kRelaysMax);
  out = {};
  one.detector.receive(0, peer(99), PingRequest{1, peer(9), 0, 0}, false, out);  // from no neighbour
  EXPECT_TRUE(out.sends.empty());
}

TEST(Detector, a_neighbour_that_does_not_have_us_is_told_of) {
  One one;
  DetectorOut out;
  one.detector.receive(0, peer(2), Ack{1, 1, 0}, true, out);
  EXPECT_EQ(out.disowned, std::vector<PeerId>{peer(2)});
}

}  // namespace
}  // namespace hanse::gossip
