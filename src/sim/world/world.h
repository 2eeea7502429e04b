// One simulated network, from its first slot to the last: real consensus::Replica objects in virtual time, with the
// faults of a Plan, and checks at every step (sim/check). No wall clock, thread, socket or file: a Plan always gives
// the same Outcome, trace hash included.
//   chaos   clients submit and retry; faults come and go; until `slots` are agreed and the last fault has begun
//   calm    a core of honest replicas with power >= Q is restarted and connected, everything else stays as broken as it
//           is; what healthy clients wait for, and one more operation each, is fast-final within 20 timeouts
// One thread a run. Errors: world.plan; a broken rule is an Outcome::failure, not an error.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "sim/check/safety.h"
#include "sim/world/plan.h"

namespace hanse::sim {

// What happened at all during a run or a search: every one must be seen in a search, or the search is blind to it.
enum class Seen : std::uint8_t {
  kSlots,
  kExpress,
  kNullSlots,
  kCaughtUp,
  kFetches,
  kViewChanges,
  kNewViews,
  kExtraCandidates,
  kViewChangeInCatchUp,
  kAbstains,
  kVotesAgain,
  kCompactions,
  kReleases,
  kCheckpoints,
  kEconomic,
  kCrashes,
  kLostRecords,
  kLostBlocks,
  kPowerLosses,
  kDamages,
  kFullDisks,
  kBreaks,
  kPartitions,
  kCorruptFrames,
  kLies,
  kTwins,
  kForks,
  kEvidence,
  kRetries,
  kRepeats,
  kOtherEpochs,
  kOversized,
  kShown,  // statements passed on because somebody was told otherwise
  kUnsignedLeaders,
  kAttestProved,  // evidence on the ledger, by purpose
  kViewChangeProved,
  kProposalsProved,
  kVertexProved,
  kVotesProved,
  kConcealmentProved,
  kEpochs,
  kJoins,
  kLeaves,
  kHandovers,
};
constexpr std::size_t kSeenCount = 44;
std::string_view seen_name(Seen seen);
using Coverage = std::array<std::uint64_t, kSeenCount>;

struct Outcome {
  std::optional<Failure> failure;
  std::int64_t failed_ms = 0, ended_ms = 0;  // virtual
  std::uint64_t trace = 0, events = 0, checks = 0, operations = 0;
  consensus::Seq slots = 0;
  Coverage seen{};
  std::vector<consensus::Fact> proved;  // by evidence that is on the ledger
  // PrePrepare, Prepare and Commit by slot, as sent to one peer each; slots above kSlotsSimMax are not counted.
  std::vector<std::uint32_t> ordering_frames, ordering_bytes;
};

struct RunOptions {
  std::function<void(std::string_view)> narrate;  // every step in words, for a person who looks for a cause
  std::uint64_t events_max = 20'000'000;          // more is a failure of its own: the network runs in circles
};
Result<Outcome> run_plan(const Plan& plan, const RunOptions& options = {});

}  // namespace hanse::sim
