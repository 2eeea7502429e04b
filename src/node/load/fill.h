// Fill: gives the stores of a network that `hanse up` made and that does not run as many finalized vertices as wanted,
// by running the validators' own chains in this process, with a network inside it. What they order are transactions of
// the load application of a few bytes, one in a vertex, so that a vertex costs as little as it can; everything else
// (journal and its syncs, signatures, blocks, certificates) is as in a node.
// Threads: blocks. Errors: load.network (not_found, corrupt), load.fill (timeout), those of replica::Chain.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/core/result.h"

namespace hanse::load {

struct Filled {
  std::uint64_t vertices = 0;  // in each store
  std::uint64_t height = 0;
  double seconds = 0;
};
// `progress` is told now and then how many there are.
Result<Filled> fill_stores(const std::string& dir, std::uint64_t vertices,
                           const std::function<void(std::uint64_t vertices)>& progress);

}  // namespace hanse::load
