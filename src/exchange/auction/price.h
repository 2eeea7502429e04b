// The price of a job, in integers only (exchange.md 1.2 and 5.2; the multipliers M are in tenths):
//   compute units  CU     = ceil((base + 10*seq*batch) * M / 10)
//   posted price   posted = floor(floor((base + 10*seq*batch) * M / 10) * (2*capacity + used) / (2*capacity))
// M = INT8 10, E5M2 12, FP8 15, BF16 20. A job of several nodes sums (base + 10*seq*batch) * M over its nodes before
// the first division, so one node gives the formula above and splitting a job gains no rounding.
// u128 inside, narrowed with a check. Pure; any thread.
// Errors (invalid): market.precision, market.price_overflow, market.work_overflow, market.capacity.
#pragma once

#include <cstdint>

#include "base/core/result.h"
#include "base/core/units.h"
#include "exchange/gxf/gxf.h"
#include "exchange/market/records.h"

namespace hanse::auction {

struct NodeLoad {
  gxf::Precision precision = gxf::Precision::kInt8;
  std::uint32_t seq = 0;
  std::uint16_t batch = 0;
};

struct Slots {
  std::uint32_t used = 0;
  std::uint32_t capacity = 0;  // at least 1
};

Result<std::uint64_t> multiplier_tenths(gxf::Precision precision);
Status add_load(market::Work& work, const NodeLoad& load);

Result<std::uint64_t> compute_units(std::uint64_t base, const market::Work& work);
Result<Amount> posted_price(Amount base, const market::Work& work, const Slots& slots);

// ceil and floor of amount * ppm / 1e6; false when the result does not fit.
[[nodiscard]] bool share_up(Amount amount, std::uint64_t ppm, Amount& out);
[[nodiscard]] bool share_down(Amount amount, std::uint64_t ppm, Amount& out);
// The bond of a job of this price by the rule; false when it does not fit.
[[nodiscard]] bool bond_for(Amount price, const market::BondRule& rule, Amount& out);
// floor(price * part / whole) with part cut at whole; 0 when whole is 0.
Amount pro_rata(Amount price, std::uint64_t part, std::uint64_t whole);

}  // namespace hanse::auction
