// The command `hanse sim mesh SCENARIO`, as data for the command line: overlays of gossip nodes (sim/mesh) and networks
// of whole nodes (fleet.h). Errors: those of the two.
#pragma once

#include <vector>

#include "base/plugin/verb.h"

namespace hanse::sim {

std::vector<plugin::Verb> mesh_verbs();

}  // namespace hanse::sim
