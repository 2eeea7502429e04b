#include "chain/stake/power.h"

#include <algorithm>
#include <numeric>

#include "base/core/check.h"

namespace hanse::stake {
namespace {

__extension__ using Uint128 = unsigned __int128;

constexpr std::uint64_t kUnit = 1'000'000;  // of a basis point
constexpr std::uint32_t kPowerBp = 10'000;
constexpr std::uint64_t kAll = kPowerBp * kUnit;

std::uint64_t share(std::uint64_t weight, std::uint64_t of, Uint128 part, Uint128 whole) {
  return whole == 0 ? 0 : static_cast<std::uint64_t>(Uint128{weight} * of * part / whole);
}

struct Row {
  std::size_t place = 0;
  AccountId id;
  std::uint64_t raw = 0, power = 0;  // millionths of a basis point
  bool capped = false;
};

std::vector<Row> rows_of(std::span<const Candidate> candidates, const PowerRules& rules) {
  Uint128 stake = 0, reputation = 0, uptime = 0;
  std::vector<Row> rows;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& c = candidates[i];
    if (c.stake < rules.stake_min || c.uptime < rules.uptime_min) continue;
    stake += c.stake;
    reputation += c.reputation;
    uptime += c.uptime;
    rows.push_back({.place = i, .id = c.id});
  }
  for (Row& row : rows) {
    const Candidate& c = candidates[row.place];
    row.raw = share(4'000, kUnit, c.stake, stake) + share(4'000, kUnit, c.reputation, reputation) +
              share(2'000, kUnit, c.uptime, uptime);
  }
  return rows;
}

// Who is above the cap gets the cap, and the rest is shared anew, until nobody is above.
void fill(std::vector<Row>& rows, std::uint64_t cap) {
  for (bool again = true; again;) {
    again = false;
    std::uint64_t left = kAll;
    Uint128 weights = 0;
    for (const Row& row : rows) {
      if (row.capped) left -= cap;
      if (!row.capped) weights += row.raw;
    }
    for (Row& row : rows) {
      row.power = row.capped ? cap : share(left, 1, row.raw, weights);
      if (row.capped || row.power <= cap) continue;
      row.capped = again = true;
    }
  }
}

}  // namespace

std::vector<std::uint16_t> assign_power(std::span<const Candidate> candidates, const PowerRules& rules) {
  std::vector<std::uint16_t> out(candidates.size(), 0);
  std::vector<Row> rows = rows_of(candidates, rules);
  if (rows.empty()) return out;
  const auto n = static_cast<std::uint32_t>(rows.size());
  fill(rows, std::max(rules.cap_bp, (kPowerBp + n - 1) / n) * kUnit);
  std::uint32_t given = 0;
  for (const Row& row : rows) {
    out[row.place] = static_cast<std::uint16_t>(row.power / kUnit);
    given += out[row.place];
  }
  std::ranges::sort(rows, [](const Row& a, const Row& b) {
    return a.power % kUnit != b.power % kUnit ? a.power % kUnit > b.power % kUnit : a.id < b.id;
  });
  for (std::size_t i = 0; given < kPowerBp; ++i, ++given) ++out[rows[i % rows.size()].place];
  return out;
}

std::vector<std::uint16_t> limit_churn(std::span<const std::uint16_t> old_bp, std::span<const std::uint16_t> wanted_bp,
                                       std::uint32_t churn_bp) {
  check(old_bp.size() == wanted_bp.size(), "powers of the same validators");
  std::uint32_t distance = 0;
  for (std::size_t i = 0; i < old_bp.size(); ++i)
    if (wanted_bp[i] > old_bp[i]) distance += wanted_bp[i] - old_bp[i];
  std::vector<std::uint16_t> out(wanted_bp.begin(), wanted_bp.end());
  if (distance <= churn_bp) return out;
  // Rounded down both ways; then the side that moves more gives back, so that the sum stays.
  std::uint32_t gained = 0, lost = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool gains = wanted_bp[i] > old_bp[i];
    const std::uint32_t way = gains ? wanted_bp[i] - old_bp[i] : old_bp[i] - wanted_bp[i];
    const auto step = static_cast<std::uint16_t>(std::uint64_t{way} * churn_bp / distance);
    out[i] = static_cast<std::uint16_t>(gains ? old_bp[i] + step : old_bp[i] - step);
    (gains ? gained : lost) += step;
  }
  while (gained != lost)
    for (std::size_t i = 0; i < out.size() && gained != lost; ++i) {
      if (gained > lost && out[i] > old_bp[i]) {
        --out[i];
        --gained;
      } else if (lost > gained && out[i] < old_bp[i]) {
        ++out[i];
        --lost;
      }
    }
  return out;
}

}  // namespace hanse::stake
