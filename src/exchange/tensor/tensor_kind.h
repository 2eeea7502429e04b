// The job kinds "tensor.matmul/v1" and "tensor.mlp/v1" (records: proto/records/tensor.md).
//
//   tensor.matmul/v1   inputs[0] = A (m x k, int8), B (k x n, int8) as inputs[1] or as artifact; output 0 = A * B,
//                      int32. shape.dims, when given, must be [m, k, n].
//   tensor.mlp/v1      artifact = model, inputs[0] = X (rows x in, int8); output 0 = result, int8 or int32 (raw).
//                      rows must be shape.batch (level 0) or at most shape.batch (levels 1 to 3).
//                      Param 1 = 1 (trace) adds outputs 1..layers: each layer's product X * W, rows x out, int32.
//
// Gas is exact and charged before any work; integers only, every division rounds up:
//   bytes / 8 of artifact and inputs, + MACs / 16, + one a requantised cell, + bytes / 8 of the outputs.
// Memory is charged before any allocation: artifact, inputs, outputs, each layer's product and activations, and
// matmul_scratch_bytes, against mem_pages of 64 KiB. Both depend on the request alone, never on the back end.
// Outputs are at most kOutBytesMax together, whatever limits.out_bytes says: an outcome must fit its record.
// Refused work is an outcome: kTrap, kMemoryExceeded and kOutputTooLarge (only the input bytes are charged; detail says
// why), kGasExhausted (gas = the limit), kCancelled. kernel_class is "int8-exact/1".
//
// verify: every refusal is derived again from the request; a product is audited (audit.h) with 2 rounds of x from
// `audit_random` instead of run again; a traced MLP has each product audited and each nonlinear step computed again; an
// untraced MLP is run again.
// Threads: as JobKind. Errors of check: tensor.kind, tensor.precision, tensor.inputs, tensor.param (invalid). Of verify
// further: tensor.claim (corrupt: the claim does not follow), tensor.unverifiable (unsupported: a timeout or
// cancellation says nothing about the request), tensor.audit_failed. Of run: tensor.backend.
#pragma once

#include <memory>

#include "base/core/random.h"
#include "exchange/runtime/job_kind.h"

namespace hanse::tensor {

constexpr std::string_view kMatmulKind = "tensor.matmul/v1";
constexpr std::string_view kMlpKind = "tensor.mlp/v1";
constexpr std::string_view kKernelClass = "int8-exact/1";
constexpr std::uint64_t kParamTrace = 1;
constexpr std::uint64_t kMacsPerGas = 16;
constexpr std::uint64_t kBytesPerGas = 8;
constexpr std::uint64_t kPageBytes = 65'536;
constexpr std::uint64_t kOutBytesMax = runtime::kOutcomeSizeMax - 65'536;

std::unique_ptr<runtime::JobKind> make_tensor_kind(Random& audit_random = system_random());

}  // namespace hanse::tensor
