// Permits: at most `limit` holders at a time, others wait in order of arrival. A Permit gives itself back.
// Taking a free permit is one compare-and-swap; nobody overtakes a waiter. The limit can change while permits are out
// (fewer: those out are kept, new ones wait); pause() holds everyone at the door.
// Errors: governor.busy (exhausted): waiting_max already wait; governor.cancelled (unavailable); governor.timeout
// (timeout).
// Threads: any. Permits must outlive every Permit.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace hanse::governor {

class Permits;

class Permit {
 public:
  Permit() = default;
  Permit(Permit&& other) noexcept : from_(other.from_) { other.from_ = nullptr; }
  Permit& operator=(Permit&& other) noexcept;
  ~Permit() { release(); }
  explicit operator bool() const { return from_ != nullptr; }
  void release();

 private:
  friend class Permits;
  explicit Permit(Permits* from) : from_(from) {}
  Permits* from_ = nullptr;
};

struct AcquireOptions {
  std::int64_t deadline_ns = 0;                  // mono_ns of the clock; 0 = none
  const std::atomic<bool>* cancelled = nullptr;  // looked at every few ms while waiting
};

class Permits {
 public:
  Permits(std::uint32_t limit, std::uint32_t waiting_max, Clock& clock = system_clock());

  Permit try_acquire();  // empty when none is free or somebody waits
  Result<Permit> acquire(const AcquireOptions& options = {});

  void set_limit(std::uint32_t limit);
  void pause();
  void resume();

  std::uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }
  std::uint32_t in_use() const;
  std::uint32_t waiting() const;
  bool paused() const;

 private:
  friend class Permit;
  struct Waiter {
    std::condition_variable called;
  };
  bool take_fast();
  bool take_as_first();  // under mutex_, by the first waiter
  void put();
  void call_first();  // under mutex_

  // paused (1 bit), waiting (31 bits), in use (32 bits) in one word, so that "free and nobody waits" is one look.
  std::atomic<std::uint64_t> word_{0};
  std::atomic<std::uint32_t> limit_;
  const std::uint32_t waiting_max_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::deque<Waiter*> queue_;
};

}  // namespace hanse::governor
