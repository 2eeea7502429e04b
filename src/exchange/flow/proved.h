// Receipts whose results carry what proves them (gxf/audit.h): what the provider published is verified, which costs
// much less than the work.
//
// Freivalds: the job's inputs, model and outputs are fetched. Sumcheck: its input and outputs; nobody but the prover
// needs the model, neither to believe a receipt nor to refute it.
// Nothing is said (an empty answer) where only doing the work again can tell: the receipt is of a refusal or claims
// steps, something published is not to be had or larger than any job's outputs, the verifier itself failed, or a
// product does not pass, as the payer may have declared too few of them. Threads: one call per job at a time.
// Errors: none; what went wrong shows when the work is done again.
#pragma once

#include "exchange/flow/materials.h"

namespace hanse::flow {

std::optional<bool> judge_proof(const market::Job& receipted, const JobSources& from, runtime::RunControl& control);

}  // namespace hanse::flow
