// Signed statements, the leader that owes them, and liars that sign two of a kind.
#include <gtest/gtest.h>

#include "base/core/text.h"
#include "chain/consensus/test_cluster.h"

namespace hanse::consensus {
namespace {

Hash32 id(std::uint8_t n) {
  Hash32 out;
  out.data.fill(n);
  return out;
}

Statement signed_by(Index replica, Statement s) {
  s.replica = replica;
  s.signature = TestOracle(replica).sign(s.purpose, statement_message(s));
  return s;
}
Statement vertex_of(Index replica, std::uint64_t height, const Hash32& what) {
  return signed_by(replica, {.purpose = Purpose::kVertex,
                             .replica = 0,
                             .epoch = 0,
                             .view = 0,
                             .first = height,
                             .ids = {what},
                             .signature = {}});
}
Statement proposal_of(Index replica, Seq seq, const Hash32& what) {
  return signed_by(replica, {.purpose = Purpose::kProposals,
                             .replica = 0,
                             .epoch = 0,
                             .view = 0,
                             .first = seq,
                             .ids = {what},
                             .signature = {}});
}

void order(TestCluster& c, int slots) {
  for (int n = 0; n < slots; ++n) {
    ASSERT_TRUE(c.submit(1, text("{}", n)));
    c.run();
  }
  c.advance_ms(100);
}

std::size_t accusers(const TestCluster& c, Index of, Purpose purpose) {
  std::size_t n = 0;
  for (const auto& node : c.nodes)
    n += std::any_of(node.evidence.begin(), node.evidence.end(), [&](const Evidence& e) {
      const auto fact = contradiction(e);
      return fact && fact->replica == of && fact->purpose == purpose;
    });
  return n;
}

TEST(Evidence, proposals_and_every_eighth_vertex_are_signed_and_nobody_is_accused) {
  TestCluster c = TestCluster::equal_powers(4);
  order(c, 80);
  const Counters& leader = c.nodes[0].replica->counters();
  const Counters& writer = c.nodes[1].replica->counters();
  EXPECT_GE(c.nodes[0].said[Purpose::kProposals], leader.proposals_sent / kStatementIdsMax);
  EXPECT_LE(c.nodes[0].said[Purpose::kProposals], leader.proposals_sent / 8 + 2);  // not one a slot
  EXPECT_EQ(c.nodes[1].said[Purpose::kVertex], 80 / kVertexSignedEvery);
  EXPECT_EQ(c.nodes[2].replica->counters().statements_received,
            leader.statements_sent + writer.statements_sent + c.nodes[3].replica->counters().statements_sent);
  EXPECT_EQ(leader.statements_shown + writer.statements_shown, 0u);
  c.advance_ms(5'000);
  for (const auto& node : c.nodes) {
    EXPECT_TRUE(node.evidence.empty());
    EXPECT_EQ(node.replica->facts().view, 0u);
  }
}

TEST(Evidence, a_leader_that_does_not_sign_delays_nothing_and_is_replaced) {
  TestCluster c = TestCluster::equal_powers(4);
  c.nodes[0].states = false;
  order(c, 31);
  c.advance_ms(2'000);
  EXPECT_EQ(c.nodes[1].executed.size(), 31u);
  EXPECT_EQ(c.nodes[1].replica->facts().view, 0u);  // no checkpoint yet
  order(c, 2);
  EXPECT_EQ(c.nodes[1].executed.size(), 33u);
  EXPECT_EQ(c.nodes[1].replica->facts().stable, 32u);
  EXPECT_EQ(c.nodes[1].replica->facts().view, 0u);
  c.advance_ms(2'000);
  for (const auto& node : c.nodes) EXPECT_GE(node.replica->facts().view, 1u);
  EXPECT_GE(c.nodes[1].replica->counters().signatures_missed, 1u);
  order(c, 3);
  EXPECT_EQ(c.order(2), c.order(1));
}

TEST(Evidence, a_signature_that_was_lost_is_asked_for) {
  TestCluster c = TestCluster::equal_powers(4);
  const auto lost = [](Index from, Index to, Type type) { return type == Type::kStatement && from == 0 && to == 2; };
  for (int n = 0; n < 40; ++n) {
    ASSERT_TRUE(c.submit(1, text("{}", n)));
    c.run(lost);
  }
  c.advance_ms(100, lost);
  EXPECT_EQ(c.nodes[2].replica->facts().stable, 32u);
  c.advance_ms(3'000);
  EXPECT_EQ(c.nodes[2].replica->facts().view, 0u);
  EXPECT_EQ(c.nodes[2].replica->counters().signatures_missed, 0u);
  EXPECT_GT(c.delivered[static_cast<std::size_t>(Type::kFetchStatement)], 0u);
}

TEST(Evidence, two_signed_vertices_of_one_height_are_evidence_once) {
  TestCluster c = TestCluster::equal_powers(4);
  for (int pass = 0; pass < 2; ++pass) {
    c.inject(3, 1, Type::kStatement, encode(vertex_of(3, 8, id(1))));
    c.inject(3, 1, Type::kStatement, encode(vertex_of(3, 8, id(2))));
  }
  ASSERT_EQ(c.nodes[1].evidence.size(), 1u);
  const auto fact = contradiction(c.nodes[1].evidence[0]);
  ASSERT_TRUE(fact);
  EXPECT_EQ(*fact, (Fact{.purpose = Purpose::kVertex, .replica = 3, .epoch = 0, .view = 0, .place = 8}));
  EXPECT_EQ(c.nodes[1].replica->counters().evidence, 1u);
}

TEST(Evidence, halves_that_were_told_different_things_compare) {
  TestCluster c = TestCluster::equal_powers(4);
  c.inject(3, 1, Type::kStatement, encode(vertex_of(3, 8, id(1))));
  c.inject(3, 2, Type::kStatement, encode(vertex_of(3, 8, id(2))));
  c.run();
  EXPECT_EQ(accusers(c, 3, Purpose::kVertex), 0u);
  // An Ack for what the other half was told is enough.
  c.inject(2, 1, Type::kAck, encode(Ack{.epoch = 0, .runs = {{.lane = 3, .first_height = 8, .ids = {id(2)}}}}));
  c.run();
  EXPECT_EQ(c.nodes[1].replica->counters().statements_shown, 1u);
  EXPECT_EQ(accusers(c, 3, Purpose::kVertex), 1u);
  EXPECT_EQ(c.nodes[2].evidence.size(), 1u);
}

TEST(Evidence, two_signed_proposals_of_a_leader) {
  TestCluster c = TestCluster::equal_powers(4);
  c.inject(0, 1, Type::kStatement, encode(proposal_of(0, 5, id(1))));
  c.inject(2, 1, Type::kStatement, encode(proposal_of(0, 5, id(2))));  // passed on
  EXPECT_EQ(accusers(c, 0, Purpose::kProposals), 1u);
  c.inject(2, 1, Type::kStatement, encode(proposal_of(2, 5, id(1))));  // it does not lead
  EXPECT_GE(c.nodes[1].replica->counters().frames_far, 1u);
}

TEST(Evidence, two_attests_and_two_view_changes) {
  TestCluster c = TestCluster::equal_powers(4);
  for (const std::uint8_t n : {1, 2}) {
    Attest attest{.epoch = 0, .seq = 8, .block = id(n), .signature = {}};
    attest.signature = TestOracle(3).sign(Purpose::kAttest, attest_message(attest));
    c.inject(3, 1, Type::kAttest, encode(attest));
    ViewChange vc;
    vc.replica = 3;
    vc.view = 1;
    if (n == 2) vc.prepares.push_back({.seq = 1, .digest = id(1), .view = 0});
    vc.signature = TestOracle(3).sign(Purpose::kViewChange, view_change_message(vc));
    c.inject(n == 1 ? 3 : 2, 1, Type::kViewChange, encode(vc));
  }
  EXPECT_EQ(accusers(c, 3, Purpose::kAttest), 1u);
  EXPECT_EQ(accusers(c, 3, Purpose::kViewChange), 1u);
}

TEST(Evidence, a_bad_signature_accuses_nobody) {
  TestCluster c = TestCluster::equal_powers(4);
  Statement forged = vertex_of(2, 8, id(2));
  forged.replica = 3;
  c.inject(2, 1, Type::kStatement, encode(vertex_of(3, 8, id(1))));
  c.inject(2, 1, Type::kStatement, encode(forged));
  EXPECT_TRUE(c.nodes[1].evidence.empty());
  EXPECT_EQ(c.nodes[1].replica->counters().frames_denied, 1u);
}

TEST(Evidence, signatures_under_way_and_places_far_away_are_bounded) {
  TestCluster c = TestCluster::equal_powers(4);
  Replica& r = *c.nodes[1].replica;
  std::size_t asked = 0;
  for (std::uint64_t n = 1; n <= 64; ++n) {
    const auto frame = std::make_shared<const Bytes>(encode(vertex_of(3, 8, id(static_cast<std::uint8_t>(n)))));
    asked += r.receive(c.now(), 3, static_cast<std::uint8_t>(Type::kStatement), frame).checks.size();
  }
  EXPECT_EQ(asked, 32u);
  EXPECT_EQ(r.counters().frames_dropped, 32u);
  const std::uint64_t far = r.counters().frames_far;
  c.inject(2, 1, Type::kStatement, encode(vertex_of(3, 8 * kLaneWindow, id(1))));
  EXPECT_EQ(r.counters().frames_far, far + 1);
}

TEST(Evidence, votes_are_sealed_at_checkpoints_and_when_it_gets_quiet) {
  TestCluster c = TestCluster::equal_powers(4);
  for (int n = 0; n < 32; ++n) {
    ASSERT_TRUE(c.submit(1, text("{}", n)));
    c.run();
  }
  EXPECT_EQ(c.nodes[2].said[Purpose::kVotes], 1u);  // 32 slots, two phases
  ASSERT_TRUE(c.submit(1, "and"));
  c.run();
  EXPECT_EQ(c.nodes[2].said[Purpose::kVotes], 1u);
  c.advance_ms(5'000);
  EXPECT_EQ(c.nodes[2].said[Purpose::kVotes], 2u);
  c.advance_ms(60'000);
  EXPECT_EQ(c.nodes[2].said[Purpose::kVotes], 2u);  // nothing new to seal
  for (const auto& node : c.nodes) EXPECT_TRUE(node.evidence.empty());
}

Statement votes_of(Index replica, Seq seq, const Hash32& prepared) {
  return signed_by(replica, {.purpose = Purpose::kVotes,
                             .replica = 0,
                             .epoch = 0,
                             .view = 0,
                             .first = vote_place(seq, Phase::kPrepare),
                             .ids = {prepared},
                             .signature = {}});
}

TEST(Evidence, two_seals_and_a_vote_that_differs_from_its_seal) {
  TestCluster c = TestCluster::equal_powers(4);
  c.inject(3, 1, Type::kStatement, encode(votes_of(3, 5, id(1))));
  c.inject(3, 1, Type::kPrepare, encode(Vote{.epoch = 0, .view = 0, .seq = 5, .digest = id(2)}));
  EXPECT_EQ(c.nodes[1].replica->counters().statements_shown, 1u);
  EXPECT_EQ(accusers(c, 3, Purpose::kVotes), 0u);
  c.inject(2, 1, Type::kStatement, encode(votes_of(3, 5, id(2))));
  EXPECT_EQ(accusers(c, 3, Purpose::kVotes), 1u);
  const std::uint64_t far = c.nodes[1].replica->counters().frames_far;
  c.inject(3, 1, Type::kStatement, encode(votes_of(3, 2 * kSlotWindow + 1, id(1))));
  EXPECT_EQ(c.nodes[1].replica->counters().frames_far, far + 1);
}

TEST(Evidence, a_view_change_that_conceals_sealed_votes_whichever_comes_first) {
  ViewChange vc;
  vc.replica = 3;
  vc.view = 1;
  vc.signature = TestOracle(3).sign(Purpose::kViewChange, view_change_message(vc));
  for (const bool votes_first : {true, false}) {
    TestCluster c = TestCluster::equal_powers(4);
    if (votes_first) c.inject(3, 1, Type::kStatement, encode(votes_of(3, 5, id(1))));
    c.inject(3, 1, Type::kViewChange, encode(vc));
    if (!votes_first) c.inject(3, 1, Type::kStatement, encode(votes_of(3, 5, id(1))));
    EXPECT_EQ(accusers(c, 3, Purpose::kViewChange), 1u) << votes_first;
    c.inject(3, 1, Type::kStatement, encode(votes_of(3, 6, id(1))));
    EXPECT_EQ(c.nodes[1].evidence.size(), 1u);  // once a view
  }
}

// Views come and go, a replica restarts from its journal: what it claims covers what it voted.
TEST(Evidence, an_honest_view_change_conceals_nothing) {
  TestCluster c = TestCluster::equal_powers(4);
  order(c, 9);
  for (int view = 1; view < 6; ++view) {
    const Index down = c.nodes[1].replica->facts().leader;
    c.crash(down);
    ASSERT_TRUE(c.submit(static_cast<Index>((down + 1) % 4), "more"));
    c.advance_ms(10'000);
    c.restart(down);
    for (Index peer = 0; peer < 4; ++peer) {
      if (peer == down) continue;
      c.take(down, c.nodes[down].replica->peer_up(c.now(), peer));
      c.take(peer, c.nodes[peer].replica->peer_up(c.now(), down));
    }
    c.advance_ms(10'000);
  }
  EXPECT_GE(c.nodes[1].replica->facts().view, 5u);
  EXPECT_GE(c.nodes[2].said[Purpose::kVotes], 3u);
  for (const auto& node : c.nodes) EXPECT_TRUE(node.evidence.empty());
}

// Whatever of its lane it may have signed before, it signs no other.
TEST(Evidence, a_lane_whose_journal_was_lost_is_signed_again_only_above_a_window) {
  TestCluster c = TestCluster::equal_powers(4);
  for (int n = 0; n < 16; ++n) ASSERT_TRUE(c.submit(3, text("{}", n)));
  c.run();
  EXPECT_EQ(c.nodes[3].said[Purpose::kVertex], 2u);
  c.crash(3);
  Start start;
  start.abstain = true;
  c.nodes[3].executed.clear();
  c.nodes[3].records.clear();
  c.nodes[3].root = {};
  c.boot(3, start);
  for (Index peer = 0; peer < 3; ++peer) {
    c.take(3, c.nodes[3].replica->peer_up(c.now(), peer));
    c.take(peer, c.nodes[peer].replica->peer_up(c.now(), 3));
  }
  c.advance_ms(300'000);
  ASSERT_FALSE(c.nodes[3].replica->facts().abstaining);
  const auto write = [&](std::size_t vertices) {
    for (std::size_t n = 0; n < vertices; ++n) {
      ASSERT_TRUE(c.submit(3, "again"));
      c.run();
    }
  };
  write(kLaneWindow / 2);
  c.take(3, c.nodes[3].replica->compact(c.now()));  // the journal begins anew
  c.crash(3);
  c.restart(3);
  c.advance_ms(1'000);
  write(kLaneWindow / 2);
  EXPECT_EQ(c.nodes[3].said[Purpose::kVertex], 2u);
  write(kVertexSignedEvery);
  EXPECT_EQ(c.nodes[3].said[Purpose::kVertex], 3u);
  for (const auto& node : c.nodes) EXPECT_TRUE(node.evidence.empty());
}

TEST(Evidence, nothing_is_signed_before_its_record_is_durable) {
  TestCluster c = TestCluster::equal_powers(4);
  c.nodes[1].sync = false;
  for (int n = 0; n < 8; ++n) ASSERT_TRUE(c.submit(1, text("{}", n)));
  c.run();
  EXPECT_EQ(c.nodes[1].replica->counters().statements_sent, 0u);
  c.make_durable(1);
  EXPECT_EQ(c.nodes[1].replica->counters().statements_sent, 1u);
}

}  // namespace
}  // namespace hanse::consensus
