#include "node/overlay/seeker.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::overlay {
namespace {

constexpr std::int64_t kLookNs = kSecondNs, kIdleLookNs = 10 * kSecondNs;
constexpr std::int64_t kFirstSeekNs = 2 * kSecondNs;  // what is known already is tried for so long

template <class T>
void add_new(std::vector<T>& to, const T& one, std::size_t max) {
  if (to.size() < max && std::ranges::find(to, one) == to.end()) to.push_back(one);
}

}  // namespace

Places Seeker::joined(const PeerId& peer, const Places& given) const {
  Places out = given;
  if (const auto heard = finder_.heard(peer)) add_new(out.addresses, *heard, discovery::kAddressesMax);
  const Places known = book_.places_of(peer);
  for (const Address& a : known.addresses) add_new(out.addresses, a, discovery::kAddressesMax);
  for (const PeerId& relay : known.relays) add_new(out.relays, relay, 2 * discovery::kRelaysMax);
  return out;
}

Status Seeker::want(const PeerId& peer, Hold why, Places given, std::int64_t now_ns) {
  const bool connected = reach_.connected(peer);
  if (!connected && !sought_.contains(peer) && sought_.size() >= kSoughtMax)
    return fail(Kind::kExhausted, "overlay.limit", text("found {} peers sought, expected fewer", sought_.size()));
  Places places = joined(peer, given);
  TRY_OK(holds_.hold(peer, why, places, now_ns));
  if (connected) return {};
  for (const PeerId& relay : places.relays) reach_relay(relay, now_ns);
  sought_[peer] = {.given = std::move(given),
                   .dialed = places,
                   .seek_ns = places.empty() ? now_ns : now_ns + kFirstSeekNs,
                   .wait_ns = kSeekNs};
  look_ns_ = now_ns;
  return {};
}

void Seeker::drop(const PeerId& peer, Hold why) {
  holds_.release(peer, why);
  if (!holds_.held(peer)) sought_.erase(peer);
}

void Seeker::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  using Type = reach::PeerEvent::Type;
  if (event.type == Type::kUp) {
    sought_.erase(event.peer);
  } else if (event.type == Type::kDown && holds_.holds(event.peer, Hold::kOperator)) {
    // What is known is dialed again by Reach, which waits a little first: it may have closed because it stops.
    if (sought_.size() < kSoughtMax)
      sought_.try_emplace(event.peer, Sought{.dialed = joined(event.peer, {}), .seek_ns = now_ns + kFirstSeekNs});
    look_ns_ = now_ns;
  }
}

void Seeker::improve(const PeerId& peer, Sought& sought, std::int64_t now_ns) {
  Places places = joined(peer, sought.given);
  for (const PeerId& relay : places.relays) reach_relay(relay, now_ns);
  if (places == sought.dialed) return;
  (void)reach_.want(peer, places.addresses, places.relays, now_ns);
  sought.dialed = std::move(places);
}

void Seeker::reach_relay(const PeerId& relay, std::int64_t now_ns) {
  if (reach_.connected(relay) || relay == reach_.id()) return;
  Places places = joined(relay, {});
  places.relays.clear();
  if (places.addresses.empty()) {
    (void)finder_.find(relay);
  } else if (holds_.hold(relay, Hold::kRelay, places, now_ns)) {
    relays_.insert(relay);
  }
}

void Seeker::leave_relays() {
  const auto links = reach_.links();
  std::erase_if(relays_, [&](const PeerId& relay) {
    const auto names_it = [&](const auto& s) {
      return std::ranges::find(s.second.dialed.relays, relay) != s.second.dialed.relays.end();
    };
    if (std::ranges::any_of(sought_, names_it) ||
        std::ranges::any_of(links, [&](const reach::LinkFacts& link) { return link.relay == relay; }))
      return false;
    holds_.release(relay, Hold::kRelay);
    return true;
  });
}

void Seeker::pump(std::int64_t now_ns) {
  if (look_ns_ > now_ns) return;
  for (auto& [peer, sought] : sought_) {
    improve(peer, sought, now_ns);
    if (sought.seek_ns > now_ns || !finder_.find(peer)) continue;
    sought.seek_ns = now_ns + sought.wait_ns;
    sought.wait_ns = std::min(2 * sought.wait_ns, kSeekNsMax);
  }
  if (!relays_.empty()) leave_relays();
  look_ns_ = now_ns + (sought_.empty() ? kIdleLookNs : kLookNs);
}

std::int64_t Seeker::next_ns() const { return sought_.empty() && relays_.empty() ? INT64_MAX : look_ns_; }

}  // namespace hanse::overlay
