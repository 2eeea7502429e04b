#include "exchange/auction/price.h"

#include <gtest/gtest.h>

namespace hanse::auction {
namespace {

using gxf::Precision;

constexpr Slots kUs{.used = 30, .capacity = 100};
constexpr Slots kEu{.used = 20, .capacity = 80};

std::uint64_t price(std::uint64_t base, const Slots& slots, Precision precision, std::uint32_t seq,
                    std::uint16_t batch = 1) {
  market::Work work;
  EXPECT_TRUE(add_load(work, {precision, seq, batch}));
  const auto amount = posted_price(Amount{base}, work, slots);
  EXPECT_TRUE(amount);
  return amount->value;
}

// The exact-rational values of exchange.md 1.2; a computation in doubles misses three of them by one.
TEST(Price, gives_the_exact_rational_values) {
  EXPECT_EQ(price(1000, kUs, Precision::kBf16, 2048), 49'404u);
  EXPECT_EQ(price(1000, kUs, Precision::kBf16, 4096), 96'508u);
  EXPECT_EQ(price(1000, kUs, Precision::kInt8, 1024), 12'926u);
  EXPECT_EQ(price(1000, kUs, Precision::kE5m2, 768), 11'978u);
  EXPECT_EQ(price(1000, kUs, Precision::kFp8, 2048), 37'053u);
  EXPECT_EQ(price(1200, kEu, Precision::kBf16, 2048), 48'780u);
  EXPECT_EQ(price(1200, kEu, Precision::kInt8, 1024), 12'870u);
}

TEST(Price, rises_by_half_from_empty_to_full) {
  EXPECT_EQ(price(1000, {.used = 0, .capacity = 7}, Precision::kInt8, 100), 2000u);
  EXPECT_EQ(price(1000, {.used = 7, .capacity = 7}, Precision::kInt8, 100), 3000u);
}

TEST(Price, of_two_nodes_is_the_sum_before_rounding) {
  market::Work work;
  ASSERT_TRUE(add_load(work, {Precision::kE5m2, 1, 1}));  // (3 + 10) * 12 = 156 tenths
  ASSERT_TRUE(add_load(work, {Precision::kFp8, 2, 3}));   // (3 + 60) * 15 = 945 tenths
  EXPECT_EQ(work, (market::Work{.weight = 27, .load = 12 + 90}));
  EXPECT_EQ(posted_price(Amount{3}, work, {.used = 0, .capacity = 1})->value, 110u);  // 1101 tenths, down
  EXPECT_EQ(*compute_units(3, work), 111u);                                           // and up
}

TEST(Price, compute_units_round_up) {
  market::Work work;
  ASSERT_TRUE(add_load(work, {Precision::kE5m2, 1, 1}));
  EXPECT_EQ(*compute_units(0, work), 12u);
  EXPECT_EQ(*compute_units(1, work), 14u);  // 13.2
}

TEST(Price, refuses_what_does_not_fit) {
  market::Work work;
  ASSERT_TRUE(add_load(work, {Precision::kInt8, 1, 1}));
  EXPECT_TRUE(posted_price(Amount{~0ull - 10}, work, {.used = 0, .capacity = 1}));
  const auto over = posted_price(Amount{~0ull - 9}, work, {.used = 0, .capacity = 1});
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().id(), "market.price_overflow");
  EXPECT_FALSE(posted_price(Amount{~0ull - 10}, work, {.used = 1, .capacity = 1}));

  for (const Slots bad : {Slots{.used = 0, .capacity = 0}, Slots{.used = 2, .capacity = 1}}) {
    const auto refused = posted_price(Amount{1}, work, bad);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().id(), "market.capacity");
  }
  const auto unknown = add_load(work, {static_cast<Precision>(5), 1, 1});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().id(), "market.precision");

  market::Work full{.weight = ~0ull, .load = 0};
  const auto weight = add_load(full, {Precision::kInt8, 1, 1});
  ASSERT_FALSE(weight);
  EXPECT_EQ(weight.error().id(), "market.work_overflow");
  const auto units = compute_units(~0ull, {.weight = ~0ull, .load = ~0ull});
  ASSERT_FALSE(units);
  EXPECT_EQ(units.error().id(), "market.work_overflow");
}

TEST(Price, shares_round_as_named) {
  Amount out;
  ASSERT_TRUE(share_up(Amount{10}, 100'000, out));
  EXPECT_EQ(out.value, 1u);
  ASSERT_TRUE(share_up(Amount{11}, 100'000, out));
  EXPECT_EQ(out.value, 2u);
  ASSERT_TRUE(share_down(Amount{19}, 100'000, out));
  EXPECT_EQ(out.value, 1u);
  ASSERT_TRUE(share_down(Amount{~0ull}, market::kPpm, out));
  EXPECT_EQ(out.value, ~0ull);
  EXPECT_FALSE(share_down(Amount{~0ull}, market::kPpm * 2, out));
  EXPECT_EQ(pro_rata(Amount{~0ull}, ~0ull - 1, ~0ull).value, ~0ull - 1);
  EXPECT_EQ(pro_rata(Amount{100}, 999, 10).value, 100u);
  EXPECT_EQ(pro_rata(Amount{100}, 1, 3).value, 33u);
  EXPECT_EQ(pro_rata(Amount{100}, 1, 0).value, 0u);
}

TEST(Price, bond_makes_cheating_not_pay) {
  Amount bond;
  const auto of = [&](std::uint64_t price, const market::BondRule& rule) {
    return bond_for(Amount{price}, rule, bond) ? bond.value : 0;
  };
  EXPECT_EQ(of(1000, {.audit_ppm = 1'000'000}), 1000u);
  EXPECT_EQ(of(1000, {.audit_ppm = 500'000}), 2000u);
  EXPECT_EQ(of(1000, {.audit_ppm = 100'000}), 10'000u);
  EXPECT_EQ(of(1000, {.audit_ppm = 100'000, .gain_ppm = 0}), 1000u);
  EXPECT_EQ(of(1, {.audit_ppm = 999'999}), 2u) << "rounded up";
  EXPECT_EQ(of(~0ull, {.audit_ppm = 1'000'000}), ~0ull);
  EXPECT_FALSE(bond_for(Amount{~0ull}, {.audit_ppm = 999'999}, bond));
  // Whoever cheats wins g with the odds of not being seen, and loses bond and price with those of being seen.
  for (const std::uint64_t q : {1'000ull, 333'333ull, 900'000ull}) {
    const std::uint64_t gain = 2000, at_stake = of(1000, {.audit_ppm = q, .gain_ppm = 2'000'000}) - 1000;
    EXPECT_LE(gain * (1'000'000 - q), at_stake * q) << q;
  }
}

}  // namespace
}  // namespace hanse::auction
