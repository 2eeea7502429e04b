#include "exchange/onnx/onnx_kind.h"

#include <bit>
#include <cmath>

#include "base/core/text.h"

namespace hanse::onnx {

namespace {

using runtime::RunControl;
using runtime::RunOutcome;
using runtime::RunRequest;
using runtime::RunStatus;

constexpr std::uint64_t div_up(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

// A request, read and priced. Anything but kOk is the outcome.
struct Work {
  RunOutcome outcome;
  Graph graph;
  std::vector<ValueView> inputs;
  Plan plan;
  std::uint64_t reading = 0;  // gas of the bytes in
};

bool wants_exact(const RunRequest& request) {
  return request.precision == gxf::Precision::kInt8 || request.params.contains(kParamExact);
}

Status read(const RunRequest& request, Work& work) {
  TRY(work.graph, decode_model(request.artifact));
  std::vector<Type> types;
  for (std::size_t i = 0; i < request.inputs.size(); ++i) {
    TRY(const ValueView value, with_context(decode_value(request.inputs[i]), text("input {}", i)));
    types.push_back(value.type);
    work.inputs.push_back(value);
  }
  TRY(work.plan, plan(work.graph, types));
  if (!work.plan.exact && wants_exact(request))
    return fail(Kind::kUnsupported, "onnx.exact",
                "found a model of floating point or wide int8 factors, expected exact integer work for int8 or exact");
  return {};
}

Work prepare_work(const RunRequest& request) {
  Work work;
  std::uint64_t in_bytes = request.artifact.size(), value_in = 0, out_bytes = 0;
  for (const Bytes& input : request.inputs) value_in += input.size();
  in_bytes += value_in;
  RunOutcome& outcome = work.outcome;
  const auto end = [&](RunStatus status, std::uint64_t gas, std::string detail) {
    outcome.status = status;
    outcome.gas = std::min(gas, request.limits.gas);
    outcome.detail = std::move(detail);
    return std::move(work);
  };
  const std::uint64_t reading = work.reading = div_up(in_bytes, kBytesPerGas);
  outcome.kernel_class = std::string(kFloatClass);
  if (const Status readable = read(request, work); !readable)
    return end(reading > request.limits.gas ? RunStatus::kGasExhausted : RunStatus::kTrap, reading,
               readable.error().str());
  if (work.plan.exact) outcome.kernel_class = std::string(kExactClass);
  for (const Type& type : work.plan.outputs) out_bytes += encoded_size(type);
  const std::uint64_t gas =
      reading + div_up(work.plan.macs, kMacsPerGas) + work.plan.cells + div_up(out_bytes, kBytesPerGas);
  if (gas > request.limits.gas)
    return end(RunStatus::kGasExhausted, request.limits.gas, text("the job needs {} gas", gas));
  const std::uint64_t memory = 2 * request.artifact.size() + value_in + work.plan.value_bytes + out_bytes;
  if (memory > std::uint64_t{request.limits.mem_pages} * kPageBytes)
    return end(RunStatus::kMemoryExceeded, reading, text("the job needs {} bytes", memory));
  if (out_bytes > std::min<std::uint64_t>(request.limits.out_bytes, runtime::kOutcomeSizeMax - 65'536))
    return end(RunStatus::kOutputTooLarge, reading, text("the outputs have {} bytes", out_bytes));
  return end(RunStatus::kOk, gas, {});
}

double cell(const ValueView& value, std::size_t i) {
  const std::uint8_t* at = value.data.data() + i * element_size(value.type.element);
  switch (value.type.element) {
    case Element::kFloat: return std::bit_cast<float>(load_le<std::uint32_t>(at));
    case Element::kBfloat16: return std::bit_cast<float>(static_cast<std::uint32_t>(load_le<std::uint16_t>(at)) << 16);
    case Element::kInt64: return static_cast<double>(static_cast<std::int64_t>(load_le<std::uint64_t>(at)));
    case Element::kInt32: return static_cast<std::int32_t>(load_le<std::uint32_t>(at));
    case Element::kInt8: return static_cast<std::int8_t>(*at);
    default: return *at;  // bool and uint8; float16 and float8 are compared by their bytes
  }
}

bool has_value(Element e) { return e != Element::kFloat16 && e != Element::kFloat8e4m3 && e != Element::kFloat8e5m2; }

Status compare_near(const ValueView& found, const ValueView& claimed, std::size_t output) {
  const auto differs = [&](std::size_t i) {
    return fail(Kind::kCorrupt, "onnx.claim", text("found another cell {} of output {} than the job gives", i, output));
  };
  if (found.type != claimed.type)
    return fail(Kind::kCorrupt, "onnx.claim", text("found output {} of another type than the job gives", output));
  if (!has_value(found.type.element)) return equal(found.data, claimed.data) ? Status() : differs(0);
  // Integers that follow from floats may fall to either side of a half.
  const double least = found.type.element == Element::kFloat || found.type.element == Element::kBfloat16 ? 1e-4 : 1;
  for (std::size_t i = 0; i < cells(found.type.dims); ++i) {
    const double a = cell(found, i), b = cell(claimed, i);
    if (std::isnan(a) && std::isnan(b)) continue;
    if (a != b && !(std::abs(a - b) <= least + 1e-3 * std::abs(a))) return differs(i);
  }
  return {};
}

class OnnxKind final : public runtime::JobKind {
 public:
  explicit OnnxKind(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}

  std::vector<std::string> names() const override { return {std::string(kOnnxKind)}; }

  Status check(const RunRequest& request) const override {
    if (request.kind != kOnnxKind)
      return fail(Kind::kInvalid, "onnx.kind", text("found kind '{}', expected {}", request.kind, kOnnxKind));
    for (const auto& [key, value] : request.params) {
      const auto* number = std::get_if<std::int64_t>(&value);
      if (key != kParamExact || number == nullptr || *number != 1)
        return fail(Kind::kInvalid, "onnx.param",
                    text("found param {}, expected only {} = 1 (exact)", key, kParamExact));
    }
    return {};
  }

  Result<RunOutcome> run(const RunRequest& request, RunControl& control) override {
    TRY_OK(check(request));
    Work work = prepare_work(request);
    if (work.outcome.status != RunStatus::kOk) return std::move(work.outcome);
    auto outputs = engine_->infer(request.artifact, work.graph, work.inputs, work.plan, control);
    if (!outputs && outputs.error().id() == "onnx.cancelled") {
      work.outcome.status = RunStatus::kCancelled;
      work.outcome.detail = "cancelled";
      return std::move(work.outcome);
    }
    if (!outputs && (outputs.error().id() == "onnx.refused" || outputs.error().id() == "onnx.data")) {
      work.outcome.status = RunStatus::kTrap;
      if (outputs.error().id() == "onnx.refused") work.outcome.gas = work.reading;
      work.outcome.kernel_class = std::string(kFloatClass);  // another version may take it: exact for none
      work.outcome.detail = outputs.error().id();            // without words of a version of ONNX Runtime
      return std::move(work.outcome);
    }
    TRY(work.outcome.outputs, std::move(outputs));
    return std::move(work.outcome);
  }

  Status verify(const RunRequest& request, const RunOutcome& claimed) override {
    if (claimed.status == RunStatus::kTimeout || claimed.status == RunStatus::kCancelled)
      return fail(Kind::kUnsupported, "onnx.unverifiable",
                  text("found a claim of {}, which depends on the machine", runtime::run_status_name(claimed.status)));
    RunControl control;
    TRY(RunOutcome found, run(request, control));
    if (found.kernel_class == kExactClass || found.status != RunStatus::kOk) return compare_outcomes(claimed, found);
    std::vector<Bytes> ours = std::move(found.outputs);
    found.outputs = claimed.outputs;
    TRY_OK(compare_outcomes(claimed, found));
    if (ours.size() != claimed.outputs.size())
      return fail(Kind::kCorrupt, "onnx.claim",
                  text("found {} outputs, expected {}", claimed.outputs.size(), ours.size()));
    for (std::size_t i = 0; i < ours.size(); ++i) {
      TRY(const ValueView a, decode_value(ours[i]));
      TRY(const ValueView b, decode_value(claimed.outputs[i]));
      TRY_OK(compare_near(a, b, i));
    }
    return {};
  }

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace

std::unique_ptr<runtime::JobKind> make_onnx_kind(std::unique_ptr<Engine> engine) {
  return std::make_unique<OnnxKind>(std::move(engine));
}

}  // namespace hanse::onnx
