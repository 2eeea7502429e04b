#include "mesh/reach/detail/circuits.h"

#include <cstring>

namespace hanse::reach::detail {

Address carried_address(const PeerId& relay, std::uint32_t circuit) {
  Address out{.ip = {0xfd, 0x57, 0, 2}, .port = 1};
  std::memcpy(out.ip.data() + 4, relay.data.data(), 8);
  store_be(out.ip.data() + 12, circuit);
  return out;
}

void Circuits::say(const PeerId& to, const relay::Message& message) {
  out.push_back({to, relay::kRelayFrame, relay::encode(message)});
}

void Circuits::relay_up(const PeerId& relay, bool reserve, std::int64_t now_ns) {
  const auto held = std::ranges::count_if(relays_, [](const auto& r) { return r.second.reserve; });
  Relay& r = relays_[relay];
  r.reserved = false;
  r.reserve = reserve && static_cast<std::size_t>(held) < kPlacesMax;
  r.renew_ns = r.reserve ? now_ns + kPlaceAgainNs : kNever;
  if (r.reserve) say(relay, {.kind = relay::Kind::kReserve, .seconds = kPlaceSeconds});
}

std::vector<Address> Circuits::retire(const PeerId& relay) {
  relays_.erase(relay);
  for (auto& [number, request] : requests_)
    if (request.relay == relay) request.until_ns = kNow;  // on to the next one
  std::vector<Address> through;
  for (const auto& [address, circuit] : circuits_)
    if (circuit.relay == relay) through.push_back(address);
  return through;
}

std::vector<Address> Circuits::relay_down(const PeerId& relay) {
  const std::vector<Address> gone = retire(relay);
  for (const Address& address : gone) circuits_.erase(address);
  return gone;
}

bool Circuits::ask(const PeerId& peer, const std::vector<PeerId>& first, const std::optional<PeerId>& last,
                   std::int64_t now_ns) {
  if (requests_.size() >= kRequestsMax) return true;
  for (const auto& [number, request] : requests_)
    if (request.peer == peer) return true;
  Request request{.peer = peer};
  for (const auto& [relay, state] : relays_)
    if (relay != peer && relay != last && std::ranges::find(first, relay) == first.end()) request.left.push_back(relay);
  for (auto relay = first.rbegin(); relay != first.rend(); ++relay)
    if (relays_.contains(*relay) && *relay != peer && *relay != last) request.left.push_back(*relay);
  if (last && relays_.contains(*last)) request.left.insert(request.left.begin(), *last);
  return ask_next(std::move(request), now_ns);
}

bool Circuits::ask_next(Request request, std::int64_t now_ns) {
  while (!request.left.empty()) {
    request.relay = request.left.back();
    request.left.pop_back();
    if (!relays_.contains(request.relay)) continue;
    request.until_ns = now_ns + kRequestNs;
    say(request.relay, {.kind = relay::Kind::kConnect, .request = next_request_, .peer = request.peer});
    requests_[next_request_++] = std::move(request);
    if (next_request_ == 0) next_request_ = 1;  // 0 means a reservation
    return true;
  }
  return false;
}

Circuits::Heard Circuits::receive(const PeerId& from, const relay::Message& m, std::int64_t now_ns) {
  const auto relay = relays_.find(from);
  if (m.kind == relay::Kind::kClosed) {  // also of one that has retired
    const Address address = carried_address(from, m.circuit);
    if (circuits_.erase(address) == 0) return {};
    return {.closed = address};
  }
  if (relay == relays_.end()) return {};
  const auto request = requests_.find(m.request);
  const bool ours = request != requests_.end() && request->second.relay == from;
  switch (m.kind) {
    case relay::Kind::kReserved:
      relay->second.reserved = true;
      relay->second.renew_ns = now_ns + m.seconds * kSecondNs / 2;
      return {};
    case relay::Kind::kRefused: {
      if (m.request == 0) {
        relay->second.reserved = false;
        relay->second.renew_ns = now_ns + kPlaceAgainNs;
        return {};
      }
      if (!ours) return {};
      Request asked = std::move(request->second);
      requests_.erase(request);
      const PeerId peer = asked.peer;
      if (!ask_next(std::move(asked), now_ns)) return {.failed = peer};
      return {};
    }
    case relay::Kind::kConnected: {
      if (!ours) return {};
      const PeerId peer = request->second.peer;
      requests_.erase(request);
      const Address address = carried_address(from, m.circuit);
      if (circuits_.size() >= kCircuitsMax) {
        say(from, {.kind = relay::Kind::kLeave, .circuit = m.circuit});
        return {.failed = peer};
      }
      circuits_[address] = {.relay = from, .peer = peer, .number = m.circuit};
      return {.opened = Opened{peer, address}};
    }
    case relay::Kind::kIncoming:
      if (circuits_.size() >= kCircuitsMax) {
        say(from, {.kind = relay::Kind::kLeave, .circuit = m.circuit});
        return {};
      }
      circuits_[carried_address(from, m.circuit)] = {.relay = from, .peer = m.peer, .number = m.circuit};
      return {};
    default: return {};
  }
}

void Circuits::leave(const Address& address, std::int64_t at_ns) {
  if (const auto at = circuits_.find(address); at != circuits_.end()) at->second.leave_ns = at_ns;
}

const Circuit* Circuits::find(const Address& address) const {
  const auto at = circuits_.find(address);
  return at == circuits_.end() ? nullptr : &at->second;
}

std::optional<Address> Circuits::address_of(const PeerId& relay, std::uint32_t circuit) const {
  const Address address = carried_address(relay, circuit);
  const auto at = circuits_.find(address);
  if (at == circuits_.end() || at->second.relay != relay) return std::nullopt;
  return address;
}

std::vector<Address> Circuits::addresses_of(const PeerId& peer) const {
  std::vector<Address> out_addresses;
  for (const auto& [address, circuit] : circuits_)
    if (circuit.peer == peer) out_addresses.push_back(address);
  return out_addresses;
}

std::vector<PeerId> Circuits::on_deadline(std::int64_t now_ns) {
  for (auto& [peer, relay] : relays_) {
    if (relay.renew_ns > now_ns) continue;
    relay.renew_ns = now_ns + kPlaceAgainNs;
    say(peer, {.kind = relay::Kind::kReserve, .seconds = kPlaceSeconds});
  }
  std::erase_if(circuits_, [&](const auto& c) {
    if (c.second.leave_ns > now_ns) return false;
    say(c.second.relay, {.kind = relay::Kind::kLeave, .circuit = c.second.number});
    return true;
  });
  std::vector<Request> late;
  std::erase_if(requests_, [&](auto& r) {
    if (r.second.until_ns > now_ns) return false;
    late.push_back(std::move(r.second));
    return true;
  });
  std::vector<PeerId> failed;
  for (Request& request : late) {
    const PeerId peer = request.peer;
    if (!ask_next(std::move(request), now_ns)) failed.push_back(peer);
  }
  return failed;
}

std::int64_t Circuits::next_ns() const {
  std::int64_t next = kNever;
  for (const auto& [peer, relay] : relays_) next = std::min(next, relay.renew_ns);
  for (const auto& [number, request] : requests_) next = std::min(next, request.until_ns);
  for (const auto& [address, circuit] : circuits_) next = std::min(next, circuit.leave_ns);
  return next;
}

std::vector<PeerId> Circuits::places() const {
  std::vector<PeerId> held;
  for (const auto& [peer, relay] : relays_)
    if (relay.reserved) held.push_back(peer);
  return held;
}

}  // namespace hanse::reach::detail
