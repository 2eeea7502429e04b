#include "sim/mesh/mesh_verbs.h"

#include "sim/mesh/mesh.h"

namespace hanse::sim {

namespace {

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  MeshPlan plan;
  plan.scenario = std::string(args.get("SCENARIO"));
  TRY(plan.seed, args.number("seed", 0));
  TRY(const std::uint64_t n, args.number("n", plan.n, kMeshNodesMax));
  plan.n = n;
  TRY(const MeshOutcome outcome, run_mesh(plan));
  return plugin::Answer{
      .json = mesh_json(plan, outcome), .text = mesh_text(plan, outcome), .exit = outcome.failure ? 1 : 0};
}

}  // namespace

std::vector<plugin::Verb> mesh_verbs() {
  return {{.name = "sim mesh",
           .summary = "a simulated overlay of gossip nodes, from a seed",
           .details =
               "Runs membership, failure detection and broadcast of this build on many nodes in virtual time, over\n"
               "links of 10 to 50 ms, and checks what must hold. The same seed gives the same trace hash. Exit 1\n"
               "when a rule is broken or a figure missed.\n"
               "Scenarios: broadcast, crash80, partition-heal, long-partition, lossy, slow, "
               "liar\n(docs/internals/gossip.md).\n"
               "Examples:\n  hanse sim mesh broadcast --seed 1\n  hanse sim mesh crash80 --seed 1 --n 200 --json",
           .options = {{.name = "SCENARIO", .value = "NAME", .help = "what happens", .fallback = {}, .required = true},
                       {.name = "--seed", .value = "S", .help = "what everything is drawn from", .fallback = "0"},
                       {.name = "--n", .value = "N", .help = "nodes, 20 to 10000", .fallback = "1000"}},
           .run = run}};
}

}  // namespace hanse::sim
