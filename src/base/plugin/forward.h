// Verbs that another program does: hanse declares them and becomes that program, which stands beside it. For verbs that
// link what would make every start of hanse slower.
// Threads: run replaces the process. Errors: plugin.no_program (unavailable: it is not there or cannot be run).
#pragma once

#include "base/plugin/verb.h"

namespace hanse::plugin {

// The same verbs, each of which becomes `program` with the same words.
std::vector<Verb> forwarded(std::vector<Verb> verbs, const std::string& program);

}  // namespace hanse::plugin
