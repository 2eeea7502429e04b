#include "chain/consensus/lanes.h"

#include <gtest/gtest.h>

#include "base/core/text.h"

namespace hanse::consensus {
namespace {

const Power kPower = *Power::create({2'500, 2'500, 2'500, 2'500}, 6'700, 8'000);

VertexFrame vertex(Index lane, std::uint64_t height, const Hash32& below, std::string_view batch,
                   std::vector<Hash32> others = {}) {
  others.insert(others.begin(), below);
  return make_vertex(
      {.epoch = 0, .lane = lane, .height = height, .parents = others, .batch_root = {}, .batch_len = 0, .tx_count = 1},
      as_bytes(batch));
}
Tip tip(const VertexFrame& v) { return {.lane = v.vertex.lane, .height = v.vertex.height, .id = v.id}; }

TEST(Lanes, a_vertex_is_rooted_when_all_below_is_here) {
  Lanes lanes(kPower, {}, 1 << 20);
  const auto one = vertex(0, 1, {}, "1"), two = vertex(0, 2, one.id, "2"), three = vertex(0, 3, two.id, "3");
  EXPECT_EQ(lanes.add(three), Lanes::Took::kNew);
  EXPECT_EQ(lanes.add(two), Lanes::Took::kNew);
  EXPECT_FALSE(lanes.available(tip(three)));
  EXPECT_EQ(lanes.missing_below(three.id)->height, 1u);
  EXPECT_EQ(lanes.add(one), Lanes::Took::kNew);
  EXPECT_EQ(lanes.add(one), Lanes::Took::kKnown);
  EXPECT_EQ(lanes.take_rooted().size(), 3u);
  EXPECT_TRUE(lanes.available(tip(three)));
  EXPECT_EQ(lanes.best_tip(0, 0)->height, 3u);
  EXPECT_EQ(lanes.path(tip(three)).vertices.size(), 3u);
}

TEST(Lanes, acks_for_exactly_this_vertex_make_it_available) {
  Lanes lanes(kPower, {}, 1 << 20);
  const auto v = vertex(1, 1, {}, "v"), w = vertex(1, 1, {}, "w");
  EXPECT_TRUE(lanes.ack(0, tip(v)));
  EXPECT_FALSE(lanes.ack(0, tip(w)));  // one word a place
  EXPECT_TRUE(lanes.ack(0, tip(v)));   // a repeated one adds nothing
  EXPECT_EQ(lanes.acked_power(tip(v)), 2'500u);
  EXPECT_FALSE(lanes.available(tip(v)));
  EXPECT_TRUE(lanes.ack(2, tip(v)));
  EXPECT_TRUE(lanes.available(tip(v)));
  EXPECT_FALSE(lanes.available(tip(w)));
  EXPECT_FALSE(lanes.best_tip(1, 5'000));  // acknowledged, but not here
  lanes.add(v);
  EXPECT_TRUE(lanes.best_tip(1, 5'000));
  EXPECT_FALSE(lanes.best_tip(1, 5'001));
}

TEST(Lanes, a_fork_is_kept_only_when_wanted_and_ignored_when_it_does_not_stand_on_the_cut) {
  Lanes lanes(kPower, {}, 1 << 20);
  const auto one = vertex(0, 1, {}, "1"), other = vertex(0, 1, {}, "other"), above = vertex(0, 2, other.id, "2");
  lanes.add(one);
  EXPECT_EQ(lanes.add(other), Lanes::Took::kFork);
  EXPECT_EQ(lanes.add_wanted(other), Lanes::Took::kNew);
  lanes.add(above);
  EXPECT_TRUE(lanes.rooted(above.id));
  EXPECT_TRUE(lanes.path(tip(above)).descends);
  lanes.advance(tip(one));
  EXPECT_FALSE(lanes.path(tip(above)).descends);
  EXPECT_TRUE(lanes.available(tip(above)));  // nobody waits for what everyone ignores
  EXPECT_EQ(lanes.find(other.id), nullptr);
}

TEST(Lanes, a_tip_that_names_a_vertex_of_another_place_is_available_to_nobody) {
  Lanes lanes(kPower, {}, 1 << 20);
  const auto one = vertex(0, 1, {}, "1"), loose = vertex(0, 3, one.id, "3");
  lanes.add(one);
  lanes.add(loose);
  EXPECT_TRUE(lanes.rooted(one.id));
  EXPECT_FALSE(lanes.rooted(loose.id));  // its predecessor is not the vertex of height 2
  for (const auto* v : {&one, &loose}) {
    const Tip elsewhere{.lane = 1, .height = 7, .id = v->id};
    EXPECT_FALSE(lanes.available(elsewhere));
    EXPECT_FALSE(lanes.path(elsewhere).descends);
  }
}

TEST(Lanes, limits_hold_and_one_past_is_refused) {
  Lanes lanes(kPower, {}, 4 * kVertexBytesMax);
  const auto first = vertex(0, 1, {}, "1");
  EXPECT_EQ(lanes.add(vertex(0, kLaneWindow, first.id, "in")), Lanes::Took::kNew);
  EXPECT_EQ(lanes.add(vertex(0, kLaneWindow + 1, first.id, "out")), Lanes::Took::kFar);
  EXPECT_FALSE(lanes.ack(1, {.lane = 0, .height = kLaneWindow + 1, .id = {}}));
  const std::string big(kBatchBytesMax, 'x');
  Hash32 below;
  Lanes::Took took = Lanes::Took::kNew;
  std::uint64_t height = 1;
  for (; took == Lanes::Took::kNew; ++height) {
    const auto v = vertex(1, height, below, big);
    below = v.id;
    took = lanes.add(v);
  }
  EXPECT_EQ(took, Lanes::Took::kFull);
  EXPECT_LE(lanes.bytes(1), 5 * kVertexBytesMax);
  lanes.add(first);
  lanes.advance(tip(first));
  EXPECT_EQ(lanes.add(first), Lanes::Took::kStale);
}

TEST(Lanes, advancing_the_cut_forgets_what_is_below_and_roots_what_stands_on_it) {
  Lanes lanes(kPower, {}, 1 << 20);
  const auto one = vertex(0, 1, {}, "1"), two = vertex(0, 2, one.id, "2");
  lanes.add(two);
  EXPECT_FALSE(lanes.rooted(two.id));
  lanes.advance(tip(one));
  EXPECT_TRUE(lanes.rooted(two.id));
  EXPECT_EQ(lanes.count(0), 1u);
  lanes.advance(tip(two));
  EXPECT_EQ(lanes.count(0), 0u);
  EXPECT_EQ(lanes.bytes(0), 0u);
  lanes.advance(tip(one));  // never back
  EXPECT_EQ(lanes.cut(0).height, 2u);
}

TEST(Order, parents_come_first_then_height_then_a_lane_that_turns) {
  const auto a1 = vertex(0, 1, {}, "a1"), b1 = vertex(1, 1, {}, "b1"), c1 = vertex(2, 1, {}, "c1");
  const auto a2 = vertex(0, 2, a1.id, "a2"), b2 = vertex(1, 2, b1.id, "b2", {a2.id});
  const std::vector<const VertexFrame*> all = {&b2, &a2, &c1, &b1, &a1};
  const auto names = [&](Seq seq) {
    std::string out;
    for (const auto& v : execution_order(all, seq, 3)) out += std::string(as_text(v.batch())) + " ";
    return out;
  };
  EXPECT_EQ(names(0), "a1 b1 c1 a2 b2 ");
  EXPECT_EQ(names(1), "c1 a1 b1 a2 b2 ");
  EXPECT_EQ(names(2), "b1 c1 a1 a2 b2 ");
}

}  // namespace
}  // namespace hanse::consensus
