// Backoff: how long to wait before trying again. Exponential with full jitter, so that many callers whom one fault
// stopped do not return in step (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
// Threads: one. Errors: none.
#pragma once

#include <cstdint>

#include "base/core/random.h"

namespace hanse::exec {

struct BackoffLimits {
  std::int64_t first_ms = 50;
  std::int64_t most_ms = 10'000;
};

class Backoff {
 public:
  Backoff(Random& random, BackoffLimits limits) : random_(random), limits_(limits) { reset(); }

  // Uniform in [1, ceiling]; the ceiling starts at first_ms and doubles up to most_ms.
  std::int64_t next_ms() {
    const auto wait = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(ceiling_ms_))) + 1;
    ceiling_ms_ = ceiling_ms_ > limits_.most_ms / 2 ? limits_.most_ms : ceiling_ms_ * 2;
    return wait;
  }
  void reset() { ceiling_ms_ = limits_.first_ms > 0 ? limits_.first_ms : 1; }

 private:
  Random& random_;
  BackoffLimits limits_;
  std::int64_t ceiling_ms_ = 1;
};

}  // namespace hanse::exec
