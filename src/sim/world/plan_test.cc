#include "sim/world/plan.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/core/text.h"

namespace hanse::sim {
namespace {

std::string refused(const PlanOptions& options) {
  const auto plan = make_plan(options);
  return plan ? "" : std::string(plan.error().id());
}

TEST(Plan, comes_back_from_its_file_and_its_line) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto plan = make_plan({.seed = seed});
    ASSERT_TRUE(plan) << seed;
    EXPECT_EQ(std::accumulate(plan->power.begin(), plan->power.end(), 0u), 10'000u);
    const auto again = read_plan(write_plan(*plan));
    ASSERT_TRUE(again) << seed;
    EXPECT_EQ(again->faults, plan->faults) << seed;
    EXPECT_EQ(again->power, plan->power);
    EXPECT_EQ(again->tuning.timeout_ms, plan->tuning.timeout_ms);
    const auto listed = make_plan({.seed = seed, .n = plan->n, .faults = fault_list(plan->faults)});
    ASSERT_TRUE(listed) << seed;
    EXPECT_EQ(listed->faults, plan->faults) << seed;
    EXPECT_EQ(repro(*listed),
              text("hanse sim run --seed {} --n {} --slots 200 --faults {}", seed, plan->n, fault_list(plan->faults)));
  }
}

TEST(Plan, spends_at_most_a_third_of_the_power_on_liars) {
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    const auto plan = make_plan({.seed = seed});
    ASSERT_TRUE(plan);
    std::uint32_t power = 0;
    std::vector<bool> seen(plan->n);
    for (const Fault& f : plan->faults)
      if ((f.kind == FaultKind::kByzantine || f.kind == FaultKind::kTwins || f.kind == FaultKind::kDamage ||
           f.kind == FaultKind::kDiskFull) &&
          !seen[static_cast<std::size_t>(f.a)]) {
        seen[static_cast<std::size_t>(f.a)] = true;
        power += plan->power[static_cast<std::size_t>(f.a)];
      }
    EXPECT_LE(power, 3'300u) << "seed " << seed;
  }
}

TEST(Plan, refuses_what_it_cannot_run) {
  EXPECT_EQ(refused({.n = kReplicasSimMax, .faults = "none"}), "");
  EXPECT_EQ(refused({.n = kReplicasSimMax + 1, .faults = "none"}), "world.plan");
  EXPECT_EQ(refused({.slots = 0}), "world.plan");
  EXPECT_EQ(refused({.slots = kSlotsSimMax + 1}), "world.plan");
  EXPECT_EQ(refused({.n = 4, .faults = "earthquake:0:1:2:3"}), "world.plan");
  EXPECT_EQ(refused({.n = 4, .faults = "crash:0:1:2"}), "world.plan");
  EXPECT_EQ(refused({.n = 4, .faults = "crash:9:1:2:0"}), "world.plan");
  EXPECT_EQ(refused({.n = 4, .faults = "crash:0:3600001:2:0"}), "world.plan");
  EXPECT_EQ(refused({.n = 4, .faults = "crash:0:1:4:0"}), "world.plan");
  EXPECT_EQ(refused({.n = 4, .faults = "cut_pair:0:1:1:4"}), "world.plan");
  EXPECT_EQ(refused({.n = 4, .faults = "byzantine:0:1:1:1,damage:0:1:2:0"}), "world.plan");
  EXPECT_EQ(refused({.n = 4, .faults = "change:0:0:16:0"}), "world.plan");
  EXPECT_EQ(refused({.n = 4, .faults = "change:0:0:0:0"}), "world.plan");
  EXPECT_EQ(refused({.n = 4, .faults = "change:0:0:7:8"}), "world.plan");
  EXPECT_EQ(refused({.n = 5, .faults = "byzantine:0:1:1:1,change:0:0:3:0"}), "world.plan");  // half of that set
  EXPECT_EQ(refused({.n = 5, .faults = "byzantine:0:1:1:1,change:0:0:15:15"}), "");
  std::string many = "crash:0:1:0:0";
  for (std::size_t i = 1; i < kFaultsMax; ++i) many += ",crash:0:1:0:0";
  EXPECT_EQ(refused({.n = 4, .faults = many}), "");
  EXPECT_EQ(refused({.n = 4, .faults = many + ",crash:0:1:0:0"}), "world.plan");
}

TEST(Plan, refuses_foreign_files) {
  for (const char* content :
       {"", "hanse-sim 2\n", "hanse-sim 1\nseed x\n", "hanse-sim 1\nn 0\n", "hanse-sim 1\nslots -1\n",
        "hanse-sim 1\nreal_crypto 2\n", "hanse-sim 1\nweather rain\n"}) {
    const auto plan = read_plan(content);
    ASSERT_FALSE(plan) << content;
    EXPECT_EQ(plan.error().id(), "world.plan");
  }
}

}  // namespace
}  // namespace hanse::sim
