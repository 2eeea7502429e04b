#include "chain/stake/power.h"

#include <gtest/gtest.h>

#include <numeric>

namespace hanse::stake {
namespace {

AccountId id(std::uint8_t n) {
  AccountId out;
  out.data[0] = n;
  return out;
}
std::vector<Candidate> stakes(const std::vector<std::uint64_t>& all) {
  std::vector<Candidate> out;
  for (const std::uint64_t stake : all)
    out.push_back({.id = id(static_cast<std::uint8_t>(out.size())), .stake = stake});
  return out;
}
using Power = std::vector<std::uint16_t>;
constexpr PowerRules kOpen{.stake_min = 1, .uptime_min = 7'500, .cap_bp = 10'000};

TEST(AssignPower, four_parts_stake_four_reputation_two_uptime) {
  // 4000 * 3/4 + 4000/2 + 2000/2, and the rest.
  EXPECT_EQ(assign_power(stakes({3, 1}), kOpen), (Power{6'000, 4'000}));
  auto all = stakes({1, 1});
  all[0].reputation = 5'000;  // a third of all reputation
  EXPECT_EQ(assign_power(all, kOpen), (Power{4'333, 5'667}));
  all = stakes({1, 1});
  all[1].uptime = 7'500;  // 2000 * 3/7
  EXPECT_EQ(assign_power(all, kOpen), (Power{5'143, 4'857}));
}

TEST(AssignPower, who_has_too_little_stake_or_uptime_is_out_before_anything_is_summed) {
  auto all = stakes({100, 99, 100});
  all[2].uptime = 7'499;
  EXPECT_EQ(assign_power(all, {.stake_min = 100, .uptime_min = 7'500, .cap_bp = 10'000}), (Power{10'000, 0, 0}));
  all[2].uptime = 7'500;
  EXPECT_GT(assign_power(all, {.stake_min = 100, .uptime_min = 7'500, .cap_bp = 10'000})[2], 0);
  EXPECT_EQ(assign_power(stakes({1, 1}), {.stake_min = 2}), (Power{0, 0}));
  EXPECT_TRUE(assign_power({}, kOpen).empty());
}

TEST(AssignPower, the_cap_makes_four_equal_whatever_they_hold) {
  EXPECT_EQ(assign_power(stakes({1'000'000, 1, 5, 70}), {.stake_min = 1}), (Power{2'500, 2'500, 2'500, 2'500}));
  EXPECT_EQ(assign_power(stakes({1'000'000, 1, 5}), {.stake_min = 1}), (Power{3'334, 3'333, 3'333}));
}

TEST(AssignPower, what_is_above_the_cap_goes_to_the_others_in_proportion) {
  auto all = stakes({900, 50, 50, 100, 100, 100, 100, 100, 100, 100});
  const Power power = assign_power(all, {.stake_min = 1});
  EXPECT_EQ(power[0], 1'500);
  EXPECT_EQ(std::accumulate(power.begin(), power.end(), 0), 10'000);
  EXPECT_NEAR(power[1], power[2], 1);
  EXPECT_GT(power[3], power[1]);
  for (const std::uint16_t p : power) EXPECT_LE(p, 1'500);
}

TEST(AssignPower, sums_to_ten_thousand_and_ties_go_to_the_smaller_id) {
  EXPECT_EQ(assign_power(stakes({7, 7, 7}), kOpen), (Power{3'334, 3'333, 3'333}));
  auto turned = stakes({7, 7, 7});
  turned[0].id = id(9);
  EXPECT_EQ(assign_power(turned, kOpen), (Power{3'333, 3'334, 3'333}));
  std::uint64_t seed = 1;
  for (int round = 0; round < 2'000; ++round) {
    std::vector<Candidate> all;
    const auto draw = [&] { return seed = seed * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u; };
    const std::size_t n = 1 + draw() % 128;
    for (std::size_t i = 0; i < n; ++i)
      all.push_back({.id = id(static_cast<std::uint8_t>(i)),
                     .stake = draw() >> (draw() % 64),
                     .reputation = static_cast<std::uint32_t>(draw() % 10'001),
                     .uptime = static_cast<std::uint32_t>(7'400 + draw() % 2'601)});
    const Power power = assign_power(all, {.stake_min = 1});
    const auto sum = std::accumulate(power.begin(), power.end(), 0u);
    const auto in = static_cast<std::uint32_t>(
        std::ranges::count_if(all, [](const Candidate& c) { return c.stake >= 1 && c.uptime >= 7'500; }));
    ASSERT_EQ(sum, in == 0 ? 0u : 10'000u) << "round " << round;
    for (const std::uint16_t p : power) ASSERT_LE(p, std::max(1'501u, in == 0 ? 0u : (10'000 + in - 1) / in + 1));
  }
}

TEST(LimitChurn, moves_no_more_than_it_may_and_keeps_the_sum) {
  const Power old = {2'500, 2'500, 2'500, 2'500, 0}, wanted = {0, 0, 2'500, 2'500, 5'000};
  EXPECT_EQ(limit_churn(old, wanted, 5'000), wanted);
  const Power half = limit_churn(old, wanted, 3'300);
  EXPECT_EQ(half, (Power{850, 850, 2'500, 2'500, 3'300}));
  EXPECT_EQ(limit_churn(half, wanted, 3'300), wanted);
  const Power odd = limit_churn(Power{3'333, 3'333, 3'334}, Power{10'000, 0, 0}, 1'000);
  EXPECT_EQ(std::accumulate(odd.begin(), odd.end(), 0), 10'000);
  EXPECT_LE(odd[0], 4'333);
  EXPECT_GE(odd[0], 4'331);
}

}  // namespace
}  // namespace hanse::stake
