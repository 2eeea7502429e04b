#include "base/governor/permits.h"

#include <algorithm>
#include <chrono>

#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::governor {

namespace {

constexpr std::uint64_t kPaused = 1ull << 63;
constexpr std::uint64_t kOneWaiting = 1ull << 32;
constexpr std::uint64_t kInUse = 0xFFFFFFFF;
constexpr int kWaitStepMs = 5;

}  // namespace

Permit& Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    release();
    from_ = other.from_;
    other.from_ = nullptr;
  }
  return *this;
}

void Permit::release() {
  if (from_ != nullptr) from_->put();
  from_ = nullptr;
}

Permits::Permits(std::uint32_t limit, std::uint32_t waiting_max, Clock& clock)
    : limit_(limit), waiting_max_(std::min(waiting_max, 0x7FFFFFFFu)), clock_(clock) {}

bool Permits::take_fast() {
  std::uint64_t word = word_.load();
  while ((word & ~kInUse) == 0 && word < limit_.load(std::memory_order_relaxed))
    if (word_.compare_exchange_weak(word, word + 1)) return true;
  return false;
}

bool Permits::take_as_first() {
  std::uint64_t word = word_.load();
  while ((word & kPaused) == 0 && (word & kInUse) < limit_.load(std::memory_order_relaxed))
    if (word_.compare_exchange_weak(word, word + 1 - kOneWaiting)) return true;
  return false;
}

Permit Permits::try_acquire() { return take_fast() ? Permit(this) : Permit(); }

Result<Permit> Permits::acquire(const AcquireOptions& options) {
  if (take_fast()) return Permit(this);
  std::unique_lock lock(mutex_);
  if (queue_.size() >= waiting_max_)
    return fail(Kind::kExhausted, "governor.busy", text("{} callers wait for a permit", waiting_max_));
  Waiter self;
  queue_.push_back(&self);
  word_.fetch_add(kOneWaiting);
  for (;;) {
    if (queue_.front() == &self && take_as_first()) {
      queue_.pop_front();
      call_first();  // there may be more than one free
      return Permit(this);
    }
    const bool cancelled = options.cancelled != nullptr && options.cancelled->load(std::memory_order_relaxed);
    const bool late = options.deadline_ns != 0 && clock_.mono_ns() > options.deadline_ns;
    if (cancelled || late) {
      std::erase(queue_, &self);
      word_.fetch_sub(kOneWaiting);
      call_first();  // the turn may have been ours
      if (cancelled) return fail(Kind::kUnavailable, "governor.cancelled", "cancelled while waiting for a permit");
      return fail(Kind::kTimeout, "governor.timeout", "the deadline passed while waiting for a permit");
    }
    if (options.cancelled == nullptr && options.deadline_ns == 0) {
      self.called.wait(lock);
    } else {
      self.called.wait_for(lock, std::chrono::milliseconds(kWaitStepMs));
    }
  }
}

void Permits::call_first() {
  if (!queue_.empty()) queue_.front()->called.notify_one();
}

void Permits::put() {
  const std::uint64_t before = word_.fetch_sub(1);
  check((before & kInUse) != 0, "a permit is given back once");
  if ((before & ~kInUse & ~kPaused) == 0) return;
  const std::lock_guard lock(mutex_);
  call_first();
}

void Permits::set_limit(std::uint32_t limit) {
  limit_.store(limit);
  const std::lock_guard lock(mutex_);
  call_first();
}

void Permits::pause() { word_.fetch_or(kPaused); }

void Permits::resume() {
  word_.fetch_and(~kPaused);
  const std::lock_guard lock(mutex_);
  call_first();
}

std::uint32_t Permits::in_use() const { return static_cast<std::uint32_t>(word_.load() & kInUse); }
std::uint32_t Permits::waiting() const { return static_cast<std::uint32_t>((word_.load() & ~kPaused) >> 32); }
bool Permits::paused() const { return (word_.load() & kPaused) != 0; }

}  // namespace hanse::governor
