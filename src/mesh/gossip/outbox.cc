#include "mesh/gossip/outbox.h"

#include <algorithm>

namespace hanse::gossip {

Outbox::Outcome Outbox::push(const OutboxConfig& config, Class cls, Frame frame, const Push* message, Shed& shed,
                             ShedCounters& counters) {
  queued_ += frame->size();
  waiting_[static_cast<std::size_t>(cls)].push_back({std::move(frame), message != nullptr ? *message : Push{}});
  const auto full = [&](Class c) {
    return queued_ > config.queue_bytes && !waiting_[static_cast<std::size_t>(c)].empty();
  };
  while (full(Class::kReconcile)) shed_oldest(Class::kReconcile, counters.reconciliations);
  while (full(Class::kAnnounce))
    shed.announcements.push_back(shed_oldest(Class::kAnnounce, counters.announcements).frame);
  while (full(Class::kMessage)) shed.messages.push_back(shed_oldest(Class::kMessage, counters.messages).message);
  if (queued_ <= config.queue_bytes) return Outcome::kTaken;
  ++counters.overflows;
  return Outcome::kOverflow;
}

std::vector<Frame> Outbox::take(const OutboxConfig& config) {
  std::vector<Frame> out;
  for (auto& queue : waiting_) {
    while (!queue.empty()) {
      const std::size_t n = queue.front().frame->size();
      // One frame always goes, however large.
      if (in_flight_ > 0 && in_flight_ + n > config.in_flight_bytes) return out;
      queued_ -= n;
      in_flight_ += n;
      out.push_back(std::move(queue.front().frame));
      queue.pop_front();
    }
  }
  return out;
}

void Outbox::clear() {
  for (auto& queue : waiting_) queue.clear();
  queued_ = in_flight_ = 0;
}

Outbox::Waiting Outbox::shed_oldest(Class cls, std::uint64_t& counter) {
  auto& queue = waiting_[static_cast<std::size_t>(cls)];
  Waiting out = std::move(queue.front());
  queue.pop_front();
  queued_ -= out.frame->size();
  ++counter;
  return out;
}

}  // namespace hanse::gossip
