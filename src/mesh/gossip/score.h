// What neighbours are worth, from what they did (mesh.md 5.12). Integers in thousandths; every second what was counted
// decays to 97 of 100. Below zero a peer is given nothing eagerly, below -100 its gossip is ignored, below -1000 it is
// to be disconnected and banned for ban_ms.
//   score = first deliveries (at most 100) - 100 x invalid - 10 x deficit - (behaviour - 4)^2 - 10 x colocated^2
//   deficit     announced and, asked, did not give; at most 5 count: a thin line is no crime
//   behaviour   asked twice for one message, announced beyond its budget
//   colocated   neighbours of its address group beyond two
// Kept for an hour after the peer was last seen. Limits: kScoresMax peers, the oldest unseen one goes. Errors: none.
#pragma once

#include <map>

#include "mesh/gossip/messages.h"

namespace hanse::gossip {

constexpr std::size_t kScoresMax = 1'024;
constexpr std::int64_t kScoreIgnored = -100, kScoreBanned = -1'000;

enum class Deed : std::uint8_t { kFirstDelivery, kInvalid, kDeficit, kBehaviour };

class Scores {
 public:
  void did(std::int64_t now, const PeerId& peer, Deed deed);
  void seen(std::int64_t now, const PeerId& peer);
  void colocated(const PeerId& peer, std::uint64_t beyond);
  std::int64_t of(std::int64_t now, const PeerId& peer);  // whole points
  // From its score, and then for an hour.
  bool banned(std::int64_t now, const PeerId& peer);
  std::size_t size() const { return all_.size(); }

 private:
  struct One {
    std::int64_t first = 0, invalid = 0, deficit = 0, behaviour = 0;  // thousandths
    std::int64_t decayed_ns = 0, seen_ns = 0, banned_until_ns = 0;
    std::uint64_t colocated = 0;
  };
  One& one(std::int64_t now, const PeerId& peer);
  static void decay(One& o, std::int64_t now);
  static std::int64_t points(const One& o);

  std::map<PeerId, One> all_;
};

}  // namespace hanse::gossip
