#include "mesh/gossip/reconcile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "base/core/random.h"

namespace hanse::gossip {
namespace {

Item draw(Random& random, std::uint64_t span) {
  Item i{.hlc = 1'000'000 + random.below(span), .id = {}};
  random.fill(i.id.span());
  return i;
}

struct Talk {
  std::vector<Item> have, need;
  std::size_t bytes = 0, round_trips = 0, largest = 0, told_twice = 0;
};

Talk reconcile(const SortedItems& a, const SortedItems& b, std::size_t step_max = kReconcileStepMax) {
  Talk t;
  Bytes step = begin_reconcile(a);
  while (!step.empty()) {
    EXPECT_LT(++t.round_trips, 500u);
    if (t.round_trips >= 500) break;
    t.bytes += step.size();
    auto answer = step_reconcile(b, ReconcileSide::kAnswers, step, step_max);
    EXPECT_TRUE(answer) << answer.error().str();
    t.bytes += answer->bytes.size();
    t.largest = std::max({t.largest, step.size(), answer->bytes.size()});
    if (answer->bytes.empty()) break;
    auto next = step_reconcile(a, ReconcileSide::kBegan, answer->bytes, step_max);
    EXPECT_TRUE(next) << next.error().str();
    std::ranges::copy(next->have, std::back_inserter(t.have));
    std::ranges::copy(next->need, std::back_inserter(t.need));
    step = std::move(next->bytes);
  }
  for (auto* told : {&t.have, &t.need}) {
    std::ranges::sort(*told);
    const auto twice = std::ranges::unique(*told);
    t.told_twice += twice.size();
    told->erase(twice.begin(), twice.end());
  }
  return t;
}

void expect_exact(const SortedItems& a, const SortedItems& b, const Talk& t, std::string_view what) {
  std::vector<Item> have, need;
  std::ranges::set_difference(a.items(), b.items(), std::back_inserter(have));
  std::ranges::set_difference(b.items(), a.items(), std::back_inserter(need));
  EXPECT_TRUE(t.have == have) << what << ": told " << t.have.size() << " of " << have.size();
  EXPECT_TRUE(t.need == need) << what << ": told " << t.need.size() << " of " << need.size();
}

TEST(Reconcile, ten_thousand_items_and_one_that_differs) {  // target T11
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SeededRandom random(seed, "t11");
    std::vector<Item> items;
    for (int i = 0; i < 10'000; ++i) items.push_back(draw(random, 1'000'000));
    std::vector<Item> more = items;
    more.push_back(draw(random, 1'000'000));
    std::vector<Item> other = items;
    other[random.below(other.size())] = draw(random, 1'000'000);
    for (const auto* b : {&more, &other}) {
      const SortedItems left(items), right(*b);
      const Talk t = reconcile(left, right);
      expect_exact(left, right, t, "seed " + std::to_string(seed));
      EXPECT_LE(t.round_trips, 3u) << "seed " << seed;
      EXPECT_LE(t.bytes, 4'096u) << "seed " << seed;
      if (seed == 1) std::printf("one differs: %zu round trips, %zu bytes\n", t.round_trips, t.bytes);
    }
    const Talk same = reconcile(SortedItems(items), SortedItems(items));
    EXPECT_EQ(same.round_trips, 1u);
    EXPECT_LE(same.bytes, 200u);
    if (seed == 1) std::printf("identical: %zu bytes\n", same.bytes);
  }
}

TEST(Reconcile, finds_exactly_what_differs_in_any_two_sets) {
  constexpr std::uint64_t kSeeds = 400;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SeededRandom random(seed, "any two sets");
    const std::uint64_t span = 1 + random.below(random.below(2) == 0 ? 4 : 100'000);  // crowded or spread
    std::vector<Item> a, b;
    for (std::uint64_t i = random.below(600); i > 0; --i) {
      const Item item = draw(random, span);
      const std::uint64_t where = random.below(20);
      if (where != 0) a.push_back(item);
      if (where != 1) b.push_back(item);
    }
    for (std::uint64_t i = random.below(3) == 0 ? random.below(800) : 0; i > 0; --i) b.push_back(draw(random, span));
    const SortedItems left(a), right(b);
    const Talk wide = reconcile(left, right);
    expect_exact(left, right, wide, "seed " + std::to_string(seed));
    EXPECT_EQ(wide.told_twice, 0u) << "seed " << seed;
    expect_exact(left, right, reconcile(left, right, kReconcileStepMin), "narrow, seed " + std::to_string(seed));
    expect_exact(right, left, reconcile(right, left), "other way, seed " + std::to_string(seed));
  }
}

TEST(Reconcile, empty_sets_against_full_ones) {
  SeededRandom random(9, "empty");
  std::vector<Item> items;
  for (int i = 0; i < 3'000; ++i) items.push_back(draw(random, 50'000));
  const SortedItems full(items), empty({});
  expect_exact(full, empty, reconcile(full, empty), "full, empty");
  expect_exact(empty, full, reconcile(empty, full), "empty, full");
  EXPECT_EQ(reconcile(empty, empty).round_trips, 1u);
}

TEST(Reconcile, steps_keep_to_their_size) {
  SeededRandom random(10, "sizes");
  std::vector<Item> a, b;
  for (int i = 0; i < 20'000; ++i) (i % 2 == 0 ? a : b).push_back(draw(random, 1'000'000));
  const SortedItems left(a), right(b);
  const Talk t = reconcile(left, right, 8'192);
  expect_exact(left, right, t, "all differ");
  EXPECT_LE(t.largest, 8'192u);
  std::printf("20,000 of 20,000 differ: %zu round trips, %zu bytes\n", t.round_trips, t.bytes);
}

TEST(Reconcile, a_broken_session_goes_on_where_it_was) {
  SeededRandom random(11, "resume");
  std::vector<Item> a, b;
  for (int i = 0; i < 20'000; ++i) {
    a.push_back(draw(random, 1'000'000));
    if (i % 10 != 0) b.push_back(a.back());
  }
  const SortedItems left(a), right(b);
  std::vector<Item> have;
  Item from;
  Bytes step = begin_reconcile(left);
  int sessions = 1;
  for (int round = 0; round < 500 && !step.empty(); ++round) {
    auto answer = step_reconcile(right, ReconcileSide::kAnswers, step, 8'192);
    ASSERT_TRUE(answer);
    if (answer->bytes.empty()) break;
    auto next = step_reconcile(left, ReconcileSide::kBegan, answer->bytes, 8'192);
    ASSERT_TRUE(next);
    std::ranges::copy(next->have, std::back_inserter(have));
    ASSERT_LE(from, next->resume_at);
    from = next->resume_at;
    step = std::move(next->bytes);
    if (round % 8 != 7 || step.empty()) continue;
    ++sessions;  // the connection breaks
    step = begin_reconcile(left, from);
  }
  std::ranges::sort(have);
  const auto twice = std::ranges::unique(have);
  have.erase(twice.begin(), twice.end());
  std::vector<Item> expected;
  std::ranges::set_difference(left.items(), right.items(), std::back_inserter(expected));
  EXPECT_TRUE(have == expected);
  EXPECT_GT(sessions, 2);
}

TEST(Reconcile, damaged_steps_are_refused) {
  SeededRandom random(12, "damage");
  std::vector<Item> items;
  for (int i = 0; i < 10; ++i) items.push_back(draw(random, 1'000));
  const SortedItems mine(items), other({items[0], items[1]});
  const auto list = step_reconcile(other, ReconcileSide::kAnswers, begin_reconcile(mine));
  ASSERT_TRUE(list);
  for (std::size_t n = 1; n < list->bytes.size(); ++n) {
    const auto cut = step_reconcile(mine, ReconcileSide::kBegan, ByteView(list->bytes).first(n));
    if (cut)
      EXPECT_EQ(n, 1u);  // nothing differs
    else
      EXPECT_EQ(cut.error().id(), "gossip.reconcile");
  }
  EXPECT_FALSE(step_reconcile(mine, ReconcileSide::kBegan, {}));
  EXPECT_FALSE(step_reconcile(mine, ReconcileSide::kBegan, Bytes{2}));
  EXPECT_FALSE(step_reconcile(mine, ReconcileSide::kBegan, Bytes(kReconcileStepMax + 1, 1)));
  Bytes ends_twice = {1, 0, 0, 0, 0};
  EXPECT_FALSE(step_reconcile(mine, ReconcileSide::kBegan, ends_twice));
  Bytes swapped = list->bytes;  // two items out of order: version, end, mode, count, then them
  ASSERT_EQ(swapped[3], 2);
  std::swap_ranges(swapped.end() - 33, swapped.end() - 1, swapped.end() - 66);
  if (swapped != list->bytes) (void)step_reconcile(mine, ReconcileSide::kBegan, swapped);
}

TEST(Reconcile, a_fingerprint_is_of_the_items_and_not_of_their_number) {
  SeededRandom random(13, "prints");
  std::vector<Item> a, b;
  for (int i = 0; i < 64; ++i) a.push_back(draw(random, 1'000)), b.push_back(draw(random, 1'000));
  const SortedItems left(a), right(b), again(a);
  EXPECT_EQ(left.fingerprint(0, 64), again.fingerprint(0, 64));
  EXPECT_NE(left.fingerprint(0, 64), right.fingerprint(0, 64));
  EXPECT_NE(left.fingerprint(0, 0), left.fingerprint(0, 1));
  // Of a range in the middle: the same as of the set of just those.
  const SortedItems middle({left.items().begin() + 10, left.items().begin() + 30});
  EXPECT_EQ(left.fingerprint(10, 30), middle.fingerprint(0, 20));
}

}  // namespace
}  // namespace hanse::gossip
