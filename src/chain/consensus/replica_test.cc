#include "chain/consensus/replica.h"

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "chain/consensus/test_cluster.h"

namespace hanse::consensus {
namespace {

std::uint64_t ordering_frames(const TestCluster& c) { return c.delivered[3] + c.delivered[4] + c.delivered[5]; }

TEST(Replica, one_validator_orders_alone) {
  TestCluster c = TestCluster::equal_powers(1);
  ASSERT_TRUE(c.submit(0, "a"));
  ASSERT_TRUE(c.submit(0, "b"));
  c.run();
  EXPECT_EQ(c.order(0), "a b ");
  c.advance_ms(50);
  ASSERT_FALSE(c.nodes[0].certificates.empty());  // idle attest
  EXPECT_EQ(c.nodes[0].certificates.back().seq, c.nodes[0].executed.back().seq);
}

TEST(Replica, four_validators_execute_the_same_order) {
  TestCluster c = TestCluster::equal_powers(4);
  for (int round = 0; round < 100; ++round)
    for (Index i = 0; i < 4; ++i) {
      ASSERT_TRUE(c.submit(i, text("{}.{}", i, round)));
      if (round % 3 == 0) c.advance_ms(3);
    }
  c.advance_ms(100);
  ASSERT_FALSE(c.order(0).empty());
  for (Index i = 1; i < 4; ++i) {
    EXPECT_EQ(c.order(i), c.order(0));
    EXPECT_EQ(c.nodes[i].root, c.nodes[0].root);
  }
  const std::string order = c.order(0);
  EXPECT_EQ(std::count(order.begin(), order.end(), ' '), 400);
  EXPECT_GT(c.nodes[0].replica->facts().stable, 0u);
  EXPECT_EQ(c.nodes[0].replica->facts().view, 0u);
}

TEST(Replica, a_slot_costs_two_n_times_n_less_one_frames) {
  for (const std::size_t n : {4u, 7u, 16u, 31u, 64u}) {
    TestCluster c = TestCluster::equal_powers(n);
    ASSERT_TRUE(c.submit(1, "x"));
    c.run();
    ASSERT_EQ(c.nodes[0].executed.size(), 1u);
    EXPECT_EQ(ordering_frames(c), 2 * n * (n - 1));
  }
}

TEST(Replica, tips_wait_while_a_slot_is_on_its_way_and_only_long_rounds_overlap) {
  TestCluster c = TestCluster::equal_powers(4);
  const auto proposals = [&] { return c.nodes[0].replica->counters().proposals_sent; };
  const auto no_votes = [](Index, Index, Type type) { return type == Type::kPrepare || type == Type::kCommit; };
  ASSERT_TRUE(c.submit(0, "a"));
  c.run(no_votes);
  for (const char* batch : {"b", "c"}) {
    ASSERT_TRUE(c.submit(0, batch));
    c.run(no_votes);
  }
  c.advance_ms(19, no_votes);
  EXPECT_EQ(proposals(), 1u);
  c.advance_ms(2, no_votes);
  EXPECT_EQ(proposals(), 2u);
  c.advance_ms(400);
  EXPECT_EQ(c.order(3), "a b c ");
  EXPECT_EQ(c.nodes[3].executed.size(), 2u);
  ASSERT_TRUE(c.submit(0, "d"));  // nothing is on its way: at once
  c.run();
  EXPECT_EQ(c.order(3), "a b c d ");
}

TEST(Replica, tips_wait_while_the_leader_executes_what_came_before) {
  TestCluster c = TestCluster::equal_powers(4);
  const auto proposals = [&] { return c.nodes[0].replica->counters().proposals_sent; };
  c.nodes[0].execute = false;
  for (const char* batch : {"a", "b"}) {  // one in execution, one that follows
    ASSERT_TRUE(c.submit(0, batch));
    c.run();
  }
  EXPECT_EQ(proposals(), 2u);
  ASSERT_TRUE(c.submit(0, "c"));
  c.advance_ms(19);
  EXPECT_EQ(proposals(), 2u);
  c.advance_ms(2);
  EXPECT_EQ(proposals(), 3u);
  ASSERT_TRUE(c.submit(0, "d"));
  c.run();
  EXPECT_EQ(proposals(), 3u);
  c.execute_now(0);
  c.run();
  EXPECT_EQ(proposals(), 4u);
  EXPECT_EQ(c.order(0), "a b c d ");
}

TEST(Replica, what_does_not_fit_into_execution_stays_in_its_lane) {
  TestCluster c = TestCluster::equal_powers(4);
  c.execution_bytes_max = 1'500;
  c.crash(3);
  c.restart(3);
  c.nodes[3].execute = false;
  std::string order;
  for (char batch = 'a'; batch < 'e'; ++batch) {
    const std::string text(1'000, batch);
    ASSERT_TRUE(c.submit(0, text));
    c.advance_ms(100);
    order += text + " ";
  }
  EXPECT_EQ(c.order(0), order);
  EXPECT_EQ(c.nodes[3].not_executed.size(), 2u);  // the second goes beyond, the third waits
  c.execute_now(3);
  c.run();
  EXPECT_EQ(c.order(3), order);
}

TEST(Replica, a_silent_leader_is_replaced) {
  TestCluster c = TestCluster::equal_powers(4);
  c.crash(0);
  ASSERT_TRUE(c.submit(1, "x"));
  c.advance_ms(3'000);
  for (Index i = 1; i < 4; ++i) {
    EXPECT_EQ(c.order(i), "x ");
    EXPECT_EQ(c.nodes[i].replica->facts().view, 1u);
  }
}

TEST(Replica, a_proposal_that_overtakes_its_new_view_is_not_lost) {
  TestCluster c = TestCluster::equal_powers(4);
  c.overtaken = Type::kNewView;
  c.crash(0);
  ASSERT_TRUE(c.submit(1, "x"));
  c.advance_ms(550);  // the timeout and a little: far less than until votes are sent again
  for (Index i = 1; i < 4; ++i) EXPECT_EQ(c.order(i), "x ");
}

TEST(Replica, keeps_early_proposals_of_one_view_and_its_leader_and_window) {
  TestCluster c = TestCluster::equal_powers(4);
  const auto early = [&](Index from, View view, Seq seq) {
    const Counters before = c.nodes[3].replica->counters();
    c.inject(from, 3, Type::kPrePrepare,
             encode(PrePrepare{.view = view, .proposal = {.epoch = 0, .seq = seq, .leader = from, .tips = {}}}));
    const Counters after = c.nodes[3].replica->counters();
    return std::pair(after.frames_far - before.frames_far, after.frames_denied - before.frames_denied);
  };
  const std::pair<std::uint64_t, std::uint64_t> kept{0, 0}, far{1, 0}, denied{0, 1};
  for (Seq seq = 1; seq <= kSlotWindow; ++seq) EXPECT_EQ(early(1, 1, seq), kept);
  EXPECT_EQ(early(1, 1, kSlotWindow + 1), far);
  EXPECT_EQ(early(1, 1, 1), far);     // a second one for the slot
  EXPECT_EQ(early(2, 2, 1), far);     // not the next view
  EXPECT_EQ(early(2, 1, 1), denied);  // not its leader
}

TEST(Replica, what_was_committed_survives_the_view_change) {
  TestCluster c = TestCluster::equal_powers(4);
  ASSERT_TRUE(c.submit(0, "a"));
  // Replica 1 alone learns that the slot is committed.
  c.run([](Index, Index to, Type type) { return type == Type::kCommit && to != 1; });
  c.crash(0);
  ASSERT_TRUE(c.submit(2, "b"));
  c.advance_ms(5'000);
  for (Index i = 1; i < 4; ++i) EXPECT_EQ(c.order(i), "a b ");
}

TEST(Replica, a_restarted_replica_catches_up_from_nothing) {
  TestCluster c = TestCluster::equal_powers(4);
  c.crash(3);
  for (int k = 0; k < 300; ++k) {
    ASSERT_TRUE(c.submit(static_cast<Index>(k % 3), text("{}", k)));
    c.run();
  }
  c.advance_ms(100);
  c.nodes[3].executed.clear();
  c.nodes[3].records.clear();
  c.restart(3);
  c.advance_ms(5'000);
  EXPECT_EQ(c.order(3), c.order(0));
}

TEST(Replica, everyone_restarts_with_votes_and_no_decision) {
  TestCluster c = TestCluster::equal_powers(4);
  ASSERT_TRUE(c.submit(2, "a"));
  c.run([](Index, Index, Type type) { return type == Type::kCommit; });
  for (Index i = 0; i < 4; ++i) c.crash(i);
  for (auto& node : c.nodes) {
    node.executed.clear();
    node.root = {};
  }
  for (Index i = 0; i < 4; ++i) c.nodes[i].up = false;
  for (Index i = 0; i < 4; ++i) c.restart(i);
  c.advance_ms(3'000);
  for (Index i = 0; i < 4; ++i) EXPECT_EQ(c.order(i), "a ");
}

TEST(Replica, nothing_leaves_before_its_record_is_durable) {
  TestCluster c = TestCluster::equal_powers(4);
  c.nodes[0].sync = false;
  ASSERT_TRUE(c.submit(0, "a"));
  c.run();
  EXPECT_EQ(c.delivered[1] + c.delivered[3], 0u);  // no vertex, no proposal
  c.make_durable(0);
  c.run();
  EXPECT_GT(c.delivered[1], 0u);
  EXPECT_GT(c.delivered[3], 0u);
}

TEST(Replica, a_late_attest_still_completes_the_economic_certificate) {
  TestCluster c = TestCluster::equal_powers(4);
  c.nodes[3].sign = false;
  for (int k = 0; k < 32; ++k) {
    ASSERT_TRUE(c.submit(0, text("{}", k)));
    c.run();
  }
  for (const auto& node : c.nodes) EXPECT_EQ(node.replica->facts().stable, 32u);
  EXPECT_EQ(c.nodes[0].certificates.back().signatures.size(), 3u);
  c.sign_now(3);
  c.run();
  EXPECT_EQ(c.nodes[0].certificates.back().seq, 32u);
  EXPECT_EQ(c.nodes[0].certificates.back().signatures.size(), 4u);
}

TEST(Replica, a_lost_journal_means_no_votes_until_the_past_is_covered) {
  TestCluster c = TestCluster::equal_powers(4);
  for (int k = 0; k < 10; ++k) {
    ASSERT_TRUE(c.submit(static_cast<Index>(k % 4), text("{}", k)));
    c.run();
  }
  c.crash(3);
  Start start;
  start.abstain = true;
  c.nodes[3].executed.clear();
  c.nodes[3].root = {};
  c.boot(3, start);
  for (Index peer = 0; peer < 3; ++peer) {
    c.take(3, c.nodes[3].replica->peer_up(c.now(), peer));
    c.take(peer, c.nodes[peer].replica->peer_up(c.now(), 3));
  }
  c.advance_ms(2'000);
  EXPECT_EQ(c.order(3), c.order(0));
  EXPECT_TRUE(c.nodes[3].replica->facts().abstaining);
  const auto refused = c.submit(3, "late");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "consensus.abstaining");
  c.advance_ms(300'000);  // empty slots pass, then the others change the view for it
  EXPECT_FALSE(c.nodes[3].replica->facts().abstaining);
  ASSERT_TRUE(c.submit(3, "back"));
  c.advance_ms(100);
  EXPECT_EQ(c.order(0), c.order(3));
  EXPECT_TRUE(c.order(0).ends_with("back "));
}

TEST(Replica, compaction_keeps_what_a_restart_needs) {
  TestCluster c = TestCluster::equal_powers(4);
  for (int k = 0; k < 100; ++k) {
    ASSERT_TRUE(c.submit(static_cast<Index>(k % 4), text("{}", k)));
    c.run();
  }
  const std::size_t before = c.nodes[2].records.size();
  Effects e = c.nodes[2].replica->compact(c.now());
  std::vector<Record> kept = e.records;
  c.take(2, std::move(e));
  EXPECT_LT(kept.size(), before / 2);
  EXPECT_EQ(kept.front().type, RecordType::kSnapshot);
  EXPECT_EQ(kept.back().type, RecordType::kSnapshotEnd);
  EXPECT_EQ(load_le<Seq>(kept.back().payload->data()), c.nodes[2].executed.back().seq);
  c.nodes[2].records = kept;
  c.crash(2);
  c.restart(2);
  ASSERT_TRUE(c.submit(2, "after"));
  c.advance_ms(1'000);
  EXPECT_EQ(c.order(0), c.order(2));
  EXPECT_TRUE(c.order(0).ends_with("after "));
}

TEST(Replica, refuses_batches_beyond_the_limits) {
  TestCluster c = TestCluster::equal_powers(4);
  EXPECT_EQ(c.submit(0, "").error().id(), "consensus.batch");
  EXPECT_EQ(c.submit(0, std::string(kBatchBytesMax + 1, 'x')).error().id(), "consensus.batch");
  for (Index i = 1; i < 4; ++i) c.crash(i);
  c.run();
  for (std::size_t k = 0; k < kLaneWindow; ++k) ASSERT_TRUE(c.submit(0, "x"));
  EXPECT_EQ(c.submit(0, "x").error().id(), "consensus.lane_full");
}

TEST(Replica, refuses_a_bad_configuration) {
  TestOracle oracle(0);
  Config c;
  EXPECT_EQ(Replica::create(c, {}, oracle, {}).error().id(), "consensus.config");
  const auto power = Power::create({10'000}, 6'700, 8'000);
  c.power = *power;
  c.self = 1;
  EXPECT_EQ(Replica::create(c, {}, oracle, {}).error().id(), "consensus.config");
  c.self = 0;
  c.checkpoint_every = 12;
  EXPECT_EQ(Replica::create(c, {}, oracle, {}).error().id(), "consensus.config");
  c.checkpoint_every = 32;
  Start start;
  start.records.push_back({.type = RecordType::kPrepared, .payload = std::make_shared<const Bytes>(Bytes{1, 2})});
  EXPECT_EQ(Replica::create(c, start, oracle, {}).error().id(), "consensus.record");
}

TEST(Quorum, counts_power_and_refuses_bad_tables) {
  EXPECT_FALSE(Power::create({}, 6'700, 8'000));
  EXPECT_FALSE(Power::create({5'000, 4'999}, 6'700, 8'000));
  EXPECT_FALSE(Power::create({10'000, 0}, 6'700, 8'000));
  EXPECT_FALSE(Power::create({10'000}, 6'666, 8'000));
  EXPECT_TRUE(Power::create({10'000}, 6'667, 8'000));
  EXPECT_FALSE(Power::create({10'000}, 6'700, 6'699));
  EXPECT_EQ(Power::create({10'000}, 6'666, 8'000).error().id(), "consensus.power");
  const auto power = Power::create({6'000, 3'000, 1'000}, 6'700, 8'000);
  ASSERT_TRUE(power);
  EXPECT_EQ(power->one_honest(), 3'301u);
  std::array<int, 3> turns{};
  for (View v = 0; v < 1'024; ++v) ++turns[power->leader(v)];
  EXPECT_NEAR(turns[0], 614, 2);
  EXPECT_NEAR(turns[1], 307, 2);
  EXPECT_NEAR(turns[2], 102, 2);
}

}  // namespace
}  // namespace hanse::consensus
