// The simulated network and its event queue, below the hosts.
#pragma once

#include <algorithm>
#include <vector>

#include "chain/consensus/replica.h"
#include "sim/world/dice.h"

namespace hanse::sim::detail {

using consensus::Frame;
using HostId = std::uint16_t;  // an instance; twins are two of one replica

enum class EventKind : std::uint8_t {
  kDeliver,
  kTimer,
  kSynced,
  kLedgerSynced,
  kExecuted,
  kSigned,
  kFlush,
  kClient,  // starts an operation
  kRetry,
  kSubmit,  // a transaction reaches a host
  kConnect,
  kFaultBegins,
  kFaultEnds,
  kRestart,
  kLie,  // a Byzantine host acts on its own
  kDeadline,
  kStated,   // a host signed a statement of its own
  kChecked,  // and verified one of another
  kAccuse,   // what a host can prove and is not on the ledger goes there again
};

struct Event {
  std::int64_t at = 0;
  std::uint64_t id = 0;
  std::uint64_t arg = 0;
  std::uint32_t gen = 0;
  std::uint32_t frame = 0;  // slot in the store of frames; 0 = none
  HostId host = 0, from = 0;
  EventKind kind = EventKind::kTimer;
  std::uint8_t type = 0;
};

// Ordered by (time, id). Frames lie aside, so that the heap moves plain values.
class Queue {
 public:
  Queue() { frames_.emplace_back(); }
  void push(Event e, Frame frame = nullptr) {
    e.id = ++last_id_;
    if (frame) {
      if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(frames_.size()));
        frames_.emplace_back();
      }
      e.frame = free_.back();
      free_.pop_back();
      frames_[e.frame] = std::move(frame);
    }
    heap_.push_back(e);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  bool empty() const { return heap_.empty(); }
  Event pop(Frame& frame) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Event e = heap_.back();
    heap_.pop_back();
    if (e.frame != 0) {
      frame = std::move(frames_[e.frame]);
      frames_[e.frame] = nullptr;
      free_.push_back(e.frame);
    } else {
      frame = nullptr;
    }
    return e;
  }

 private:
  static bool later(const Event& a, const Event& b) { return a.at != b.at ? a.at > b.at : a.id > b.id; }
  std::vector<Event> heap_;
  std::vector<Frame> frames_;
  std::vector<std::uint32_t> free_;
  std::uint64_t last_id_ = 0;
};

// One direction of a connection.
struct Link {
  bool up = false;
  std::uint32_t gen = 0;
  std::int64_t last_arrival = 0;
  int blocked = 0;  // partitions that lie across it
  int muted = 0;    // frames vanish
  Dice dice;
};

}  // namespace hanse::sim::detail
