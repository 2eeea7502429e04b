#include "base/governor/gcra.h"

#include <algorithm>

namespace hanse::governor {

namespace {

constexpr std::uint64_t kPerNs = 16;
constexpr std::uint64_t kPerSecond = 1'000'000'000 * kPerNs;

}  // namespace

Gcra::Gcra(Rate rate, Clock& clock)
    : rate_{.per_s = std::clamp<std::uint64_t>(rate.per_s, 1, kRateMax),
            .burst = std::clamp<std::uint64_t>(rate.burst, 1, kBurstMax)},
      clock_(clock),
      start_ns_(clock.mono_ns()),
      // Rounded up: the limit is never exceeded, at worst undercut.
      interval_((kPerSecond + rate_.per_s - 1) / rate_.per_s) {
  // burst * interval must stay far from the end of the counter: at one per second a burst of 2^24 is 194 days.
  const std::uint64_t burst_max = (std::uint64_t{1} << 60) / interval_;
  rate_.burst = std::min(rate_.burst, burst_max);
}

std::int64_t Gcra::take(std::uint64_t cost) {
  if (cost > rate_.burst) return kNever;
  const auto now = static_cast<std::uint64_t>(clock_.mono_ns() - start_ns_) * kPerNs;
  const std::uint64_t step = cost * interval_;
  const std::uint64_t horizon = now + rate_.burst * interval_;
  std::uint64_t tat = tat_.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t next = std::max(now, tat) + step;
    if (next > horizon) return static_cast<std::int64_t>((next - horizon + kPerNs - 1) / kPerNs);
    if (tat_.compare_exchange_weak(tat, next, std::memory_order_acq_rel, std::memory_order_relaxed)) return 0;
  }
}

void Gcra::refund(std::uint64_t cost) {
  const std::uint64_t step = std::min(cost, rate_.burst) * interval_;
  std::uint64_t tat = tat_.load(std::memory_order_relaxed);
  while (!tat_.compare_exchange_weak(tat, tat - std::min(tat, step), std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
  }
}

std::int64_t Bucket::take(std::uint64_t cost) {
  for (Bucket* b = this; b != nullptr; b = b->parent_) {
    const auto wait_ns = b->own_.take(cost);
    if (wait_ns == 0) continue;
    for (Bucket* paid = this; paid != b; paid = paid->parent_) paid->own_.refund(cost);
    return wait_ns;
  }
  return 0;
}

void Bucket::refund(std::uint64_t cost) {
  for (Bucket* b = this; b != nullptr; b = b->parent_) b->own_.refund(cost);
}

}  // namespace hanse::governor
