#include "node/load/histogram.h"

#include <gtest/gtest.h>

#include "base/core/random.h"

namespace hanse::load {
namespace {

TEST(Histogram, quantiles_are_never_below_what_was_seen_and_at_most_a_bucket_above) {
  constexpr std::uint64_t kSeed = 7;
  SeededRandom random(kSeed, "histogram");
  Histogram h;
  std::vector<std::int64_t> all;
  for (int n = 0; n < 10'000; ++n) {
    all.push_back(static_cast<std::int64_t>(1 + random.below(std::uint64_t{1} << (1 + random.below(40)))));
    h.add(all.back());
  }
  std::ranges::sort(all);
  for (const double q : {0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * 10'000)) - 1;
    const double exact = static_cast<double>(all[rank]) / 1e6;
    EXPECT_GE(h.quantile_ms(q), exact) << q << " seed " << kSeed;
    EXPECT_LE(h.quantile_ms(q), exact * (1 + 1.0 / 64) + 1e-6) << q << " seed " << kSeed;
  }
  EXPECT_EQ(h.max_ms(), static_cast<double>(all.back()) / 1e6);
  EXPECT_EQ(h.count(), 10'000u);
}

TEST(Histogram, joins_what_two_counted_and_takes_any_duration) {
  Histogram a, b, none;
  EXPECT_EQ(none.quantile_ms(0.5), 0);
  a.add(1'000'000);
  b.add(3'000'000);
  b.add(-5);
  b.add(std::numeric_limits<std::int64_t>::max());
  a.merge(b);
  EXPECT_EQ(a.count(), 4u);
  EXPECT_NEAR(a.quantile_ms(0.5), 1.0, 0.02);
  EXPECT_GE(a.quantile_ms(1), 9e12);
}

}  // namespace
}  // namespace hanse::load
