#include "mesh/gossip/broadcast.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hanse::gossip {
namespace {

PeerId peer(std::uint32_t n) {
  PeerId id;
  store_be(id.data.data(), n + 1);
  return id;
}
TopicId topic() {
  TopicId t;
  t.data.fill(1);
  return t;
}
Held message(std::uint64_t seq, std::size_t bytes = 10, std::uint8_t hops = 0) {
  Stored s;
  s.hops = hops;
  s.gossip.message = {.topic = topic(), .origin = peer(50), .seq = seq, .hlc = seq, .payload = Bytes(bytes, 1)};
  s.id = message_id(s.gossip.message);
  return std::make_shared<const Stored>(std::move(s));
}

struct One {
  explicit One(BroadcastConfig config = {}) : trees(config, [this](const PeerId& p) { return worth(p); }, 0) {
    for (std::uint32_t n = 1; n <= 4; ++n) trees.up(peer(n));
  }
  std::int64_t worth(const PeerId& p) const { return p == bad ? -1 : 0; }

  void get(std::uint32_t from, const Held& m, std::uint8_t hops = 1, bool flood = false) {
    out = {};
    const Arrival a{.from = peer(from), .flood = flood, .hops = hops};
    if (!trees.repeated(now, a, topic(), m->id, out)) trees.accept(now, a, m, out);
  }
  void hear(std::uint32_t from, const Body& body) {
    out = {};
    trees.receive(now, peer(from), body, out);
  }
  void tick_at(std::int64_t ms) {
    now = ms * kMs;
    out = {};
    trees.tick(now, out);
  }
  std::vector<std::uint32_t> pushed() const {
    std::vector<std::uint32_t> to;
    for (const Push& p : out.pushes) to.push_back(load_be<std::uint32_t>(p.to.data.data()) - 1);
    return to;
  }
  template <class T>
  std::vector<PeerId> sent() const {
    std::vector<PeerId> to;
    for (const Outgoing& o : out.sends)
      if (std::holds_alternative<T>(o.body)) to.push_back(o.to);
    return to;
  }

  std::int64_t now = 0;
  PeerId bad = {};
  Broadcast trees;
  BroadcastOut out;
};

using Peers = std::vector<PeerId>;
using Numbers = std::vector<std::uint32_t>;

TEST(Broadcast, begins_eager_and_a_second_copy_prunes_its_link) {
  One one;
  const Held a = message(1);
  one.get(1, a);
  EXPECT_EQ(one.pushed(), (Numbers{2, 3, 4}));
  EXPECT_EQ(one.out.deliveries.size(), 1u);
  one.get(2, a);
  EXPECT_EQ(one.sent<Prune>(), Peers{peer(2)});
  EXPECT_TRUE(one.out.deliveries.empty());
  one.hear(3, Prune{topic()});
  one.get(1, message(2));
  EXPECT_EQ(one.pushed(), Numbers{4});
  one.tick_at(5);
  EXPECT_EQ(one.sent<IHave>(), (Peers{peer(2), peer(3)}));
}

TEST(Broadcast, announcements_wait_5_ms_or_for_64_of_them) {
  One one;
  one.hear(1, Prune{topic()});
  one.get(2, message(1));
  one.hear(1, Prune{topic()});
  one.get(2, message(2));
  EXPECT_EQ(one.trees.wake_ns(), 5 * kMs);
  for (std::uint64_t i = 3; i <= 65; ++i) one.get(2, message(i));
  EXPECT_EQ(one.trees.wake_ns(), 0);
  one.tick_at(0);
  ASSERT_EQ(one.sent<IHave>(), Peers{peer(1)});
  EXPECT_EQ(std::get<IHave>(one.out.sends[0].body).messages.size(), kIdsMax);
}

TEST(Broadcast, what_was_announced_and_does_not_come_is_asked_for_one_after_the_other) {
  One one;
  const Held a = message(1);
  one.hear(2, IHave{topic(), {{a->id, 3}}});
  one.hear(3, IHave{topic(), {{a->id, 4}}});
  one.tick_at(199);
  EXPECT_TRUE(one.out.sends.empty());
  one.tick_at(200);
  ASSERT_EQ(one.sent<Graft>(), Peers{peer(2)});
  EXPECT_EQ(std::get<Graft>(one.out.sends[0].body).ids, std::vector<MessageId>{a->id});
  one.tick_at(300);  // half the time for the next
  EXPECT_EQ(one.sent<Graft>(), Peers{peer(3)});
  ASSERT_EQ(one.out.deeds.size(), 1u);
  EXPECT_EQ(one.out.deeds[0], std::pair(peer(2), Deed::kDeficit));
  one.get(3, a);
  one.tick_at(400);
  EXPECT_TRUE(one.sent<Graft>().empty());
  EXPECT_EQ(one.trees.missing(), 0u);
}

TEST(Broadcast, who_asks_becomes_eager_and_gets_it) {
  One one;
  const Held a = message(1, 10, 4);
  one.get(1, a, 4);
  one.hear(2, Prune{topic()});
  EXPECT_EQ(one.trees.eager(topic()), 3u);
  one.hear(2, Graft{topic(), {a->id, message(9)->id}});
  EXPECT_EQ(one.pushed(), Numbers{2});
  EXPECT_EQ(one.out.pushes[0].way, Push::Way::kAsked);
  EXPECT_EQ(one.out.pushes[0].hops, 5);
  EXPECT_EQ(one.trees.eager(topic()), 4u);
  EXPECT_EQ(one.trees.counters().not_kept, 1u);
  one.hear(2, Graft{topic(), {a->id}});
  EXPECT_EQ(one.out.deeds.at(0).second, Deed::kBehaviour);  // again
}

TEST(Broadcast, an_announcement_three_hops_shorter_moves_the_tree) {
  for (const std::uint8_t hops : {5, 6}) {
    One one;
    const Held a = message(1);
    one.hear(2, IHave{topic(), {{a->id, 3}}});
    one.get(1, a, hops);
    EXPECT_EQ(one.sent<Prune>(), hops == 6 ? Peers{peer(1)} : Peers{}) << int(hops);
    EXPECT_EQ(one.sent<Graft>(), hops == 6 ? Peers{peer(2)} : Peers{});
  }
}

TEST(Broadcast, a_copy_beside_the_tree_is_delivered_and_changes_nothing) {
  One one;
  const Held a = message(1);
  one.get(9, a, 1, true);
  EXPECT_EQ(one.out.deliveries.size(), 1u);
  EXPECT_TRUE(one.out.pushes.empty());
  one.get(1, a, 3);  // now the tree brings it: it goes on, and nobody is pruned
  EXPECT_TRUE(one.out.deliveries.empty());
  EXPECT_TRUE(one.sent<Prune>().empty());
  EXPECT_EQ(one.pushed(), (Numbers{2, 3, 4}));
  one.get(2, a, 3);
  EXPECT_EQ(one.sent<Prune>(), Peers{peer(2)});
}

TEST(Broadcast, a_copy_that_the_tree_never_brings_is_sent_on_after_a_while) {
  One one;
  one.get(9, message(1), 1, true);
  one.tick_at(399);
  EXPECT_TRUE(one.out.pushes.empty());
  one.tick_at(400);
  EXPECT_EQ(one.pushed(), (Numbers{1, 2, 3, 4}));
  one.tick_at(1'000);
  EXPECT_TRUE(one.out.pushes.empty());
}

TEST(Broadcast, own_messages_go_to_all_neighbours_and_four_more) {
  One one;
  one.get(1, message(1));
  one.hear(2, Prune{topic()});
  one.out = {};
  one.trees.publish(0, message(2), {peer(20), peer(21), peer(22), peer(23), peer(24)}, one.out);
  EXPECT_EQ(one.pushed(), (Numbers{1, 2, 3, 4, 20, 21, 22, 23}));
  EXPECT_EQ(one.out.pushes[1].way, Push::Way::kBeside);
  EXPECT_EQ(one.out.pushes[0].way, Push::Way::kTree);
}

TEST(Broadcast, who_loses_its_last_eager_link_asks_another) {
  One one;
  one.get(1, message(1));
  for (std::uint32_t n = 2; n <= 4; ++n) one.hear(n, Prune{topic()});
  one.out = {};
  one.trees.down(peer(1), one.out);
  ASSERT_EQ(one.sent<Graft>().size(), 1u);
  EXPECT_EQ(one.trees.eager(topic()), 1u);
}

TEST(Broadcast, peers_below_zero_are_given_ids_only) {
  One one;
  one.bad = peer(3);
  one.get(1, message(1));
  EXPECT_EQ(one.pushed(), (Numbers{2, 4}));
  one.tick_at(5);
  EXPECT_EQ(one.sent<IHave>(), Peers{peer(3)});
}

TEST(Broadcast, a_slow_peer_is_told_what_it_was_not_sent) {
  One one;
  const Held a = message(1);
  one.get(1, a);
  one.trees.slowed(0, peer(2), {{peer(2), a, 2, Push::Way::kTree}});
  one.tick_at(5);
  EXPECT_EQ(one.sent<IHave>(), Peers{peer(2)});
  one.get(1, message(2));
  EXPECT_EQ(one.pushed(), (Numbers{3, 4}));
  one.hear(2, Graft{topic(), {a->id}});  // it can again
  one.get(1, message(3));
  EXPECT_EQ(one.pushed(), (Numbers{2, 3, 4}));
}

TEST(Broadcast, everything_is_bounded) {
  BroadcastConfig config;
  config.store.kept_bytes = 20'000;
  One one(config);
  for (std::uint64_t i = 0; i < 200; ++i) {
    one.get(1, message(i, 1'000));
    ASSERT_LE(one.trees.kept(topic())->bytes(), 20'000u);
  }
  for (std::uint64_t i = 0; i < kMissingMax + 100; ++i) one.hear(2, IHave{topic(), {{message(1'000 + i)->id, 1}}});
  EXPECT_EQ(one.trees.missing(), kMissingMax);
  EXPECT_EQ(one.trees.counters().missing_dropped, 100u);
  for (std::uint8_t n = 0; n < 200; ++n) {
    TopicId other;
    other.data.fill(n);
    one.hear(2, Graft{other, {}});
    ASSERT_LE(one.trees.topics(), kTopicsMax);
  }
}

TEST(Broadcast, messages_are_kept_a_minute_and_their_ids_five) {
  One one;
  const Held a = message(1);
  one.get(1, a);
  one.tick_at(60'000);
  EXPECT_NE(one.trees.find(topic(), a->id), nullptr);
  one.tick_at(80'000);
  EXPECT_EQ(one.trees.find(topic(), a->id), nullptr);
  EXPECT_TRUE(one.trees.seen(a->id));
  SeenIds seen(300'000);
  seen.add(0, a->id, {});
  seen.add(301'000 * kMs, message(2)->id, {});
  EXPECT_NE(seen.find(a->id), nullptr);
  seen.add(602'000 * kMs, message(3)->id, {});
  EXPECT_EQ(seen.find(a->id), nullptr);
  for (std::uint64_t i = 0; i < 3 * kSeenMax; ++i) {
    MessageId id;
    store_be(id.data.data(), i);
    seen.add(602'000 * kMs, id, {});
    ASSERT_LE(seen.size(), kSeenMax);
  }
}

}  // namespace
}  // namespace hanse::gossip
