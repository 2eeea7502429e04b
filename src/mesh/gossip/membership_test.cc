#include "mesh/gossip/membership.h"

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
  explicit One(MembershipConfig config = {}, std::uint64_t seed = 1)
      : random(seed, "membership test"), views(peer(0), config, random, 0) {}

  void get(const PeerId& from, const Body& body) { views.receive(now, from, body, out); }
  // A neighbour that asked us.
  void inbound(std::uint32_t n) { get(peer(n), Neighbor{Urgency::kJoin}); }
  // A neighbour that we asked.
  void outbound(std::uint32_t n) {
    views.join(now, peer(n), out);
    get(peer(n), NeighborReply{1});
  }
  template <class T>
  std::size_t sent_to(const PeerId& to) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        out.sends, [&](const Outgoing& o) { return o.to == to && std::holds_alternative<T>(o.body); }));
  }
  template <class T>
  std::size_t sent() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(out.sends, [](const Outgoing& o) { return std::holds_alternative<T>(o.body); }));
  }

  std::int64_t now = 1'000 * kMs;
  SeededRandom random;
  Membership views;
  MembershipOut out;
};

TEST(Membership, a_join_is_taken_in_and_walks_to_every_neighbour) {
  One one;
  one.inbound(1), one.inbound(2);
  one.out = {};
  one.get(peer(3), Join{});
  EXPECT_TRUE(one.views.is_active(peer(3)));
  EXPECT_EQ(one.sent_to<NeighborReply>(peer(3)), 1u);
  for (std::uint32_t n : {1u, 2u}) {
    ASSERT_EQ(one.sent_to<ForwardJoin>(peer(n)), 1u);
  }
  const auto walk =
      std::ranges::find_if(one.out.sends, [](auto& o) { return std::holds_alternative<ForwardJoin>(o.body); });
  EXPECT_EQ(std::get<ForwardJoin>(walk->body), (ForwardJoin{peer(3), kArwl}));
}

TEST(Membership, more_joins_than_the_rate_are_passed_on) {
  One one;
  one.inbound(1);
  for (std::uint32_t n = 10; n < 16; ++n) one.get(peer(n), Join{});
  EXPECT_EQ(one.views.counters().joins_accepted, 4u);
  EXPECT_EQ(one.views.counters().joins_forwarded, 2u);
  EXPECT_FALSE(one.views.is_active(peer(15)));
  one.now += 250 * kMs;  // credit for one more
  one.get(peer(15), Join{});
  EXPECT_TRUE(one.views.is_active(peer(15)));
}

TEST(Membership, a_walk_ends_where_it_is_used_up_and_leaves_a_name_on_the_way) {
  One one;
  one.inbound(1), one.inbound(2);
  one.out = {};
  one.get(peer(1), ForwardJoin{peer(9), kPrwl});
  EXPECT_EQ(one.views.passive(), std::vector<PeerId>{peer(9)});
  EXPECT_EQ(one.sent_to<ForwardJoin>(peer(2)), 1u);
  EXPECT_EQ(one.sent<Neighbor>(), 0u);
  one.get(peer(1), ForwardJoin{peer(8), 0});
  EXPECT_EQ(one.sent_to<Neighbor>(peer(8)), 1u);
  one.get(peer(77), ForwardJoin{peer(6), 0});  // from no neighbour: nothing
  EXPECT_EQ(one.sent_to<Neighbor>(peer(6)), 0u);
}

TEST(Membership, low_requests_need_a_free_place_and_high_ones_make_one) {
  One one;
  for (std::uint32_t n = 1; n <= 4; ++n) one.inbound(n);
  for (std::uint32_t n = 5; n <= 8; ++n) one.outbound(n);
  ASSERT_EQ(one.views.active().size(), 8u);
  one.out = {};
  one.get(peer(20), Neighbor{Urgency::kLow});
  EXPECT_FALSE(one.views.is_active(peer(20)));
  EXPECT_EQ(std::get<NeighborReply>(one.out.sends.back().body).accepted, 0);
  for (std::uint32_t n = 30; n < 34; ++n) one.get(peer(n), Neighbor{Urgency::kJoin});
  EXPECT_EQ(one.views.active().size(), 12u);  // the hard limit
  one.get(peer(40), Neighbor{Urgency::kJoin});
  EXPECT_FALSE(one.views.is_active(peer(40)));
  one.out = {};
  one.get(peer(41), Neighbor{Urgency::kHigh});
  EXPECT_TRUE(one.views.is_active(peer(41)));
  EXPECT_EQ(one.views.active().size(), 12u);
  EXPECT_EQ(one.sent<Disconnect>(), 1u);
  EXPECT_EQ(one.out.downs.size(), 1u);
}

TEST(Membership, those_who_dial_us_cannot_surround_us) {
  One one;
  for (std::uint32_t n = 1; n <= 4; ++n) one.outbound(n);
  for (std::uint32_t n = 100; n < 200; ++n) one.get(peer(n), Neighbor{Urgency::kHigh});
  EXPECT_LE(one.views.active().size(), 12u);
  for (std::uint32_t n = 1; n <= 4; ++n) EXPECT_TRUE(one.views.is_active(peer(n))) << n;
}

TEST(Membership, neighbours_of_one_address_group_are_two_at_most) {
  One one;
  for (std::uint32_t n = 1; n <= 3; ++n) one.views.set_group(peer(n), 7);
  for (std::uint32_t n = 1; n <= 3; ++n) one.inbound(n);
  EXPECT_EQ(one.views.active().size(), 2u);
  one.inbound(4);
  one.inbound(5);  // of no known group
  EXPECT_EQ(one.views.active().size(), 4u);
}

TEST(Membership, a_failed_neighbour_is_replaced_from_the_passive_view) {
  One one;
  one.inbound(1);
  for (std::uint32_t n = 10; n < 20; ++n) one.views.learn(peer(n));
  one.out = {};
  one.views.failed(one.now, peer(1), one.out);
  EXPECT_EQ(one.out.downs, std::vector<PeerId>{peer(1)});
  EXPECT_EQ(one.sent<Neighbor>(), kRequestsAtOnce);
  const Outgoing asked = one.out.sends.front();
  EXPECT_EQ(std::get<Neighbor>(asked.body).urgency, Urgency::kHigh);  // nobody is left
  one.get(asked.to, NeighborReply{1});
  EXPECT_TRUE(one.views.is_active(asked.to));
  EXPECT_EQ(std::ranges::count(one.views.passive(), asked.to), 0);
  EXPECT_EQ(std::ranges::count(one.views.passive(), peer(1)), 0);
}

TEST(Membership, a_request_without_an_answer_costs_the_candidate_its_place) {
  One one;
  one.inbound(1);
  one.views.learn(peer(10));
  one.views.failed(one.now, peer(1), one.out);
  ASSERT_EQ(one.sent_to<Neighbor>(peer(10)), 1u);
  one.now += 3'000 * kMs - 1;
  one.views.tick(one.now, one.out);
  EXPECT_EQ(one.views.counters().requests_timed_out, 0u);
  one.now += 1;
  one.views.tick(one.now, one.out);
  EXPECT_EQ(one.views.counters().requests_timed_out, 1u);
  EXPECT_TRUE(one.views.passive().empty());
  EXPECT_TRUE(one.out.isolated);
}

TEST(Membership, an_acceptance_that_nobody_waits_for_is_given_back) {
  One one;
  one.get(peer(5), NeighborReply{1});
  EXPECT_FALSE(one.views.is_active(peer(5)));
  EXPECT_EQ(one.sent_to<Disconnect>(peer(5)), 1u);
}

TEST(Membership, shuffles_exchange_names_and_never_the_own_one) {
  One one;
  one.inbound(1), one.inbound(2);
  for (std::uint32_t n = 10; n < 14; ++n) one.views.learn(peer(n));
  one.out = {};
  one.get(peer(1), Shuffle{peer(50), 1, {peer(50), peer(0), peer(2), peer(51)}});
  ASSERT_EQ(one.sent_to<ShuffleReply>(peer(50)), 1u);
  EXPECT_EQ(std::get<ShuffleReply>(one.out.sends.back().body).peers.size(), 4u);
  EXPECT_EQ(std::ranges::count(one.views.passive(), peer(0)), 0);
  EXPECT_EQ(std::ranges::count(one.views.passive(), peer(2)), 0);  // a neighbour
  EXPECT_EQ(std::ranges::count(one.views.passive(), peer(51)), 1);
  one.out = {};
  one.get(peer(1), Shuffle{peer(50), 4, {peer(52)}});
  ASSERT_EQ(one.sent_to<Shuffle>(peer(2)), 1u);
  EXPECT_EQ(std::get<Shuffle>(one.out.sends.back().body).ttl, 3);
}

TEST(Membership, a_shuffle_comes_every_30_s_give_or_take_a_fifth) {
  One one;
  one.inbound(1);
  std::vector<std::int64_t> at;
  while (at.size() < 20) {
    one.now = std::max(one.now + 1, one.views.wake_ns());
    one.out = {};
    one.views.tick(one.now, one.out);
    if (one.sent<Shuffle>() != 0) at.push_back(one.now);
  }
  std::int64_t least = INT64_MAX, most = 0;
  for (std::size_t i = 1; i < at.size(); ++i) {
    least = std::min(least, at[i] - at[i - 1]);
    most = std::max(most, at[i] - at[i - 1]);
  }
  EXPECT_GE(least, 24'000 * kMs);
  EXPECT_LE(most, 36'000 * kMs + kMs);
  EXPECT_GT(most - least, 1'000 * kMs);  // not in step with others
}

TEST(Membership, a_lost_neighbour_is_dialled_again_and_then_the_others_quickly) {
  One one;
  one.inbound(1), one.inbound(2), one.inbound(3);
  one.views.failed(one.now, peer(1), one.out);
  one.views.failed(one.now, peer(2), one.out);
  one.views.learn(peer(1));  // what others say of it does not make it a candidate
  EXPECT_TRUE(one.views.passive().empty());
  one.out = {};
  const std::int64_t from = one.now;
  while (one.sent<Neighbor>() == 0 && one.now < from + 60'000 * kMs) {
    one.now = std::max(one.now + 1, one.views.wake_ns());
    one.views.tick(one.now, one.out);
  }
  ASSERT_EQ(one.sent<Neighbor>(), 1u);
  EXPECT_LE(one.now - from, 36'000 * kMs);
  const auto asked =
      std::ranges::find_if(one.out.sends, [](auto& o) { return std::holds_alternative<Neighbor>(o.body); });
  EXPECT_EQ(std::get<Neighbor>(asked->body).urgency, Urgency::kJoin);
  const PeerId back = asked->to;
  one.get(back, NeighborReply{1});
  EXPECT_TRUE(one.views.is_active(back));
  one.out = {};
  one.now += 1'000 * kMs;
  one.views.tick(one.now, one.out);
  EXPECT_EQ(one.sent<Neighbor>(), 1u);
}

TEST(Membership, views_stay_bounded_and_disjoint_whatever_comes) {
  constexpr std::uint64_t kSeed = 3;
  One one({}, kSeed);
  SeededRandom chance(kSeed, "what comes");
  for (int i = 0; i < 30'000; ++i) {
    const PeerId from = peer(static_cast<std::uint32_t>(chance.below(400)));
    const PeerId other = peer(static_cast<std::uint32_t>(chance.below(400)));
    switch (chance.below(10)) {
      case 0: one.get(from, Join{}); break;
      case 1: one.get(from, ForwardJoin{other, static_cast<std::uint8_t>(chance.below(7))}); break;
      case 2: one.get(from, Neighbor{static_cast<Urgency>(chance.below(3))}); break;
      case 3: one.get(from, NeighborReply{static_cast<std::uint8_t>(chance.below(2))}); break;
      case 4: one.get(from, Disconnect{}); break;
      case 5: one.get(from, Shuffle{other, static_cast<std::uint8_t>(chance.below(7)), {other, from, peer(0)}}); break;
      case 6: one.get(from, ShuffleReply{{other, peer(0), from}}); break;
      case 7: one.views.failed(one.now, from, one.out); break;
      case 8: one.views.disowned(one.now, from, one.out); break;
      default:
        one.now += static_cast<std::int64_t>(chance.below(500)) * kMs;
        one.views.tick(one.now, one.out);
        break;
    }
    one.out = {};
    const auto& v = one.views;
    ASSERT_LE(v.active().size(), 12u);
    ASSERT_LE(v.passive().size(), 128u);
    ASSERT_LE(v.lost(), kLostMax);
    ASSERT_FALSE(v.is_active(peer(0)));
    ASSERT_EQ(std::ranges::count(v.passive(), peer(0)), 0) << "seed " << kSeed << " step " << i;
    for (const auto& a : v.active()) ASSERT_EQ(std::ranges::count(v.passive(), a.peer), 0) << "step " << i;
  }
}

}  // namespace
}  // namespace hanse::gossip
