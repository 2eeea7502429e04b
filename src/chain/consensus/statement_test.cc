#include "chain/consensus/statement.h"

#include <gtest/gtest.h>

namespace hanse::consensus {
namespace {

Hash32 id(std::uint8_t n) {
  Hash32 out;
  out.data.fill(n);
  return out;
}

Statement proposals(std::uint64_t first, std::vector<Hash32> ids) {
  return {.purpose = Purpose::kProposals,
          .replica = 2,
          .epoch = 5,
          .view = 7,
          .first = first,
          .ids = std::move(ids),
          .signature = Bytes(20, 9)};
}

Statement votes(std::uint64_t first, std::vector<Hash32> ids, View view = 7) {
  Statement s = proposals(first, std::move(ids));
  s.purpose = Purpose::kVotes;
  s.view = view;
  return s;
}

// Of replica 2, from view 6 on: slot 40 is prepared in view 7, slot 41 was sent Prepare in view 8.
ViewChange change() {
  return {.epoch = 5,
          .replica = 2,
          .view = 9,
          .checkpoint = {.seq = 32, .block = id(9), .signatures = {{.replica = 1, .signature = Bytes(30, 1)}}},
          .prepared = {{.seq = 40, .digest = id(1), .view = 7}},
          .prepares = {{.seq = 40, .digest = id(1), .view = 7}, {.seq = 41, .digest = id(2), .view = 8}},
          .signature = Bytes(20, 3)};
}
std::uint64_t prepare(Seq seq) { return vote_place(seq, Phase::kPrepare); }
std::uint64_t commit(Seq seq) { return vote_place(seq, Phase::kCommit); }

TEST(Statement, comes_back_as_it_was_written) {
  const Statement said = proposals(9, {id(1), id(2)});
  const auto again = decode_statement(encode(said));
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ(*again, said);
  const Evidence evidence = evidence_of(said, proposals(10, {id(3)}));
  EXPECT_EQ(*decode_evidence(encode(evidence)), evidence);
}

TEST(Statement, has_one_way_to_name_a_place) {
  const auto refused = [](Statement s) {
    const auto read = decode_statement(encode(s));
    return !read && read.error().id() == "consensus.frame";
  };
  const Statement vertex{
      .purpose = Purpose::kVertex, .replica = 1, .epoch = 0, .view = 0, .first = 8, .ids = {id(1)}, .signature = {}};
  ASSERT_FALSE(refused(vertex));
  Statement s = vertex;
  s.first = 9;  // covered by the chain
  EXPECT_TRUE(refused(s));
  s = vertex;
  s.view = 1;
  EXPECT_TRUE(refused(s));
  s = vertex;
  s.ids.push_back(id(2));
  EXPECT_TRUE(refused(s));
  s = vertex;
  s.replica = kReplicasMax;
  EXPECT_TRUE(refused(s));
  s = vertex;
  s.purpose = static_cast<Purpose>(6);
  EXPECT_TRUE(refused(s));
  s.purpose = Purpose::kViewChange;  // has no place
  EXPECT_TRUE(refused(s));
  EXPECT_FALSE(refused(proposals(1, std::vector<Hash32>(kStatementIdsMax, id(1)))));
  EXPECT_TRUE(refused(proposals(1, std::vector<Hash32>(kStatementIdsMax + 1, id(1)))));
  EXPECT_TRUE(refused(proposals(1, {})));
  EXPECT_TRUE(refused(proposals(0, {id(1)})));
  EXPECT_FALSE(refused(votes(2, {id(1), {}, id(2)})));
  EXPECT_TRUE(refused(votes(2, {id(1), {}})));
  EXPECT_TRUE(refused(votes(2, {{}, id(1)})));
  EXPECT_TRUE(refused(votes(1, {id(1)})));  // there is no slot 0
}

TEST(Statement, of_an_attest_or_a_view_change_covers_what_was_signed) {
  const Attest attest{.epoch = 3, .seq = 16, .block = id(4), .signature = {1}};
  const Statement s = statement_of(1, attest);
  EXPECT_EQ(statement_message(s), attest_message(attest));
  Attest other = attest;
  other.seq = 24;
  EXPECT_NE(attest_message(other), attest_message(attest));
  ViewChange vc;
  vc.view = 4;
  const Bytes before = view_change_message(vc);
  vc.prepares.push_back({.seq = 1, .digest = id(1), .view = 0});
  EXPECT_NE(view_change_message(vc), before);
}

TEST(Contradiction, is_the_lowest_place_at_which_two_differ) {
  const auto fact =
      contradiction(evidence_of(proposals(9, {id(1), id(2), id(3)}), proposals(10, {id(2), id(4), id(5)})));
  ASSERT_TRUE(fact) << fact.error().str();
  EXPECT_EQ(*fact, (Fact{.purpose = Purpose::kProposals, .replica = 2, .epoch = 5, .view = 7, .place = 11}));
}

TEST(Contradiction, needs_one_signer_purpose_epoch_and_view_and_a_common_place) {
  const Statement a = proposals(9, {id(1)});
  const auto none = [&](Statement b) {
    const auto fact = contradiction(evidence_of(a, std::move(b)));
    return !fact && fact.error().id() == "consensus.evidence";
  };
  EXPECT_FALSE(none(proposals(9, {id(2)})));
  EXPECT_TRUE(none(proposals(9, {id(1), id(2)})));
  EXPECT_TRUE(none(proposals(10, {id(2)})));
  EXPECT_TRUE(none(proposals(8, {id(2)})));
  Statement b = proposals(9, {id(2)});
  b.view = 8;
  EXPECT_TRUE(none(b));
  b = proposals(9, {id(2)});
  b.epoch = 6;
  EXPECT_TRUE(none(b));
  b = proposals(9, {id(2)});
  b.replica = 3;
  EXPECT_TRUE(none(b));
}

TEST(Contradiction, of_votes_is_where_both_voted) {
  const auto fact = contradiction(
      evidence_of(votes(prepare(9), {id(1), id(1), {}, id(1)}), votes(prepare(9), {id(1), {}, id(2), id(2)})));
  ASSERT_TRUE(fact) << fact.error().str();
  EXPECT_EQ(fact->place, commit(10));
  EXPECT_FALSE(contradiction(evidence_of(votes(prepare(9), {id(1)}), votes(commit(9), {id(2)}))));
  EXPECT_NE(vote_id({}), Hash32{});  // the empty slot is voted for too
  EXPECT_TRUE(contradiction(evidence_of(votes(prepare(9), {vote_id({})}), votes(prepare(9), {id(1)}))));
}

TEST(Concealment, is_a_vote_of_an_earlier_view_that_the_claims_leave_out) {
  const ViewChange vc = change();
  EXPECT_FALSE(conceals(vc, 7, prepare(40), id(1)));
  EXPECT_FALSE(conceals(vc, 7, commit(40), id(1)));
  EXPECT_FALSE(conceals(vc, 6, commit(40), id(2)));  // displaced by what it prepared later
  EXPECT_FALSE(conceals(vc, 6, prepare(41), id(2)));
  EXPECT_FALSE(conceals(vc, 7, commit(32), id(5)));   // below its checkpoint
  EXPECT_FALSE(conceals(vc, 9, prepare(45), id(5)));  // of the view asked for
  EXPECT_FALSE(conceals(vc, 7, commit(45), {}));      // no vote
  EXPECT_TRUE(conceals(vc, 7, commit(40), id(2)));
  EXPECT_TRUE(conceals(vc, 8, commit(40), id(1)));
  EXPECT_TRUE(conceals(vc, 8, prepare(40), id(1)));
  EXPECT_TRUE(conceals(vc, 7, prepare(40), id(2)));
  EXPECT_TRUE(conceals(vc, 7, commit(41), id(2)));
  EXPECT_TRUE(conceals(vc, 0, prepare(33), vote_id({})));
}

TEST(Concealment, is_proved_by_the_view_change_its_claims_and_the_sealed_votes) {
  const ViewChange vc = change();
  const Evidence evidence = evidence_of(vc, votes(commit(40), {id(1), id(2), id(3)}, 8));
  EXPECT_EQ(*decode_evidence(encode(evidence)), evidence);
  const auto fact = contradiction(evidence);
  ASSERT_TRUE(fact) << fact.error().str();
  EXPECT_EQ(*fact, (Fact{.purpose = Purpose::kViewChange, .replica = 2, .epoch = 5, .view = 9, .place = kConcealed}));
  const auto none = [](const Evidence& e) {
    const auto judged = contradiction(e);
    return !judged && judged.error().id() == "consensus.evidence";
  };
  EXPECT_TRUE(none(evidence_of(vc, votes(commit(40), {id(1), id(2)}, 7))));  // nothing is left out
  EXPECT_TRUE(none(evidence_of(vc, proposals(40, {id(5)}))));
  Evidence other = evidence;
  other.second.replica = 1;
  EXPECT_TRUE(none(other));
  other = evidence;
  other.second.epoch = 4;
  EXPECT_TRUE(none(other));
  ViewChange forged = vc;  // claims that it never signed
  forged.prepared.clear();
  other = evidence;
  other.claims = view_change_claims(forged);
  EXPECT_TRUE(none(other));
  other.claims.pop_back();
  EXPECT_FALSE(contradiction(other));
}

// Whoever passes a view change on may show another set of signatures under its checkpoint.
TEST(Concealment, a_checkpoints_signatures_are_not_what_is_signed) {
  ViewChange vc = change();
  const Bytes signed_bytes = view_change_message(vc);
  vc.checkpoint.signatures.clear();
  EXPECT_EQ(view_change_message(vc), signed_bytes);
  vc.checkpoint.block = id(8);
  EXPECT_NE(view_change_message(vc), signed_bytes);
}

TEST(Evidence, of_the_same_pair_is_the_same_bytes_whoever_found_it) {
  const Statement a = proposals(9, {id(1)}), b = proposals(9, {id(2)});
  EXPECT_EQ(encode(evidence_of(a, b)), encode(evidence_of(b, a)));
}

}  // namespace
}  // namespace hanse::consensus
