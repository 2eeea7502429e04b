#include "exchange/router/entropy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <queue>

namespace hanse::router {
namespace {

// Poisson arrivals and exponential delays in virtual time; the mean over departures after the pool has filled.
double simulated_bits(double rate, double mean_s, std::uint64_t seed) {
  SeededRandom random(seed, "entropy");
  EntropyMeter meter;
  std::priority_queue<double, std::vector<double>, std::greater<>> leaving;
  double arrival = 0, sum = 0;
  int n = 0;
  while (n < 40'000) {
    if (leaving.empty() || arrival < leaving.top()) {
      meter.arrived();
      leaving.push(arrival + draw_exponential(mean_s, random));
      arrival += draw_exponential(1 / rate, random);
      continue;
    }
    const double now = leaving.top();
    leaving.pop();
    meter.departed();
    if (now < 10 * mean_s) continue;
    sum += meter.bits();
    ++n;
  }
  return sum / n;
}

// The table of exchange.md 4, T3, and its tolerance.
TEST(Entropy, of_a_mix_is_the_closed_form_within_a_tenth_of_a_bit) {
  const struct {
    double rate, mean_s, bits;
  } table[] = {{100, 0.05, 3.76}, {100, 0.1, 4.76}, {100, 0.5, 7.09}, {100, 1, 8.09}, {1'000, 0.1, 8.08}};
  for (const auto& row : table) {
    const double closed = mix_bits(row.rate, row.mean_s);
    EXPECT_NEAR(closed, row.bits, 0.01);
    EXPECT_NEAR(simulated_bits(row.rate, row.mean_s, 1), closed, 0.1) << row.rate << " " << row.mean_s;
  }
}

TEST(Entropy, of_a_mix_that_holds_one_cell_at_a_time_is_nothing) {
  EntropyMeter meter;
  meter.departed();
  for (int i = 0; i < 10; ++i) {
    meter.arrived();
    meter.departed();
    EXPECT_EQ(meter.bits(), 0);
  }
  for (int i = 0; i < 8; ++i) meter.arrived();
  meter.departed();
  EXPECT_DOUBLE_EQ(meter.bits(), 3);  // one of eight
  meter.departed();
  EXPECT_DOUBLE_EQ(meter.bits(), 3);  // any of the eight but the one that left, which might be any
}

TEST(Entropy, rate_is_that_of_the_last_whole_windows) {
  RateMeter meter;
  std::int64_t now = 5'000'000'000;
  EXPECT_EQ(meter.per_second(now), 0);
  for (; now < 30'000'000'000; now += 100'000'000) meter.arrived(now);
  EXPECT_DOUBLE_EQ(meter.per_second(now), 10);
  EXPECT_DOUBLE_EQ(meter.per_second(now + 10'000'000'000), 5);
  EXPECT_DOUBLE_EQ(meter.per_second(now + 20'000'000'000), 0);
  RateMeter quick(1'000'000'000);
  for (now = 500'000'000; now < 2'100'000'000; now += 10'000'000) quick.arrived(now);
  EXPECT_DOUBLE_EQ(quick.per_second(now), 100);
}

TEST(Entropy, delays_are_exponential_up_to_what_a_cell_holds) {
  SeededRandom random(2, "delays");
  for (const double mean : {500.0, 10'000.0, 30'000.0}) {
    double sum = 0;
    std::uint16_t least = 65'535;
    for (int i = 0; i < 20'000; ++i) {
      const std::uint16_t ms = draw_delay_ms(mean, random);
      sum += ms;
      least = std::min(least, ms);
    }
    EXPECT_NEAR(sum / 20'000, cut_mean_ms(mean), cut_mean_ms(mean) * 0.03) << mean;
    EXPECT_GE(least, 1);  // 0 would be the other lane
  }
  EXPECT_NEAR(cut_mean_ms(500), 500, 0.001);
  EXPECT_NEAR(cut_mean_ms(30'000), 21'690, 5);
}

TEST(Entropy, the_mean_delay_is_the_smallest_that_gives_the_target_over_two_hops) {
  constexpr double kWide = 1e6;  // a stratum of many mixes: the hops bind
  const double busy[] = {1'000, 1'000, 1'000}, usual[] = {10, 30, 20}, quiet[] = {1.2, 1.2, 50};
  EXPECT_DOUBLE_EQ(*mean_delay_ms({busy, kWide}, {}), 500);
  const double mean = *mean_delay_ms({usual, kWide}, {});
  EXPECT_NEAR(mix_bits(10, cut_mean_ms(mean) / 1'000) + mix_bits(20, cut_mean_ms(mean) / 1'000), 12, 0.001);
  EXPECT_NEAR(mean, 1'000 * 64 / std::exp(1.0) / std::sqrt(200), 10);  // e r d = 2^6 in the geometric mean
  EXPECT_TRUE(mean_delay_ms({quiet, kWide}, {}));
  const double below[] = {1.0, 1.1, 50}, dead[] = {0, 60, 60};
  EXPECT_EQ(mean_delay_ms({below, kWide}, {}).error().id(), "router.anon_set_too_small");
  EXPECT_EQ(mean_delay_ms({dead, kWide}, {}).error().id(), "router.anon_set_too_small");
  EXPECT_EQ(mean_delay_ms({{}, kWide}, {}).error().id(), "router.anon_set_too_small");
}

TEST(Entropy, the_mean_delay_hides_among_what_the_whole_mix_carries) {
  const double hops[] = {1'000, 1'000, 1'000};
  const double mean = *mean_delay_ms({hops, 1'000}, {});
  EXPECT_NEAR(mean, std::exp2(12 - 2.275), 0.5);  // ms: a thousand cells a second
  EXPECT_TRUE(mean_delay_ms({hops, 39.5}, {}));
  EXPECT_EQ(mean_delay_ms({hops, 38.5}, {}).error().id(), "router.anon_set_too_small");
  EXPECT_EQ(mean_delay_ms({hops, 0}, {}).error().id(), "router.anon_set_too_small");
}

}  // namespace
}  // namespace hanse::router
