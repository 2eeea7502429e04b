// Token bucket: how much may happen a second, in integers of nanoseconds, so that no rounding is lost or won over time
// (mesh.md 5.7). It begins full. One who asks for more than the bucket holds would wait for ever: take() of that is a
// bug of the caller.
// Threads: one. Errors: none.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/core/check.h"

namespace hanse::peers {

class TokenBucket {
 public:
  // 1 to 10^9 a second.
  TokenBucket(std::uint64_t per_second, std::uint64_t burst)
      : gap_ns_(static_cast<std::int64_t>(kSecondNs / per_second)), burst_(static_cast<std::int64_t>(burst)) {}

  bool take(std::int64_t now_ns, std::uint64_t tokens = 1) {
    if (ready_ns(now_ns, tokens) > now_ns) return false;
    empty_ns_ = std::max(empty_ns_, now_ns - burst_ * gap_ns_) + static_cast<std::int64_t>(tokens) * gap_ns_;
    return true;
  }
  // When so many can be taken.
  std::int64_t ready_ns(std::int64_t now_ns, std::uint64_t tokens = 1) const {
    check(static_cast<std::int64_t>(tokens) <= burst_, "more tokens than the bucket holds");
    return std::max(now_ns, empty_ns_ + static_cast<std::int64_t>(tokens) * gap_ns_);
  }

 private:
  static constexpr std::uint64_t kSecondNs = 1'000'000'000;
  std::int64_t gap_ns_, burst_;
  std::int64_t empty_ns_ = INT64_MIN / 4;  // the instant at which the bucket was or will be empty, filling since
};

}  // namespace hanse::peers
