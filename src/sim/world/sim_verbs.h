// The commands `hanse sim run`, `replay`, `search` and `mutants`, as data for the command line.
// Errors: world.mutant (invalid: no such name), world.program (unavailable: the build with planted mistakes cannot be
// started), and those of plan.h and report.h.
#pragma once

#include <vector>

#include "base/plugin/verb.h"
#include "sim/world/report.h"

namespace hanse::sim {

std::vector<plugin::Verb> sim_verbs();

// This process becomes folder/hanse-sim-mutants with these arguments; comes back only when that cannot be.
Status become_mutants(const SearchArguments& arguments, const std::string& folder);

}  // namespace hanse::sim
