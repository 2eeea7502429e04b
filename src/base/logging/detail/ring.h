// A ring of records with one producer (its thread) and one consumer at a time (whoever holds the writer's lock).
// Positions count bytes for ever; a record never wraps: the unused end of the buffer is marked with kSkip and skipped.
#pragma once

#include <atomic>
#include <cstring>
#include <memory>

#include "base/logging/detail/record.h"

namespace hanse::logging::detail {

class Ring {
 public:
  explicit Ring(std::size_t size) : size_(size), data_(new std::byte[size]) {}

  // Room for a record of n bytes (a multiple of 8), or null when more than `fill_max` bytes would then be in use.
  std::byte* reserve(std::size_t n, std::size_t fill_max) {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::size_t offset = head & (size_ - 1);
    skip_ = size_ - offset < n ? size_ - offset : 0;
    if (head + skip_ + n - tail_seen_ > fill_max) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head + skip_ + n - tail_seen_ > fill_max) return nullptr;
    }
    if (skip_ == 0) return data_.get() + offset;
    if (skip_ >= sizeof(RecordHead)) {
      const RecordHead head_of_skip{.size = static_cast<std::uint32_t>(skip_), .level = kSkip};
      std::memcpy(data_.get() + offset, &head_of_skip, sizeof head_of_skip);
    }
    return data_.get();
  }
  void publish(std::size_t n) {
    head_.store(head_.load(std::memory_order_relaxed) + skip_ + n, std::memory_order_release);
  }
  std::size_t used() const { return head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_relaxed); }
  std::size_t size() const { return size_; }

  // Consumer: the oldest record that lies before `head`, an earlier answer of head(), or null. pop() releases it.
  std::uint64_t head() const { return head_.load(std::memory_order_acquire); }
  const std::byte* front(std::uint64_t head) {
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == head) return nullptr;
    const std::size_t left = size_ - (tail & (size_ - 1));
    RecordHead h{.size = static_cast<std::uint32_t>(left), .level = kSkip};
    if (left >= sizeof h) std::memcpy(&h, data_.get() + (tail & (size_ - 1)), sizeof h);
    if (h.level == kSkip) {
      tail += h.size;
      tail_.store(tail, std::memory_order_release);
    }
    return data_.get() + (tail & (size_ - 1));
  }
  void pop(const std::byte* record) {
    std::uint32_t size;
    std::memcpy(&size, record, sizeof size);
    tail_.store(tail_.load(std::memory_order_relaxed) + size, std::memory_order_release);
  }

  // Counted by the producer alone, read by stats().
  std::atomic<std::uint64_t> issued[kLevels] = {};
  std::atomic<std::uint64_t> lost[kLevels] = {};
  std::atomic<bool> closed{false};  // the thread has ended

 private:
  const std::size_t size_;
  std::unique_ptr<std::byte[]> data_;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  std::uint64_t tail_seen_ = 0;
  std::size_t skip_ = 0;
  alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace hanse::logging::detail
