// Pressure stall information (Linux Documentation/accounting/psi.rst): how much time tasks lost for want of a resource.
// Shares are hundredths of a percent. A trigger wakes its owner when the stall within a window passes a threshold; an
// unprivileged one needs a window that is a multiple of 2 s.
// Errors: governor.psi (unsupported: no such file, or the kernel refuses; corrupt: unknown text).
// Threads: values; a trigger one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace hanse::governor {

struct PressureLine {
  std::uint32_t avg10 = 0, avg60 = 0, avg300 = 0;  // hundredths of a percent, 0 to 10000
  std::uint64_t total_us = 0;
};
struct Pressure {
  PressureLine some, full;  // full stays zero where the kernel has none
};

Result<Pressure> parse_pressure(std::string_view text);
Result<Pressure> read_pressure(const std::string& path);  // e.g. /proc/pressure/memory or a group's memory.pressure

struct TriggerOptions {
  std::string path = "/proc/pressure/memory";
  bool full = false;
  std::uint64_t stall_us = 150'000;
  std::uint64_t window_us = 2'000'000;
};

class PressureTrigger {
 public:
  static Result<PressureTrigger> open(const TriggerOptions& options);
  PressureTrigger(PressureTrigger&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  ~PressureTrigger();
  int fd() const { return fd_; }            // ready for POLLPRI when it fired
  Result<bool> wait(int timeout_ms) const;  // true: it fired

 private:
  explicit PressureTrigger(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// What pressure asks of admission, looked at every 2 s: normal, shrink (concurrency times 0.7 each step), refuse.
class Backoff {
 public:
  struct Options {
    std::uint32_t limit_max = 1000;
    std::uint32_t limit_min = 1;
    std::uint32_t shrink_at = 2000;  // some.avg10, hundredths of a percent
    std::uint32_t refuse_at = 6000;
    std::int64_t step_ns = 2'000'000'000;
  };
  enum class Level : std::uint8_t { kNormal, kShrink, kRefuse };

  explicit Backoff(const Options& options) : options_(options), limit_(options.limit_max) {}
  // Pure but for its own state. A step happens at most once in step_ns.
  Level step(std::uint32_t some_avg10, std::int64_t now_ns);
  Level level() const { return level_; }
  std::uint32_t limit() const { return level_ == Level::kRefuse ? 0 : limit_; }  // permits to allow now

 private:
  Options options_;
  std::uint32_t limit_;
  Level level_ = Level::kNormal;
  std::int64_t stepped_ns_ = -1;
};

}  // namespace hanse::governor
