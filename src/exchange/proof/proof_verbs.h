// hanse proof commit, make and verify: files in (proto/records/tensor.md, proof.md), files and one answer out.
// Threads: one. Errors: cli.usage, those of fs.h, tensor/format.h, product.h and inference.h.
#pragma once

#include <vector>

#include "base/plugin/verb.h"

namespace hanse::proof {

std::vector<plugin::Verb> proof_verbs();

}  // namespace hanse::proof
