// Rate limits. Gcra is the generic cell rate algorithm (ATM Forum TM 4.1 section 4.4.5, the virtual scheduling form):
// one atomic "theoretical arrival time" (TAT), so any number of threads share it without a lock and none is admitted
// twice. Bucket chains limits: an operation passes its own, its job's, its tenant's; a refusal higher up gives back
// what was taken below. Units: the TAT counts sixteenths of a nanosecond since construction; it lasts 36 years. A rate
// is exact to 1 part in interval_ns * 16. Threads: any. Time comes from the clock given.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/core/clock.h"

namespace hanse::governor {

constexpr std::uint64_t kRateMax = 100'000'000;  // per second
constexpr std::uint64_t kBurstMax = 1ull << 32;

struct Rate {
  std::uint64_t per_s = 1;  // 1 to kRateMax
  std::uint64_t burst = 1;  // 1 to kBurstMax: what may pass at once after a rest
};

class Gcra {
 public:
  Gcra(Rate rate, Clock& clock);  // values out of range are moved to the nearest end

  // 0: admitted. Otherwise how many ns to wait before it could be; nothing was taken. kNever: cost is over the burst.
  static constexpr std::int64_t kNever = INT64_MAX;
  std::int64_t take(std::uint64_t cost = 1);
  // Gives back what take() admitted and was not used.
  void refund(std::uint64_t cost = 1);

  Rate rate() const { return rate_; }

 private:
  Rate rate_;
  Clock& clock_;
  std::int64_t start_ns_;
  std::uint64_t interval_;  // sixteenths of ns per unit of cost
  std::atomic<std::uint64_t> tat_{0};
};

// A limit below another. The parent must outlive it.
class Bucket {
 public:
  Bucket(Rate rate, Clock& clock, Bucket* parent = nullptr) : own_(rate, clock), parent_(parent) {}

  // As Gcra::take, for this bucket and all above it; the longest wait of the first that refuses.
  std::int64_t take(std::uint64_t cost = 1);
  void refund(std::uint64_t cost = 1);

 private:
  Gcra own_;
  Bucket* parent_;
};

}  // namespace hanse::governor
