#include "mesh/relay/relay.h"

#include <algorithm>

namespace hanse::relay {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kDayNs = 86'400 * kSecondNs;
constexpr std::size_t kDaysMax = 4096;  // peers whose bytes are remembered

}  // namespace

void Relay::receive(const PeerId& from, const Message& message, std::int64_t now_ns, Letters& out) {
  tick(now_ns, out);
  switch (message.kind) {
    case Kind::kReserve: return reserve(from, message.seconds, now_ns, out);
    case Kind::kConnect: return connect(from, message, now_ns, out);
    case Kind::kLeave:
      if (const auto at = circuits_.find(message.circuit);
          at != circuits_.end() && (at->second.asked == from || at->second.asked_for == from))
        close(at, Why::kGone, &from, out);
      return;
    default: return;  // said by relays alone
  }
}

void Relay::reserve(const PeerId& from, std::uint32_t seconds, std::int64_t now_ns, Letters& out) {
  if (!places_.contains(from) && places_.size() >= limits_.reservations) {
    ++counts_.refused;
    out.push_back({from, {.kind = Kind::kRefused, .why = Why::kFull}});
    return;
  }
  const std::uint32_t granted = std::clamp<std::uint32_t>(seconds, 1, kReserveSecondsMax);
  places_[from] = now_ns + granted * kSecondNs;
  out.push_back({from, {.kind = Kind::kReserved, .seconds = granted, .bytes = limits_.bytes_per_second}});
}

std::size_t Relay::circuits_of(const PeerId& peer) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      circuits_, [&](const auto& c) { return c.second.asked == peer || c.second.asked_for == peer; }));
}

void Relay::connect(const PeerId& from, const Message& message, std::int64_t now_ns, Letters& out) {
  const auto refuse = [&](Why why) {
    ++counts_.refused;
    out.push_back({from, {.kind = Kind::kRefused, .request = message.request, .why = why}});
  };
  if (message.peer == from || !places_.contains(message.peer)) return refuse(Why::kNotReserved);
  // Who asks again for the same peer has lost the circuit it had.
  for (auto at = circuits_.begin(); at != circuits_.end();)
    at = at->second.asked == from && at->second.asked_for == message.peer ? close(at, Why::kGone, &from, out)
                                                                          : std::next(at);
  if (circuits_.size() >= limits_.circuits || circuits_of(from) >= limits_.circuits_per_peer ||
      circuits_of(message.peer) >= limits_.circuits_per_peer)
    return refuse(Why::kFull);
  while (next_circuit_ == 0 || circuits_.contains(next_circuit_)) ++next_circuit_;
  const std::uint32_t id = next_circuit_++;
  circuits_.emplace(id, Circuit{.asked = from,
                                .asked_for = message.peer,
                                .rate = peers::TokenBucket(limits_.bytes_per_second,
                                                           std::max<std::uint32_t>(limits_.bytes_per_second, 2048)),
                                .used_ns = now_ns});
  out.push_back({message.peer, {.kind = Kind::kIncoming, .circuit = id, .peer = from}});
  out.push_back({from, {.kind = Kind::kConnected, .request = message.request, .circuit = id}});
}

Relay::Circuits::iterator Relay::close(Circuits::iterator at, Why why, const PeerId* but, Letters& out) {
  for (const PeerId& end : {at->second.asked, at->second.asked_for})
    if (but == nullptr || end != *but) out.push_back({end, {.kind = Kind::kClosed, .circuit = at->first, .why = why}});
  return circuits_.erase(at);
}

void Relay::down(const PeerId& peer, Letters& out) {
  places_.erase(peer);
  for (auto at = circuits_.begin(); at != circuits_.end();)
    at = at->second.asked == peer || at->second.asked_for == peer ? close(at, Why::kGone, &peer, out) : std::next(at);
}

bool Relay::spend(const PeerId& peer, std::size_t bytes, std::int64_t now_ns) {
  auto day = days_.find(peer);
  if (day == days_.end()) {
    if (days_.size() >= kDaysMax)
      std::erase_if(days_, [&](const auto& d) { return d.second.since_ns + kDayNs <= now_ns; });
    if (days_.size() >= kDaysMax) return false;
    day = days_.emplace(peer, Day{.since_ns = now_ns}).first;
  }
  if (day->second.since_ns + kDayNs <= now_ns) day->second = {.since_ns = now_ns};
  if (day->second.bytes + bytes > limits_.bytes_per_day) return false;
  day->second.bytes += bytes;
  return true;
}

std::optional<PeerId> Relay::carry(const PeerId& from, std::uint32_t circuit, std::size_t bytes, std::int64_t now_ns,
                                   Letters& out) {
  const auto at = circuits_.find(circuit);
  if (at == circuits_.end() || (at->second.asked != from && at->second.asked_for != from)) {
    ++counts_.dropped;
    return std::nullopt;
  }
  Circuit& c = at->second;
  c.used_ns = now_ns;
  if (bytes > kCarriedMax || !c.rate.take(now_ns, bytes)) {
    ++counts_.dropped;
    return std::nullopt;
  }
  if (!spend(from, bytes, now_ns)) {
    ++counts_.dropped;
    close(at, Why::kSpent, nullptr, out);
    return std::nullopt;
  }
  ++counts_.carried;
  counts_.carried_bytes += bytes;
  return c.asked == from ? c.asked_for : c.asked;
}

void Relay::tick(std::int64_t now_ns, Letters& out) {
  std::erase_if(places_, [&](const auto& p) { return p.second <= now_ns; });
  for (auto at = circuits_.begin(); at != circuits_.end();)
    at =
        at->second.used_ns + limits_.idle_s * kSecondNs <= now_ns ? close(at, Why::kIdle, nullptr, out) : std::next(at);
}

std::int64_t Relay::next_ns() const {
  std::int64_t next = INT64_MAX;
  for (const auto& [peer, until] : places_) next = std::min(next, until);
  for (const auto& [id, c] : circuits_) next = std::min(next, c.used_ns + limits_.idle_s * kSecondNs);
  return next;
}

}  // namespace hanse::relay
