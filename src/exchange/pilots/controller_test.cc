#include "exchange/pilots/controller.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/core/text.h"

namespace hanse::pilots {
namespace {

using Phase = ControllerState::Phase;

struct ControllerTest : testing::Test {
  ControllerLimits limits{.min = 0,
                          .max = 3,
                          .slots = 2,
                          .idle_ms = 1'000,
                          .start_ms_max = 5'000,
                          .list_ms = 500,
                          .backoff_ms_first = 100,
                          .backoff_ms_most = 800,
                          .name_prefix = "g"};
  ControllerState state;
  std::int64_t now = 1'000;

  std::vector<Effect> happen(const Event& event) { return step(state, limits, event, now); }
  static Seen seen(std::size_t calls, std::vector<PilotSeen> pilots = {}) {
    return {{.queued = calls, .running = 0, .pilots = std::move(pilots)}};
  }
  template <class T>
  static std::vector<T> only(const std::vector<Effect>& effects) {
    std::vector<T> out;
    for (const auto& one : effects)
      if (const auto* found = std::get_if<T>(&one)) out.push_back(*found);
    return out;
  }
  void list(std::vector<Listed> jobs = {}) { happen(ListedNow{now, std::move(jobs)}); }
  // n pilots that the cluster took.
  std::vector<std::string> started(std::size_t calls) {
    std::vector<std::string> names;
    for (const auto& one : only<Start>(happen(seen(calls)))) {
      names.push_back(one.name);
      happen(Started{one.name, "id-" + one.name});
    }
    return names;
  }
};

TEST_F(ControllerTest, nothing_starts_before_the_first_list_and_orphans_go_first) {
  const auto effects = happen(seen(10));
  EXPECT_TRUE(only<Start>(effects).empty());
  EXPECT_EQ(only<List>(effects).size(), 1u);
  EXPECT_TRUE(only<List>(happen(seen(10))).empty());  // one at a time
  const auto orphans = only<Cancel>(happen(ListedNow{now, {{"17", "old-1"}, {"18", ""}}}));
  ASSERT_EQ(orphans.size(), 2u);
  EXPECT_EQ(orphans[0].id, "17");
  EXPECT_EQ(orphans[1].id, "18");
  EXPECT_EQ(state.orphans, 2u);
  EXPECT_EQ(only<Start>(happen(seen(1))).size(), 1u);
}

TEST_F(ControllerTest, a_failed_list_is_asked_again_later_and_later_and_nothing_starts) {
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 6; ++i) {
    while (only<List>(happen(seen(5))).empty()) ++now;
    EXPECT_TRUE(state.pilots.empty());
    happen(ListFailed{});
    waits.push_back(state.list_due_ms - now);
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{100, 200, 400, 800, 800, 800}));
}

TEST_F(ControllerTest, pilots_are_wanted_for_the_calls_within_min_and_max) {
  list();
  const auto wanted = [&](std::size_t calls) {
    happen(seen(calls));
    return state.wanted;
  };
  EXPECT_EQ(wanted(0), 0u);
  EXPECT_EQ(wanted(1), 1u);
  EXPECT_EQ(wanted(2), 1u);
  EXPECT_EQ(wanted(3), 2u);
  EXPECT_EQ(wanted(6), 3u);
  EXPECT_EQ(wanted(7), 3u);
  EXPECT_EQ(wanted(1'000'000), 3u);
  limits.min = 2;
  EXPECT_EQ(wanted(0), 2u);
  EXPECT_EQ(state.pilots.size(), 3u);  // max, and not one more
}

TEST_F(ControllerTest, a_step_starts_a_few_and_max_counts_those_that_leave) {
  limits.max = 10;
  list();
  EXPECT_EQ(only<Start>(happen(seen(100))).size(), kStartsMax);
  EXPECT_EQ(only<Start>(happen(seen(100))).size(), kStartsMax);
  EXPECT_EQ(only<Start>(happen(seen(100))).size(), 2u);
  EXPECT_TRUE(only<Start>(happen(seen(100))).empty());
}

TEST_F(ControllerTest, idle_pilots_are_let_go_but_not_those_wanted) {
  list();
  const auto names = started(6);
  ASSERT_EQ(names.size(), 3u);
  std::vector<PilotSeen> here;
  for (const auto& name : names) here.push_back({name, 999});
  EXPECT_TRUE(only<LetGo>(happen(seen(0, here))).empty());
  for (auto& one : here) one.idle_ms = 1'000;
  EXPECT_EQ(only<LetGo>(happen(seen(2, here))).size(), 2u);  // one is wanted
  EXPECT_TRUE(only<LetGo>(happen(seen(2, here))).empty());
  EXPECT_TRUE(only<Start>(happen(seen(100, here))).empty());  // max counts who leaves
  here.pop_back();
  EXPECT_LE(only<Start>(happen(seen(100, here))).size(), 1u);
  EXPECT_EQ(state.lost + state.failed, state.lost);
}

TEST_F(ControllerTest, who_was_let_go_is_not_lost_and_who_vanishes_is) {
  list();
  const auto name = started(1).at(0);
  happen(seen(0, {{name, 1}}));
  EXPECT_EQ(only<LetGo>(happen(seen(0, {{name, 1'000}}))).size(), 1u);
  EXPECT_EQ(only<Cancel>(happen(seen(0))).at(0).id, "id-" + name);
  EXPECT_EQ(state.lost, 0u);
  const auto other = started(1).at(0);
  EXPECT_NE(other, name);
  happen(seen(1, {{other, 0}}));
  EXPECT_EQ(only<Cancel>(happen(seen(0))).at(0).name, other);
  EXPECT_EQ(state.lost, 1u);
  EXPECT_TRUE(state.pilots.empty());
}

TEST_F(ControllerTest, failing_starts_wait_twice_as_long_each_time_and_one_that_comes_ends_it) {
  list();
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 5; ++i) {
    const auto starts = only<Start>(happen(seen(1)));
    ASSERT_EQ(starts.size(), 1u) << i;
    happen(StartFailed{starts[0].name});
    waits.push_back(state.start_not_before_ms - now);
    now = state.start_not_before_ms - 1;
    EXPECT_TRUE(only<Start>(happen(seen(1))).empty());
    ++now;
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{100, 200, 400, 800, 800}));
  const auto name = started(1).at(0);
  happen(seen(1, {{name, 0}}));
  EXPECT_EQ(state.failures, 0u);
  EXPECT_EQ(only<Start>(happen(seen(4, {{name, 0}}))).size(), 1u);
}

TEST_F(ControllerTest, who_does_not_come_in_time_or_is_no_longer_listed_is_given_up) {
  list();
  const auto late = started(1).at(0);
  now += 5'000;
  EXPECT_TRUE(only<Cancel>(happen(seen(1))).empty());
  ++now;
  EXPECT_EQ(only<Cancel>(happen(seen(1))).at(0).name, late);
  EXPECT_EQ(state.failed, 1u);
  now += 1'000;
  const auto ended = started(1).at(0);
  happen(ListedNow{now, {}});  // asked when it was started: says nothing
  EXPECT_TRUE(state.pilots.contains(ended));
  happen(ListedNow{now + 1, {{"id", ended}}});
  EXPECT_TRUE(state.pilots.contains(ended));
  EXPECT_EQ(only<Cancel>(happen(ListedNow{now + 1, {}})).at(0).name, ended);
  EXPECT_EQ(state.failed, 2u);
}

TEST_F(ControllerTest, the_end_cancels_all_and_a_start_that_comes_back_after_it) {
  list();
  const auto names = started(6);
  const auto cancelled = only<Cancel>(happen(Ending{}));
  EXPECT_EQ(cancelled.size(), names.size());
  EXPECT_EQ(only<Cancel>(happen(Started{"late", "9"})).at(0).id, "9");
  EXPECT_TRUE(happen(seen(100)).empty());
}

// Whatever happens in whatever order: never more than max, and every job that was started is known or was cancelled.
TEST_F(ControllerTest, no_order_of_events_exceeds_max_or_forgets_a_job) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random(seed, "controller");
    state = {};
    std::map<std::string, std::string> jobs;  // what the cluster has: id, name
    std::vector<std::string> starting;
    std::uint64_t id = 1;
    for (int i = 0; i < 200; ++i) {
      now += static_cast<std::int64_t>(random.below(400));
      std::vector<Effect> effects;
      std::vector<PilotSeen> here;
      for (const auto& [job, name] : jobs)
        if (random.below(3) != 0) here.push_back({name, static_cast<std::int64_t>(random.below(2'000))});
      switch (random.below(6)) {
        case 0:
        case 1: effects = happen(seen(random.below(12), here)); break;
        case 2: {
          std::vector<Listed> listed;
          for (const auto& [job, name] : jobs) listed.push_back({job, name});
          effects = happen(ListedNow{now, listed});
          break;
        }
        case 3: effects = happen(ListFailed{}); break;
        case 4:
          if (starting.empty()) break;
          if (random.below(2) != 0) {
            jobs[text("{}", id)] = starting.back();
            effects = happen(Started{starting.back(), text("{}", id++)});
          } else {
            effects = happen(StartFailed{starting.back()});
          }
          starting.pop_back();
          break;
        default:
          if (!jobs.empty()) jobs.erase(jobs.begin());  // ends by itself
      }
      for (const auto& one : only<Start>(effects)) starting.push_back(one.name);
      for (const auto& one : only<Cancel>(effects)) jobs.erase(one.id);
      ASSERT_LE(state.pilots.size(), limits.max) << "seed " << seed;
      for (const auto& [job, name] : jobs) ASSERT_TRUE(state.pilots.contains(name)) << "seed " << seed << " " << name;
    }
  }
}

}  // namespace
}  // namespace hanse::pilots
