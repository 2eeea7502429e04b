// The job kind "proof.mlp/v1": runs a committed int8 model and proves the output (inference.h; records:
// proto/records/proof.md).
//
//   artifact = model (HML1), inputs[0] = X (rows x in, int8), param 1 = its commitment (HMC1); output 0 = y as
//   tensor.mlp/v1 gives it, output 1 = the proof. rows must be shape.batch (level 0) or at most it (levels 1 to 3).
//
// Gas is exact, charged before any work, and follows from X and the commitment alone; divisions round up:
//   (bytes of X and of the commitment) / 8, then bytes of a model of these shapes / 8, + MACs / 16, + one a requantised
//   cell, + 512 a cell of the committed table (2^n after padding) and 640 a cell of the run's, + bytes / 8 of y and
//   proof. 512 and 640 are about one a nanosecond of one core (proof_bench.cc), as gas of WebAssembly is.
// Memory likewise: inputs, twice the model, outputs, 128 bytes a cell of either table, and 1 MiB.
// Refused work is an outcome: kTrap when X, commitment or model are none or do not fit each other (with all but the
// last terms of the gas where the model had to be committed to first, else the first), kMemoryExceeded and
// kOutputTooLarge (the first term), kGasExhausted (gas = the limit), kCancelled. kernel_class is "int8-proof/1". The
// proof is a function of the request: everybody makes the same bytes.
//
// verify needs no artifact: y and proof are checked against the commitment, gas and refusals are derived again. What
// only the artifact tells, a trap where the commitment finds none, is run again, and without an artifact
// proof.unverifiable.
// Threads: as JobKind. Errors of check: proof.request (invalid). Of verify further: proof.claim (corrupt: the claim
// does not follow), proof.unverifiable (unsupported), and those of verify_mlp.
#pragma once

#include <memory>

#include "exchange/proof/inference.h"
#include "exchange/runtime/job_kind.h"

namespace hanse::proof {

constexpr std::string_view kMlpProofKind = "proof.mlp/v1";
constexpr std::string_view kProofKernelClass = "int8-proof/1";
constexpr std::uint64_t kParamCommitment = 1;
constexpr std::uint64_t kGasPerModelCell = 512, kGasPerRunCell = 640;
constexpr std::uint64_t kMemoryPerCell = 128, kMemoryBase = 1u << 20;

std::unique_ptr<runtime::JobKind> make_proof_kind();

}  // namespace hanse::proof
