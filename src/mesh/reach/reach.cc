#include "mesh/reach/reach.h"

#include <deque>
#include <set>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "mesh/nat/demux.h"
#include "mesh/nat/reflector.h"
#include "mesh/reach/detail/circuits.h"
#include "mesh/reach/detail/punches.h"
#include "mesh/reach/detail/survey.h"

namespace hanse::reach {
namespace {

using namespace detail;  // NOLINT: the parts of this room
using transport::ConnectionId;

constexpr std::int64_t kRelayAfterNs = 250 * kMs;     // of dialing without an answer
constexpr std::int64_t kAskMinNs = 5 * kSecondNs, kAskMaxNs = 60 * kSecondNs;
constexpr std::int64_t kWatchNs = 250 * kMs;          // how often links are looked at
constexpr std::int64_t kMoveAgainNs = kSecondNs;
constexpr std::int64_t kUsedNs = 10 * kSecondNs;      // a link that carried frames so lately is in use
constexpr std::int64_t kPulseNs = kSecondNs, kIdlePulseNs = 10 * kSecondNs;
constexpr std::size_t kWholeMax = 1200;               // what every path must carry (RFC 9000, 14): never dropped for size
constexpr std::size_t kCarryQueueMax = 256u << 10;
constexpr std::size_t kRawMax = 4096;

Bytes observed_body(const Address& address) {
  const nat::Endpoint e = to_endpoint(address);
  Bytes out{static_cast<std::uint8_t>(e.ip.v6 ? 6 : 4)};
  append(out, e.ip.view());
  append_be(out, e.port);
  return out;
}

std::optional<nat::Endpoint> read_observed(ByteView body) {
  if (body.empty() || (body[0] != 4 && body[0] != 6)) return std::nullopt;
  nat::Endpoint out{.ip = {.v6 = body[0] == 6}, .port = 0};
  const std::size_t size = out.ip.view().size();
  if (body.size() != 1 + size + 2) return std::nullopt;
  std::copy_n(body.begin() + 1, size, out.ip.bytes.begin());
  out.port = load_be<std::uint16_t>(body.data() + 1 + size);
  return out;
}

struct Link {  // the connection of a peer that counts
  ConnectionId connection = 0;
  bool inbound = false;
  Path path;
  std::uint32_t roles = 0;
  std::int64_t up_ns = 0, since_ns = 0;  // since_ns: on this path
  std::int64_t used_ns = 0, pulse_ns = 0;
  std::uint16_t extra_port = 0;  // the path's socket, when it is not our own
  bool falling = false;          // to a relay
  std::int64_t ask_ns = 0;       // not again before
  std::optional<Path> target;    // where it moves to
  std::int64_t move_ns = kNever; // when that is tried (again)
};

struct Wanted {
  std::vector<Address> addresses;
  std::vector<PeerId> relays;
  std::int64_t ask_ns = kNever, wait_ns = kAskMinNs;
};

}  // namespace

class Reach::Core {
 public:
  explicit Core(ReachOptions given)
      : options(std::move(given)),
        random(options.random != nullptr ? *options.random : system_random()),
        survey(ports, random) {}

  Status open() {
    transport::Options& e = options.endpoint;
    for (const std::uint8_t type : {kObservedFrame, kPunchFrame, kPunchSyncFrame, relay::kRelayFrame, transport::kGoawayFrame})
      e.control_types.push_back(type);
    e.protocols.push_back({.id = relay::kCarryProtocol,
                           .frame_bytes_max = relay::kCarryHead + relay::kCarriedMax,
                           .priority = transport::Priority::kControl});
    e.hello.roles = options.roles;
    if (e.random == nullptr) e.random = options.random;
    TRY(endpoint, transport::Endpoint::create(std::move(e)));
    peers.emplace(*endpoint, peers::PeersOptions{.limits = options.pool,
                                                 .random = options.random,
                                                 .dial = [this](const Address& remote, const PeerId& peer,
                                                                std::int64_t now) { return dial(remote, peer, now); }});
    if ((options.roles & kRelayRole) != 0) carrier.emplace(options.relay);
    if ((options.roles & kReflectorRole) != 0) reflector.emplace(nat::ReflectorOptions{}, random);
    punches.emplace(endpoint->id(),
                    PunchHost{.ports = &ports,
                              .key = [this](const PeerId& peer) { return probe_key(peer); },
                              .offer = [this](const auto& next) { return punch_offer(next); },
                              .counts = [this] { return counts(); },
                              .measure = [this](const PeerId& peer) { survey.measure(peer); },
                              .may_begin = [this](std::int64_t) { return !survey.working(); }},
                    random);
    return {};
  }

  // ---- what is wanted ----------------------------------------------------------------------------------------------

  Status want(const PeerId& peer, std::vector<Address> addresses, std::vector<PeerId> relays, std::int64_t now_ns) {
    if (!wanted.contains(peer) && wanted.size() >= kWantedMax)
      return fail(Kind::kExhausted, "reach.limit", text("found {} wanted peers, expected fewer", wanted.size()));
    TRY_OK(peers->want(peer, with_circuits(peer, addresses), now_ns));
    Wanted& w = wanted[peer];
    w.ask_ns = addresses.empty() ? now_ns : now_ns + kRelayAfterNs;
    w.addresses = std::move(addresses);
    w.relays = std::move(relays);
    w.wait_ns = kAskMinNs;
    if (const auto link = links.find(peer); link != links.end()) pulse(link->second);
    return {};
  }

  std::vector<Address> with_circuits(const PeerId& peer, std::vector<Address> addresses) const {
    for (const Address& circuit : circuits.addresses_of(peer))
      if (addresses.size() < peers::kAddressesMax) addresses.push_back(circuit);
    return addresses;
  }

  Result<ConnectionId> dial(const Address& remote, const PeerId& peer, std::int64_t now_ns) {
    if (remote.is_carried()) {
      if (circuits.find(remote) == nullptr)
        return fail(Kind::kUnavailable, "transport.no_path", "the circuit is closed");
      return endpoint->dial({.local = {}, .remote = remote}, peer, now_ns);
    }
    const std::uint16_t port = own_port(remote);
    if (port == 0)
      return fail(Kind::kUnavailable, "transport.no_path",
                  text("found no socket that reaches {}", address_text(remote)));
    return endpoint->dial({.local = {.ip = {}, .port = port}, .remote = remote}, peer, now_ns);
  }

  std::uint16_t own_port(const Address& remote) const { return remote.is_v4() ? ports.own_v4 : ports.own_v6; }

  // ---- datagrams ---------------------------------------------------------------------------------------------------

  void receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) {
    switch (nat::kind_of(datagram, nat::Source::kAnybody)) {
      case nat::DatagramKind::kProbe:
        return punches->receive(path.local.port, to_endpoint(path.remote), datagram, now_ns);
      case nat::DatagramKind::kStun: return on_stun(path, datagram, now_ns);
      default: return endpoint->receive(path, datagram, ecn, now_ns);
    }
  }

  void on_stun(const Path& path, ByteView datagram, std::int64_t now_ns) {
    const nat::Endpoint from = to_endpoint(path.remote);
    if (reflector && ports.is_own(path.local.port)) {
      const auto answer = reflector->receive(to_endpoint(path.local), from, datagram, now_ns);
      if (answer) return push({.path = {.local = path.local, .remote = to_address(answer->to)}, .bytes = answer->bytes});
    }
    survey.receive(path.local.port, from, datagram, now_ns);
  }

  void push(RawDatagram datagram) {
    if (raw_out.size() < kRawMax) raw_out.push_back(std::move(datagram));
  }

  bool transmit(transport::Batch& out, std::int64_t now_ns) {
    if (!raw_out.empty()) {
      RawDatagram d = std::move(raw_out.front());
      raw_out.pop_front();
      if (d.path.local.port == 0) d.path.local.port = own_port(d.path.remote);
      out.path = d.path;
      out.size = out.segment = d.bytes.size();
      out.sent = 0;
      out.ecn = 0;
      out.ttl = d.ttl;
      if (out.buffer.size() < d.bytes.size()) out.buffer.resize(d.bytes.size());
      std::ranges::copy(d.bytes, out.buffer.begin());
      return true;
    }
    while (endpoint->transmit(out, now_ns)) {
      if (!out.path.remote.is_carried()) return true;
      const Circuit* circuit = circuits.find(out.path.remote);
      for (std::size_t at = 0; circuit != nullptr && at < out.size; at += out.segment)
        send_carried(circuit->relay, {.towards = relay::Towards::kRelay,
                                      .circuit = circuit->number,
                                      .bytes = ByteView(out.buffer).subspan(at, std::min(out.segment, out.size - at))},
                     now_ns);
      out.size = 0;
    }
    return false;
  }

  void send_carried(const PeerId& to, const relay::Carried& carried, std::int64_t now_ns) {
    const auto connection = peers->pool().connection(to);
    if (!connection) return;
    Bytes body = relay::carry(carried);
    if (body.size() <= endpoint->datagram_room(*connection)) {
      (void)peers->send_datagram(to, std::move(body));  // full: lost, as on any link
      return;
    }
    const auto stats = endpoint->stats(*connection);
    if (carried.bytes.size() > kWholeMax || !stats || stats->send_bytes > kCarryQueueMax) return;
    (void)peers->send(to, relay::kCarryProtocol, 1, std::make_shared<const Bytes>(std::move(body)), now_ns);
  }

  void on_carried(const PeerId& from, ByteView body, std::int64_t now_ns) {
    const auto carried = relay::open_carried(body);
    if (!carried) return;
    if (carried->towards == relay::Towards::kEnd) {
      const auto address = circuits.address_of(from, carried->circuit);
      if (address) endpoint->receive({.local = {}, .remote = *address}, carried->bytes, 0, now_ns);
      return;
    }
    if (!carrier) return;
    relay::Letters letters;
    const auto to = carrier->carry(from, carried->circuit, carried->bytes.size(), now_ns, letters);
    post(letters);
    if (to) send_carried(*to, {.towards = relay::Towards::kEnd, .circuit = carried->circuit, .bytes = carried->bytes}, now_ns);
  }

  // ---- what happens ------------------------------------------------------------------------------------------------

  void deliver(std::int64_t now_ns) {
    for (bool more = true; more;) {
      more = false;
      transport::Event event;
      while (endpoint->next_event(event)) {
        peers->handle(std::move(event), now_ns);
        more = true;
      }
      PeerEvent heard;
      while (peers->next_event(heard)) {
        on_event(std::move(heard), now_ns);
        more = true;
      }
      for (const auto& measured : survey.take_measured()) punches->measured(measured.whom_for, measured.next, now_ns);
      for (const auto& found : punches->take_found()) on_found(found, now_ns);
      post_all();
    }
    for (RawOut* out : {&survey.out, &punches->out}) {
      for (RawDatagram& d : *out) push(std::move(d));
      out->clear();
    }
  }

  void post(const relay::Letters& letters) {
    for (const relay::Letter& l : letters)
      (void)peers->send_control(l.to, relay::kRelayFrame, std::make_shared<const Bytes>(relay::encode(l.message)));
  }

  void post_all() {
    for (Letters* letters : {&circuits.out, &punches->letters})
      for (Letter& l : std::exchange(*letters, {}))
        (void)peers->send_control(l.to, l.type, std::make_shared<const Bytes>(std::move(l.body)));
  }

  void on_event(PeerEvent event, std::int64_t now_ns) {
    using Type = PeerEvent::Type;
    switch (event.type) {
      case Type::kUp:
      case Type::kMoved: on_up(event, now_ns); break;
      case Type::kHello: on_hello(event, now_ns); break;
      case Type::kPath: on_path(event, now_ns); break;
      case Type::kFrame:
        if (event.protocol == transport::kControlProtocol || event.protocol == relay::kCarryProtocol) {
          on_own_frame(event, now_ns);
          return peers->consumed(std::move(event));
        }
        use(event.peer, now_ns);
        break;
      case Type::kDatagram:
        if (!event.body.empty() && (event.body[0] == 0x30 || event.body[0] == 0x31))
          return on_carried(event.peer, event.body, now_ns);
        use(event.peer, now_ns);
        break;
      case Type::kDown: on_down(event.peer, now_ns); break;
      case Type::kFailed:
        if (const auto w = wanted.find(event.peer); w != wanted.end()) w->second.ask_ns = std::min(w->second.ask_ns, now_ns);
        break;
      case Type::kRoom: break;
    }
    events.push_back(std::move(event));
  }

  void use(const PeerId& peer, std::int64_t now_ns) {
    if (const auto at = links.find(peer); at != links.end()) at->second.used_ns = now_ns;
  }

  void on_up(const PeerEvent& event, std::int64_t now_ns) {
    Link& link = links[event.peer];
    if (link.extra_port != 0) punches->release(link.extra_port);
    const std::uint32_t roles = link.roles;
    link = {.connection = event.connection,
            .inbound = event.inbound,
            .path = event.path,
            .roles = roles,
            .up_ns = now_ns,
            .since_ns = now_ns,
            .used_ns = now_ns};
    if (const auto w = wanted.find(event.peer); w != wanted.end()) {
      w->second.ask_ns = kNever;
      w->second.wait_ns = kAskMinNs;
    }
    pulse(link);
    settle_on_path(event.peer, link, now_ns);
  }

  // The link goes over this path now.
  void settle_on_path(const PeerId& peer, Link& link, std::int64_t now_ns) {
    link.since_ns = now_ns;
    link.falling = false;
    if (link.path.remote.is_carried()) {
      if (!link.inbound && options.punch) punches->want(peer, now_ns);
      return;
    }
    punches->drop(peer);
    for (const Address& circuit : circuits.addresses_of(peer))
      if (!link.inbound) circuits.leave(circuit);
    tell_observed(peer, link);
  }

  void tell_observed(const PeerId& peer, const Link& link) {
    if (link.path.remote.is_carried()) return;
    (void)peers->send_control(peer, kObservedFrame, std::make_shared<const Bytes>(observed_body(link.path.remote)));
  }

  bool is_known(const PeerId& peer) const {
    return std::ranges::any_of(options.known, [&](const Known& k) { return k.peer == peer; });
  }

  void on_hello(const PeerEvent& event, std::int64_t now_ns) {
    const auto at = links.find(event.peer);
    if (at == links.end() || !event.hello) return;
    Link& link = at->second;
    link.roles = event.hello->facts.roles;
    if (!is_known(event.peer)) return;
    if ((link.roles & kRelayRole) != 0) circuits.relay_up(event.peer, options.reserve, now_ns);
    if ((link.roles & kReflectorRole) != 0 && !link.path.remote.is_carried())
      survey.reflector(to_endpoint(link.path.remote), now_ns);
  }

  void on_path(const PeerEvent& event, std::int64_t now_ns) {
    const auto at = links.find(event.peer);
    if (at == links.end() || at->second.connection != event.connection) return;
    Link& link = at->second;
    const bool ours = link.target && link.target->remote == event.path.remote;
    if (ours) {
      link.target.reset();
      link.move_ns = kNever;
    }
    if (event.code != 0) {
      if (ours && !event.path.remote.is_carried() && !link.inbound && link.path.remote.is_carried())
        punches->want(event.peer, now_ns + kMoveAgainNs);
      return;
    }
    const bool carried = event.path.remote.is_carried();
    if (carried != link.path.remote.is_carried()) ++(carried ? counted.to_relay : counted.to_direct);
    if (!link.inbound && link.path.remote.is_carried() && link.path.remote != event.path.remote)
      circuits.leave(link.path.remote);
    link.path = event.path;
    const std::uint16_t port = ports.is_own(event.path.local.port) ? std::uint16_t{0} : event.path.local.port;
    if (link.extra_port != 0 && link.extra_port != port) punches->release(link.extra_port);
    link.extra_port = port;
    settle_on_path(event.peer, link, now_ns);
  }

  void on_own_frame(const PeerEvent& event, std::int64_t now_ns) {
    if (event.protocol == relay::kCarryProtocol) return on_carried(event.peer, event.body, now_ns);
    switch (event.frame_type) {
      case kObservedFrame: return on_observed(event, now_ns);
      case kPunchFrame: return options.punch ? punches->offered(event.peer, event.body, now_ns) : void();
      case kPunchSyncFrame: return punches->synced(event.peer, event.body, now_ns);
      case relay::kRelayFrame: return on_relay(event, now_ns);
      case transport::kGoawayFrame:
        for (const Address& address : circuits.retire(event.peer)) lost_circuit(address, now_ns);
        return;
      default: return;
    }
  }

  void on_observed(const PeerEvent& event, std::int64_t now_ns) {
    const auto seen = read_observed(event.body);
    const auto link = links.find(event.peer);
    if (!seen || link == links.end() || link->second.path.remote.is_carried() || !nat::answerable(*seen)) return;
    const bool trusted = is_known(event.peer) && (link->second.roles & kReflectorRole) != 0;
    survey.observed({.observer = to_endpoint(link->second.path.remote).ip,
                     .trust = trusted ? nat::Trust::kConfigured : nat::Trust::kPeer,
                     .seen = *seen},
                    now_ns);
  }

  void on_relay(const PeerEvent& event, std::int64_t now_ns) {
    const auto message = relay::decode_message(event.body);
    if (!message) return;
    using K = relay::Kind;
    if (message->kind == K::kReserve || message->kind == K::kConnect || message->kind == K::kLeave) {
      relay::Letters letters;
      if (carrier)
        carrier->receive(event.peer, *message, now_ns, letters);
      else if (message->kind != K::kLeave)
        letters.push_back({event.peer, {.kind = K::kRefused, .request = message->request, .why = relay::Why::kNoRelay}});
      return post(letters);
    }
    const detail::Circuits::Heard heard = circuits.receive(event.peer, *message, now_ns);
    if (heard.opened) on_opened(*heard.opened, now_ns);
    if (heard.closed) lost_circuit(*heard.closed, now_ns);
  }

  void on_opened(const Circuits::Opened& opened, std::int64_t now_ns) {
    const auto link = links.find(opened.peer);
    if (link != links.end()) {
      if (!link->second.inbound && link->second.falling)
        return move(link->second, {.local = {}, .remote = opened.address}, now_ns);
      return circuits.leave(opened.address);  // it was reached otherwise meanwhile
    }
    const auto w = wanted.find(opened.peer);
    if (w == wanted.end()) return circuits.leave(opened.address);
    (void)peers->want(opened.peer, with_circuits(opened.peer, w->second.addresses), now_ns);
  }

  void lost_circuit(const Address& address, std::int64_t now_ns) {
    for (auto& [peer, link] : links)
      if (!link.inbound && link.path.remote == address) fall(peer, link, now_ns);
  }

  void on_down(const PeerId& peer, std::int64_t now_ns) {
    if (const auto at = links.find(peer); at != links.end()) {
      if (at->second.extra_port != 0) punches->release(at->second.extra_port);
      links.erase(at);
    }
    punches->drop(peer);
    if (carrier) {
      relay::Letters letters;
      carrier->down(peer, letters);
      post(letters);
    }
    for (const Address& address : circuits.relay_down(peer)) lost_circuit(address, now_ns);
    if (const auto w = wanted.find(peer); w != wanted.end())
      w->second.ask_ns = w->second.addresses.empty() ? now_ns : now_ns + kRelayAfterNs;
  }

  // ---- paths -------------------------------------------------------------------------------------------------------

  void on_found(const Punches::Found& found, std::int64_t now_ns) {
    const auto at = links.find(found.peer);
    if (at == links.end() || at->second.inbound || !found.initiator) {
      // The dialer moves; what comes on another socket of ours stays open for it.
      return;
    }
    const std::uint16_t port = found.port != 0 ? found.port : own_port(found.remote);
    move(at->second, {.local = {.ip = {}, .port = port}, .remote = found.remote}, now_ns);
  }

  void move(Link& link, const Path& target, std::int64_t now_ns) {
    link.target = target;
    link.move_ns = now_ns;
    try_move(link, now_ns);
  }

  void try_move(Link& link, std::int64_t now_ns) {
    if (endpoint->migrate(link.connection, *link.target, now_ns)) {
      link.move_ns = kNever;
      return;
    }
    link.move_ns = now_ns + kMs * 100;  // another move is under way
  }

  // The path is silent or gone: back to a relay.
  void fall(const PeerId& peer, Link& link, std::int64_t now_ns) {
    link.falling = true;
    if (link.ask_ns > now_ns) return;
    link.ask_ns = now_ns + kMoveAgainNs;
    const auto w = wanted.find(peer);
    const Circuit* silent = circuits.find(link.path.remote);
    circuits.ask(peer, w != wanted.end() ? w->second.relays : std::vector<PeerId>{},
                 silent != nullptr ? std::optional(silent->relay) : std::nullopt, now_ns);
  }

  void pulse(Link& link) {
    if (link.pulse_ns == 0) set_pulse(link, kIdlePulseNs);
  }
  void set_pulse(Link& link, std::int64_t every_ns) {
    if (std::exchange(link.pulse_ns, every_ns) != every_ns) endpoint->keep_alive(link.connection, every_ns);
  }

  bool watched(const PeerId& peer, const Link& link) const { return !link.inbound && circuits.has_relay_but(peer); }

  void watch(std::int64_t now_ns) {
    for (auto& [peer, link] : links) {
      if (link.move_ns <= now_ns && link.target) try_move(link, now_ns);
      const bool stays = wanted.contains(peer);
      if (!watched(peer, link)) {
        set_pulse(link, stays ? kIdlePulseNs : 0);
        continue;
      }
      set_pulse(link, now_ns - link.used_ns < kUsedNs ? kPulseNs : stays ? kIdlePulseNs : 0);
      const auto stats = endpoint->stats(link.connection);
      if (!stats) continue;
      const std::int64_t quiet = now_ns - std::max(stats->heard_ns, link.since_ns);
      if (quiet < kSilentNs || stats->flight_bytes == 0) {
        if (link.falling && quiet < kSilentNs && stats->heard_ns > link.since_ns && circuit_lives(link))
          link.falling = false;
        continue;
      }
      if (!link.falling) ++counted.silences;
      fall(peer, link, now_ns);
    }
  }

  bool circuit_lives(const Link& link) const {
    return !link.path.remote.is_carried() || circuits.find(link.path.remote) != nullptr;
  }

  // ---- punching ----------------------------------------------------------------------------------------------------

  std::optional<nat::ProbeKey> probe_key(const PeerId& peer) const {
    const auto link = links.find(peer);
    if (link == links.end()) return std::nullopt;
    const auto binding = endpoint->binding(link->second.connection);
    if (!binding) return std::nullopt;
    nat::ProbeKey key;
    crypto::blake3_xof("hanse/probe-key/1", {binding->view()}, key.span());
    return key;
  }

  bool counts() const {
    const auto& nat = survey.result();
    return nat && nat->port_rule == nat::PortRule::kDelta && nat->mapping != nat::Mapping::kEndpoint &&
           nat->mapping != nat::Mapping::kNone;
  }

  nat::PunchOffer punch_offer(const std::optional<nat::Endpoint>& next) {
    nat::PunchOffer offer{.hard_sockets = nat::kHardSocketsMax};
    if (const auto& nat = survey.result()) {
      offer.mapping = nat->mapping;
      offer.filtering = nat->filtering;
      offer.port_rule = nat->port_rule;
      offer.delta = nat->port_rule == nat::PortRule::kDelta ? nat->delta : std::int16_t{0};
    }
    offer.candidates = survey.candidates(now);
    if (next) offer.candidates.insert(offer.candidates.begin(), *next);
    if (offer.candidates.size() > nat::kCandidatesMax) offer.candidates.resize(nat::kCandidatesMax);
    return offer;
  }

  // ---- time --------------------------------------------------------------------------------------------------------

  void on_deadline(std::int64_t now_ns) {
    now = now_ns;
    endpoint->on_deadline(now_ns);
    peers->on_deadline(now_ns);
    survey.on_deadline(now_ns);
    punches->on_deadline(now_ns);
    circuits.on_deadline(now_ns);  // who was not reached is asked for again below
    if (carrier) {
      relay::Letters letters;
      carrier->tick(now_ns, letters);
      post(letters);
    }
    for (auto& [peer, w] : wanted) {
      if (w.ask_ns > now_ns || links.contains(peer)) continue;
      w.ask_ns = now_ns + w.wait_ns;
      w.wait_ns = std::min(2 * w.wait_ns, kAskMaxNs);
      circuits.ask(peer, w.relays, std::nullopt, now_ns);
    }
    if (watch_ns <= now_ns) {
      watch(now_ns);
      watch_ns = now_ns + kWatchNs;
    }
  }

  std::int64_t next_deadline_ns() const {
    std::int64_t next = std::min({endpoint->next_deadline_ns(), peers->next_deadline_ns(), survey.next_ns(),
                                  punches->next_ns(), circuits.next_ns()});
    if (carrier) next = std::min(next, carrier->next_ns());
    for (const auto& [peer, w] : wanted)
      if (!links.contains(peer)) next = std::min(next, w.ask_ns);
    if (std::ranges::any_of(links, [&](const auto& l) { return watched(l.first, l.second); }))
      next = std::min(next, watch_ns);
    return next;
  }

  void uplink(std::vector<Address> local, std::int64_t now_ns) {
    now = now_ns;
    survey.uplink(std::move(local), ports.own_v4, now_ns);
    punches->hurry(now_ns);
    for (auto& [peer, link] : links) tell_observed(peer, link);  // the first word from where we are now
  }

  ReachOptions options;
  Random& random;
  Ports ports;
  std::unique_ptr<transport::Endpoint> endpoint;
  std::optional<peers::Peers> peers;
  std::optional<relay::Relay> carrier;
  std::optional<nat::Reflector> reflector;
  Survey survey;
  Circuits circuits;
  std::optional<Punches> punches;
  std::map<PeerId, Link> links;
  std::map<PeerId, Wanted> wanted;
  std::deque<PeerEvent> events;
  RawOut raw_out;
  std::int64_t watch_ns = kNow, now = 0;
  ReachCounts counted;
};

// ---- the door ------------------------------------------------------------------------------------------------------

Reach::Reach(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Reach::~Reach() = default;

Result<std::unique_ptr<Reach>> Reach::create(ReachOptions options) {
  auto core = std::make_unique<Core>(std::move(options));
  TRY_OK(core->open());
  return std::unique_ptr<Reach>(new Reach(std::move(core)));
}

void Reach::start(Ports ports, std::vector<Address> local, std::int64_t now_ns) {
  core_->ports = std::move(ports);
  uplink(std::move(local), now_ns);
  for (const Known& known : core_->options.known) (void)core_->want(known.peer, known.addresses, {}, now_ns);
}

void Reach::uplink(std::vector<Address> local, std::int64_t now_ns) { core_->uplink(std::move(local), now_ns); }
void Reach::receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) {
  core_->receive(path, datagram, ecn, now_ns);
}
bool Reach::transmit(transport::Batch& out, std::int64_t now_ns) { return core_->transmit(out, now_ns); }
std::int64_t Reach::next_deadline_ns() const { return core_->next_deadline_ns(); }
void Reach::on_deadline(std::int64_t now_ns) { core_->on_deadline(now_ns); }
void Reach::deliver(std::int64_t now_ns) { core_->deliver(now_ns); }

bool Reach::next_event(PeerEvent& out) {
  if (core_->events.empty()) return false;
  out = std::move(core_->events.front());
  core_->events.pop_front();
  return true;
}

Status Reach::want(const PeerId& peer, std::vector<Address> addresses, std::vector<PeerId> relays,
                   std::int64_t now_ns) {
  return core_->want(peer, std::move(addresses), std::move(relays), now_ns);
}

void Reach::let_go(const PeerId& peer) {
  core_->wanted.erase(peer);
  core_->peers->let_go(peer);
}

void Reach::close(const PeerId& peer, transport::CloseCode code, std::int64_t now_ns) {
  core_->wanted.erase(peer);
  core_->peers->let_go(peer);
  core_->peers->close(peer, code, now_ns);
}

void Reach::go_away() {
  for (const auto& [peer, link] : core_->links)
    (void)core_->peers->send_control(peer, transport::kGoawayFrame, std::make_shared<const Bytes>());
}

void Reach::close_all(std::int64_t now_ns) { core_->endpoint->close_all(transport::CloseCode::kDone, now_ns); }

Status Reach::send(const PeerId& peer, std::uint64_t protocol, std::uint8_t type, std::shared_ptr<const Bytes> body,
                   std::int64_t now_ns) {
  core_->use(peer, now_ns);
  return core_->peers->send(peer, protocol, type, std::move(body), now_ns);
}
Status Reach::send_datagram(const PeerId& peer, Bytes body) { return core_->peers->send_datagram(peer, std::move(body)); }
void Reach::consumed(PeerEvent frame) { core_->peers->consumed(std::move(frame)); }

const PeerId& Reach::id() const { return core_->endpoint->id(); }
bool Reach::connected(const PeerId& peer) const { return core_->links.contains(peer); }

std::vector<LinkFacts> Reach::links() const {
  std::vector<LinkFacts> out;
  for (const auto& [peer, link] : core_->links) {
    LinkFacts facts{.peer = peer, .path = link.path, .inbound = link.inbound, .roles = link.roles, .up_ns = link.up_ns};
    if (const Circuit* circuit = core_->circuits.find(link.path.remote); circuit != nullptr) facts.relay = circuit->relay;
    if (const auto stats = core_->endpoint->stats(link.connection)) {
      facts.rtt_ns = stats->rtt_ns;
      facts.bytes_in = stats->bytes_in;
      facts.bytes_out = stats->bytes_out;
    }
    facts.punch_plan = core_->punches->plan_with(peer);
    out.push_back(facts);
  }
  return out;
}

std::vector<PeerId> Reach::places() const { return core_->circuits.places(); }

std::vector<Address> Reach::candidates(std::int64_t now_ns) {
  std::vector<Address> out;
  for (const nat::Endpoint& e : core_->survey.candidates(now_ns)) out.push_back(to_address(e));
  return out;
}

const std::optional<nat::NatClass>& Reach::nat() const { return core_->survey.result(); }
const relay::Relay* Reach::relay() const { return core_->carrier ? &*core_->carrier : nullptr; }
transport::Endpoint& Reach::endpoint() { return *core_->endpoint; }

ReachCounts Reach::counts() const {
  ReachCounts out = core_->counted;
  out.punched = core_->punches->succeeded();
  out.punch_failed = core_->punches->failed();
  return out;
}

}  // namespace hanse::reach
