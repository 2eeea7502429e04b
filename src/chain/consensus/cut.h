// What a block's header says of order: BLAKE3("hanse/cut/1", digest of what was decided || the cut after it), lanes
// ascending, each as u16 lane, u64 height, 32 id, little-endian. So a certificate speaks for the cut too, and a replica
// that fetched a state knows where every lane stands without having executed what led there.
// Pure; any thread. Errors: none.
#pragma once

#include "chain/consensus/messages.h"

namespace hanse::consensus {

Hash32 cut_id(const Digest& decided, const std::vector<Tip>& cut);

}  // namespace hanse::consensus
