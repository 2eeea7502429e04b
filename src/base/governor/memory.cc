#include "base/governor/memory.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::governor {

Status MemoryAccount::charge(std::uint64_t bytes) {
  std::uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit_ || used > limit_ - bytes)
      return fail(Kind::kExhausted, "governor.memory",
                  text("found {} bytes in use and {} more, expected at most {}", used, bytes, limit_));
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  std::uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < used + bytes && !peak_.compare_exchange_weak(peak, used + bytes, std::memory_order_relaxed)) {
  }
  return {};
}

void MemoryAccount::release(std::uint64_t bytes) {
  std::uint64_t used = used_.load(std::memory_order_relaxed);
  while (!used_.compare_exchange_weak(used, used - std::min(used, bytes), std::memory_order_relaxed)) {
  }
  if (bytes > used) underflows_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace hanse::governor
