#include "mesh/reach/detail/core.h"

#include <utility>

namespace hanse::reach {
namespace {

Bytes observed_body(const Address& address) {
  Bytes out;
  put_address(out, address);
  return out;
}

}  // namespace

void Reach::Core::deliver(std::int64_t now_ns) {
  for (bool more = true; more;) {
    more = false;
    transport::Event event;
    while (endpoint->next_event(event)) {
      peers->handle(std::move(event), now_ns);
      more = true;
    }
    PeerEvent heard;
    while (peers->next_event(heard)) {
      for (PeerEvent& passed : gate->handle(std::move(heard), now_ns)) on_event(std::move(passed), now_ns);
      more = true;
    }
    more = settle_gate(now_ns) || more;
    for (const auto& measured : survey.take_measured()) punches->measured(measured.whom_for, measured.next, now_ns);
    for (const auto& found : punches->take_found()) on_found(found, now_ns);
    post_all();
  }
  for (RawOut* out : {&survey.out, &punches->out}) {
    for (RawDatagram& d : *out) push(std::move(d));
    out->clear();
  }
}

bool Reach::Core::settle_gate(std::int64_t now_ns) {
  for (PeerEvent& frame : gate->take_consumed()) peers->consumed(std::move(frame));
  for (const PeerId& peer : gate->take_greeted())
    (void)peers->send(peer, kPapersProtocol, kPapersFrame, papers, now_ns);
  const auto refused = gate->take_refused();
  for (const PeerId& peer : refused) {
    ++counted.refused;
    wanted.erase(peer);
    peers->let_go(peer);
    peers->close(peer, transport::CloseCode::kBanned, now_ns);
  }
  return !refused.empty();
}

void Reach::Core::post(const relay::Letters& letters) {
  for (const relay::Letter& l : letters)
    (void)peers->send_control(l.to, relay::kRelayFrame, std::make_shared<const Bytes>(relay::encode(l.message)));
}

void Reach::Core::post_all() {
  for (Letters* letters : {&circuits.out, &punches->letters, &meetings.out})
    for (Letter& l : std::exchange(*letters, {}))
      (void)peers->send_control(l.to, l.type, std::make_shared<const Bytes>(std::move(l.body)));
}

void Reach::Core::on_event(PeerEvent event, std::int64_t now_ns) {
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
      if (const auto w = wanted.find(event.peer); w != wanted.end())
        w->second.ask_ns = std::min(w->second.ask_ns, now_ns);
      break;
    case Type::kRoom: break;
  }
  events.push_back(std::move(event));
}

void Reach::Core::use(const PeerId& peer, std::int64_t now_ns) {
  if (const auto at = links.find(peer); at != links.end()) at->second.used_ns = now_ns;
}

void Reach::Core::on_up(const PeerEvent& event, std::int64_t now_ns) {
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
  pulse(event.peer, link, now_ns);
  settle_on_path(event.peer, link, now_ns);
}

// The link goes over this path now.
void Reach::Core::settle_on_path(const PeerId& peer, Link& link, std::int64_t now_ns) {
  link.since_ns = now_ns;
  link.falling = false;
  if (link.path.remote.is_carried()) {
    if (!link.inbound && options.punch) punches->want(peer, now_ns);
    return;
  }
  punches->drop(peer);
  for (const Address& circuit : circuits.addresses_of(peer))
    if (!link.inbound) circuits.leave(circuit, now_ns + kDrainNs);
  tell_observed(peer, link);
}

void Reach::Core::tell_observed(const PeerId& peer, const Link& link) {
  if (link.path.remote.is_carried()) return;
  (void)peers->send_control(peer, kObservedFrame, std::make_shared<const Bytes>(observed_body(link.path.remote)));
}

bool Reach::Core::is_known(const PeerId& peer) const {
  return std::ranges::any_of(options.known, [&](const Known& k) { return k.peer == peer; });
}

// A relay that a wanted peer says it has a place at.
bool Reach::Core::relays_for_somebody(const PeerId& peer) const {
  return std::ranges::any_of(
      wanted, [&](const auto& w) { return std::ranges::find(w.second.relays, peer) != w.second.relays.end(); });
}

void Reach::Core::on_hello(const PeerEvent& event, std::int64_t now_ns) {
  const auto at = links.find(event.peer);
  if (at == links.end() || !event.hello) return;
  Link& link = at->second;
  link.roles = event.hello->facts.roles;
  const bool known = is_known(event.peer), relay = (link.roles & kRelayRole) != 0;
  if (relay && (known || relays_for_somebody(event.peer))) {
    circuits.relay_up(event.peer, known && options.reserve, now_ns);
    for (auto& [peer, w] : wanted)
      if (!links.contains(peer) && std::ranges::find(w.relays, event.peer) != w.relays.end())
        w.ask_ns = std::min(w.ask_ns, now_ns);
  }
  if (!known) return;
  if ((link.roles & kCoordinatorRole) != 0) meetings.coordinator_up(event.peer, now_ns);
  if ((link.roles & kReflectorRole) != 0 && !link.path.remote.is_carried())
    survey.reflector(to_endpoint(link.path.remote), now_ns);
}

void Reach::Core::on_path(const PeerEvent& event, std::int64_t now_ns) {
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
    circuits.leave(link.path.remote, now_ns + kDrainNs);
  link.path = event.path;
  const std::uint16_t port = ports.is_own(event.path.local.port) ? std::uint16_t{0} : event.path.local.port;
  if (link.extra_port != 0 && link.extra_port != port) punches->release(link.extra_port);
  link.extra_port = port;
  settle_on_path(event.peer, link, now_ns);
}

void Reach::Core::on_own_frame(const PeerEvent& event, std::int64_t now_ns) {
  if (event.protocol == relay::kCarryProtocol) return on_carried(event.peer, event.body, now_ns);
  switch (event.frame_type) {
    case kObservedFrame: return on_observed(event, now_ns);
    case kPunchFrame: return options.punch ? punches->offered(event.peer, event.body, now_ns) : void();
    case kPunchSyncFrame: return punches->synced(event.peer, event.body, now_ns);
    case relay::kRelayFrame: return on_relay(event, now_ns);
    case kMeetFrame: return on_meeting(event, now_ns);
    case transport::kGoawayFrame:
      for (const Address& address : circuits.retire(event.peer)) lost_circuit(address, now_ns);
      return;
    default: return;
  }
}

void Reach::Core::on_observed(const PeerEvent& event, std::int64_t now_ns) {
  ByteView body = event.body;
  const auto address = take_address(body);
  if (!address || !body.empty()) return;
  const nat::Endpoint seen = to_endpoint(*address);
  const auto link = links.find(event.peer);
  if (link == links.end() || link->second.path.remote.is_carried() || !nat::answerable(seen)) return;
  const bool trusted = is_known(event.peer) && (link->second.roles & kReflectorRole) != 0;
  survey.observed({.observer = to_endpoint(link->second.path.remote).ip,
                   .trust = trusted ? nat::Trust::kConfigured : nat::Trust::kPeer,
                   .seen = seen},
                  now_ns);
}

void Reach::Core::on_relay(const PeerEvent& event, std::int64_t now_ns) {
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
  const Circuits::Heard heard = circuits.receive(event.peer, *message, now_ns);
  if (heard.failed) meet(*heard.failed, now_ns);
  if (heard.opened) on_opened(*heard.opened, now_ns);
  if (heard.closed) lost_circuit(*heard.closed, now_ns);
}

void Reach::Core::on_meeting(const PeerEvent& event, std::int64_t now_ns) {
  auto meeting = decode_meeting(event.body);
  if (!meeting) return;
  const bool told = meeting->kind == MeetKind::kCalled || meeting->kind == MeetKind::kAnswered;
  if (!told) return coordinate(event, std::move(*meeting), now_ns);
  // Only a coordinator that we chose may make us dial.
  if (!meetings.knows(event.peer) || !options.punch || meeting->places.empty()) return;
  if (meeting->kind == MeetKind::kCalled) {
    if (links.contains(meeting->peer)) return;
    meetings.call(meeting->peer, MeetKind::kAnswer, candidates(now_ns));
    (void)peers->dial(meeting->peer, std::move(meeting->places), now_ns);
    return;
  }
  const auto w = wanted.find(meeting->peer);
  if (w == wanted.end() || links.contains(meeting->peer)) return;
  std::vector<Address> places = w->second.addresses;
  for (const Address& place : meeting->places)
    if (places.size() < peers::kAddressesMax && std::ranges::find(places, place) == places.end())
      places.push_back(place);
  (void)peers->want(meeting->peer, with_circuits(meeting->peer, std::move(places)), now_ns);
}

// No relay leads to it: at the same time, then, if a coordinator knows us both.
void Reach::Core::meet(const PeerId& peer, std::int64_t now_ns) {
  if (options.punch && wanted.contains(peer) && !links.contains(peer))
    meetings.call(peer, MeetKind::kCall, candidates(now_ns));
}

// The coordinator's half.
void Reach::Core::coordinate(const PeerEvent& event, Meeting meeting, std::int64_t now_ns) {
  if (!coordinator) return;
  if (meeting.kind == MeetKind::kRegister) {
    (void)coordinator->register_peer(event.peer, event.connection, now_ns);
    return;
  }
  const auto to = coordinator->forward(
      {.from = event.peer, .to = meeting.peer, .connection = event.connection, .bytes = event.body.size()}, now_ns);
  if (!to) return;  // one of the two is not registered, or they talk too much
  const PeerId target = meeting.peer;
  meeting.kind = meeting.kind == MeetKind::kCall ? MeetKind::kCalled : MeetKind::kAnswered;
  meeting.peer = event.peer;
  (void)peers->send_control(target, kMeetFrame, std::make_shared<const Bytes>(encode(meeting)));
}

void Reach::Core::on_opened(const Circuits::Opened& opened, std::int64_t now_ns) {
  const auto link = links.find(opened.peer);
  if (link != links.end()) {
    if (!link->second.inbound && link->second.falling)
      return move(link->second, {.local = {}, .remote = opened.address}, now_ns);
    return circuits.leave(opened.address, now_ns);  // it was reached otherwise meanwhile
  }
  const auto w = wanted.find(opened.peer);
  if (w == wanted.end()) return circuits.leave(opened.address, now_ns);
  w->second.ask_ns = now_ns + kCircuitNs;  // another one would end this one
  (void)peers->want(opened.peer, with_circuits(opened.peer, w->second.addresses), now_ns);
}

void Reach::Core::lost_circuit(const Address& address, std::int64_t now_ns) {
  for (auto& [peer, link] : links)
    if (!link.inbound && link.path.remote == address) fall(peer, link, now_ns);
}

void Reach::Core::on_down(const PeerId& peer, std::int64_t now_ns) {
  if (const auto at = links.find(peer); at != links.end()) {
    if (at->second.extra_port != 0) punches->release(at->second.extra_port);
    links.erase(at);
  }
  punches->drop(peer);
  meetings.coordinator_down(peer);
  if (carrier) {
    relay::Letters letters;
    carrier->down(peer, letters);
    post(letters);
  }
  for (const Address& address : circuits.relay_down(peer)) lost_circuit(address, now_ns);
  if (const auto w = wanted.find(peer); w != wanted.end())
    w->second.ask_ns = w->second.addresses.empty() ? now_ns : now_ns + kRelayAfterNs;
}

}  // namespace hanse::reach
