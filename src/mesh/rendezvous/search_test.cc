#include "mesh/rendezvous/search.h"

#include <algorithm>

#include "mesh/rendezvous/test_records.h"

namespace hanse::rendezvous {
namespace {

CoordinatorId coordinator(std::uint8_t number) {
  CoordinatorId id;
  id.data[0] = number;
  return id;
}
std::vector<Coordinator> coordinators(std::uint8_t n) {
  std::vector<Coordinator> out;
  for (std::uint8_t i = 0; i < n; ++i) out.push_back({.id = coordinator(i)});
  return out;
}

TEST(Round, asks_each_holder_once_and_ends_when_all_have_answered) {
  Round round(9, coordinators(20));
  const auto asked = round.next();
  EXPECT_EQ(asked, holders_of(9, coordinators(20)));
  EXPECT_TRUE(round.next().empty());
  for (const auto& who : asked) {
    EXPECT_FALSE(round.done());
    round.answered(who, {});
  }
  EXPECT_TRUE(round.next().empty());
  EXPECT_TRUE(round.done());
}

TEST(Round, goes_on_to_the_next_in_rank_for_one_that_failed) {
  Round round(9, coordinators(20));
  const auto asked = round.next();
  round.failed(asked[0]);
  auto left = coordinators(20);
  std::erase_if(left, [&](const Coordinator& c) { return c.id == asked[0]; });
  EXPECT_EQ(round.next(), std::vector{holders_of(9, left).back()});
}

TEST(Round, passes_over_who_is_settled) {
  const auto holders = holders_of(9, coordinators(20));
  Round round(9, coordinators(20), {holders[0], holders[1]});
  EXPECT_EQ(round.next(), (std::vector<CoordinatorId>(holders.begin() + 2, holders.end())));
}

TEST(Round, asks_those_that_are_named_beside_those_that_are_known) {
  Round round(9, coordinators(1));
  ASSERT_EQ(round.next().size(), 1u);
  const std::vector<CoordinatorId> named{coordinator(30), coordinator(31), coordinator(0)};
  round.answered(coordinator(5), named);  // was not asked
  EXPECT_TRUE(round.next().empty());
  round.answered(coordinator(0), named);
  EXPECT_EQ(round.next().size(), 2u);
}

TEST(Round, has_an_end_whatever_is_named) {
  Round round(9, coordinators(20));
  std::size_t asked = 0, turns = 0;
  std::uint32_t fresh = 0;
  for (auto next = round.next(); !next.empty(); next = round.next()) {
    asked += next.size();
    ASSERT_LT(++turns, 100u);
    for (const auto& who : next) {
      std::vector<CoordinatorId> named;
      for (int i = 0; i < 8; ++i) {  // always some that weigh more
        CoordinatorId best;
        for (int tries = 0; tries < 50; ++tries) {
          CoordinatorId one;
          for (std::size_t b = 0; b < 4; ++b) one.data[b] = static_cast<std::uint8_t>(fresh >> (8 * b));
          one.data[9] = 1;
          ++fresh;
          if (weight_of(9, best) < weight_of(9, one)) best = one;
        }
        named.push_back(best);
      }
      round.answered(who, named);
    }
  }
  EXPECT_LE(asked, kAskedMax);
  EXPECT_GT(asked, kHolders);
  EXPECT_TRUE(round.done());
}

TEST(Round, takes_so_many_names_and_no_more) {
  Round round(9, coordinators(1));
  (void)round.next();
  std::vector<CoordinatorId> named;
  for (std::size_t i = 0; i <= kNamedMax; ++i) named.push_back(coordinator(static_cast<std::uint8_t>(100 + i)));
  round.answered(coordinator(0), named);
  std::set<CoordinatorId> asked;
  for (auto next = round.next(); !next.empty(); next = round.next())
    for (const auto& who : next) {
      asked.insert(who);
      round.failed(who);
    }
  EXPECT_LE(asked.size(), kAskedMax);
  EXPECT_FALSE(asked.contains(named.back())) << "it was named last, one past the limit";
}

TEST(Sightings, are_the_newest_of_each_machine_the_last_certified_first) {
  Sightings s;
  s.add(made({.machine = 1, .seq = 2}));
  s.add(made({.machine = 1, .seq = 1}));
  s.add(made({.machine = 1, .seq = 2}));
  s.add(made({.machine = 2, .certified_ms = kNow + 1}));
  const auto places = s.places();
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[0].machine, machine_of(2));
  EXPECT_EQ(places[1].machine, machine_of(1));
  EXPECT_EQ(places[1].told_by, 2u);
  EXPECT_EQ(places[1].end_ms, kNow + kLifeMsMax);
}

TEST(Sightings, leave_out_where_the_agent_has_left_whatever_came_first) {
  for (const bool later : {false, true}) {
    Sightings s;
    if (!later) s.add(made({.seq = 1}));
    s.add(made({.seq = 2, .here = false}));
    if (later) s.add(made({.seq = 1}));
    EXPECT_TRUE(s.places().empty());
  }
}

TEST(Sightings, leave_out_a_machine_that_lied_though_it_says_more) {
  Sightings s;
  s.add(made({.seq = 3}));
  s.add(made({.seq = 3, .end_ms = kNow + 1}));
  s.add(made({.seq = 4}));
  s.add(made({.machine = 2}));
  ASSERT_EQ(s.places().size(), 1u);
  EXPECT_EQ(s.places()[0].machine, machine_of(2));
}

TEST(Sightings, are_of_so_many_machines_and_no_more) {
  Sightings s;
  for (std::uint32_t m = 0; m <= kSeenMax; ++m) s.add(unsigned_record(1, m));
  EXPECT_EQ(s.places().size(), kSeenMax);
}

}  // namespace
}  // namespace hanse::rendezvous
