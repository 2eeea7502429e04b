// Counts bytes that parts of the program say they hold, against a limit. A count never goes below zero: giving back
// more than is held is our own bug somewhere, counted and reported, and never wraps into "nothing is free". Error:
// governor.memory (exhausted): found, limit. Threads: any.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/core/result.h"

namespace hanse::governor {

class MemoryAccount {
 public:
  explicit MemoryAccount(std::uint64_t limit_bytes) : limit_(limit_bytes) {}

  Status charge(std::uint64_t bytes);
  void release(std::uint64_t bytes);

  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  std::uint64_t limit() const { return limit_; }
  std::uint64_t underflows() const { return underflows_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_{0}, peak_{0}, underflows_{0};
};

}  // namespace hanse::governor
