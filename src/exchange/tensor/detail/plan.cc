#include "exchange/tensor/detail/plan.h"

#include "base/core/text.h"
#include "exchange/tensor/tensor_kind.h"

#include <algorithm>

namespace hanse::tensor::detail {

namespace {

using runtime::RunRequest;
using runtime::RunStatus;

constexpr std::uint64_t divide_up(std::uint64_t v, std::uint64_t by) { return (v + by - 1) / by; }

// Every term below is at most 2^48 * 64 layers, so u64 holds the sums.
struct Cost {
  std::uint64_t macs = 0, cells = 0, out_bytes = 0, memory = 0;
};

Result<MatrixView> int8_matrix(ByteView bytes, std::string_view what) {
  TRY(const MatrixView matrix, with_context(decode_matrix(bytes), what));
  if (matrix.element != Element::kInt8)
    return fail(Kind::kInvalid, "tensor.type", text("found int32 cells in {}, expected int8", what));
  return matrix;
}

bool has_trace(const RunRequest& request) {
  const auto it = request.params.find(kParamTrace);
  const auto* flag = it == request.params.end() ? nullptr : std::get_if<std::int64_t>(&it->second);
  return flag != nullptr && *flag == 1;
}

Result<Cost> plan_matmul(const RunRequest& request, Plan& plan) {
  TRY(plan.a, int8_matrix(request.inputs[0], "input 0"));
  TRY(plan.b, request.inputs.size() == 2 ? int8_matrix(request.inputs[1], "input 1")
                                         : int8_matrix(request.artifact, "artifact"));
  if (plan.a.cols != plan.b.rows)
    return fail(Kind::kInvalid, "tensor.dims",
                text("found A with {} columns and B with {} rows, expected as many", plan.a.cols, plan.b.rows));
  plan.product = {plan.a.rows, plan.a.cols, plan.b.cols};
  const MatmulShape& s = plan.product;
  if (!request.shape.dims.empty() && request.shape.dims != std::vector<std::uint32_t>{s.m, s.k, s.n})
    return fail(Kind::kInvalid, "tensor.dims",
                text("found {} x {} x {}, expected what shape.dims says", s.m, s.k, s.n));
  const std::uint64_t cells = std::uint64_t{s.m} * s.n, out = encoded_size(Element::kInt32, s.m, s.n);
  return Cost{.macs = cells * s.k, .cells = 0, .out_bytes = out, .memory = 4 * cells + out + matmul_scratch_bytes(s)};
}

Result<Cost> plan_mlp(const RunRequest& request, Plan& plan) {
  plan.trace = has_trace(request);
  TRY(plan.model, with_context(decode_model(request.artifact), "artifact"));
  TRY(plan.a, int8_matrix(request.inputs[0], "input 0"));
  const std::uint32_t rows = plan.a.rows, batch = request.shape.batch;
  if (plan.a.cols != plan.model.layers[0].in)
    return fail(Kind::kInvalid, "tensor.dims",
                text("found {} columns in input 0, expected {}", plan.a.cols, plan.model.layers[0].in));
  if (rows > batch || (request.shape.level == 0 && rows != batch))
    return fail(Kind::kInvalid, "tensor.dims", text("found {} rows, expected shape.batch = {}", rows, batch));
  Cost cost;
  std::uint64_t scratch_max = 0;
  for (const LayerView& layer : plan.model.layers) {
    const std::uint64_t cells = std::uint64_t{rows} * layer.out;
    cost.macs += cells * layer.in;
    if (!layer.raw) cost.cells += cells;
    cost.memory += 4 * cells + (layer.raw ? 4 : 1) * cells;
    if (plan.trace) cost.out_bytes += encoded_size(Element::kInt32, rows, layer.out);
    scratch_max = std::max(scratch_max, matmul_scratch_bytes({rows, layer.in, layer.out}));
  }
  const LayerView& last = plan.model.layers.back();
  cost.out_bytes += encoded_size(last.raw ? Element::kInt32 : Element::kInt8, rows, last.out);
  cost.memory += cost.out_bytes + scratch_max;
  return cost;
}

void refuse(Plan& plan, RunStatus status, std::string detail) {
  plan.status = status;
  plan.detail = std::move(detail);
}

Status check_params(const RunRequest& request) {
  for (const auto& [key, value] : request.params) {
    const auto* number = std::get_if<std::int64_t>(&value);
    if (key == gxf::kParamKindName) {
      if (number != nullptr || as_text(std::get<Bytes>(value)) != request.kind)
        return fail(Kind::kInvalid, "tensor.param", text("found another name in param 0, expected {}", request.kind));
    } else if (key == kParamTrace && request.kind == kMlpKind) {
      if (number == nullptr || (*number != 0 && *number != 1))
        return fail(Kind::kInvalid, "tensor.param", "found another value in param 1 (trace), expected 0 or 1");
    } else {
      return fail(Kind::kInvalid, "tensor.param", text("found param {}, which {} does not know", key, request.kind));
    }
  }
  return {};
}

}  // namespace

runtime::RunOutcome Plan::outcome() const {
  return {.status = status, .outputs = {}, .gas = gas, .detail = detail, .kernel_class = std::string(kKernelClass)};
}

Status check_request(const RunRequest& request) {
  const bool mlp = request.kind == kMlpKind;
  if (!mlp && request.kind != kMatmulKind)
    return fail(Kind::kInvalid, "tensor.kind",
                text("found kind '{}', expected {} or {}", request.kind, kMatmulKind, kMlpKind));
  if (request.precision != gxf::Precision::kInt8)
    return fail(Kind::kInvalid, "tensor.precision",
                text("found precision {}, expected {} (int8)", static_cast<unsigned>(request.precision),
                     static_cast<unsigned>(gxf::Precision::kInt8)));
  const std::size_t inputs = request.inputs.size();
  const bool artifact = !request.artifact.empty();
  if (mlp ? inputs != 1 || !artifact : inputs != (artifact ? 1u : 2u))
    return fail(Kind::kInvalid, "tensor.inputs",
                text("found {} inputs {} an artifact, expected {}", inputs, artifact ? "and" : "without",
                     mlp ? "1 and a model as artifact" : "2, or 1 and a matrix as artifact"));
  return check_params(request);
}

Plan plan_request(const RunRequest& request) {
  Plan plan;
  plan.is_mlp = request.kind == kMlpKind;
  std::uint64_t in_bytes = request.artifact.size();
  for (const Bytes& input : request.inputs) in_bytes += input.size();
  const auto charge = [&](std::uint64_t gas) {
    plan.gas = gas;
    if (gas <= request.limits.gas) return true;
    refuse(plan, RunStatus::kGasExhausted, text("needs {} gas, limit {}", gas, request.limits.gas));
    plan.gas = request.limits.gas;
    return false;
  };
  const std::uint64_t read_gas = divide_up(in_bytes, kBytesPerGas);
  if (!charge(read_gas)) return plan;
  const Result<Cost> cost = plan.is_mlp ? plan_mlp(request, plan) : plan_matmul(request, plan);
  if (!cost) {
    refuse(plan, RunStatus::kTrap, cost.error().str());
    return plan;
  }
  if (!charge(read_gas + divide_up(cost->macs, kMacsPerGas) + cost->cells + divide_up(cost->out_bytes, kBytesPerGas)))
    return plan;
  const std::uint64_t memory = in_bytes + cost->memory, allowed = request.limits.mem_pages * kPageBytes;
  const std::uint64_t out_max = std::min<std::uint64_t>(request.limits.out_bytes, kOutBytesMax);
  if (memory > allowed)
    refuse(plan, RunStatus::kMemoryExceeded, text("needs {} bytes of memory, limit {}", memory, allowed));
  else if (cost->out_bytes > out_max)
    refuse(plan, RunStatus::kOutputTooLarge, text("needs {} bytes of output, limit {}", cost->out_bytes, out_max));
  if (plan.status != RunStatus::kOk) plan.gas = read_gas;
  return plan;
}

}  // namespace hanse::tensor::detail
