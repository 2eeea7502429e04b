#include "sim/fleet/fleet_verbs.h"

#include <algorithm>

#include "sim/fleet/fleet.h"

namespace hanse::sim {

namespace {

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk& talk) {
  const std::string scenario(args.get("SCENARIO"));
  TRY(const std::uint64_t seed, args.number("seed", 0));
  if (std::ranges::find(kFleetScenarios, scenario) != kFleetScenarios.end()) {
    TRY(const std::uint64_t n, args.number("n", 0, kFleetNodesMax));
    const FleetPlan plan{
        .scenario = scenario, .seed = seed, .n = n, .lookups = args.has("lookups"), .progress = [&](auto w) {
          talk.progress(w);
        }};
    TRY(const FleetOutcome outcome, run_fleet(plan));
    return plugin::Answer{
        .json = fleet_json(plan, outcome), .text = fleet_text(plan, outcome), .exit = outcome.good() ? 0 : 1};
  }
  MeshPlan plan{.scenario = scenario, .seed = seed};
  TRY(plan.n, args.number("n", plan.n, kMeshNodesMax));
  TRY(const MeshOutcome outcome, run_mesh(plan));
  return plugin::Answer{
      .json = mesh_json(plan, outcome), .text = mesh_text(plan, outcome), .exit = outcome.failure ? 1 : 0};
}

}  // namespace

std::vector<plugin::Verb> mesh_verbs() {
  return {{.name = "sim mesh",
           .summary = "a simulated mesh of many nodes, from a seed",
           .details =
               "Runs this build's mesh on many nodes in virtual time, over links of 10 to 50 ms, and checks what must\n"
               "hold. The same seed gives the same trace hash. Exit 1 when a rule is broken or a figure missed.\n"
               "Scenarios of gossip nodes alone: broadcast, crash80, partition-heal, long-partition, lossy, slow,\n"
               "liar (docs/internals/gossip.md).\n"
               "Scenarios of whole nodes, with their QUIC: agents, quic, quic-faults (docs/internals/fleet.md).\n"
               "Examples:\n  hanse sim mesh broadcast --seed 1\n  hanse sim mesh agents --seed 1\n"
               "  hanse sim mesh quic --seed 1 --n 200 --json",
           .options = {{.name = "SCENARIO", .value = "NAME", .help = "what happens", .fallback = {}, .required = true},
                       {.name = "--seed", .value = "S", .help = "what everything is drawn from", .fallback = "0"},
                       {.name = "--n",
                        .value = "N",
                        .help = "nodes: 20 to 10000 of gossip alone, 12 to 5000 whole ones; default 1000, agents 100, "
                                "quic-faults 40",
                        .fallback = {}},
                       {.name = "--lookups",
                        .value = {},
                        .help = "whole nodes find each other by id, not by a directory (quic-faults always)",
                        .fallback = {}}},
           .run = run}};
}

}  // namespace hanse::sim
