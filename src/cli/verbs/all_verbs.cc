#include "cli/verbs/verbs.h"

namespace hanse::cli {

std::vector<plugin::Verb> all_verbs() { return {completion_verb(), version_verb()}; }

}  // namespace hanse::cli
