#include "exchange/proof/proof_kind.h"

#include "base/core/text.h"
#include "exchange/proof/detail/plan.h"
#include "exchange/tensor/tensor_kind.h"

#include <algorithm>

namespace hanse::proof {

namespace {

using runtime::RunControl;
using runtime::RunOutcome;
using runtime::RunRequest;
using runtime::RunStatus;

constexpr std::uint64_t divide_up(std::uint64_t v, std::uint64_t by) { return (v + by - 1) / by; }

const Bytes* commitment_of(const RunRequest& request) {
  const auto it = request.params.find(kParamCommitment);
  return it == request.params.end() ? nullptr : std::get_if<Bytes>(&it->second);
}

struct Statement {
  Commitment model;
  tensor::MatrixView x;
  Plan plan;
};

Result<Statement> read_statement(const RunRequest& request) {
  Statement out;
  TRY(out.model, decode_commitment(*commitment_of(request)));
  TRY(out.x, with_context(tensor::decode_matrix(request.inputs[0]), "input 0"));
  const std::uint32_t in = out.model.layers[0].in, batch = request.shape.batch;
  if (out.x.element != tensor::Element::kInt8 || out.x.cols != in)
    return fail(Kind::kInvalid, "tensor.dims",
                text("found {} columns in input 0, expected {} of int8", out.x.cols, in));
  if (out.x.rows > batch || (request.shape.level == 0 && out.x.rows != batch))
    return fail(Kind::kInvalid, "tensor.dims", text("found {} rows, expected shape.batch = {}", out.x.rows, batch));
  TRY(out.plan, plan(out.model.layers, out.x.rows));
  return out;
}

struct Cost {
  std::uint64_t commit_gas = 0, run_gas = 0, memory = 0, out_bytes = 0;
};

// Every layer is within the limits of plan(), so u64 holds the sums.
Cost cost_of(const Statement& s) {
  std::uint64_t model_bytes = 8, macs = 0, cells = 0;
  for (const LayerShape& l : s.model.layers) {
    model_bytes += 16 + 4 * std::uint64_t{l.out} + std::uint64_t{l.in} * l.out;
    macs += std::uint64_t{s.x.rows} * l.in * l.out;
    if (!l.raw) cells += std::uint64_t{s.x.rows} * l.out;
  }
  const LayerShape& last = s.model.layers.back();
  const std::uint64_t table = std::uint64_t{1} << s.plan.model_log2;
  const std::uint64_t run = s.plan.looks_up() ? std::uint64_t{1} << s.plan.run_log2 : 0;
  Cost out;
  out.out_bytes = proof_bytes(s.plan) +
                  tensor::encoded_size(last.raw ? tensor::Element::kInt32 : tensor::Element::kInt8, s.x.rows, last.out);
  out.commit_gas = divide_up(model_bytes, tensor::kBytesPerGas) + kGasPerModelCell * table;
  out.run_gas = divide_up(macs, tensor::kMacsPerGas) + cells + kGasPerRunCell * run +
                divide_up(out.out_bytes, tensor::kBytesPerGas);
  out.memory = 2 * model_bytes + out.out_bytes + kMemoryPerCell * (table + run) + kMemoryBase;
  return out;
}

// What a request asks for, priced before any work: a status that is not kOk is the job's outcome, but for what its
// artifact may say.
struct Priced {
  RunOutcome outcome{.outputs = {}, .detail = {}, .kernel_class = std::string(kProofKernelClass)};
  Statement statement;
  std::uint64_t trap_gas = 0;  // of a model that is not the commitment's
};

Priced price(const RunRequest& request) {
  Priced out;
  const auto refuse = [&](RunStatus status, std::string detail) {
    out.outcome.status = status;
    out.outcome.detail = std::move(detail);
  };
  const auto charge = [&](std::uint64_t gas) {
    out.outcome.gas = std::min(gas, request.limits.gas);
    if (gas > request.limits.gas)
      refuse(RunStatus::kGasExhausted, text("needs {} gas, limit {}", gas, request.limits.gas));
    return gas <= request.limits.gas;
  };
  const std::uint64_t in_bytes = request.inputs[0].size() + commitment_of(request)->size();
  const std::uint64_t read_gas = divide_up(in_bytes, tensor::kBytesPerGas);
  if (!charge(read_gas)) return out;
  auto statement = read_statement(request);
  if (!statement) {
    refuse(RunStatus::kTrap, statement.error().str());
    return out;
  }
  out.statement = std::move(*statement);
  const Cost cost = cost_of(out.statement);
  out.trap_gas = read_gas + cost.commit_gas;
  if (!charge(out.trap_gas + cost.run_gas)) return out;
  const std::uint64_t memory = in_bytes + cost.memory, allowed = request.limits.mem_pages * tensor::kPageBytes;
  const std::uint64_t out_max = std::min<std::uint64_t>(request.limits.out_bytes, tensor::kOutBytesMax);
  if (memory > allowed)
    refuse(RunStatus::kMemoryExceeded, text("needs {} bytes of memory, limit {}", memory, allowed));
  else if (cost.out_bytes > out_max)
    refuse(RunStatus::kOutputTooLarge, text("needs {} bytes of output, limit {}", cost.out_bytes, out_max));
  if (out.outcome.status != RunStatus::kOk) out.outcome.gas = read_gas;
  return out;
}

Result<MlpProver> committed(const RunRequest& request, const Commitment& expected) {
  TRY(const tensor::ModelView model, with_context(tensor::decode_model(request.artifact), "artifact"));
  std::vector<LayerShape> shapes;
  for (const tensor::LayerView& l : model.layers) shapes.push_back({l.in, l.out, l.multiplier, l.shift, l.relu, l.raw});
  if (shapes != expected.layers)
    return fail(Kind::kInvalid, "proof.commitment", "found a model of other layers than its commitment");
  TRY(MlpProver prover, MlpProver::commit(model));
  if (prover.commitment() != expected)
    return fail(Kind::kInvalid, "proof.commitment",
                text("found a model with root {}, its commitment has {}", prover.commitment().root, expected.root));
  return prover;
}

class ProofKind final : public runtime::JobKind {
 public:
  std::vector<std::string> names() const override { return {std::string(kMlpProofKind)}; }

  Status check(const RunRequest& request) const override {
    const auto bad = [](std::string what) { return fail(Kind::kInvalid, "proof.request", std::move(what)); };
    if (request.kind != kMlpProofKind) return bad(text("found kind '{}', expected {}", request.kind, kMlpProofKind));
    if (request.precision != gxf::Precision::kInt8)
      return bad(text("found precision {}, expected 1 (int8)", static_cast<unsigned>(request.precision)));
    if (request.inputs.size() != 1) return bad(text("found {} inputs, expected 1", request.inputs.size()));
    if (commitment_of(request) == nullptr) return bad("found no bytes in param 1, expected the model's commitment");
    for (const auto& [key, value] : request.params) {
      const auto* name = std::get_if<Bytes>(&value);
      const bool known =
          key == kParamCommitment || (key == gxf::kParamKindName && name && as_text(*name) == request.kind);
      if (!known)
        return bad(text("found param {}, expected {} in param 0 and a commitment in param 1", key, request.kind));
    }
    return {};
  }

  Result<RunOutcome> run(const RunRequest& request, RunControl& control) override {
    TRY_OK(check(request));
    Priced priced = price(request);
    RunOutcome out = std::move(priced.outcome);
    if (out.status != RunStatus::kOk) return out;
    const Result<MlpProver> prover = committed(request, priced.statement.model);
    if (!prover) {
      out.status = RunStatus::kTrap;
      out.detail = prover.error().str();
      out.gas = priced.trap_gas;
      return out;
    }
    if (control.stop()) {
      out.status = RunStatus::kCancelled;
      out.detail = "cancelled";
      return out;
    }
    const tensor::MatrixView& x = priced.statement.x;
    TRY(Inference proved, prover->prove(x.rows, tensor::int8_cells(x)));
    out.outputs.push_back(encode_output(priced.statement.model, proved));
    out.outputs.push_back(std::move(proved.proof));
    return out;
  }

  Status verify(const RunRequest& request, const RunOutcome& claimed) override {
    TRY_OK(check(request));
    const Priced priced = price(request);
    const RunOutcome& expected = priced.outcome;
    const bool by_artifact = claimed.status == RunStatus::kTrap && expected.status == RunStatus::kOk;
    if (claimed.status == RunStatus::kTimeout || claimed.status == RunStatus::kCancelled ||
        (by_artifact && request.artifact.empty()))
      return fail(Kind::kUnsupported, "proof.unverifiable",
                  text("found a claim of {}, which {} decides", runtime::run_status_name(claimed.status),
                       by_artifact ? "the model" : "the machine"));
    if (by_artifact) return JobKind::verify(request, claimed);
    const std::size_t outputs = expected.status == RunStatus::kOk ? 2 : 0;
    if (claimed.status != expected.status || claimed.gas != expected.gas || claimed.detail != expected.detail ||
        !(claimed.kernel_class.empty() || claimed.kernel_class == expected.kernel_class) ||
        claimed.outputs.size() != outputs)
      return fail(Kind::kCorrupt, "proof.claim",
                  text("found a claim of {} with {} gas, {} outputs, '{}', '{}', expected {}, {}, {}, '{}', '{}'",
                       runtime::run_status_name(claimed.status), claimed.gas, claimed.outputs.size(), claimed.detail,
                       claimed.kernel_class, runtime::run_status_name(expected.status), expected.gas, outputs,
                       expected.detail, expected.kernel_class));
    if (outputs == 0) return {};
    const tensor::MatrixView& x = priced.statement.x;
    TRY(const tensor::Activations y, decode_output(priced.statement.model, x.rows, claimed.outputs[0]));
    return verify_mlp(priced.statement.model, x.rows, tensor::int8_cells(x), y, claimed.outputs[1]);
  }
};

}  // namespace

std::unique_ptr<runtime::JobKind> make_proof_kind() { return std::make_unique<ProofKind>(); }

}  // namespace hanse::proof
