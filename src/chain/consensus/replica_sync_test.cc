// A replica that was told a fetched state instead of executing its way there.
#include <gtest/gtest.h>

#include "base/core/text.h"
#include "chain/consensus/cut.h"
#include "chain/consensus/test_cluster.h"

namespace hanse::consensus {
namespace {

constexpr Index kLate = 3;

struct SyncedReplica : testing::Test {
  TestCluster cluster = TestCluster::equal_powers(4);
  int sent = 0;

  void SetUp() override { cluster.nodes[kLate].up = false; }
  // Slots of the three that run, each with one batch.
  void order(int slots, Index lane = 0) {
    for (int n = 0; n < slots; ++n) {
      ASSERT_TRUE(cluster.submit(lane, text("b{}", sent++)));
      cluster.advance_ms(25);
    }
  }
  Seq newest(Index i) const { return cluster.nodes[i].replica->facts().executed; }
  Certificate checkpoint(Seq seq) const {
    Certificate out;
    for (const Certificate& c : cluster.nodes[0].certificates)
      if (c.seq == seq) out = c;
    check(out.seq == seq, "the others certified it");
    return out;
  }
  // As the driver does when the ledger changed over to the state after `seq`.
  void install(Seq seq) {
    auto& node = cluster.nodes[kLate];
    const auto& from = cluster.nodes[0];
    node.executed.clear();
    node.root = checkpoint(seq).block;
    for (const auto& [s, x] : from.store)
      if (s <= seq) node.store[s] = x;
    cluster.take(kLate, node.replica->installed(
                            cluster.now(),
                            {.certificate = checkpoint(seq), .cut = from.store.at(seq).cut, .wants_block = false}));
  }
  void join() {
    cluster.boot(kLate, {});
    for (Index peer = 0; peer < kLate; ++peer) {
      cluster.take(kLate, cluster.nodes[kLate].replica->peer_up(cluster.now(), peer));
      cluster.take(peer, cluster.nodes[peer].replica->peer_up(cluster.now(), kLate));
    }
  }
};

TEST_F(SyncedReplica, goes_on_from_the_checkpoint_and_votes) {
  order(100);
  join();
  cluster.take(kLate, cluster.nodes[kLate].replica->hold(cluster.now()));
  cluster.advance_ms(500);
  EXPECT_EQ(newest(kLate), 0u);  // held: neither asks nor executes
  EXPECT_TRUE(cluster.nodes[kLate].replica->facts().held);
  install(96);
  cluster.advance_ms(500);
  EXPECT_EQ(newest(kLate), newest(0));
  EXPECT_EQ(cluster.nodes[kLate].root, cluster.nodes[0].root);
  EXPECT_EQ(cluster.nodes[kLate].executed.front().seq, 97u);
  const std::uint64_t votes = cluster.nodes[kLate].replica->counters().prepares_sent;
  cluster.nodes[1].up = false;  // now it is needed
  order(5);
  EXPECT_GT(cluster.nodes[kLate].replica->counters().prepares_sent, votes);
  EXPECT_EQ(cluster.nodes[kLate].root, cluster.nodes[0].root);
  EXPECT_TRUE(cluster.submit(kLate, "mine"));
  cluster.advance_ms(100);
  EXPECT_NE(cluster.order(0).find("mine"), std::string::npos);
}

TEST_F(SyncedReplica, a_hold_that_ends_without_a_state_goes_on_with_slots) {
  order(40);
  join();
  cluster.take(kLate, cluster.nodes[kLate].replica->hold(cluster.now()));
  cluster.advance_ms(300);
  EXPECT_EQ(newest(kLate), 0u);
  cluster.take(kLate, cluster.nodes[kLate].replica->resume(cluster.now()));
  cluster.advance_ms(500);
  EXPECT_EQ(newest(kLate), newest(0));
  EXPECT_EQ(cluster.order(kLate), cluster.order(0));
}

// concord PR #1177: what came of a view change while the state was fetched must not be forgotten.
TEST_F(SyncedReplica, takes_part_in_the_view_change_that_waited_for_it) {
  const Index leader = cluster.nodes[0].replica->facts().leader;
  const Index alive = leader == 0 ? 1 : 0;
  order(300, alive);  // more than the lane's window: without the state no tip of it is available
  join();
  cluster.take(kLate, cluster.nodes[kLate].replica->hold(cluster.now()));
  cluster.advance_ms(50);
  cluster.nodes[leader].up = false;
  ASSERT_TRUE(cluster.submit(alive, "waits"));
  cluster.advance_ms(3'000);  // two of four cannot agree on anything
  const auto& late = *cluster.nodes[kLate].replica;
  EXPECT_EQ(newest(alive), 300u);
  install(288);
  cluster.advance_ms(20'000);
  EXPECT_GT(late.facts().view, 0u);
  EXPECT_EQ(late.facts().wanted_view, late.facts().view);
  EXPECT_GT(newest(alive), 300u);
  EXPECT_EQ(newest(kLate), newest(alive));
  EXPECT_EQ(cluster.nodes[kLate].root, cluster.nodes[alive].root);
}

TEST_F(SyncedReplica, whose_lane_went_further_than_its_journal_abstains) {
  cluster.nodes[kLate].up = true;
  ASSERT_TRUE(cluster.submit(kLate, "before"));
  cluster.advance_ms(100);
  cluster.crash(kLate);
  order(100);
  join();  // with nothing of its past, as after the folder was emptied
  cluster.take(kLate, cluster.nodes[kLate].replica->hold(cluster.now()));
  install(96);
  cluster.advance_ms(500);
  EXPECT_TRUE(cluster.nodes[kLate].replica->facts().abstaining);
  ASSERT_FALSE(cluster.nodes[kLate].notices.empty());
  EXPECT_EQ(cluster.nodes[kLate].notices.front().kind, NoticeKind::kAbstaining);
  EXPECT_EQ(cluster.submit(kLate, "x").error().id(), "consensus.abstaining");
  EXPECT_EQ(newest(kLate), newest(0));
}

TEST_F(SyncedReplica, an_emptied_one_that_catches_up_by_slots_abstains_too) {
  cluster.nodes[kLate].up = true;
  ASSERT_TRUE(cluster.submit(kLate, "before"));
  cluster.advance_ms(100);
  cluster.crash(kLate);
  order(40);
  cluster.nodes[kLate].executed.clear();
  cluster.nodes[kLate].root = {};
  join();
  cluster.advance_ms(1'000);
  EXPECT_EQ(newest(kLate), newest(0));
  EXPECT_EQ(cluster.nodes[kLate].root, cluster.nodes[0].root);
  EXPECT_TRUE(cluster.nodes[kLate].replica->facts().abstaining);
}

TEST_F(SyncedReplica, halts_when_a_state_is_not_above_what_it_executed) {
  order(40);
  join();
  cluster.advance_ms(500);
  ASSERT_GT(newest(kLate), 32u);
  install(32);
  EXPECT_TRUE(cluster.nodes[kLate].replica->facts().halted);
}

TEST(Cut, its_name_covers_what_was_decided_and_every_tip) {
  Digest digest;
  digest.data[0] = 1;
  const std::vector<Tip> cut = {{.lane = 0, .height = 5, .id = digest}, {.lane = 2, .height = 7, .id = digest}};
  const Hash32 name = cut_id(digest, cut);
  EXPECT_NE(name, cut_id({}, cut));
  EXPECT_NE(name, cut_id(digest, {}));
  for (std::size_t n = 0; n < cut.size(); ++n) {
    auto other = cut;
    other[n].height += 1;
    EXPECT_NE(name, cut_id(digest, other));
    other = cut;
    other[n].lane += 1;
    EXPECT_NE(name, cut_id(digest, other));
    other = cut;
    other[n].id = {};
    EXPECT_NE(name, cut_id(digest, other));
  }
}

}  // namespace
}  // namespace hanse::consensus
