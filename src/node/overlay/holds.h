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
};

struct Places {  // where a peer may be reached
  std::vector<Address> addresses;
  std::vector<PeerId> relays;
  bool empty() const { return addresses.empty() && relays.empty(); }
};

class Holds {
 public:
  explicit Holds(reach::Reach& reach) : reach_(reach) {}

  Status hold(const PeerId& peer, Hold why, const Places& places, std::int64_t now_ns) {
    const auto at = held_.find(peer);
    if (at == held_.end() || !places.empty()) TRY_OK(reach_.want(peer, places.addresses, places.relays, now_ns));
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
  std::size_t size() const { return held_.size(); }

 private:
  reach::Reach& reach_;
  std::map<PeerId, std::uint8_t> held_;  // bits of Hold
};

}  // namespace hanse::overlay
