// Who mixes in an epoch, and paths through them. Mixes stand in three strata, drawn for each epoch from the ledger's
// beacon; a cell with k layers left is taken by stratum 4 - k, so its place on the way is public and hides nothing.
// The draw orders the mixes by a hash and deals them out, so that no stratum has more than one mix more than another.
//   Deep    one mix of each stratum, then the receiver: 4 layers, each mix holds the cell for an exponential time
//   Flash   one mix, then the receiver: 2 layers, no delay. Hides who asks from the receiver and what is asked from the
//           mix; who sees both links of the mix is not hindered
// The lane is the sender's choice, by the priority of what it sends. Nothing here or later moves a cell to the other.
// Plain values, any thread. Errors: router.no_path (unavailable: a stratum has no mix, or the receiver is not listed).
#pragma once

#include <optional>

#include "exchange/router/entropy.h"
#include "exchange/router/packet.h"

namespace hanse::router {

constexpr std::size_t kStrata = 3;
constexpr std::uint8_t kFlashPriorityMin = 128;

enum class Lane : std::uint8_t { kFlash = 1, kDeep = 2 };
Lane lane_of(std::uint8_t priority);

struct MixNode {
  NodeId node;
  crypto::KemPublicKey key;
  std::optional<std::uint8_t> stratum;  // none: receives only
  double deep_per_s = 0;                // cells of the Deep lane that it published to see
  bool exit = false;                    // answers calls (node/mixing/exit.h)
};
// Deals a stratum to each node that has one: its place by BLAKE3("hanse/mix-stratum/1", beacon || node), modulo 3.
void draw_strata(const Hash32& beacon, std::vector<MixNode>& nodes);

struct Directory {
  std::uint32_t epoch = 0;
  std::vector<MixNode> nodes;

  const MixNode* find(const NodeId& node) const;
};

// Where a path ends.
struct Destination {
  NodeId receiver;
  Command command = Command::kDeliver;
  Target target;
};
Result<Path> flash_path(const Directory& directory, const Destination& to, Random& random);
// Delays of the smallest mean that gives what is wanted among the traffic of the mixes drawn. Cover takes the longest
// mean where nothing gives it: a mix that reads a delay must not tell cover from messages.
enum class Hides : std::uint8_t { kMessage, kCover };
Result<Path> deep_path(const Directory& directory, const Destination& to, const AnonymityWanted& wanted, Hides what,
                       Random& random);

}  // namespace hanse::router
