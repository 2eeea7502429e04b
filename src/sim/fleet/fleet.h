// Networks of whole nodes in virtual time: each is what a daemon runs as its mesh (mesh/reach with its QUIC endpoint
// and peers, node/overlay with records, lookups and gossip), all in one process, over links with delay, jitter, loss,
// reordering, repetition, rate, MTU and black holes (sim/wire/link.h). Handshakes, keys and signatures are real.
// What decides a run is its plan; the same plan gives the same trace hash (I11 of mesh.md 5.19). OpenSSL draws its own
// random bytes, so what is hashed is when each datagram came, from whom to whom and how large, and what nodes were
// told. Scenarios, with the nodes they take unless told otherwise
//   agents       100   target T10: everybody talks to everybody, 10 messages a second each, for 60 s, and some publish;
//                      figures of delay, loss, bytes, memory and wall time, each beside its limit
//   quic         1000  nodes join by two others and find about 8 neighbours; then some publish to all
//   quic-faults  40    the same while nodes talk on streams, some stop, some come back, links turn into black holes,
//                      and pairs dial each other at the same instant
// Rules, checked from outside: a peer comes up and goes down in turns, and when all is quiet both ends of a pair name
// the same one connection, and no node keeps another (I2); frames of a stream arrive whole, once and without a gap
// (I3); what was published is delivered once, and the same to all nodes that live (I6). Threads: one. Limits:
// kFleetNodesMin to kFleetNodesMax nodes. Errors: fleet.scenario (invalid: unknown name, or too few or too many nodes).
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/mesh/mesh.h"

namespace hanse::sim {

constexpr std::size_t kFleetNodesMin = 12, kFleetNodesMax = 5'000;
constexpr std::array<std::string_view, 3> kFleetScenarios = {"agents", "quic", "quic-faults"};

struct FleetPlan {
  std::string scenario = "quic";
  std::uint64_t seed = 0;
  std::size_t n = 0;         // 0: as many as the scenario says
  std::int64_t talk_s = 60;  // of `agents`
  // Nodes find each other by lookups, as in a network where nobody knows who is where; else a directory tells them.
  bool lookups = false;
  std::function<void(std::string_view)> progress{};  // what is under way
};

struct FleetFigure {
  std::string name, unit;
  double found = 0;
  std::optional<double> most{};  // more misses the target
  bool of_machine = false;       // differs from run to run: time and memory
  bool missed() const { return most && found > *most; }
};

struct FleetOutcome {
  std::uint64_t trace = 0;
  std::uint64_t datagrams = 0;
  std::int64_t virtual_ms = 0;
  std::size_t n = 0;
  std::vector<FleetFigure> figures;
  std::vector<std::pair<std::string, std::uint64_t>> counters;
  std::optional<MeshFailure> failure;  // the first; figures of the machine are none
  bool good() const;                   // no failure, and no figure missed
};

Result<FleetOutcome> run_fleet(const FleetPlan& plan);

codec::Json fleet_json(const FleetPlan& plan, const FleetOutcome& outcome);
std::string fleet_text(const FleetPlan& plan, const FleetOutcome& outcome);

}  // namespace hanse::sim
