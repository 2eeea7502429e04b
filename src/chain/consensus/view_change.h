// What a view change must propose again, computed from the ViewChange messages alone. The new leader and every replica
// run the same function over the same set, so a NewView carries no result that could lie (consensus.md 5.4; Castro and
// Liskov, TOCS 2002, section on view changes without signatures: claims P and Q instead of certificates).
// For each slot above the highest stable checkpoint in the set:
//   P-candidate (d, v)  somebody prepared d in v, with
//       A1: power >= Q of senders with checkpoint < slot prepared nothing there, or only below v, or exactly (d, v)
//       A2: power >= A of senders sent Prepare for d in v or later
//   X-candidate (d, v)  the largest v such that power >= A sent Prepare for d in v or later, with A1: an express commit
//       may stand behind it
//   the candidate of the highest view wins; at equal view P before X, then the smaller digest
//   none, and power >= Q of senders with checkpoint < slot prepared nothing there: an empty slot
// Pure; any thread. Errors: none; "not decidable yet" is nothing.
#pragma once

#include <optional>
#include <span>

#include "chain/consensus/messages.h"

namespace hanse::consensus {

struct Decision {
  const ViewChange* stable = nullptr;         // whose checkpoint is the highest
  std::vector<std::pair<Seq, Digest>> slots;  // above it, without gaps; zero digest = empty slot
  std::uint64_t extra = 0;                    // X-candidates that won
};
// Senders must be distinct and weigh at least Q, else nothing. Certificates must have been checked before.
std::optional<Decision> decide(const Power& power, std::span<const ViewChange* const> set);

}  // namespace hanse::consensus
