// What waits for one peer, and what is given up when it is slow (mesh.md 5.12). At most queue_bytes wait; so many bytes
// at a time are handed to the connection, the rest waits for sent(). Order within a class is kept; classes go out in
// the order of Class. Over the limit reconciliation and announcements go first, then the oldest messages. What was shed
// comes back from push(): messages are announced instead, announcements wait for a better time. Control frames are
// never shed: when they alone fill the queue, push() says so, and the connection is to be given up. Plain value; one
// thread at a time. Errors: none.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <vector>

#include "mesh/gossip/broadcast.h"

namespace hanse::gossip {

struct OutboxConfig {
  std::size_t queue_bytes = 1u << 20;
  std::size_t in_flight_bytes = 64u << 10;
};

enum class Class : std::uint8_t { kControl = 0, kMessage = 1, kAnnounce = 2, kReconcile = 3 };
constexpr std::size_t kClasses = 4;

struct ShedCounters {
  std::uint64_t announcements = 0, reconciliations = 0, messages = 0, overflows = 0;
};

class Outbox {
 public:
  enum class Outcome : std::uint8_t { kTaken, kOverflow };

  struct Shed {
    std::vector<Push> messages;
    std::vector<Frame> announcements;
  };
  // `message` only for Class::kMessage: what frame carries.
  Outcome push(const OutboxConfig& config, Class cls, Frame frame, const Push* message, Shed& shed,
               ShedCounters& counters);
  // What the connection may be given now.
  std::vector<Frame> take(const OutboxConfig& config);
  void sent(std::size_t bytes) { in_flight_ -= std::min(bytes, in_flight_); }
  void clear();
  std::size_t queued_bytes() const { return queued_; }
  std::size_t in_flight_bytes() const { return in_flight_; }

 private:
  struct Waiting {
    Frame frame;
    Push message;
  };
  Waiting shed_oldest(Class cls, std::uint64_t& counter);

  std::array<std::deque<Waiting>, kClasses> waiting_;
  std::size_t queued_ = 0, in_flight_ = 0;
};

}  // namespace hanse::gossip
