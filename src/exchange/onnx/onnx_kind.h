// The job kind "onnx/v1": inference with ONNX Runtime on the CPU (records: proto/records/tensor.md).
//
//   artifact = an ONNX model (graph.h says which), inputs[i] = the i-th graph input that has no initializer, as HTN2 or
//   HTN1; outputs = the graph's outputs as HTN2. precision int8 asks for exact integer work (plan.h): other models are
//   refused. bf16, fp8 and e5m2 are storage types whose arithmetic is f32 here, as the kernel class says. Param 1 = 1
//   (exact) refuses everything but exact work.
//
// kernel_class: "onnx-int8-exact/1" or "onnx-f32/1".
// Gas is counted from the shapes before any work: bytes / 8 of artifact and inputs, + multiplications / 16, + one a
// cell that any other operator gives, + bytes / 8 of the outputs; every division rounds up. Memory likewise: twice the
// artifact, the inputs, all values of the graph, the outputs, against mem_pages of 64 KiB. Refused work is an outcome:
// kTrap (a model or inputs that do not fit, an operator that is not taken, a model that ONNX Runtime refuses to load;
// bytes in are charged), kGasExhausted, kMemoryExceeded, kOutputTooLarge, kCancelled. Inputs that ONNX Runtime refuses
// at work (an index out of range) are kTrap as well; all gas is charged, for the work was done up to there. What is
// refused may depend on the version of ONNX Runtime, so such outcomes have the class of floats: nobody is convicted by
// them.
//
// verify runs again. Exact outcomes must be equal; floating point may differ by kTolerance, because kernels differ
// between processors: |found - claimed| <= 1e-4 + 1e-3 |found|, cell by cell, and NaN only where NaN is. Threads: as
// JobKind. Errors of check: onnx.kind, onnx.param, onnx.precision (invalid). Of verify: onnx.claim (corrupt),
// onnx.unverifiable (unsupported: depends on the machine). Of run: onnx.runtime (internal: ONNX Runtime failed on a
// model that the plan accepts).
#pragma once

#include <memory>

#include "exchange/onnx/plan.h"
#include "exchange/runtime/job_kind.h"

namespace hanse::onnx {

constexpr std::string_view kOnnxKind = "onnx/v1";
constexpr std::string_view kExactClass = "onnx-int8-exact/1", kFloatClass = "onnx-f32/1";
constexpr std::uint64_t kParamExact = 1;
constexpr std::uint64_t kMacsPerGas = 16, kBytesPerGas = 8, kPageBytes = 65'536;

// What runs a model that was planned. The plug-in has ONNX Runtime behind it.
class Engine {
 public:
  virtual ~Engine() = default;
  // Outputs in the order of the graph. onnx.cancelled (kTimeout) when the control asked to stop; onnx.refused
  // (kUnsupported) when the model cannot be loaded, onnx.data (kInvalid) when it cannot be run on these inputs, which
  // are both the job's fault; onnx.runtime otherwise.
  virtual Result<std::vector<Bytes>> infer(ByteView model, const Graph& graph, const std::vector<ValueView>& inputs,
                                           const Plan& plan, runtime::RunControl& control) = 0;
};

std::unique_ptr<runtime::JobKind> make_onnx_kind(std::unique_ptr<Engine> engine);

}  // namespace hanse::onnx
