// The story of an audit: the work of a receipted job is done again, and what came out is compared with the receipt.
//
// Outputs (by hash and size), gas and run status must be equal to the bit. Nothing is said (an empty answer) where a
// run depends on the machine: a timeout on either side, or a kernel of floating point (runtime::is_exact) whose outputs
// differ. An error means that this auditor could not do the work, which says nothing about the receipt either. Threads:
// one call per job at a time. Errors: those of materials.h, of the runner, and flow.no_receipt (conflict).
#pragma once

#include "exchange/flow/materials.h"

namespace hanse::flow {

Result<std::optional<bool>> judge_receipt(const market::Job& record, const JobSources& from,
                                          runtime::RunControl& control);

}  // namespace hanse::flow
