// Epochs that end, sets that change, and replicas that were away meanwhile.
#include <gtest/gtest.h>

#include "base/core/text.h"
#include "chain/consensus/detail/records.h"
#include "chain/consensus/test_cluster.h"

namespace hanse::consensus {
namespace {

struct EpochTest : testing::Test {
  TestCluster c = TestCluster::equal_powers(5);
  Seq due_at = 0;  // in the first epoch

  void SetUp() override {
    c.due = [this](std::uint64_t epoch, Seq seq) { return epoch == 0 && due_at != 0 && seq >= due_at; };
    due_at = 2;
  }
  void submit_round(std::string_view word, std::vector<Index> who) {
    for (const Index i : who) ASSERT_TRUE(c.submit(i, text("{}{}", word, i)));
  }
  void expect_epoch(Index i, std::uint64_t epoch) {
    EXPECT_EQ(c.nodes[i].replica->facts().epoch, epoch) << i;
    EXPECT_FALSE(c.nodes[i].replica->facts().halted) << i;
  }
};

TEST_F(EpochTest, ends_a_checkpoint_after_the_one_where_it_was_due_and_the_next_set_goes_on) {
  c.members = {{1, 2, 3, 4}};
  submit_round("r", {0, 1, 2, 3, 4});
  c.advance_ms(400);
  for (Index i = 0; i < 5; ++i) {
    expect_epoch(i, 1);
    ASSERT_EQ(c.nodes[i].ends.size(), 1u);
    EXPECT_EQ(c.nodes[i].ends[0].certificate.seq, 64u);  // due at 2, seen at 32
    EXPECT_EQ(c.nodes[i].ends[0].certificate.signatures.size(), 5u);
    EXPECT_EQ(c.nodes[i].replica->facts().follower, i == 0);
    EXPECT_EQ(c.nodes[i].executed[63].epoch_end, true);
    EXPECT_FALSE(c.nodes[i].executed[62].epoch_end);
  }
  EXPECT_EQ(c.submit(0, "x").error().id(), "consensus.not_validator");
  submit_round("n", {1, 2, 3, 4});
  c.advance_ms(600);
  for (Index i = 0; i < 5; ++i) {
    EXPECT_EQ(c.nodes[i].root, c.nodes[1].root) << i;
    EXPECT_NE(c.order(i).find("n4"), std::string::npos) << i;
    EXPECT_GT(c.nodes[i].executed.back().seq, 64u);
  }
  EXPECT_EQ(c.nodes[0].replica->counters().prepares_sent, 0u);  // of the new object
}

TEST_F(EpochTest, a_proposal_tells_the_end_and_only_the_right_slot_may) {
  due_at = 1;
  submit_round("a", {0});
  c.advance_ms(1'500);
  ASSERT_GE(c.nodes[1].executed.size(), 64u);
  for (const Execute& x : c.nodes[1].executed)
    if (x.proposal) {
      EXPECT_EQ(x.proposal->epoch_end, x.seq == 64) << x.seq;
    }
  expect_epoch(1, 1);
}

TEST_F(EpochTest, nobody_votes_for_an_end_that_execution_does_not_say) {
  due_at = 0;
  // The leader of view 0 says that slot 32 ends the epoch.
  for (Index i = 0; i < 31; ++i) {
    submit_round("a", {0});
    c.advance_ms(25);
  }
  ASSERT_EQ(c.nodes[1].executed.size(), 31u);
  c.crash(0);
  const Proposal lie{.epoch = 0, .seq = 32, .leader = 0, .time_ms = 1, .epoch_end = true, .tips = {}};
  for (Index i = 1; i < 5; ++i) {
    const auto before = c.nodes[i].replica->counters().prepares_sent;
    c.nodes[i].up = true;
    c.inject(0, i, Type::kPrePrepare, encode(PrePrepare{.view = 0, .proposal = lie}));
    EXPECT_EQ(c.nodes[i].replica->counters().prepares_sent, before) << i;
  }
  c.advance_ms(3'000);
  EXPECT_GT(c.nodes[1].replica->facts().view, 0u);  // it is given up instead
  expect_epoch(1, 0);
}

TEST_F(EpochTest, what_was_not_ordered_of_a_lane_comes_in_the_next_epoch) {
  c.due = [](std::uint64_t epoch, Seq) { return epoch == 0; };
  submit_round("a", {0, 1, 2, 3, 4});
  // Vertices of replica 4 reach nobody: its lane stands still while the epoch ends.
  const auto drop = [&](Index from, Index, Type type) {
    return from == 4 && type == Type::kVertex && c.nodes[4].epoch == 0;
  };
  ASSERT_TRUE(c.submit(4, "late"));
  c.advance_ms(1'500, drop);
  expect_epoch(4, 1);
  c.advance_ms(500);
  for (Index i = 0; i < 5; ++i) EXPECT_NE(c.order(i).find("late"), std::string::npos) << i;
}

TEST_F(EpochTest, what_is_written_before_the_others_came_into_the_epoch_reaches_them) {
  due_at = 1;
  ASSERT_TRUE(c.submit(0, "a"));
  const auto alone = [&](Index, Index to, Type type) {
    return to != 1 && (type == Type::kAttest || type == Type::kHandover);
  };
  for (int ms = 0; ms < 3'000 && c.nodes[1].epoch == 0; ++ms) c.advance_ms(1, alone);
  ASSERT_EQ(c.nodes[1].epoch, 1u);
  ASSERT_EQ(c.nodes[2].epoch, 0u);
  // Whoever leads first here is not replica 1.
  ASSERT_NE(c.nodes[1].replica->facts().leader, 1);
  ASSERT_TRUE(c.submit(1, "early"));
  c.run(alone);  // and all others drop it
  c.advance_ms(2'000);
  for (Index i = 0; i < 5; ++i) {
    expect_epoch(i, 1);
    EXPECT_NE(c.order(i).find("early"), std::string::npos) << i;
  }
}

TEST_F(EpochTest, a_replica_that_was_away_over_two_boundaries_catches_up) {
  c.members = {{0, 1, 2, 4}, {0, 2, 3, 4}};
  c.due = [](std::uint64_t epoch, Seq seq) { return (epoch == 0 && seq >= 2) || (epoch == 1 && seq >= 70); };
  submit_round("a", {0, 1, 2, 3, 4});
  c.advance_ms(10);
  c.crash(3);
  for (int round = 0; round < 8; ++round) {
    submit_round(text("r{}-", round), {0});
    c.advance_ms(300);
  }
  expect_epoch(0, 2);
  c.restart(3);
  c.advance_ms(6'000);
  expect_epoch(3, 2);
  EXPECT_FALSE(c.nodes[3].replica->facts().follower);
  EXPECT_EQ(c.nodes[3].root, c.nodes[0].root);
  submit_round("z", {3});
  c.advance_ms(500);
  for (Index i = 0; i < 5; ++i) EXPECT_NE(c.order(i).find("z3"), std::string::npos) << i;
}

TEST_F(EpochTest, frames_of_another_epoch_are_dropped_and_counted) {
  c.advance_ms(100);
  const auto before = c.nodes[1].replica->counters().frames_other_epoch;
  c.inject(0, 1, Type::kPrepare, encode(Vote{.epoch = 9, .view = 0, .seq = 1, .digest = {}}));
  c.inject(2, 1, Type::kHandover, encode(Handover{.epoch = 9, .certificate = {}}));
  EXPECT_EQ(c.nodes[1].replica->counters().frames_other_epoch, before + 2);
  c.inject(2, 1, Type::kHandover,
           encode(Handover{.epoch = 0, .certificate = {.seq = 32, .block = {}, .signatures = {}}}));
  EXPECT_EQ(c.nodes[1].replica->counters().frames_denied, 1u);
  EXPECT_EQ(c.nodes[1].replica->facts().stable, 0u);
}

TEST_F(EpochTest, claims_of_an_epoch_do_not_count_in_the_next) {
  const Claim claim{.seq = 70, .digest = crypto::blake3("hanse/test/1", {}), .view = 5};
  const auto shared = [](Bytes b) { return std::make_shared<const Bytes>(std::move(b)); };
  std::vector<Record> records = {
      {RecordType::kPrepare, shared(detail::encode(detail::PrepareRecord{.epoch = 0, .claim = claim, .proposal = {}}))},
      {RecordType::kPrepared, shared(detail::encode(detail::PreparedRecord{.epoch = 0, .claim = claim}))},
      {RecordType::kSnapshot,
       shared(detail::encode(detail::SnapshotRecord{
           .epoch = 0, .view = 7, .own_tip = {.lane = 1, .height = 9, .id = {}}, .stable = {}}))}};
  for (const std::uint64_t epoch : {0u, 1u}) {
    TestCluster other = TestCluster::equal_powers(4);
    other.nodes[1].epoch = epoch;
    other.nodes[1].base = epoch == 0 ? 0 : 64;
    other.nodes[1].roots[64] = claim.digest;
    Start start;
    start.executed = other.nodes[1].base;
    start.executed_block = claim.digest;
    start.records = records;
    other.boot(1, std::move(start));
    EXPECT_EQ(other.nodes[1].replica->facts().view, epoch == 0 ? 7u : 0u);
    EXPECT_EQ(other.nodes[1].replica->facts().pending_slots, 0u);
  }
}

TEST_F(EpochTest, refuses_a_base_that_is_no_checkpoint) {
  TestOracle oracle(0);
  Config config = c.config(0);
  Start start;
  start.executed = 63;
  config.base = 33;
  EXPECT_EQ(Replica::create(config, start, oracle, c.now()).error().id(), "consensus.config");
  config.base = 64;
  EXPECT_EQ(Replica::create(config, start, oracle, c.now()).error().id(), "consensus.config");
  start.executed = 64;
  EXPECT_TRUE(Replica::create(config, start, oracle, c.now()));
}

// The last block's certificate or the switch itself is lost in a crash.
TEST_F(EpochTest, a_crash_at_every_step_around_the_boundary) {
  for (int step = 0; step < 40; ++step) {
    TestCluster d = TestCluster::equal_powers(4);
    d.due = [](std::uint64_t epoch, Seq) { return epoch == 0; };
    ASSERT_TRUE(d.submit(0, "a"));
    for (int ms = 0; ms < 4 * step; ++ms) d.advance_ms(1);
    d.crash(2);
    d.advance_ms(30);
    d.restart(2);
    for (int ms = 0; ms < 8; ++ms) d.advance_ms(250);
    ASSERT_TRUE(d.submit(2, "b"));
    d.advance_ms(1'000);
    for (Index i = 0; i < 4; ++i) {
      EXPECT_EQ(d.nodes[i].replica->facts().epoch, 1u) << "step " << step << " replica " << i;
      EXPECT_NE(d.order(i).find("b"), std::string::npos) << "step " << step << " replica " << i;
    }
  }
}

}  // namespace
}  // namespace hanse::consensus
