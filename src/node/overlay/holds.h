// Holds: which connections this node wants, and what for. A peer stays wanted (reach.h) while somebody holds it; one
// that nobody holds is not closed, since the peer may use it, and ends when it is idle.
// Threads: one. Limits: those of Reach. Errors: those of Reach::want.
#pragma once

#include <map>

#include "mesh/reach/reach.h"

namespace hanse::overlay {

using reach::Address;
using reach::PeerId;

enum class Hold : std::uint8_t {
  kOperator = 1,  // asked for by name: for ever
  kCompany = 2,   // so that there are some peers
  kFinding = 4,   // to ask it whom it knows
  kGossip = 8,
  kRelay = 16,  // somebody sought has a place there
  kRendezvous = 32,
};

struct Places {  // where a peer may be reached
  std::vector<Address> addresses;
  std::vector<PeerId> relays;
  bool empty() const { return addresses.empty() && relays.empty(); }
  friend bool operator==(const Places&, const Places&) = default;
};

class Holds {
 public:
  // `known`: Reach wants them for ever by itself.
  Holds(reach::Reach& reach, const std::vector<reach::Known>& known) : reach_(reach) {
    for (const reach::Known& k : known) held_[k.peer] = static_cast<std::uint8_t>(Hold::kOperator);
  }

  Status hold(const PeerId& peer, Hold why, const Places& places, std::int64_t now_ns) {
    // Who is wanted already is dialed where the first who wanted it said.
    if (!held_.contains(peer) || why == Hold::kOperator)
      TRY_OK(reach_.want(peer, places.addresses, places.relays, now_ns));
    held_[peer] |= static_cast<std::uint8_t>(why);
    return {};
  }
  void release(const PeerId& peer, Hold why) {
    const auto at = held_.find(peer);
    if (at == held_.end()) return;
    at->second &= static_cast<std::uint8_t>(~static_cast<unsigned>(why));
    if (at->second != 0) return;
    held_.erase(at);
    reach_.let_go(peer);
  }
  bool holds(const PeerId& peer, Hold why) const {
    const auto at = held_.find(peer);
    return at != held_.end() && (at->second & static_cast<std::uint8_t>(why)) != 0;
  }
  bool held(const PeerId& peer) const { return held_.contains(peer); }
  std::size_t size() const { return held_.size(); }

 private:
  reach::Reach& reach_;
  std::map<PeerId, std::uint8_t> held_;  // bits of Hold
};

}  // namespace hanse::overlay
