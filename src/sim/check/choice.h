// What a set of view changes decides, computed from the text of the rules (consensus.md 5.4) and not by the code that
// is checked: for each slot the digest to propose again, zero for an empty slot; nothing while the set decides nothing.
// Plain loops over everything, as it runs once a view. Pure; any thread. Errors: none.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "chain/consensus/messages.h"

namespace hanse::sim {

std::optional<std::vector<std::pair<consensus::Seq, consensus::Digest>>> choose(
    const consensus::Power& power, std::span<const consensus::ViewChange> set);

}  // namespace hanse::sim
