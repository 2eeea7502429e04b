// Plan: everything that decides a simulated run. Same plan, same run. Faults come from the seed (swarm selection: each
// kind is in or out as a whole) or from a list; power and timing come from the seed.
// Text: KIND:FROM_MS:TO_MS:A:B, comma-separated; "none" for no faults. What A and B are:
//   breaks        A connections broken per 10000 frames       reorder, duplicate, corrupt   A per 10000 frames
//   spikes        A per 10000 frames take B ms more           slow_net      delays times A
//   slow_node     A = replica, delays times B                 partition     A = mask of one side
//   one_way       nothing arrives from mask A at mask B       cut_pair      A, B = replicas
//   crash         A = replica, back at TO                     power_loss    all, back at TO
//   damage        crash, and the journal of A cannot be trusted after it
//   disk_full     A = replica, for ever                       stall         syncs of replica A take until TO
//   slow_disk     A = replica, syncs times B                  skew          A = replica, wall clock B ms off
//   change        A = mask of the next validator set, B = mask of those whose keys rotate with it
//   byzantine     A = replica, B = mask of Lie                twins         A = replica, B = mask of peers of the
//   second
// Byzantine replicas (twins too), damaged journals and full disks together hold at most W - Q of the power, in every
// set.
// Pure; any thread. Errors: world.plan (invalid: what was found, expected).
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "chain/consensus/quorum.h"

namespace hanse::sim {

constexpr std::uint16_t kReplicasSimMax = 64;
constexpr std::uint32_t kSlotsSimMax = 100'000;
constexpr std::size_t kFaultsMax = 256;
constexpr std::int64_t kFaultMsMax = 3'600'000;

enum class FaultKind : std::uint8_t {
  kBreaks,
  kReorder,
  kDuplicate,
  kCorrupt,
  kSpikes,
  kSlowNet,
  kSlowNode,
  kPartition,
  kOneWay,
  kCutPair,
  kCrash,
  kPowerLoss,
  kDamage,
  kDiskFull,
  kStall,
  kSlowDisk,
  kSkew,
  kByzantine,
  kTwins,
  kChange,
};
constexpr std::size_t kFaultKindCount = 20;
std::string_view fault_name(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::kBreaks;
  std::int64_t from_ms = 0, to_ms = 0;
  std::int64_t a = 0, b = 0;
  friend bool operator==(const Fault&, const Fault&) = default;
};

// What a Byzantine replica does with the frames of the honest one it is made from.
enum class Lie : std::uint32_t {
  kEquivocate = 1 << 0,   // two proposals a slot, each with fitting votes
  kVoteAll = 1 << 1,      // votes for whatever anybody votes for
  kWithhold = 1 << 2,     // its batches reach only some
  kForgeClaims = 1 << 3,  // claims in its view changes are stale, invented or differ by recipient
  kHugeView = 1 << 4,
  kSilent = 1 << 5,       // to some, at times
  kNewViews = 1 << 6,     // other, fewer or forged view changes in its NewView
  kReplay = 1 << 7,       // old frames again, also as of another epoch
  kGarbage = 1 << 8,      // oversized and malformed frames
  kAttest = 1 << 9,       // attests other blocks
  kForkLane = 1 << 10,    // two chains in its lane
  kBadTips = 1 << 11,     // proposes tips that do not exist, or lower ones
  kFalseSlots = 1 << 12,  // tells of slots, acks and states that are not
};
constexpr std::uint32_t kLieCount = 13;

// What the seed decides besides faults.
struct Tuning {
  std::int64_t delay_us = 2'000, sync_us = 300, execute_us = 200, think_us = 20'000;
  std::int64_t timeout_ms = 200, interval_ms = 100;
  std::uint64_t attest_every = 8, checkpoint_every = 32, slots_in_flight = 4;
  std::size_t records_max = 400;  // then the journal is compacted
  std::uint32_t clients = 4, keys = 3;
  bool wants_blocks = false, real_crypto = false;
  std::uint64_t epoch_slots = 0;  // 0: epochs end for a change only
};

struct Plan {
  std::uint64_t seed = 0;
  std::uint16_t n = 4;
  std::uint32_t slots = 200;
  std::vector<std::uint16_t> power;
  std::vector<Fault> faults;
  bool listed = false;  // faults were given, not drawn
  Tuning tuning;
};

struct PlanOptions {
  std::uint64_t seed = 0;
  std::uint16_t n = 0;  // 0: 4 to 7, from the seed
  std::uint32_t slots = 200;
  std::string faults = {};  // "" = from the seed
  bool real_crypto = false;
};
// Power of the replicas in the mask, in their order: in proportion to the plan's, nobody's below 1; equal
// where one would have more than 3300.
std::vector<std::uint16_t> power_of_set(const Plan& plan, std::uint64_t mask);
Result<Plan> make_plan(const PlanOptions& options);

std::string fault_list(const std::vector<Fault>& faults);
Result<std::vector<Fault>> parse_faults(std::string_view list);
std::string repro(const Plan& plan);  // one line: hanse sim run ...
// A file for `hanse sim replay`: "hanse-sim 1", then one "name value" a line.
std::string write_plan(const Plan& plan);
Result<Plan> read_plan(std::string_view text);

}  // namespace hanse::sim
