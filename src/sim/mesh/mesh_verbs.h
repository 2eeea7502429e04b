// The command `hanse sim mesh SCENARIO`, as data for the command line. Errors: those of mesh.h.
#pragma once

#include <vector>

#include "base/plugin/verb.h"

namespace hanse::sim {

std::vector<plugin::Verb> mesh_verbs();

}  // namespace hanse::sim
