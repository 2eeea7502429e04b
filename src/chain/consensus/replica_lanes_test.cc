// Fetching vertices that did not come: chains of them in few questions, and names that stand for nothing.
#include <gtest/gtest.h>

#include "base/core/text.h"
#include "chain/consensus/test_cluster.h"

namespace hanse::consensus {
namespace {

std::uint64_t fetches(const TestCluster& cluster, Index i) { return cluster.nodes[i].replica->counters().fetches; }

TEST(Fetching, a_chain_of_vertices_takes_few_questions) {
  TestCluster cluster = TestCluster::equal_powers(4);
  constexpr int kChain = 150;
  const auto lost = [](Index, Index to, Type type) { return to == 3 && type == Type::kVertex; };
  const auto nothing = [](Index, Index to, Type) { return to == 3; };
  // Replica 3 gets nothing of lane 0, and no slots either, until the whole chain waits in it.
  for (int n = 0; n < kChain; ++n) ASSERT_TRUE(cluster.submit(0, text("v{}", n)));
  cluster.run(lost);
  cluster.advance_ms(5, nothing);
  const std::uint64_t before = fetches(cluster, 3);
  cluster.advance_ms(2'000);
  EXPECT_EQ(cluster.order(3), cluster.order(0));
  EXPECT_EQ(cluster.nodes[3].replica->facts().executed, cluster.nodes[0].replica->facts().executed);
  EXPECT_GE(cluster.nodes[3].replica->counters().vertices_ordered, static_cast<std::uint64_t>(kChain));
  EXPECT_LE(fetches(cluster, 3) - before, 20u);
}

TEST(Fetching, a_replica_that_is_late_fetches_no_slots_while_votes_decide_them) {
  TestCluster cluster = TestCluster::equal_powers(4);
  const auto executed = [&] { return cluster.nodes[3].replica->facts().executed; };
  const auto say_ahead = [&] {
    cluster.inject(1, 3, Type::kStatus, encode(StatusReport{.epoch = 0, .executed = executed() + 1}));
  };
  for (int n = 0; n < 20; ++n) {
    say_ahead();
    cluster.advance_ms(15);
    ASSERT_TRUE(cluster.submit(0, text("{}", n)));
    cluster.run();
  }
  EXPECT_EQ(executed(), 20u);
  EXPECT_EQ(fetches(cluster, 3), 0u);
  say_ahead();
  cluster.advance_ms(25);  // and nothing decides that one
  EXPECT_GT(fetches(cluster, 3), 0u);
}

// A vertex on top of one that nobody has.
Bytes orphan(std::uint64_t height, std::uint8_t n) {
  Vertex v{.epoch = 0, .lane = 1, .height = height, .parents = {{}}, .batch_root = {}, .batch_len = 0, .tx_count = 1};
  v.parents[0].data[0] = n;
  v.parents[0].data[1] = 0x77;
  return *make_vertex(v, as_bytes("x")).frame;
}

TEST(Fetching, a_name_that_stands_for_nothing_is_given_up) {
  TestCluster cluster = TestCluster::equal_powers(4);
  cluster.inject(1, 3, Type::kVertex, orphan(9, 1));
  cluster.advance_ms(100);
  EXPECT_GT(fetches(cluster, 3), 0u);
  cluster.advance_ms(20'000);
  const std::uint64_t asked = fetches(cluster, 3);
  EXPECT_LE(asked, 5u * 4u);
  cluster.advance_ms(60'000);
  EXPECT_EQ(fetches(cluster, 3), asked);
}

TEST(Fetching, names_that_stand_for_nothing_do_not_keep_a_lane_from_being_fetched) {
  TestCluster cluster = TestCluster::equal_powers(4);
  for (std::uint8_t n = 0; n < 200; ++n) cluster.inject(1, 3, Type::kVertex, orphan(20u + n, n));
  cluster.advance_ms(300);
  const auto lost = [](Index, Index to, Type type) { return to == 3 && type == Type::kVertex; };
  ASSERT_TRUE(cluster.submit(1, "needed"));
  cluster.run(lost);
  cluster.advance_ms(3'000);
  EXPECT_EQ(cluster.order(3), "needed ");
}

// Its author has no second word of what others dropped, and no proposal names it.
TEST(Lane, that_nobody_else_has_is_sent_again_until_it_is_ordered) {
  TestCluster cluster = TestCluster::equal_powers(4);
  const auto lost = [](Index, Index, Type type) { return type == Type::kVertex; };
  const auto full = static_cast<int>(kLaneWindow);
  for (int n = 0; n < full; ++n) ASSERT_TRUE(cluster.submit(1, text("v{}", n)));
  cluster.run(lost);
  ASSERT_FALSE(cluster.nodes[1].replica->lane_open());
  cluster.advance_ms(10'000);
  EXPECT_EQ(cluster.nodes[1].replica->counters().vertices_ordered, kLaneWindow);
  EXPECT_TRUE(cluster.nodes[1].replica->lane_open());
  for (Index i = 0; i < 4; ++i) EXPECT_EQ(cluster.order(i), cluster.order(0)) << i;
}

TEST(Lane, whose_acks_were_lost_is_acknowledged_again) {
  TestCluster cluster = TestCluster::equal_powers(4);
  for (auto& node : cluster.nodes) node.sync = false;
  ASSERT_TRUE(cluster.submit(1, "v"));
  cluster.make_durable(1);
  cluster.run();
  const std::uint64_t before = cluster.delivered[static_cast<std::size_t>(Type::kAck)];
  const Frame again = cluster.nodes[1].replica->unordered().at(0).frame;
  cluster.inject(1, 2, Type::kVertex, *again);
  cluster.run();
  EXPECT_EQ(cluster.delivered[static_cast<std::size_t>(Type::kAck)], before);  // its record is not durable yet
  cluster.make_durable(2);
  cluster.run();
  EXPECT_EQ(cluster.delivered[static_cast<std::size_t>(Type::kAck)], before + 3);
  cluster.inject(1, 2, Type::kVertex, *again);
  cluster.run();
  EXPECT_EQ(cluster.delivered[static_cast<std::size_t>(Type::kAck)], before + 6);
}

}  // namespace
}  // namespace hanse::consensus
