#include "chain/consensus/view_change.h"

#include <gtest/gtest.h>

namespace hanse::consensus {
namespace {

Digest digest(std::uint8_t n) {
  Digest d;
  d.data.fill(n);
  return d;
}
const Digest a = digest(1), b = digest(2);

// Four equal validators; each test says what they claim of slot 1.
struct Set {
  Power power = *Power::create({2'500, 2'500, 2'500, 2'500}, 6'700, 8'000);
  std::vector<ViewChange> all;

  Set& add(Index replica, std::optional<Claim> p, std::vector<Claim> q, Seq stable = 0) {
    all.push_back({.epoch = 0,
                   .replica = replica,
                   .view = 9,
                   .checkpoint = {.seq = stable, .block = {}, .signatures = {}},
                   .prepared = {},
                   .prepares = std::move(q),
                   .signature = {}});
    if (p) all.back().prepared.push_back(*p);
    return *this;
  }
  std::optional<Decision> decide() const {
    std::vector<const ViewChange*> set;
    for (const ViewChange& vc : all) set.push_back(&vc);
    return consensus::decide(power, set);
  }
  std::optional<Digest> first() const {
    const auto decision = decide();
    if (!decision || decision->slots.empty()) return std::nullopt;
    return decision->slots[0].second;
  }
};

Claim claim(const Digest& d, View view) { return {.seq = 1, .digest = d, .view = view}; }

TEST(Decide, needs_a_quorum_of_distinct_senders) {
  Set s;
  s.add(0, {}, {}).add(1, {}, {});
  EXPECT_FALSE(s.decide());
  s.add(1, {}, {});
  EXPECT_FALSE(s.decide());
  s.all.back().replica = 2;
  ASSERT_TRUE(s.decide());
  EXPECT_TRUE(s.decide()->slots.empty());
}

TEST(Decide, what_may_be_committed_is_proposed_again) {
  Set s;
  s.add(0, claim(a, 0), {claim(a, 0)}).add(1, {}, {claim(a, 0)}).add(2, {}, {});
  EXPECT_EQ(s.first(), a);
}

TEST(Decide, a_lone_prepared_claim_without_prepares_behind_it_waits) {
  Set s;
  s.add(0, claim(a, 0), {claim(a, 0)}).add(1, {}, {}).add(2, {}, {});
  EXPECT_FALSE(s.decide());  // A2 has 2500 only, and null has 5000 only
  s.add(3, {}, {});
  EXPECT_EQ(s.first(), Digest{});
}

TEST(Decide, nothing_prepared_is_an_empty_slot_unless_an_express_commit_may_stand_behind_it) {
  Set few;
  few.add(0, {}, {claim(a, 0)}).add(1, {}, {}).add(2, {}, {});
  EXPECT_EQ(few.first(), Digest{});
  Set many;
  many.add(0, {}, {claim(a, 0)}).add(1, {}, {claim(a, 0)}).add(2, {}, {});
  EXPECT_EQ(many.first(), a);
  EXPECT_EQ(many.decide()->extra, 1u);
}

TEST(Decide, the_highest_view_wins) {
  Set s;
  s.add(0, claim(a, 1), {claim(a, 1)}).add(1, claim(b, 2), {claim(a, 1), claim(b, 2)}).add(2, {}, {claim(b, 2)});
  EXPECT_EQ(s.first(), b);
}

TEST(Decide, an_older_prepared_digest_does_not_displace_a_later_express_one) {
  Set s;
  s.add(0, claim(a, 1), {claim(a, 1), claim(b, 2)}).add(1, {}, {claim(a, 1), claim(b, 2)}).add(2, {}, {claim(b, 2)});
  EXPECT_EQ(s.first(), b);
}

TEST(Decide, a_rival_of_the_same_view_fails_A1) {
  Set s;  // two prepared claims of one view cannot both be honest: neither may win while a quorum is not behind one
  s.add(0, claim(a, 1), {claim(a, 1)}).add(1, claim(b, 1), {claim(a, 1), claim(b, 1)}).add(2, {}, {claim(b, 1)});
  EXPECT_FALSE(s.decide());
  s.add(3, {}, {claim(a, 1)});
  EXPECT_EQ(s.first(), a);
}

TEST(Decide, senders_beyond_a_slot_do_not_count_for_it) {
  Set s;
  s.add(0, {}, {}, 32).add(1, {}, {}, 32).add(2, {}, {}, 0);
  s.all[0].prepares = {{.seq = 33, .digest = a, .view = 1}};
  s.all[1].prepares = {{.seq = 33, .digest = a, .view = 1}};
  s.all[2].prepares = {{.seq = 1, .digest = b, .view = 1}};
  const auto decision = s.decide();
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->stable->checkpoint.seq, 32u);
  ASSERT_EQ(decision->slots.size(), 1u);
  EXPECT_EQ(decision->slots[0].first, 33u);
  EXPECT_EQ(decision->slots[0].second, a);
}

TEST(Decide, slots_between_are_filled_and_those_beyond_the_window_ignored) {
  Set s;
  for (Index i = 0; i < 3; ++i) s.add(i, {}, {});
  for (ViewChange& vc : s.all)
    vc.prepares = {{.seq = 3, .digest = a, .view = 0}, {.seq = kSlotWindow + 1, .digest = b, .view = 0}};
  const auto decision = s.decide();
  ASSERT_TRUE(decision);
  ASSERT_EQ(decision->slots.size(), kSlotWindow);
  EXPECT_EQ(decision->slots[0].second, Digest{});
  EXPECT_EQ(decision->slots[2].second, a);
}

}  // namespace
}  // namespace hanse::consensus
