// Inbox: what waits for the consensus thread. Votes and control come before bulk; what other threads report is never
// refused, frames are: beyond a peer's limits its newest is dropped and counted, as the protocol sends it again.
// Private to the room. Threads: any; drain by one.
#pragma once

#include <array>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "chain/consensus/replica.h"

namespace hanse::replica {

constexpr std::size_t kPeerFramesMax = 16'384;  // of one peer, a class
constexpr std::size_t kPeerBytesMax = 16u << 20;

bool is_bulk(std::uint8_t type);

struct Mail {
  struct Frame {
    consensus::Index from = 0;
    std::uint8_t type = 0;
    consensus::Frame body;
  };
  struct Executed {
    consensus::Seq seq = 0;
    Hash32 block;
    bool wants_block = false;
  };
  struct Attested {
    consensus::Seq seq = 0;
    Bytes signature;
  };
  std::vector<Frame> votes, bulk;
  std::vector<Executed> executed;
  std::vector<Attested> attested;
  std::vector<consensus::Index> ups;
  std::uint64_t durable = 0;  // token; 0 = nothing new
  bool compact = false;
  bool kicked = false;
  bool stop = false;
  bool empty() const {
    return votes.empty() && bulk.empty() && executed.empty() && attested.empty() && ups.empty() && durable == 0 &&
           !compact && !kicked && !stop;
  }
};

class Inbox {
 public:
  explicit Inbox(Clock& clock) : clock_(clock) {}

  void frame(consensus::Index from, std::uint8_t type, consensus::Frame body);
  void executed(Mail::Executed what);
  void attested(Mail::Attested what);
  void up(consensus::Index peer);
  void durable(std::uint64_t token);
  void compact();
  void kick();  // the pool has something new
  void stop();  // stays

  // Everything that waits, into `out` (emptied first, its memory used again); waits for something until `until_ns`.
  void drain(Mail& out, std::int64_t until_ns);
  std::uint64_t dropped() const;

 private:
  template <class Put>
  void put(Put put);

  Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Mail mail_;
  struct Held {
    std::size_t frames = 0, bytes = 0;
  };
  std::array<std::array<Held, consensus::kReplicasMax>, 2> held_{};  // by class and peer
  std::uint64_t dropped_ = 0;
  bool waiting_ = false;
};

}  // namespace hanse::replica
