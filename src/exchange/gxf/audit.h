// Jobs whose results carry what proves them, so that auditors need not do the work again: audits 2 and 3.
//
//   freivalds   tensor.matmul/v1, its product declared as output; or tensor.mlp/v1 with param 1 = 1 (trace), the result
//               and each layer's product declared
//   sumcheck    proof.mlp/v1, the result and the proof declared
// One node, and its outputs from port 0 on in their order. How many layers a model has stands in the model alone: a job
// that declares fewer is admitted, and its receipt is judged by doing the work again.
// Threads: pure. Errors: gxf.job_file (invalid), those of core/fs.h.
#pragma once

#include <string>

#include "exchange/gxf/gxf.h"

namespace hanse {
class Fs;
}

namespace hanse::gxf {

struct JobDraft;  // job_file.h

// Whether an audit reads what the job gives instead of giving it again.
constexpr bool reads_outputs(Audit audit) { return audit == Audit::kFreivalds || audit == Audit::kSumcheck; }

// What such a job lacks, in one line; empty when nothing, or when it asks for another audit.
std::string audit_gap(const Job& job);

// Fills in what a draft of such a job leaves to its files: the commitment that it names, and for `freivalds` an output
// for each layer of its model, when only the result has a name. Others are left as they are.
Status complete_audit(Fs& fs, JobDraft& draft);

}  // namespace hanse::gxf
