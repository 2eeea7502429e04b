// The program hanse-mesh-mutants MISTAKE|none SCENARIO SEED N: one scenario, twice, in a build of mesh/gossip in which
// one planted mistake can be chosen. Prints what was noticed. Exit: 0 nothing, 1 something, 2 usage.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "mesh/gossip/mutant.h"
#include "sim/mesh/mesh.h"

int main(int argc, char** argv) {
  namespace gossip = hanse::gossip;
  const auto& names = gossip::kMutantNames;
  const auto name = argc == 5 ? std::ranges::find(names, std::string_view(argv[1])) : names.end();
  if (name == names.end()) {
    std::fprintf(stderr, "usage: hanse-mesh-mutants MISTAKE|none SCENARIO SEED N\n");
    return 2;
  }
  gossip::planted_mutant = static_cast<gossip::Mutant>(name - names.begin());
  const hanse::sim::MeshPlan plan{
      .scenario = argv[2], .seed = std::strtoull(argv[3], nullptr, 10), .n = std::strtoull(argv[4], nullptr, 10)};
  const auto first = hanse::sim::run_mesh(plan);
  if (!first) {
    std::fprintf(stderr, "hanse-mesh-mutants: %s\n", first.error().str().c_str());
    return 2;
  }
  std::printf("%s\n", hanse::sim::mesh_text(plan, *first).c_str());
  if (first->failure) return 1;
  const auto again = hanse::sim::run_mesh(plan);
  if (!again || again->trace != first->trace) {
    std::printf("I11: another trace on the second run\n");
    return 1;
  }
  return 0;
}
