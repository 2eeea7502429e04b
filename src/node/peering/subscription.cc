#include "node/peering/subscription.h"

#include <chrono>

namespace hanse::peering {

void Inbox::take(const overlay::Delivery& message) {
  const std::lock_guard lock(mutex_);
  if (messages_.size() >= kInboxMessagesMax || bytes_ + message.payload.size() > kInboxBytesMax) {
    ++dropped_;
    return;
  }
  bytes_ += message.payload.size();
  messages_.push_back(message);
  changed_.notify_one();
}

void Inbox::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

Result<std::optional<overlay::Delivery>> Inbox::next(std::int64_t wait_ms) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return closed_ || !messages_.empty(); });
  if (messages_.empty()) {
    if (closed_) return fail(Kind::kUnavailable, "peering.stopped", "the mesh of this node has stopped");
    return std::nullopt;
  }
  std::optional<overlay::Delivery> out = std::move(messages_.front());
  messages_.pop_front();
  bytes_ -= out->payload.size();
  return out;
}

std::uint64_t Inbox::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace hanse::peering
