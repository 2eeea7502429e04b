// The command `hanse sim market`, as data for the command line. Errors: those of bazaar.h and of writing the plot.
#pragma once

#include "base/plugin/verb.h"

namespace hanse::sim {

plugin::Verb market_verb();

}  // namespace hanse::sim
