// The command `hanse sim mix`, as data for the command line. Errors: those of mixnet.h.
#pragma once

#include "base/plugin/verb.h"

namespace hanse::sim {

plugin::Verb mix_verb();

}  // namespace hanse::sim
