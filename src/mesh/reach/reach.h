// Reach: frames to peers wherever they are. One Endpoint and its Peers (mesh/transport, mesh/peers) with what finds a
// way to a peer behind a NAT: circuits through relays, the survey of our own NAT, punching; and the roles by which this
// node serves others so. A state machine on any sockets (transport::Machine): Sockets turns it, or a simulator.
//
// A wanted peer is dialed at the addresses that are known and, 250 ms later or at once if none is, through a relay that
// both are connected with: a known one, or one that want() named. A connection through a relay is used at once and
// moved to a direct path, streams and all, as soon as punching finds one; when nothing is heard on a direct path for
// kSilentNs while something is owed, or for half a second after the uplink has changed, the dialer moves the connection
// to a relay, and looks for a direct path again (mesh.md 5.5, 5.8). Roles, said in HELLO: relay carries datagrams
// between peers, reflector answers STUN on the node's own socket, coordinator tells two peers of each other so that
// they dial at once, where no relay is to be had.
//
// Times: monotonic nanoseconds of the caller. Threads: one. Owns the endpoint. Borrows what the endpoint's options
// borrow, and the random source. Sockets are opened and closed from on_deadline() alone.
// Limits: those of Endpoint, Pool and Relay; kWantedMax wanted peers; the parts' own (circuits, attempts).
// Errors of calls: those of Peers, reach.limit (exhausted: wanted peers). Events: those of Peers.
// Who a peer is (mesh/identity) is asked before anything else when ReachOptions::trust asks for it: until then, those
// above do not hear of it. One that may not be here, at once or later, ends with kFailed, or kDown, and the reason.
// Refuses to: relay without the role, answer probes that no session of ours sealed, dial a revoked machine
// (identity.revoked).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/core/clock.h"
#include "mesh/identity/trust.h"
#include "mesh/nat/classify.h"
#include "mesh/peers/peers.h"
#include "mesh/relay/relay.h"
#include "mesh/transport/sockets.h"

namespace hanse::reach {

using peers::PeerEvent;
using transport::Address;
using transport::Path;
using transport::PeerId;

constexpr std::size_t kWantedMax = 1024;
constexpr std::size_t kHintsMax = 256, kHintDials = 8;
constexpr std::int64_t kSilentNs = 2'000'000'000;

constexpr std::uint32_t kRelayRole = 1, kReflectorRole = 2, kCoordinatorRole = 4;  // bits of HELLO

struct Ports {                                         // the sockets beside the endpoint's machine
  std::uint16_t own_v4 = 0, own_v6 = 0;                // 0: none of that family
  std::function<Result<std::uint16_t>(bool v4)> open;  // a fresh one on a port of the system's choice
  std::function<void(std::uint16_t)> close;
  bool is_own(std::uint16_t port) const { return port != 0 && (port == own_v4 || port == own_v6); }
};

struct Known {
  PeerId peer;
  std::vector<Address> addresses;
};

struct ReachOptions {
  transport::Options endpoint;  // its control frames and the protocol of relays are added here
  peers::PoolLimits pool;
  std::uint64_t peer_bytes_per_second = 0;  // as in PeersOptions
  std::uint32_t roles = 0;
  relay::RelayLimits relay;
  std::vector<Known> known;  // wanted for ever; those with roles serve us
  bool reserve = true;       // let others reach us through relays
  bool punch = true;
  identity::Trust trust;
  identity::Papers papers;   // ours, shown to everybody; none when empty. They have to hold: errors of identity::verify
  Clock* clock = nullptr;    // null: system_clock(); for the wall clock of papers alone
  Random* random = nullptr;  // null: system_random()
};

struct LinkFacts {
  PeerId peer;
  Path path;
  std::optional<PeerId> relay;  // of a path through one
  bool inbound = false;
  std::uint32_t roles = 0;
  std::int64_t rtt_ns = 0, up_ns = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::string_view punch_plan = {};       // of the last attempt, "" before one
  std::optional<identity::Who> who = {};  // of papers that were proved
  std::string papers_error = {};          // why they were not; "" when it has none
};

struct ReachCounts {
  std::uint64_t punched = 0, punch_failed = 0;
  std::uint64_t to_direct = 0, to_relay = 0;  // moves of connections
  std::uint64_t silences = 0;
  std::uint64_t refused = 0;  // peers that may not be here
};

class Reach final : public transport::Machine {
 public:
  static Result<std::unique_ptr<Reach>> create(ReachOptions options);
  ~Reach() override;

  // When the sockets are bound; `local` are the addresses of this machine's interfaces. uplink() when they change.
  void start(Ports ports, std::vector<Address> local, std::int64_t now_ns);
  void uplink(std::vector<Address> local, std::int64_t now_ns);

  void receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) override;
  bool transmit(transport::Batch& out, std::int64_t now_ns) override;
  std::int64_t next_deadline_ns() const override;
  void on_deadline(std::int64_t now_ns) override;
  void deliver(std::int64_t now_ns) override;
  bool next_event(PeerEvent& out);

  // Stays connected with it. `relays`: where it says it has a place; asked before the others.
  Status want(const PeerId& peer, std::vector<Address> addresses, std::vector<PeerId> relays, std::int64_t now_ns);
  // Somebody says that it is there, as on the local network: dialed once while fewer than kHintDials peers are
  // connected, and tried when it is wanted. At most kHintsMax peers; further ones are passed over.
  void hint(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns);
  void mapped(const std::optional<Address>& outside);  // what the router lets in to our own socket
  void let_go(const PeerId& peer);
  void close(const PeerId& peer, transport::CloseCode code, std::int64_t now_ns);
  // Tells everybody that this node will stop, so that what it relays finds another way first.
  void go_away();
  void close_all(std::int64_t now_ns);

  Status send(const PeerId& peer, std::uint64_t protocol, std::uint8_t type, std::shared_ptr<const Bytes> body,
              std::int64_t now_ns);
  Status send_datagram(const PeerId& peer, Bytes body);
  void consumed(PeerEvent frame);

  const PeerId& id() const;
  bool connected(const PeerId& peer) const;
  std::vector<LinkFacts> links() const;
  std::vector<PeerId> places() const;  // relays through which others reach us
  std::vector<Address> candidates(std::int64_t now_ns);
  const std::optional<nat::NatClass>& nat() const;  // nothing: not asked yet
  const relay::Relay* relay() const;                // null: not our role
  ReachCounts counts() const;
  const peers::Meters& meters() const;
  transport::Endpoint& endpoint();

 private:
  class Core;
  explicit Reach(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace hanse::reach
