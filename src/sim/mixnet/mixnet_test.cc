#include <gtest/gtest.h>

#include <cstdio>

#include "exchange/router/directory.h"
#include "sim/mixnet/mixnet.h"

namespace hanse::sim {
namespace {

MixPlan deep_plan(std::uint64_t seed) {
  MixPlan plan;
  plan.seed = seed;
  plan.deep_jobs = 1'000;
  plan.flash_jobs = 0;
  return plan;
}

MixOutcome run_printed(const char* what, const MixPlan& plan) {
  auto out = run_mix(plan);
  EXPECT_TRUE(out) << (out ? "" : out.error().str());
  const LaneRow& d = out->deep;
  std::printf(
      "%s, seed %llu: %llu jobs, %.2f bits, on the truth %.4f, likeliest right %.4f of expected %.4f, first-in "
      "%.4f\n",
      what, static_cast<unsigned long long>(plan.seed), static_cast<unsigned long long>(d.delivered), d.bits,
      d.on_truth, d.top_right, d.top, d.fifo_right);
  return std::move(*out);
}

TEST(Mixnet, an_observer_of_all_links_knows_no_more_of_deep_jobs_than_the_entropy_says) {
  const MixPlan plan = deep_plan(1);
  const MixOutcome out = run_printed("deep", plan);
  EXPECT_FALSE(out.failure) << *out.failure;
  EXPECT_EQ(out.deep.delivered, plan.deep_jobs);
  EXPECT_EQ(out.repeated_blocks, 0U) << "of " << out.cells << " cells";
  // Two honest hops were asked to give it, three do.
  EXPECT_GE(out.deep.bits, plan.wanted.bits);
  // What each mix tells of itself is what the closed form says of the traffic it measured.
  ASSERT_EQ(out.mixes.size(), plan.mixes);
  for (const MixRow& mix : out.mixes) {
    EXPECT_NEAR(mix.deep_per_s, 20, 8);
    EXPECT_GT(mix.bits, 2);
    EXPECT_EQ(mix.rejected, 0U);
  }
}

TEST(Mixnet, an_observer_who_owns_a_stratum_knows_no_more_than_the_entropy_of_the_two_others_says) {
  for (std::uint8_t stratum = 0; stratum < router::kStrata; ++stratum) {
    MixPlan plan = deep_plan(10 + stratum);
    plan.owned = stratum;
    const MixOutcome out = run_printed("deep, one stratum owned", plan);
    EXPECT_FALSE(out.failure) << *out.failure;
    EXPECT_EQ(out.deep.delivered, plan.deep_jobs);
  }
}

// The same observer must find what is there to be found: cells that no mix holds.
TEST(Mixnet, the_same_observer_links_flash_jobs_and_both_lanes_run_side_by_side) {
  MixPlan plan = deep_plan(2);
  plan.deep_jobs = 125;
  plan.flash_jobs = 875;
  const MixOutcome out = run_printed("both lanes", plan);
  EXPECT_FALSE(out.failure) << *out.failure;
  EXPECT_EQ(out.deep.delivered, 125U);
  EXPECT_EQ(out.flash.delivered, 875U);
  EXPECT_EQ(out.flash.top_right, 1);
  EXPECT_EQ(out.flash.bits, 0);
}

TEST(Mixnet, senders_that_hide_less_than_was_asked_are_found_out) {
  MixPlan plan = deep_plan(3);
  plan.bits_delivered = 4;
  plan.deep_jobs = 300;
  const MixOutcome out = run_printed("deep, 4 bits for 7", plan);
  ASSERT_TRUE(out.failure);
  EXPECT_NE(out.failure->find("bits"), std::string::npos) << *out.failure;
}

TEST(Mixnet, a_mix_that_drops_cells_raises_the_alarm_of_the_others) {
  MixPlan plan = deep_plan(4);
  plan.payers = 5;
  plan.deep_jobs = 20;
  plan.mix_loops_per_s = 4;
  plan.wanted.bits = 1;
  plan.warm_up_ms = 40'000;
  for (const bool broken : {false, true}) {
    if (broken) plan.drops = 1;
    const MixOutcome out = run_printed(broken ? "one drops" : "all pass on", plan);
    for (const std::size_t i : {0, 2, 3}) {
      EXPECT_GT(out.mixes[i].loops_sent, 80U);
      EXPECT_EQ(out.mixes[i].alarm, broken) << i;
    }
  }
}

TEST(Mixnet, one_plan_gives_one_history) {
  MixPlan plan = deep_plan(5);
  plan.payers = 5;
  plan.wanted.bits = 3;
  plan.deep_jobs = 20;
  plan.flash_jobs = 20;
  const MixOutcome first = run_printed("once", plan);
  EXPECT_EQ(first.trace, run_printed("twice", plan).trace);
  plan.seed = 6;
  EXPECT_NE(first.trace, run_printed("another seed", plan).trace);
}

TEST(Mixnet, a_plan_out_of_range_is_refused) {
  const auto refused = [](auto change) {
    MixPlan plan;
    change(plan);
    const auto out = run_mix(plan);
    return !out && out.error().id() == "mixnet.plan";
  };
  EXPECT_TRUE(refused([](MixPlan& p) { p.deep_jobs = p.flash_jobs = 0; }));
  EXPECT_TRUE(refused([](MixPlan& p) { p.deep_jobs = kMixJobsMax + 1; }));
  EXPECT_TRUE(refused([](MixPlan& p) { p.mixes = kMixesMin - 1; }));
  EXPECT_TRUE(refused([](MixPlan& p) { p.mixes = kMixesMax + 1; }));
  EXPECT_TRUE(refused([](MixPlan& p) { p.exits = 0; }));
  EXPECT_TRUE(refused([](MixPlan& p) { p.exits = kMixExitsMax + 1; }));
  EXPECT_TRUE(refused([](MixPlan& p) { p.payers = 0; }));
  EXPECT_TRUE(refused([](MixPlan& p) { p.payers = kMixPayersMax + 1; }));
  EXPECT_TRUE(refused([](MixPlan& p) { p.wanted.bits = kMixBitsMax + 1; }));
}

}  // namespace
}  // namespace hanse::sim
