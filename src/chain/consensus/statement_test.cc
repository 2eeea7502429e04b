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
  s.purpose = static_cast<Purpose>(5);
  EXPECT_TRUE(refused(s));
  s.purpose = Purpose::kViewChange;  // has no place
  EXPECT_TRUE(refused(s));
  EXPECT_FALSE(refused(proposals(1, std::vector<Hash32>(kStatementIdsMax, id(1)))));
  EXPECT_TRUE(refused(proposals(1, std::vector<Hash32>(kStatementIdsMax + 1, id(1)))));
  EXPECT_TRUE(refused(proposals(1, {})));
  EXPECT_TRUE(refused(proposals(0, {id(1)})));
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

TEST(Evidence, of_the_same_pair_is_the_same_bytes_whoever_found_it) {
  const Statement a = proposals(9, {id(1)}), b = proposals(9, {id(2)});
  EXPECT_EQ(encode(evidence_of(a, b)), encode(evidence_of(b, a)));
}

}  // namespace
}  // namespace hanse::consensus
