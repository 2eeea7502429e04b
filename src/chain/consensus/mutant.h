// Planted mistakes: one a line of the protocol, to prove that the simulator would notice them (consensus.md 5.9).
// In production mutant() is constant false and costs nothing. Built with HANSE_MUTANTS, the simulator's own flavour of
// this room reads one process-wide choice, set once before any replica is made.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace hanse::consensus {

enum class Mutant : std::uint8_t {
  kNone,
  kQuorumByHeads,        // counts replicas instead of power
  kQuorumOneLess,        // accepts power well below Q
  kDigestIgnored,        // votes for different digests add up
  kDuplicateCounted,     // a repeated vote counts again
  kLeaderTwice,          // the leader's PrePrepare and Prepare both count
  kPrepareNotPersisted,  // Prepare leaves without its record
  kCommitBeforeDurable,  // Commit leaves before its record is safe
  kRuleA1Dropped,        // view change: condition A1 is not checked
  kRuleA2Dropped,        // view change: condition A2 is not checked
  kNullPreferred,        // view change: an empty slot beats a candidate
  kPreparedLostOnRestart,
  kWindowUnchecked,  // slots beyond the window are voted on
  kJoinOnOne,        // one replica's ViewChange is followed
  kTimerNotDoubled,
  kCutNotMonotone,  // a proposal may take a lane back
  kTipUnchecked,    // Prepare without having the data
  kEpochUnchecked,
  kViewUnchecked,        // Prepare for a view that was given up
  kReleaseBeforeStable,  // claims are forgotten before the checkpoint is stable
  kAttestBeforeDurable,
  kOrderByArrival,       // vertices of a cut in the order they came
  kNewViewTrusted,       // NewView without recomputing it or checking its signatures
  kForkFollowed,         // a tip that does not descend from the committed one is executed
  kEpochEndIgnored,      // goes on ordering behind the epoch's last slot
  kEpochEndUncertified,  // begins the next epoch without that slot's certificate
  kExpressByQuorum,      // express commit with power Q instead of everyone
  kSignedBeforeDurable,  // statements are signed before what they are about is safe
  kStatementUnchecked,   // statements are believed without their signature
  kEvidenceDropped,      // two statements that exclude each other are noticed and not told
  kClaimsForgotten,      // a view change leaves out what was executed
  kStableForgotten,      // a restart may go back behind a stable checkpoint
};
constexpr std::size_t kMutantCount = 32;
constexpr std::array<std::string_view, kMutantCount> kMutantNames = {"none",
                                                                     "quorum-by-heads",
                                                                     "quorum-one-less",
                                                                     "digest-ignored",
                                                                     "duplicate-counted",
                                                                     "leader-twice",
                                                                     "prepare-not-persisted",
                                                                     "commit-before-durable",
                                                                     "rule-a1-dropped",
                                                                     "rule-a2-dropped",
                                                                     "null-preferred",
                                                                     "prepared-lost-on-restart",
                                                                     "window-unchecked",
                                                                     "join-on-one",
                                                                     "timer-not-doubled",
                                                                     "cut-not-monotone",
                                                                     "tip-unchecked",
                                                                     "epoch-unchecked",
                                                                     "view-unchecked",
                                                                     "release-before-stable",
                                                                     "attest-before-durable",
                                                                     "order-by-arrival",
                                                                     "new-view-trusted",
                                                                     "fork-followed",
                                                                     "epoch-end-ignored",
                                                                     "epoch-end-uncertified",
                                                                     "express-by-quorum",
                                                                     "signed-before-durable",
                                                                     "statement-unchecked",
                                                                     "evidence-dropped",
                                                                     "claims-forgotten",
                                                                     "stable-forgotten"};

#ifdef HANSE_MUTANTS
inline Mutant planted_mutant = Mutant::kNone;
inline bool mutant(Mutant m) { return planted_mutant == m; }
#else
constexpr bool mutant(Mutant) { return false; }
#endif

}  // namespace hanse::consensus
