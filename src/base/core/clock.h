// Time as a port. Production passes system_clock(), the simulator and tests pass a clock they move by hand.
// mono_ns never goes back and has no meaning outside the process; wall_ms is Unix time and only the edges may read it.
// Threads: every implementation may be read from any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace hanse {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t mono_ns() const = 0;
  virtual std::int64_t wall_ms() const = 0;
};

Clock& system_clock();

// Stands still until told to move.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t wall_ms_start = 0) : wall_start_ms_(wall_ms_start) {}
  std::int64_t mono_ns() const override { return now_ns_; }
  std::int64_t wall_ms() const override { return wall_start_ms_ + now_ns_ / 1'000'000; }
  void advance_ns(std::int64_t ns) { now_ns_ += ns; }

 private:
  std::int64_t wall_start_ms_;
  std::atomic<std::int64_t> now_ns_{0};
};

}  // namespace hanse
