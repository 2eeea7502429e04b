#include "chain/consensus/witness.h"

#include <gtest/gtest.h>

namespace hanse::consensus {
namespace {

Hash32 id(std::uint8_t n) {
  Hash32 out;
  out.data.fill(n);
  return out;
}

Witness::Said said(std::uint64_t first, std::vector<Hash32> ids, View view = 0) {
  return std::make_shared<const Statement>(Statement{.purpose = Purpose::kProposals,
                                                     .replica = 1,
                                                     .epoch = 0,
                                                     .view = view,
                                                     .first = first,
                                                     .ids = std::move(ids),
                                                     .signature = {}});
}
Fact at(std::uint64_t place, View view = 0) {
  return {.purpose = Purpose::kProposals, .replica = 1, .epoch = 0, .view = view, .place = place};
}

TEST(Witness, finds_two_statements_that_exclude_each_other_once) {
  Witness w;
  EXPECT_FALSE(w.add(said(8, {id(1), id(2)})).evidence);
  EXPECT_FALSE(w.add(said(8, {id(1), id(2)})).evidence);
  EXPECT_FALSE(w.add(said(9, {id(2), id(3)})).evidence);
  const auto found = w.add(said(8, {id(1), id(4)})).evidence;
  ASSERT_TRUE(found);
  EXPECT_EQ(contradiction(*found)->place, 9u);
  EXPECT_FALSE(w.add(said(9, {id(4), id(3)})).evidence);
  EXPECT_TRUE(w.add(said(10, {id(5)})).evidence);
}

TEST(Witness, another_view_is_another_place) {
  Witness w;
  EXPECT_FALSE(w.add(said(8, {id(1)}, 0)).evidence);
  EXPECT_FALSE(w.add(said(8, {id(2)}, 1)).evidence);
  EXPECT_TRUE(w.said(at(8, 0), id(1)));
  EXPECT_FALSE(w.said(at(8, 1), id(1)));
}

TEST(Witness, shows_what_it_holds_when_somebody_says_otherwise_in_any_order_and_once) {
  Witness before;
  EXPECT_FALSE(before.hearsay(at(8), id(2)));
  EXPECT_TRUE(before.add(said(8, {id(1)})).show);
  EXPECT_FALSE(before.hearsay(at(8), id(3)));
  Witness after;
  EXPECT_FALSE(after.add(said(8, {id(1)})).show);
  EXPECT_FALSE(after.hearsay(at(8), id(1)));
  EXPECT_TRUE(after.hearsay(at(8), id(2)));
  EXPECT_FALSE(after.hearsay(at(8), id(2)));
  // Hearsay alone accuses nobody.
  EXPECT_FALSE(after.add(said(8, {id(1)})).evidence);
}

TEST(Witness, knows_what_needs_no_checking_again) {
  Witness w;
  (void)w.add(said(8, {id(1), id(2)}));
  EXPECT_TRUE(w.known(*said(9, {id(2)})));
  EXPECT_FALSE(w.known(*said(9, {id(3)})));
  EXPECT_FALSE(w.known(*said(9, {id(2), id(3)})));
}

TEST(Witness, keeps_the_newest_places_of_a_signer) {
  Witness w;
  for (std::uint64_t n = 1; n <= kWitnessPlacesMax + 1; ++n) (void)w.add(said(n, {id(1)}));
  EXPECT_EQ(w.places(Purpose::kProposals, 1), kWitnessPlacesMax);
  EXPECT_FALSE(w.at(at(1)));
  EXPECT_TRUE(w.at(at(2)));
  EXPECT_FALSE(w.add(said(1, {id(2)})).evidence);  // below all that is kept
  EXPECT_EQ(w.places(Purpose::kProposals, 1), kWitnessPlacesMax);
}

TEST(Witness, keeps_few_view_changes) {
  Witness w;
  for (View v = 1; v <= kWitnessViewsMax + 5; ++v)
    (void)w.add(std::make_shared<const Statement>(Statement{.purpose = Purpose::kViewChange,
                                                            .replica = 1,
                                                            .epoch = 0,
                                                            .view = v,
                                                            .first = 0,
                                                            .ids = {id(1)},
                                                            .signature = {}}));
  EXPECT_EQ(w.places(Purpose::kViewChange, 1), kWitnessViewsMax);
}

TEST(Witness, remembers_few_other_ids_of_a_place) {
  Witness w;
  for (std::uint8_t n = 1; n <= kWitnessOthersMax; ++n) EXPECT_FALSE(w.hearsay(at(8), id(n)));
  EXPECT_FALSE(w.hearsay(at(8), id(99)));  // not kept
  EXPECT_TRUE(w.add(said(8, {id(99)})).show);
}

}  // namespace
}  // namespace hanse::consensus
