#include "base/core/clock.h"

#include <ctime>

namespace hanse {

namespace {

class SystemClock final : public Clock {
 public:
  std::int64_t mono_ns() const override {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
  }
  std::int64_t wall_ms() const override {
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1'000 + t.tv_nsec / 1'000'000;
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace hanse
