// Meters: bytes of frames and datagrams by peer, direction and protocol, and a budget for each peer and direction
// (mesh.md 5.7). A pure core that Peers asks.
//   in    who sends more than its budget is not read: what its frames hold of the flow control is given back when the
//         budget allows, in order, so nothing is lost and nothing grows here. Datagrams beyond it are dropped
//   out   what is beyond it is refused, and the sender is told when to try again
// A budget holds a second's bytes, and one frame of the largest size at least; the rate is rounded up to a whole
// divisor of 10^9. It outlives the connection until it is full again, so that coming back does not fill it. Flows of a
// peer begin anew with its connection; totals go on.
// Threads: one. Limits: what is held back of a peer is bounded by its connection's window. Errors: none.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "mesh/peers/token_bucket.h"
#include "mesh/transport/transport.h"

namespace hanse::peers {

using transport::PeerId;

constexpr std::uint64_t kDatagramFlow = UINT64_MAX;  // the protocol of what has none

struct Flow {
  std::uint64_t bytes_in = 0, bytes_out = 0;
  friend bool operator==(const Flow&, const Flow&) = default;
};
using Flows = std::map<std::uint64_t, Flow>;  // by protocol; control frames are of protocol 0

struct Held {  // of the flow control of a connection
  transport::ConnectionId connection = 0;
  transport::StreamId stream = -1;
  std::uint64_t credit = 0;
  friend bool operator==(const Held&, const Held&) = default;
};

struct MeterCounts {
  std::uint64_t held_back = 0;  // frames in that waited for their budget
  std::uint64_t dropped = 0;    // datagrams in
  std::uint64_t refused = 0;    // frames and datagrams out
};

class Meters {
 public:
  explicit Meters(std::uint64_t bytes_per_second) : rate_(bytes_per_second) {}  // 0: no budgets

  void up(const PeerId& peer, std::int64_t now_ns);
  void down(const PeerId& peer);

  void came(const PeerId& peer, std::uint64_t protocol, std::size_t bytes);  // a frame
  bool take_datagram(const PeerId& peer, std::size_t bytes, std::int64_t now_ns);
  bool give_back(const PeerId& peer, const Held& held, std::int64_t now_ns);  // false: later, see due()
  bool may_send(const PeerId& peer, std::uint64_t bytes, std::int64_t now_ns);
  void sent(const PeerId& peer, std::uint64_t protocol, std::size_t bytes);

  std::int64_t next_ns() const;
  std::vector<Held> due(std::int64_t now_ns);      // to give back now
  std::vector<PeerId> roomy(std::int64_t now_ns);  // may be sent to again after a refusal

  const Flows* flows(const PeerId& peer) const;  // null: not connected
  const Flows& totals() const { return totals_; }
  const MeterCounts& counts() const { return counts_; }
  std::size_t size() const { return peers_.size(); }

 private:
  struct Peer {
    bool up = false;
    Flows flows;
    std::optional<TokenBucket> in, out;
    std::deque<Held> held;
    std::uint64_t wants = 0;  // bytes that were refused, 0: none
  };
  std::uint64_t burst() const;
  std::uint64_t tokens(std::uint64_t bytes) const { return std::min(bytes, burst()); }
  Peer* find(const PeerId& peer);

  std::uint64_t rate_;
  std::map<PeerId, Peer> peers_;
  Flows totals_;
  MeterCounts counts_;
};

}  // namespace hanse::peers
