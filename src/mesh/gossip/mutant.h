// Planted mistakes of the mesh, to prove that its simulator would notice them; as chain/consensus/mutant.h does for
// consensus. In production mutant() is constant false. Built with HANSE_MUTANTS one process-wide choice is read, set
// before any node is made.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace hanse::gossip {

enum class Mutant : std::uint8_t {
  kNone,
  kUncheckedForwarded,  // messages are believed without their signature
  kDeliveredTwice,      // a second copy is delivered again
  kGraftNever,          // what was announced and did not come is not asked for
  kFloodShapesTree,     // copies sent beside the tree prune it
  kSelfKept,            // the own id is taken from a shuffle
  kViewsOverlap,        // an active peer is taken into the passive view
  kOneSidedKept,        // a neighbour that says it is none is kept
  kFailedKept,          // a failed neighbour stays in the active view
  kLostForgotten,       // peers lost in a partition are not dialled again
  kFingerprintByCount,  // ranges of as many items are taken for equal
  kRangeSkipped,        // the last part of a split range is not compared
  kShedSilently,        // a message shed from a full queue is not announced
  kForeignRandom,       // draws from a generator that was not passed in
};
constexpr std::size_t kMutantCount = 14;
constexpr std::array<std::string_view, kMutantCount> kMutantNames = {
    "none",           "unchecked-forwarded",  "delivered-twice",
    "graft-never",    "flood-shapes-tree",    "self-kept",
    "views-overlap",  "one-sided-kept",       "failed-kept",
    "lost-forgotten", "fingerprint-by-count", "range-skipped",
    "shed-silently",  "foreign-random"};

#ifdef HANSE_MUTANTS
inline Mutant planted_mutant = Mutant::kNone;
inline bool mutant(Mutant m) { return planted_mutant == m; }
#else
constexpr bool mutant(Mutant) { return false; }
#endif

}  // namespace hanse::gossip
