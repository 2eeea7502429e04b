// Inbox: messages of a topic on their way from the mesh's thread to one that reads them. Who reads too slowly loses the
// newest ones, counted; the mesh does not wait.
// Threads: take and close from one, next from another. Limits: kInboxMessagesMax, kInboxBytesMax. Errors:
// peering.stopped (unavailable: the node stopped and everything that came before was read).
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "node/overlay/topics.h"

namespace hanse::peering {

constexpr std::size_t kInboxMessagesMax = 4'096, kInboxBytesMax = 16u << 20;

class Inbox final : public overlay::Listener {
 public:
  void take(const overlay::Delivery& message) override;
  void close();
  Result<std::optional<overlay::Delivery>> next(std::int64_t wait_ms);  // nothing: none came in time
  std::uint64_t dropped() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<overlay::Delivery> messages_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  bool closed_ = false;
};

}  // namespace hanse::peering
