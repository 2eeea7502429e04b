#include "mesh/reach/detail/core.h"

#include <utility>

#include "base/crypto/hash.h"

namespace hanse::reach {
namespace {

constexpr std::int64_t kUsedNs = 10 * kSecondNs;  // a link that carried frames so lately is in use
constexpr std::int64_t kPulseNs = kSecondNs, kIdlePulseNs = 10 * kSecondNs;

}  // namespace

void Reach::Core::on_found(const Punches::Found& found, std::int64_t now_ns) {
  const auto at = links.find(found.peer);
  if (at == links.end() || at->second.inbound || !found.initiator) {
    // The dialer moves; what comes on another socket of ours stays open for it.
    return;
  }
  const std::uint16_t port = found.port != 0 ? found.port : own_port(found.remote);
  move(at->second, {.local = {.ip = {}, .port = port}, .remote = found.remote}, now_ns);
}

void Reach::Core::move(Link& link, const Path& target, std::int64_t now_ns) {
  link.target = target;
  link.move_ns = now_ns;
  try_move(link, now_ns);
}

void Reach::Core::try_move(Link& link, std::int64_t now_ns) {
  if (endpoint->migrate(link.connection, *link.target, now_ns)) {
    link.move_ns = kNever;
    return;
  }
  link.move_ns = now_ns + kMs * 100;  // another move is under way
}

// The path is silent or gone: back to a relay.
void Reach::Core::fall(const PeerId& peer, Link& link, std::int64_t now_ns) {
  link.falling = true;
  if (link.ask_ns > now_ns) return;
  link.ask_ns = now_ns + kMoveAgainNs;
  const auto w = wanted.find(peer);
  const Circuit* silent = circuits.find(link.path.remote);
  circuits.ask(peer, w != wanted.end() ? w->second.relays : std::vector<PeerId>{},
               silent != nullptr ? std::optional(silent->relay) : std::nullopt, now_ns);
}

// How often the peer is asked for a sign of life: often while the link is in use and there is another way.
void Reach::Core::pulse(const PeerId& peer, Link& link, std::int64_t now_ns) {
  const bool used = now_ns - link.used_ns < kUsedNs;
  const std::int64_t every_ns = used && watched(peer, link) ? kPulseNs : wanted.contains(peer) ? kIdlePulseNs : 0;
  if (std::exchange(link.pulse_ns, every_ns) != every_ns) endpoint->keep_alive(link.connection, every_ns);
}

void Reach::Core::watch(std::int64_t now_ns) {
  for (auto& [peer, link] : links) {
    if (link.move_ns <= now_ns && link.target) try_move(link, now_ns);
    pulse(peer, link, now_ns);
    if (!watched(peer, link)) continue;
    const auto stats = endpoint->stats(link.connection);
    if (!stats) continue;
    const std::int64_t quiet = now_ns - std::max(stats->heard_ns, link.since_ns);
    const std::int64_t hasty = std::max(kUplinkSilentNs, 3 * stats->rtt_ns);
    const std::int64_t most = now_ns < link.hasty_ns ? std::min(hasty, kSilentNs) : kSilentNs;
    if (quiet < most || stats->flight_bytes == 0) {
      if (link.falling && quiet < most && stats->heard_ns > link.since_ns && circuit_lives(link)) link.falling = false;
      continue;
    }
    if (!link.falling) ++counted.silences;
    fall(peer, link, now_ns);
  }
}

bool Reach::Core::circuit_lives(const Link& link) const {
  return !link.path.remote.is_carried() || circuits.find(link.path.remote) != nullptr;
}

std::optional<nat::ProbeKey> Reach::Core::probe_key(const PeerId& peer) const {
  const auto link = links.find(peer);
  if (link == links.end()) return std::nullopt;
  const auto binding = endpoint->binding(link->second.connection);
  if (!binding) return std::nullopt;
  nat::ProbeKey key;
  crypto::blake3_xof("hanse/probe-key/1", {binding->view()}, key.span());
  return key;
}

bool Reach::Core::counts() const {
  const auto& nat = survey.result();
  return nat && nat->port_rule == nat::PortRule::kDelta && nat->mapping != nat::Mapping::kEndpoint &&
         nat->mapping != nat::Mapping::kNone;
}

std::vector<Address> Reach::Core::candidates(std::int64_t now_ns) {
  std::vector<Address> out;
  for (const nat::Endpoint& e : survey.candidates(now_ns)) out.push_back(to_address(e));
  return out;
}

nat::PunchOffer Reach::Core::punch_offer(const std::optional<nat::Endpoint>& next, std::int64_t now_ns) {
  nat::PunchOffer offer{.hard_sockets = nat::kHardSocketsMax};
  if (const auto& nat = survey.result()) {
    offer.mapping = nat->mapping;
    offer.filtering = nat->filtering;
    offer.port_rule = nat->port_rule;
    offer.delta = nat->port_rule == nat::PortRule::kDelta ? nat->delta : std::int16_t{0};
  }
  offer.candidates = survey.candidates(now_ns);
  if (next) offer.candidates.insert(offer.candidates.begin(), *next);
  if (offer.candidates.size() > nat::kCandidatesMax) offer.candidates.resize(nat::kCandidatesMax);
  return offer;
}

}  // namespace hanse::reach
