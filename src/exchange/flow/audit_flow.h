// The story of an audit: the work of a receipted job is done again, and what came out is compared with the receipt,
// unless what its results prove (proved.h) is enough; and of a challenge, which is the same at home, before a deposit
// is spent.
//
// Outputs (by hash and size), gas, run status and steps must be equal to the bit. Nothing is said (an empty answer)
// where a run depends on the machine: a timeout on either side, or a kernel of floating point (runtime::is_exact) whose
// outputs differ. An error means that this auditor could not do the work, which says nothing about the receipt either.
// A challenge may come with a witness (steps.h): then one step is done before the rest, and nothing more when that
// refutes the receipt. A witness that cannot be had, is not one, or is wrong, changes nothing.
// Threads: one call per job at a time. Errors: those of materials.h, of the runner, and flow.no_receipt (conflict).
#pragma once

#include "exchange/flow/materials.h"
#include "exchange/flow/steps.h"

namespace hanse::flow {

struct Judgement {
  std::optional<bool> holds;
  std::optional<std::uint32_t> place;  // of the witness, when it alone refuted the receipt
};
Result<Judgement> judge_receipt(const market::Job& record, const BlobId& witness, const JobSources& from,
                                runtime::RunControl& control);

// What a challenger finds.
struct Finding {
  std::optional<bool> holds;
  std::optional<Witness> witness;  // of a false receipt: its list is to be had, its state not too large
  std::uint32_t steps = 0;         // the job really takes
};
Result<Finding> find_fault(const market::Job& record, const JobSources& from, runtime::RunControl& control);

}  // namespace hanse::flow
