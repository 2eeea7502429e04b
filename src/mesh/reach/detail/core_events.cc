#include "mesh/reach/detail/core.h"

namespace hanse::reach {
namespace {

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

void Reach::Core::post(const relay::Letters& letters) {
  for (const relay::Letter& l : letters)
    (void)peers->send_control(l.to, relay::kRelayFrame, std::make_shared<const Bytes>(relay::encode(l.message)));
}

void Reach::Core::post_all() {
  for (Letters* letters : {&circuits.out, &punches->letters})
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
  pulse(link);
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
    if (!link.inbound) circuits.leave(circuit);
  tell_observed(peer, link);
}

void Reach::Core::tell_observed(const PeerId& peer, const Link& link) {
  if (link.path.remote.is_carried()) return;
  (void)peers->send_control(peer, kObservedFrame, std::make_shared<const Bytes>(observed_body(link.path.remote)));
}

bool Reach::Core::is_known(const PeerId& peer) const {
  return std::ranges::any_of(options.known, [&](const Known& k) { return k.peer == peer; });
}

void Reach::Core::on_hello(const PeerEvent& event, std::int64_t now_ns) {
  const auto at = links.find(event.peer);
  if (at == links.end() || !event.hello) return;
  Link& link = at->second;
  link.roles = event.hello->facts.roles;
  if (!is_known(event.peer)) return;
  if ((link.roles & kRelayRole) != 0) circuits.relay_up(event.peer, options.reserve, now_ns);
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
    circuits.leave(link.path.remote);
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
    case transport::kGoawayFrame:
      for (const Address& address : circuits.retire(event.peer)) lost_circuit(address, now_ns);
      return;
    default: return;
  }
}

void Reach::Core::on_observed(const PeerEvent& event, std::int64_t now_ns) {
  const auto seen = read_observed(event.body);
  const auto link = links.find(event.peer);
  if (!seen || link == links.end() || link->second.path.remote.is_carried() || !nat::answerable(*seen)) return;
  const bool trusted = is_known(event.peer) && (link->second.roles & kReflectorRole) != 0;
  survey.observed({.observer = to_endpoint(link->second.path.remote).ip,
                   .trust = trusted ? nat::Trust::kConfigured : nat::Trust::kPeer,
                   .seen = *seen},
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
  if (heard.opened) on_opened(*heard.opened, now_ns);
  if (heard.closed) lost_circuit(*heard.closed, now_ns);
}

void Reach::Core::on_opened(const Circuits::Opened& opened, std::int64_t now_ns) {
  const auto link = links.find(opened.peer);
  if (link != links.end()) {
    if (!link->second.inbound && link->second.falling)
      return move(link->second, {.local = {}, .remote = opened.address}, now_ns);
    return circuits.leave(opened.address);  // it was reached otherwise meanwhile
  }
  const auto w = wanted.find(opened.peer);
  if (w == wanted.end()) return circuits.leave(opened.address);
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
