#include "mesh/reach/detail/core.h"

#include "base/core/text.h"

namespace hanse::reach {
namespace {

constexpr std::int64_t kWatchNs = 250 * kMs;  // how often links are looked at

}  // namespace

Status Reach::Core::open() {
  transport::Options& e = options.endpoint;
  for (const std::uint8_t type :
       {kObservedFrame, kPunchFrame, kPunchSyncFrame, relay::kRelayFrame, transport::kGoawayFrame, kMeetFrame})
    e.control_types.push_back(type);
  e.protocols.push_back({.id = relay::kCarryProtocol,
                         .frame_bytes_max = relay::kCarryHead + relay::kCarriedMax,
                         .priority = transport::Priority::kControl});
  e.protocols.push_back(
      {.id = kPapersProtocol, .frame_bytes_max = identity::kPapersBytesMax, .priority = transport::Priority::kControl});
  e.hello.roles = options.roles;
  Clock& clock = options.clock != nullptr ? *options.clock : system_clock();
  if (!options.papers.agent.empty() && e.key != nullptr) {
    TRY_OK(
        identity::verify(options.papers, {.by = crypto::account_id(e.key->public_key()), .now_ms = clock.wall_ms()}));
    papers = std::make_shared<const Bytes>(identity::encode(options.papers));
    e.hello.caps |= kPapersCap;
  }
  gate.emplace(options.trust, papers != nullptr, clock);
  e.admit = [this, given = std::move(e.admit)](const PeerId& peer) {
    return !options.trust.revoked(peer) && (!given || given(peer));
  };
  if (e.random == nullptr) e.random = options.random;
  TRY(endpoint, transport::Endpoint::create(std::move(e)));
  peers.emplace(*endpoint, peers::PeersOptions{.limits = options.pool,
                                               .bytes_per_second = options.peer_bytes_per_second,
                                               .random = options.random,
                                               .dial = [this](const Address& remote, const PeerId& peer,
                                                              std::int64_t now) { return dial(remote, peer, now); }});
  if ((options.roles & kRelayRole) != 0) carrier.emplace(options.relay);
  if ((options.roles & kCoordinatorRole) != 0) coordinator.emplace();
  if ((options.roles & kReflectorRole) != 0) reflector.emplace(nat::ReflectorOptions{}, random);
  punches.emplace(
      endpoint->id(),
      PunchHost{.ports = &ports,
                .key = [this](const PeerId& peer) { return probe_key(peer); },
                .offer = [this](const auto& next, std::int64_t now_ns) { return punch_offer(next, now_ns); },
                .counts = [this] { return counts(); },
                .measure = [this](const PeerId& peer) { survey.measure(peer); },
                .ready = [this] { return !survey.working(); }},
      random);
  return {};
}

Status Reach::Core::want(const PeerId& peer, std::vector<Address> addresses, std::vector<PeerId> relays,
                         std::int64_t now_ns) {
  if (options.trust.revoked(peer)) return options.trust.judge(peer, {});
  if (!wanted.contains(peer) && wanted.size() >= kWantedMax)
    return fail(Kind::kExhausted, "reach.limit", text("found {} wanted peers, expected fewer", wanted.size()));
  if (const auto hinted = hints.find(peer); hinted != hints.end())
    for (const Address& address : hinted->second)
      if (addresses.size() < peers::kAddressesMax && std::ranges::find(addresses, address) == addresses.end())
        addresses.push_back(address);
  TRY_OK(peers->want(peer, with_circuits(peer, addresses), now_ns));
  Wanted& w = wanted[peer];
  w.ask_ns = addresses.empty() ? now_ns : now_ns + kRelayAfterNs;
  for (const PeerId& relay : relays)
    if (const auto link = links.find(relay); link != links.end() && (link->second.roles & kRelayRole) != 0)
      if (!circuits.knows(relay)) circuits.relay_up(relay, is_known(relay) && options.reserve, now_ns);
  w.addresses = std::move(addresses);
  w.relays = std::move(relays);
  w.wait_ns = kAskMinNs;
  if (const auto link = links.find(peer); link != links.end()) pulse(peer, link->second, now_ns);
  return {};
}

void Reach::Core::hint(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns) {
  if (peer == endpoint->id() || addresses.empty()) return;
  if (addresses.size() > peers::kAddressesMax) addresses.resize(peers::kAddressesMax);
  if (!hints.contains(peer) && hints.size() >= kHintsMax) return;
  hints[peer] = addresses;
  if (links.contains(peer)) return;
  if (const auto w = wanted.find(peer); w != wanted.end()) {
    Wanted kept = w->second;
    (void)want(peer, std::move(kept.addresses), std::move(kept.relays), now_ns);
  } else if (links.size() < kHintDials) {
    (void)peers->dial(peer, std::move(addresses), now_ns);
  }
}

std::vector<Address> Reach::Core::with_circuits(const PeerId& peer, std::vector<Address> addresses) const {
  for (const Address& circuit : circuits.addresses_of(peer))
    if (addresses.size() < peers::kAddressesMax) addresses.push_back(circuit);
  return addresses;
}

Result<ConnectionId> Reach::Core::dial(const Address& remote, const PeerId& peer, std::int64_t now_ns) {
  if (options.trust.revoked(peer)) TRY_OK(options.trust.judge(peer, {}));
  if (remote.is_carried()) {
    if (circuits.find(remote) == nullptr) return fail(Kind::kUnavailable, "transport.no_path", "the circuit is closed");
    return endpoint->dial({.local = {}, .remote = remote}, peer, now_ns);
  }
  const std::uint16_t port = own_port(remote);
  if (port == 0)
    return fail(Kind::kUnavailable, "transport.no_path", text("found no socket that reaches {}", address_text(remote)));
  return endpoint->dial({.local = {.ip = {}, .port = port}, .remote = remote}, peer, now_ns);
}

void Reach::Core::on_deadline(std::int64_t now_ns) {
  endpoint->on_deadline(now_ns);
  peers->on_deadline(now_ns);
  survey.on_deadline(now_ns);
  punches->on_deadline(now_ns);
  meetings.on_deadline(now_ns);
  gate->on_deadline(now_ns);
  for (const PeerId& peer : circuits.on_deadline(now_ns)) meet(peer, now_ns);
  if (carrier) {
    relay::Letters letters;
    carrier->tick(now_ns, letters);
    post(letters);
  }
  for (auto& [peer, w] : wanted) {
    if (w.ask_ns > now_ns || links.contains(peer)) continue;
    w.ask_ns = now_ns + w.wait_ns;
    w.wait_ns = std::min(2 * w.wait_ns, kAskMaxNs);
    if (!circuits.ask(peer, w.relays, std::nullopt, now_ns)) meet(peer, now_ns);
  }
  if (watch_ns <= now_ns) {
    watch(now_ns);
    watch_ns = now_ns + kWatchNs;
  }
}

std::int64_t Reach::Core::next_deadline_ns() const {
  std::int64_t next = std::min({endpoint->next_deadline_ns(), peers->next_deadline_ns(), survey.next_ns(),
                                punches->next_ns(), circuits.next_ns(), meetings.next_ns(), gate->next_ns()});
  if (carrier) next = std::min(next, carrier->next_ns());
  for (const auto& [peer, w] : wanted)
    if (!links.contains(peer)) next = std::min(next, w.ask_ns);
  if (std::ranges::any_of(links, [&](const auto& l) { return watched(l.first, l.second); }))
    next = std::min(next, watch_ns);
  return next;
}

void Reach::Core::uplink(std::vector<Address> local, std::int64_t now_ns) {
  survey.uplink(std::move(local), ports.own_v4, now_ns);
  punches->hurry(now_ns);
  for (auto& [peer, link] : links) {
    link.hasty_ns = now_ns + kUplinkNs;
    tell_observed(peer, link);  // the first word from where we are now
  }
}

}  // namespace hanse::reach
