// Pool: which peers are connected, and by which connection. It decides; an Endpoint (mesh/transport) does. Clock,
// randomness and network are arguments (mesh.md 5.7).
//
// At most one connection of a peer counts. When two come up at once, because both sides dialed, both keep the one whose
// dialer has the smaller id; of two that the peer dialed the newer, of two that we dialed the older. Who dials us while
// we had a connection with him for kRaceNs has lost it, as one that starts anew: the newer counts. The other one is
// read for kDrainNs more, as the peer may not know yet, and is taken back when the first is lost meanwhile. What was
// sent on a connection that lost may be lost with it: protocols repeat.
// A wanted peer is dialed again for ever, 1 s to 300 s apart, and never evicted. Addresses are tried 250 ms apart, IPv6
// first and circuits last, until one answers; at most dials_max at once and dials_per_second.
// Above high_water connections those that nobody wants are closed down to low_water: the lowest score first, then the
// one that the application used longest ago. Whoever dials us from a network (a /24 or a /48) that has prefix_max
// inbound connections is refused; those through a circuit count for the relay alone.
//
// Threads: one. Errors of calls: peers.limit (exhausted: peers), peers.address (invalid: none, or too many), peers.self
// (invalid). Errors that actions carry: those of transport, peers.unreachable (unavailable: no address answered),
// peers.evicted (exhausted).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/core/random.h"
#include "mesh/peers/token_bucket.h"
#include "mesh/transport/transport.h"

namespace hanse::peers {

using transport::Address;
using transport::CloseCode;
using transport::ConnectionId;
using transport::PeerId;

constexpr std::int64_t kRaceGapNs = 250'000'000;  // between two addresses of one peer
constexpr std::int64_t kRaceNs = 3'000'000'000;   // that two who dial at once may be apart
constexpr std::int64_t kDrainNs = 2'000'000'000;  // a connection that lost is read for so long
constexpr std::size_t kAddressesMax = 16;         // of a peer
constexpr std::size_t kDrainingMax = 4;           // of a peer; above, the oldest is closed at once

struct PoolLimits {
  std::size_t peers_max = 4096;  // wanted, dialed or connected
  std::size_t inbound_max = 256;
  std::size_t prefix_max = 8;
  std::size_t high_water = 480, low_water = 400;
  std::size_t dials_max = 16;
  std::uint64_t dials_per_second = 64;
  std::int64_t redial_first_ms = 1'000, redial_most_ms = 300'000;  // times 0.5 to 1.5, drawn
};

struct PoolOptions {
  PeerId self;
  PoolLimits limits;
  Random* random = nullptr;  // null: system_random()
};

struct PoolAction {
  enum class Type : std::uint8_t {
    kDial,    // peer, address: answer with dialed()
    kClose,   // connection, code
    kUp,      // peer, connection: it counts from now on
    kMoved,   // peer, connection: another one counts from now on
    kDown,    // peer, error: none does any more
    kFailed,  // peer, error: no address answered; a wanted one is tried again
  };
  Type type = Type::kDial;
  PeerId peer{};
  Address address{};
  ConnectionId connection = 0;
  CloseCode code = CloseCode::kDone;
  std::optional<Error> error{};
};

struct PoolUp {
  ConnectionId connection = 0;
  PeerId peer;
  bool inbound = false;
  Address remote;
};

class Pool {
 public:
  explicit Pool(PoolOptions options);

  // What is wanted. Addresses replace those known before; at least one unless the peer dials us.
  Status want(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns);
  Status dial(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns);  // one round of them
  void let_go(const PeerId& peer);  // not wanted any more; its connection stays until somebody closes it
  void close(const PeerId& peer, CloseCode code, std::int64_t now_ns);
  void rate(const PeerId& peer, std::int64_t points);  // of a connected peer, for evicting
  void used(const PeerId& peer, std::int64_t now_ns);  // bytes of an application came or went

  // What happened. up(): the peer has proved its key.
  void dialed(const PeerId& peer, const Address& address, Result<ConnectionId> result, std::int64_t now_ns);
  void up(const PoolUp& up, std::int64_t now_ns);
  void down(ConnectionId connection, const Error& error, std::int64_t now_ns);

  std::int64_t next_deadline_ns() const;  // INT64_MAX: none
  void on_deadline(std::int64_t now_ns);
  bool next_action(PoolAction& out);

  std::optional<ConnectionId> connection(const PeerId& peer) const;  // the one that counts
  std::optional<PeerId> peer_of(ConnectionId connection) const;      // of one that counts or drains
  std::vector<PeerId> connected() const;
  std::size_t connections() const { return links_; }  // with those that drain
  std::size_t dialing() const { return dials_; }

 private:
  struct Link {
    ConnectionId id = 0;
    bool inbound = false;
    Address remote{};
    std::int64_t up_ns = 0;
    std::int64_t closes_ns = 0;  // of one that drains
  };
  struct Peer {
    std::vector<Address> addresses;
    bool wanted = false, trying = false;  // trying: a round of dials is under way
    std::size_t next_address = 0;
    std::size_t asked = 0;             // dials without an answer of the endpoint
    std::set<ConnectionId> attempts;   // handshakes under way
    std::int64_t dial_ns = INT64_MAX;  // the next dial
    std::int64_t wait_ms = 0;          // before the next round, undrawn
    std::optional<Error> why;          // the last attempt failed
    std::optional<Link> active;
    std::vector<Link> draining;  // the oldest first
    std::int64_t score = 0, used_ns = 0;
    std::int64_t due_ns = INT64_MAX;  // in due_
  };
  using Peers = std::map<PeerId, Peer>;

  Result<Peers::iterator> know(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns);
  void forget_idle(Peers::iterator at);
  void schedule(Peers::iterator at);
  void try_dial(Peers::iterator at, std::int64_t now_ns);
  void round_failed(Peers::iterator at, std::int64_t now_ns);
  void attempt_over(Peers::iterator at, std::int64_t now_ns);
  void end_round(Peers::iterator at);
  void drain(Peers::iterator at, Link link, std::int64_t now_ns);
  void close_link(Peers::iterator at, const Link& link, CloseCode code);
  void forget_link(const Link& link);
  bool newer_counts(const PeerId& peer, const Link& newer, const Link& older) const;
  bool has_room(const Link& inbound) const;
  void lost(Peers::iterator at, const Error& error, std::int64_t now_ns);
  void evict(std::int64_t now_ns);
  void act(PoolAction action) { actions_.push_back(std::move(action)); }

  PoolOptions options_;
  Random& random_;
  TokenBucket dial_tokens_;
  Peers peers_;
  std::map<ConnectionId, PeerId> owners_;  // of links and attempts
  std::set<std::pair<std::int64_t, PeerId>> due_;
  std::map<std::array<std::uint8_t, 6>, std::size_t> prefixes_;  // of inbound links
  std::size_t links_ = 0, inbound_ = 0, dials_ = 0;
  std::deque<PoolAction> actions_;
};

}  // namespace hanse::peers
