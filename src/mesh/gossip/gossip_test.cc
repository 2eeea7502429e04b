#include "mesh/gossip/gossip.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

namespace hanse::gossip {
namespace {

TopicId topic_of(std::uint8_t n) {
  TopicId t;
  t.data.fill(n);
  return t;
}

// A few nodes with real ML-DSA-65 keys, over links of 10 ms that lose nothing.
struct Cluster {
  struct Member {
    std::unique_ptr<MlDsaKeys> keys;
    std::unique_ptr<SeededRandom> random;
    std::unique_ptr<Node> node;
    std::vector<Held> delivered;
    std::vector<Notice> notices;
    std::vector<PeerId> keys_wanted;
  };
  struct Flight {
    std::int64_t at;
    std::size_t to;
    PeerId from;
    Frame frame;
  };

  explicit Cluster(std::size_t n, bool know_keys = true, Config config = {}) {
    std::vector<crypto::PublicKey> all;
    for (std::size_t i = 0; i < n; ++i) {
      auto key = crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa65, Bytes(32, static_cast<std::uint8_t>(i + 1)));
      all.push_back(key->public_key());
      Member m;
      m.keys = std::make_unique<MlDsaKeys>(std::make_shared<crypto::SecretKey>(std::move(*key)));
      m.random = std::make_unique<SeededRandom>(i, "cluster");
      m.node = *Node::create(config, m.keys->self(), *m.keys, *m.random, at());
      EXPECT_TRUE(m.node->subscribe(topic_of(1)));
      members.push_back(std::move(m));
    }
    public_keys = all;
    for (Member& m : members) {
      for (std::size_t i = 0; know_keys && i < n; ++i) {
        EXPECT_TRUE(m.keys->learn(all[i]));
      }
    }
    for (std::size_t i = 1; i < n; ++i) {
      apply(i, members[i].node->join(at(), members[0].keys->self()));
      run(300);
    }
  }

  Now at() const { return {.mono_ns = now, .wall_ms = 1'800'000'000'000 + now / kMs}; }
  std::size_t index(const PeerId& id) const {
    for (std::size_t i = 0; i < members.size(); ++i)
      if (members[i].keys->self() == id) return i;
    return members.size();
  }
  void apply(std::size_t who, Effects e) {
    Member& m = members[who];
    std::ranges::move(e.deliveries, std::back_inserter(m.delivered));
    std::ranges::move(e.notices, std::back_inserter(m.notices));
    std::ranges::move(e.keys_wanted, std::back_inserter(m.keys_wanted));
    for (SendFrame& s : e.sends) {
      sent_bytes += s.frame->size();
      const std::size_t to = index(s.to);
      if (to < members.size()) flights.push_back({now + 10 * kMs, to, m.keys->self(), s.frame});
      apply(who, m.node->sent(at(), s.to, s.frame->size()));
    }
  }
  void run(std::int64_t ms) {
    const std::int64_t until = now + ms * kMs;
    for (;;) {
      std::int64_t next = flights.empty() ? INT64_MAX : flights.front().at;
      for (const Member& m : members) next = std::min(next, std::max(now, m.node->wake_ns()));
      if (next > until) break;
      now = next;
      while (!flights.empty() && flights.front().at <= now) {
        const Flight f = flights.front();
        flights.pop_front();
        apply(f.to, members[f.to].node->receive(at(), f.from, *f.frame));
      }
      for (std::size_t i = 0; i < members.size(); ++i)
        if (members[i].node->wake_ns() <= now) apply(i, members[i].node->tick(at()));
    }
    now = until;
  }

  std::int64_t now = 0;
  std::vector<Member> members;
  std::vector<crypto::PublicKey> public_keys;
  std::deque<Flight> flights;  // links are equally long: in order
  std::size_t sent_bytes = 0;
};

TEST(Gossip, a_burst_reaches_everybody_once_for_one_signature) {
  Cluster c(6);
  for (int i = 0; i < 100; ++i)
    c.apply(2, *c.members[2].node->publish(c.at(), topic_of(1), Bytes(100, static_cast<std::uint8_t>(i))));
  c.run(2'000);
  for (const auto& m : c.members) {
    ASSERT_EQ(m.delivered.size(), 100u);
    std::vector<MessageId> ids;
    for (const Held& h : m.delivered) ids.push_back(h->id);
    std::ranges::sort(ids);
    EXPECT_TRUE(std::ranges::unique(ids).empty());
    EXPECT_EQ(m.delivered[0]->gossip.message.origin, c.members[2].keys->self());
  }
  EXPECT_EQ(c.members[2].node->counters().batches_signed, 1u);
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_EQ(c.members[i].node->counters().signatures_checked, i == 2 ? 0u : 1u) << i;
}

TEST(Gossip, the_signature_travels_once_to_each_peer) {
  Cluster c(2);
  c.sent_bytes = 0;
  for (int i = 0; i < 64; ++i) c.apply(0, *c.members[0].node->publish(c.at(), topic_of(1), Bytes(10, 1)));
  c.run(500);
  ASSERT_EQ(c.members[1].delivered.size(), 64u);
  // 64 messages with a path of 6 hashes each, and one signature.
  EXPECT_LT(c.sent_bytes, 64 * (10 + 142 + 6 * 32) + 3'309 + 2'000u);
  EXPECT_GT(c.sent_bytes, 3'309u);
}

TEST(Gossip, a_message_of_an_unknown_key_waits_for_it) {
  Cluster c(3, false);
  c.apply(1, *c.members[1].node->publish(c.at(), topic_of(1), to_bytes("who am I")));
  c.run(500);
  auto& m = c.members[0];
  EXPECT_TRUE(m.delivered.empty());
  ASSERT_EQ(m.keys_wanted, std::vector<PeerId>{c.members[1].keys->self()});
  ASSERT_TRUE(m.keys->learn(c.public_keys[1]));
  c.apply(0, m.node->key_known(c.at(), c.members[1].keys->self()));
  EXPECT_EQ(m.delivered.size(), 1u);
}

TEST(Gossip, an_unknown_key_is_asked_for_with_every_message) {
  Cluster c(3, false);
  for (const char* words : {"who am I", "and still"}) {
    c.apply(1, *c.members[1].node->publish(c.at(), topic_of(1), to_bytes(words)));
    c.run(500);
  }
  const PeerId origin = c.members[1].keys->self();
  EXPECT_EQ(c.members[0].keys_wanted, (std::vector<PeerId>{origin, origin}));
}

TEST(Gossip, forgeries_are_not_delivered_nor_sent_on_and_end_in_a_ban) {
  Cluster c(3);
  const PeerId liar = c.members[1].keys->self();
  const std::size_t before = c.members[0].node->broadcast().counters().delivered;
  for (std::uint64_t i = 0; i < 20; ++i) {
    Gossip g;
    g.message = {.topic = topic_of(1),
                 .origin = c.members[2].keys->self(),
                 .seq = i,
                 .hlc = hlc_of(c.at().wall_ms),
                 .payload = to_bytes("forged")};
    g.batch = {.origin = g.message.origin, .count = 1, .root = Hash32{message_id(g.message).data}};
    g.signature = Bytes(3'309, 5);
    c.apply(0, c.members[0].node->receive(c.at(), liar, encode(g)));
    c.now += kMs;
  }
  EXPECT_TRUE(c.members[0].delivered.empty());
  EXPECT_EQ(c.members[0].node->broadcast().counters().delivered, before);
  EXPECT_LT(c.members[0].node->score(c.at(), liar), kScoreIgnored);
  EXPECT_GT(c.members[0].node->counters().frames_ignored, 0u);
  // Frames that are none are counted on: they lead out.
  for (int i = 0; i < 20; ++i) c.apply(0, c.members[0].node->receive(c.at(), liar, Bytes{0xff}));
  EXPECT_FALSE(c.members[0].node->membership().is_active(liar));
  EXPECT_TRUE(std::ranges::any_of(c.members[0].notices, [](const Notice& n) { return n.kind == NoticeKind::kBanned; }));
  const auto refused = c.members[0].node->receive(c.at(), liar, encode(Body(Join{})));
  EXPECT_EQ(refused.closes, std::vector<PeerId>{liar});
  EXPECT_TRUE(refused.sends.empty());
}

TEST(Gossip, messages_from_far_in_the_future_are_left_out) {
  Cluster c(2);
  Message m{.topic = topic_of(1), .origin = c.members[1].keys->self(), .seq = 1, .hlc = 0, .payload = to_bytes("late")};
  m.hlc = hlc_of(c.at().wall_ms + kHlcAheadMs + 1'000);
  const auto held = seal(0, {m}, *c.members[1].keys);
  c.apply(0, c.members[0].node->receive(c.at(), m.origin, encode(held[0]->gossip)));
  EXPECT_TRUE(c.members[0].delivered.empty());
  EXPECT_EQ(c.members[0].node->counters().messages_early, 1u);
  EXPECT_EQ(c.members[0].node->score(c.at(), m.origin), 0);  // its clock is wrong, no more
}

TEST(Gossip, signature_checks_of_one_peer_are_rationed) {
  Cluster c(2);
  const PeerId from = c.members[1].keys->self();
  for (std::uint64_t i = 0; i < 400; ++i) {
    const Message m{
        .topic = topic_of(1), .origin = from, .seq = i + 1, .hlc = hlc_of(c.at().wall_ms), .payload = Bytes(8, 1)};
    c.apply(0, c.members[0].node->receive(c.at(), from, encode(seal(0, {m}, *c.members[1].keys)[0]->gossip)));
  }
  const auto& counters = c.members[0].node->counters();
  EXPECT_EQ(counters.signatures_checked, kChecksPerSecond);
  EXPECT_EQ(counters.checks_queued, kChecksQueued);
  EXPECT_EQ(counters.checks_shed, 400 - kChecksPerSecond - kChecksQueued);
  c.run(1'000);
  EXPECT_EQ(c.members[0].delivered.size(), kChecksPerSecond + kChecksQueued);
}

TEST(Gossip, who_was_away_is_brought_up_to_date) {
  Cluster c(4);
  c.apply(0, *c.members[0].node->publish(c.at(), topic_of(1), to_bytes("first")));
  c.run(200);
  // A message that only member 0 has, as after a partition.
  Message m{.topic = topic_of(1),
            .origin = c.members[3].keys->self(),
            .seq = 900,
            .hlc = hlc_of(c.at().wall_ms),
            .payload = to_bytes("parted")};
  auto g = seal(0, {m}, *c.members[3].keys)[0]->gossip;
  g.flood = 1;
  (void)c.members[0].node->receive(c.at(), c.members[1].keys->self(), encode(g));
  c.run(40'000);
  for (const auto& member : c.members)
    EXPECT_EQ(std::ranges::count_if(member.delivered, [](const Held& h) { return h->gossip.message.seq == 900; }),
              &member == &c.members[0] ? 0 : 1);  // its own delivery was dropped above
}

TEST(Gossip, only_subscribed_topics_are_delivered_and_all_are_carried) {
  Cluster c(4);
  c.members[3].node->unsubscribe(topic_of(1));
  c.apply(1, *c.members[1].node->publish(c.at(), topic_of(2), to_bytes("nobody listens")));
  c.apply(1, *c.members[1].node->publish(c.at(), topic_of(1), to_bytes("some do")));
  c.run(500);
  EXPECT_EQ(c.members[0].delivered.size(), 1u);
  EXPECT_EQ(c.members[3].delivered.size(), 0u);
  EXPECT_EQ(c.members[3].node->broadcast().counters().delivered, 2u);
}

TEST(Gossip, what_is_asked_for_wrongly_is_refused) {
  Cluster c(1);
  Node& node = *c.members[0].node;
  EXPECT_EQ(node.publish(c.at(), topic_of(1), Bytes(kPayloadBytesMax + 1)).error().id(), "gossip.payload");
  EXPECT_TRUE(node.publish(c.at(), topic_of(1), Bytes(kPayloadBytesMax)));
  EXPECT_EQ(node.publish(c.at(), TopicId{}, {}).error().id(), "gossip.payload");
  for (std::size_t i = 1; i < kSubscriptionsMax; ++i)
    EXPECT_TRUE(node.subscribe(topic_of(static_cast<std::uint8_t>(i + 1))));
  EXPECT_EQ(node.subscribe(topic_of(200)).error().id(), "gossip.subscriptions");
  Config bad;
  bad.membership.active = 0;
  SeededRandom random(1);
  EXPECT_EQ(Node::create(bad, {}, *c.members[0].keys, random, c.at()).error().id(), "gossip.config");
  bad = {};
  bad.detector.probe_ms = 0;
  EXPECT_EQ(Node::create(bad, {}, *c.members[0].keys, random, c.at()).error().id(), "gossip.config");
}

TEST(Gossip, peers_with_state_are_bounded) {
  Cluster c(1);
  for (std::uint32_t n = 1; n < 2'000; ++n) {
    PeerId id;
    store_be(id.data.data(), n);
    (void)c.members[0].node->receive(c.at(), id, encode(Body(Ping{n, 0, 0})));
    ASSERT_LE(c.members[0].node->peers(), kPeersMax);
  }
}

TEST(Gossip, hybrid_time_ascends_and_is_not_dragged_away) {
  Hlc clock;
  const std::uint64_t a = clock.next(1'000), b = clock.next(1'000), c = clock.next(900);
  EXPECT_LT(a, b);
  EXPECT_LT(b, c);  // though the wall clock went back
  EXPECT_TRUE(clock.observe(hlc_of(1'000 + kHlcAheadMs), 1'000));
  EXPECT_GT(clock.next(1'000), hlc_of(1'000 + kHlcAheadMs));
  EXPECT_FALSE(clock.observe(hlc_of(1'001 + kHlcAheadMs), 1'000));
}

}  // namespace
}  // namespace hanse::gossip
