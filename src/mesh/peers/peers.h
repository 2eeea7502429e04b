// Peers: frames by peer instead of by connection: an Endpoint (mesh/transport) that a Pool has the say over.
//
// send() uses one long-lived stream of each protocol to each peer, so frames of one protocol arrive in order while the
// connection is the same; when another one begins to count (pool.h) a frame may overtake or be lost: protocols repeat.
// What a peer opens is read on every connection of it that counts or drains.
// Shapes: times as the endpoint's. Threads: one, the endpoint's. Owns the pool, borrows the endpoint.
// Limits: those of the pool and of the endpoint. Frames hold flow control until consumed() is called.
// A peer that sends or is sent more than bytes_per_second is held back (meters.h).
// Errors of calls: those of Pool and of Endpoint, peers.not_connected (unavailable), peers.budget (exhausted: kRoom
// tells when to try again).
#pragma once

#include <functional>

#include "mesh/peers/meters.h"
#include "mesh/peers/pool.h"

namespace hanse::peers {

struct PeersOptions {
  PoolLimits limits;
  std::uint64_t bytes_per_second = 0;  // budget of a peer in each direction, at most 10^9; 0: none
  Random* random = nullptr;            // null: system_random()
  // Begins a handshake with an address, on a socket that fits: Driver::dial, or a simulator's.
  std::function<Result<ConnectionId>(const Address& remote, const PeerId& peer, std::int64_t now_ns)> dial;
};

struct PeerEvent {
  enum class Type : std::uint8_t {
    kUp,        // the peer is connected, on path
    kMoved,     // another connection of it counts from now on
    kHello,     // hello: what it says of itself; again when another connection counts
    kFrame,     // protocol, frame_type, body: give it to consumed() when it has been worked on
    kDatagram,  // body
    kPath,      // path: its connection goes on there from now on (code 0), or could not move there (code 1)
    kRoom,      // send() may be tried again after transport.full or peers.budget
    kDown,      // error: it is not connected any more
    kFailed,    // error: no address answered; a wanted peer is tried again
  };
  Type type = Type::kUp;
  PeerId peer{};
  std::uint64_t protocol = 0;
  std::uint8_t frame_type = 0;
  Bytes body{};
  std::uint64_t code = 0;
  bool inbound = false;
  transport::Path path{};
  std::optional<transport::Hello> hello{};
  std::optional<Error> error{};
  ConnectionId connection = 0;  // these three for consumed()
  transport::StreamId stream = -1;
  std::uint64_t credit = 0;
};

class Peers {
 public:
  Peers(transport::Endpoint& endpoint, PeersOptions options);

  void handle(transport::Event event, std::int64_t now_ns);  // every event of the endpoint, in order
  std::int64_t next_deadline_ns() const { return std::min(pool_.next_deadline_ns(), meters_.next_ns()); }
  void on_deadline(std::int64_t now_ns);
  bool next_event(PeerEvent& out);

  // As in Pool.
  Status want(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns);
  Status dial(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns);
  void let_go(const PeerId& peer) { pool_.let_go(peer); }
  void close(const PeerId& peer, CloseCode code, std::int64_t now_ns);
  void rate(const PeerId& peer, std::int64_t points) { pool_.rate(peer, points); }

  Status send(const PeerId& peer, std::uint64_t protocol, std::uint8_t type, std::shared_ptr<const Bytes> body,
              std::int64_t now_ns);
  Status send_control(const PeerId& peer, std::uint8_t type, std::shared_ptr<const Bytes> body);
  Status send_datagram(const PeerId& peer, Bytes body);
  void consumed(PeerEvent frame);  // its body's memory serves the next frames

  const PeerId& id() const { return endpoint_.id(); }
  bool connected(const PeerId& peer) const { return pool_.connection(peer).has_value(); }
  const Pool& pool() const { return pool_; }
  const Meters& meters() const { return meters_; }
  Result<transport::ConnectionStats> stats(const PeerId& peer) const;

 private:
  void act(std::int64_t now_ns);
  void leave_streams(const PeerId& peer);
  void place(PeerEvent& event) const;
  Result<ConnectionId> need(const PeerId& peer) const;
  Status within_budget(const PeerId& peer, std::size_t bytes);

  transport::Endpoint& endpoint_;
  PeersOptions options_;
  Pool pool_;
  Meters meters_;
  std::int64_t now_ns_ = INT64_MIN / 4;  // of the last call that had the time
  struct Streams {
    ConnectionId connection = 0;
    std::map<std::uint64_t, transport::StreamId> by_protocol;
  };
  std::map<PeerId, Streams> streams_;              // that we opened on the connection that counts
  std::map<ConnectionId, transport::Path> paths_;  // of what is up
  std::deque<PeerEvent> events_;
};

}  // namespace hanse::peers
