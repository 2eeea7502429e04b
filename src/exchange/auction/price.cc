#include "exchange/auction/price.h"

#include "base/core/text.h"

namespace hanse::auction {
namespace {

__extension__ using u128 = unsigned __int128;

constexpr u128 kU64Max = ~std::uint64_t{0};

// (base + 10*seq*batch) * M summed over the nodes; below 2^64 * 2^64 because both parts of Work are u64.
bool tenths(std::uint64_t base, const market::Work& work, u128& out) {
  const u128 weighted = u128{base} * work.weight;
  const u128 load = u128{10} * work.load;
  out = weighted + load;
  return out >= weighted;
}

bool share(Amount amount, std::uint64_t ppm, std::uint64_t round, Amount& out) {
  const u128 scaled = u128{amount.value} * ppm + round;
  const u128 result = scaled / market::kPpm;
  if (result > kU64Max) return false;
  out = Amount{static_cast<std::uint64_t>(result)};
  return true;
}

}  // namespace

Result<std::uint64_t> multiplier_tenths(gxf::Precision precision) {
  switch (precision) {
    case gxf::Precision::kInt8: return 10;
    case gxf::Precision::kE5m2: return 12;
    case gxf::Precision::kFp8: return 15;
    case gxf::Precision::kBf16: return 20;
  }
  return fail(Kind::kInvalid, "market.precision",
              text("found precision {}, expected 1 to 4", static_cast<std::uint64_t>(precision)));
}

Status add_load(market::Work& work, const NodeLoad& load) {
  TRY(const std::uint64_t m, multiplier_tenths(load.precision));
  const std::uint64_t tokens = std::uint64_t{load.seq} * load.batch;
  std::uint64_t more = 0;
  if (__builtin_add_overflow(work.weight, m, &work.weight) || __builtin_mul_overflow(tokens, m, &more) ||
      __builtin_add_overflow(work.load, more, &work.load)) {
    return fail(Kind::kInvalid, "market.work_overflow",
                text("seq {} times batch {} does not fit the job's sum", load.seq, load.batch));
  }
  return {};
}

Result<std::uint64_t> compute_units(std::uint64_t base, const market::Work& work) {
  u128 sum = 0;
  if (!tenths(base, work, sum) || sum > kU64Max * 10) {
    return fail(Kind::kInvalid, "market.work_overflow",
                text("base {} with weight {} and load {} has too many compute units", base, work.weight, work.load));
  }
  return static_cast<std::uint64_t>(sum / 10 + (sum % 10 != 0 ? 1 : 0));
}

Result<Amount> posted_price(Amount base, const market::Work& work, const Slots& slots) {
  if (slots.capacity == 0 || slots.used > slots.capacity) {
    return fail(Kind::kInvalid, "market.capacity",
                text("{} of {} slots used, expected at least one slot and no more used", slots.used, slots.capacity));
  }
  u128 sum = 0;
  // The sum is bounded before the multiplication by 2*capacity + used < 2^34.
  const bool fits = tenths(base.value, work, sum) && sum / 10 <= kU64Max;
  const u128 twice = u128{2} * slots.capacity;
  const u128 price = fits ? sum / 10 * (twice + slots.used) / twice : 0;
  if (!fits || price > kU64Max) {
    return fail(Kind::kInvalid, "market.price_overflow",
                text("base price {} gives a price beyond 64 bits", base.value));
  }
  return Amount{static_cast<std::uint64_t>(price)};
}

bool share_up(Amount amount, std::uint64_t ppm, Amount& out) { return share(amount, ppm, market::kPpm - 1, out); }

bool share_down(Amount amount, std::uint64_t ppm, Amount& out) { return share(amount, ppm, 0, out); }

bool bond_for(Amount price, const market::BondRule& rule, Amount& out) {
  // Below 2^64 * 2^27 * 2^20.
  const u128 scaled = u128{price.value} * rule.gain_ppm * (market::kPpm - rule.audit_ppm);
  const u128 whole = u128{market::kPpm} * rule.audit_ppm;
  const u128 bond = (scaled + whole - 1) / whole + price.value;
  if (bond > kU64Max) return false;
  out = Amount{static_cast<std::uint64_t>(bond)};
  return true;
}

Amount pro_rata(Amount price, std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return Amount{};
  const u128 scaled = u128{price.value} * std::min(part, whole);
  return Amount{static_cast<std::uint64_t>(scaled / whole)};
}

}  // namespace hanse::auction
