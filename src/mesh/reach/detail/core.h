// The inside of Reach: its parts, the links and what is wanted. Private to this room; the files say what is where.
// Threads: one. Errors: those of reach.h.
#pragma once

#include <deque>
#include <map>

#include "mesh/nat/reflector.h"
#include "mesh/reach/detail/circuits.h"
#include "mesh/reach/detail/gate.h"
#include "mesh/reach/detail/meetings.h"
#include "mesh/reach/detail/punches.h"
#include "mesh/reach/detail/survey.h"

namespace hanse::reach {
namespace detail {

using transport::ConnectionId;

constexpr std::int64_t kAskMinNs = 500 * kMs, kAskMaxNs = 60 * kSecondNs;
constexpr std::int64_t kRelayAfterNs = 250 * kMs;   // of dialing without an answer
constexpr std::int64_t kCircuitNs = 5 * kSecondNs;  // that a circuit has to lead to a connection
constexpr std::int64_t kDrainNs =
    peers::kDrainNs + kSecondNs;  // of a circuit that is left: something may be on its way
constexpr std::int64_t kMoveAgainNs = kSecondNs;
constexpr std::int64_t kUplinkNs = 3 * kSecondNs, kUplinkSilentNs = 500 * kMs;  // after the uplink has changed

struct Link {  // the connection of a peer that counts
  ConnectionId connection = 0;
  bool inbound = false;
  Path path;
  std::uint32_t roles = 0;
  std::int64_t up_ns = 0, since_ns = 0;  // since_ns: on this path
  std::int64_t used_ns = 0, pulse_ns = 0;
  std::uint16_t extra_port = 0;   // the path's socket, when it is not our own
  bool falling = false;           // to a relay
  std::int64_t hasty_ns = 0;      // silence means more until then
  std::int64_t ask_ns = 0;        // not again before
  std::optional<Path> target;     // where it moves to
  std::int64_t move_ns = kNever;  // when that is tried (again)
};

struct Wanted {
  std::vector<Address> addresses;
  std::vector<PeerId> relays;
  std::int64_t ask_ns = kNever, wait_ns = kAskMinNs;
};

}  // namespace detail

using namespace detail;  // NOLINT: the parts of this room

class Reach::Core {
 public:
  explicit Core(ReachOptions given)
      : options(std::move(given)),
        random(options.random != nullptr ? *options.random : system_random()),
        survey(ports, random) {}
  Status open();

  // what is wanted (core.cc)
  Status want(const PeerId& peer, std::vector<Address> addresses, std::vector<PeerId> relays, std::int64_t now_ns);
  void hint(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns);
  std::vector<Address> with_circuits(const PeerId& peer, std::vector<Address> addresses) const;
  Result<ConnectionId> dial(const Address& remote, const PeerId& peer, std::int64_t now_ns);
  std::uint16_t own_port(const Address& remote) const { return remote.is_v4() ? ports.own_v4 : ports.own_v6; }

  // datagrams (core_datagrams.cc)
  void receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns);
  void on_stun(const Path& path, ByteView datagram, std::int64_t now_ns);
  void push(RawDatagram datagram);
  bool transmit(transport::Batch& out, std::int64_t now_ns);
  void send_carried(const PeerId& to, const relay::Carried& carried, std::int64_t now_ns);
  void on_carried(const PeerId& from, ByteView body, std::int64_t now_ns);

  // what happens (core_events.cc)
  void deliver(std::int64_t now_ns);
  bool settle_gate(std::int64_t now_ns);
  void post(const relay::Letters& letters);
  void post_all();
  void on_event(PeerEvent event, std::int64_t now_ns);
  void use(const PeerId& peer, std::int64_t now_ns);
  void on_up(const PeerEvent& event, std::int64_t now_ns);
  void settle_on_path(const PeerId& peer, Link& link, std::int64_t now_ns);
  void tell_observed(const PeerId& peer, const Link& link);
  bool is_known(const PeerId& peer) const;
  bool relays_for_somebody(const PeerId& peer) const;
  void on_hello(const PeerEvent& event, std::int64_t now_ns);
  void on_path(const PeerEvent& event, std::int64_t now_ns);
  void on_own_frame(const PeerEvent& event, std::int64_t now_ns);
  void on_observed(const PeerEvent& event, std::int64_t now_ns);
  void on_relay(const PeerEvent& event, std::int64_t now_ns);
  void on_meeting(const PeerEvent& event, std::int64_t now_ns);
  void meet(const PeerId& peer, std::int64_t now_ns);
  void coordinate(const PeerEvent& event, Meeting meeting, std::int64_t now_ns);
  void on_opened(const Circuits::Opened& opened, std::int64_t now_ns);
  void lost_circuit(const Address& address, std::int64_t now_ns);
  void on_down(const PeerId& peer, std::int64_t now_ns);

  // paths and punching (core_paths.cc)
  void on_found(const Punches::Found& found, std::int64_t now_ns);
  void move(Link& link, const Path& target, std::int64_t now_ns);
  void try_move(Link& link, std::int64_t now_ns);
  void fall(const PeerId& peer, Link& link, std::int64_t now_ns);
  void pulse(const PeerId& peer, Link& link, std::int64_t now_ns);
  bool watched(const PeerId& peer, const Link& link) const { return !link.inbound && circuits.has_relay_but(peer); }
  void watch(std::int64_t now_ns);
  bool circuit_lives(const Link& link) const;

  std::optional<nat::ProbeKey> probe_key(const PeerId& peer) const;
  bool counts() const;
  std::vector<Address> candidates(std::int64_t now_ns);
  nat::PunchOffer punch_offer(const std::optional<nat::Endpoint>& next, std::int64_t now_ns);

  // time (core.cc)
  void on_deadline(std::int64_t now_ns);
  std::int64_t next_deadline_ns() const;
  void uplink(std::vector<Address> local, std::int64_t now_ns);

  ReachOptions options;
  Random& random;
  Ports ports;
  std::unique_ptr<transport::Endpoint> endpoint;
  std::optional<peers::Peers> peers;
  std::optional<Gate> gate;
  std::shared_ptr<const Bytes> papers;  // null: none
  std::optional<relay::Relay> carrier;
  std::optional<nat::Reflector> reflector;
  Survey survey;
  Circuits circuits;
  Meetings meetings;
  std::optional<nat::Coordinator> coordinator;
  std::optional<Punches> punches;
  std::map<PeerId, Link> links;
  std::map<PeerId, Wanted> wanted;
  std::map<PeerId, std::vector<Address>> hints;
  std::deque<PeerEvent> events;
  RawOut raw_out;
  std::int64_t watch_ns = kNow;
  ReachCounts counted;
};

}  // namespace hanse::reach
