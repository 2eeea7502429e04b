// Networks of gossip nodes (mesh/gossip, the objects that a daemon runs) in virtual time: n nodes, links with delay,
// jitter, loss, reordering, repetition and rate, crashes and partitions. What decides a run is its plan; the same plan
// gives the same trace hash (I11 of mesh.md 5.19).
// Scenarios
//   broadcast       an overlay is built by joins, then one node publishes, then random ones (target T6)
//   crash80         80 % of the nodes stop at once; the rest must mend and deliver (T7)
//   partition-heal  two halves that cannot reach each other publish, and find together again (mesh.md 5.18)
//   long-partition  the same after four minutes, with passive views that have forgotten the other half
//   lossy           frames are lost, repeated and overtaken all the time; broadcast alone must still reach everybody
//   slow            some nodes have a thin line: queues fill, messages are announced instead
//   liar            some nodes send forged messages, malformed frames and false views
// Rules, checked from outside: every message that a live node published reaches every live connected node once, and
// nothing else is delivered (I6); views hold no self, are disjoint and bounded at every check, and active links are
// two-sided when all is quiet (I13); the overlay is one piece; what halves missed reaches them soon; figures of T6 and
// T7 (the redundancy of T6 from 1000 nodes on: floods beside the tree are a fixed number). Signatures are tokens that
// only their origin can make. One thread at a time. Errors: mesh.scenario (invalid: unknown name, or too few or too
// many nodes).
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/codec/json.h"
#include "base/core/result.h"

namespace hanse::sim {

constexpr std::size_t kMeshNodesMin = 20, kMeshNodesMax = 10'000;
constexpr std::array<std::string_view, 7> kMeshScenarios = {
    "broadcast", "crash80", "partition-heal", "long-partition", "lossy", "slow", "liar"};

struct MeshPlan {
  std::string scenario = "broadcast";
  std::uint64_t seed = 0;
  std::size_t n = 1'000;
};

// What became of the messages of one part of a run. Hops and times are those of the last delivery of a message.
struct MeshPart {
  std::string name;
  std::size_t messages = 0;
  std::uint64_t missed = 0;  // deliveries that did not happen
  double hops_mean = 0, redundancy = 0;
  std::uint64_t hops_max = 0;
  double last_ms_mean = 0;
  double last_ms_max = 0;
};

struct MeshFailure {
  std::string rule;  // "I6", "I13", "connected", "heal", "T6", "T7"
  std::string what;
};

struct MeshOutcome {
  std::uint64_t trace = 0;
  std::uint64_t events = 0;
  std::int64_t virtual_ms = 0;
  std::vector<MeshPart> parts;
  std::vector<std::pair<std::string, std::uint64_t>> counters;  // sums over nodes
  std::optional<MeshFailure> failure;                           // the first
};

Result<MeshOutcome> run_mesh(const MeshPlan& plan);

// What the outcome of any run says at its end: counters, and the rule that was broken first.
void set_ending(codec::Json& json, const std::vector<std::pair<std::string, std::uint64_t>>& counters,
                const std::optional<MeshFailure>& failure);
codec::Json mesh_json(const MeshPlan& plan, const MeshOutcome& outcome);
std::string mesh_text(const MeshPlan& plan, const MeshOutcome& outcome);

}  // namespace hanse::sim
