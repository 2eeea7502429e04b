#include "exchange/tensor/tensor_kind.h"

#include "base/core/text.h"
#include "exchange/tensor/audit.h"
#include "exchange/tensor/detail/plan.h"
#include "exchange/tensor/mlp.h"

namespace hanse::tensor {

namespace {

using detail::Plan;
using runtime::RunControl;
using runtime::RunOutcome;
using runtime::RunRequest;
using runtime::RunStatus;

std::span<const std::int8_t> weights_of(const LayerView& layer) {
  return {reinterpret_cast<const std::int8_t*>(layer.weights.data()), layer.weights.size()};
}

Bytes encode_activations(const LayerView& last, std::uint32_t rows, const Activations& out) {
  return last.raw ? encode_matrix(rows, last.out, out.int32) : encode_matrix(rows, last.out, out.int8);
}

Result<std::vector<Bytes>> compute(const Plan& plan, const MatmulOptions& options) {
  std::vector<Bytes> outputs;
  if (!plan.is_mlp) {
    const MatmulShape& s = plan.product;
    std::vector<std::int32_t> c(std::size_t{s.m} * s.n);
    TRY_OK(matmul(s, int8_cells(plan.a), int8_cells(plan.b), c, options));
    outputs.push_back(encode_matrix(s.m, s.n, c));
    return outputs;
  }
  const std::uint32_t rows = plan.a.rows;
  TRY(const MlpResult result,
      run_mlp(plan.model, rows, int8_cells(plan.a), {.matmul = options, .keep_products = plan.trace}));
  outputs.push_back(encode_activations(plan.model.layers.back(), rows, result.out));
  for (std::size_t i = 0; i < result.products.size(); ++i)
    outputs.push_back(encode_matrix(rows, plan.model.layers[i].out, result.products[i]));
  return outputs;
}

// A claimed output that must be an int32 matrix of these dimensions.
Result<std::vector<std::int32_t>> claimed_cells(const Bytes& output, std::uint32_t rows, std::uint32_t cols) {
  TRY(const MatrixView m, with_context(decode_matrix(output), "read a claimed output"));
  if (m.element != Element::kInt32 || m.rows != rows || m.cols != cols)
    return fail(Kind::kCorrupt, "tensor.claim",
                text("found a claimed output of {} x {}, expected int32 {} x {}", m.rows, m.cols, rows, cols));
  return int32_cells(m);
}

class TensorKind final : public runtime::JobKind {
 public:
  explicit TensorKind(Random& audit_random) : audit_random_(audit_random), backend_(default_backend()) {}

  std::vector<std::string> names() const override { return {std::string(kMatmulKind), std::string(kMlpKind)}; }

  Status check(const RunRequest& request) const override { return detail::check_request(request); }

  Result<RunOutcome> run(const RunRequest& request, RunControl& control) override {
    TRY_OK(check(request));
    const Plan plan = detail::plan_request(request);
    RunOutcome outcome = plan.outcome();
    if (plan.status != RunStatus::kOk) return outcome;
    if (!backend_) return std::unexpected(backend_.error().clone());
    Result<std::vector<Bytes>> outputs = compute(plan, {.backend = *backend_, .control = &control});
    if (!outputs && outputs.error().id() == "tensor.cancelled") {
      outcome.status = RunStatus::kCancelled;
      outcome.detail = "cancelled";
      return outcome;
    }
    TRY(outcome.outputs, std::move(outputs));
    return outcome;
  }

  Status verify(const RunRequest& request, const RunOutcome& claimed) override {
    TRY_OK(check(request));
    if (claimed.status == RunStatus::kTimeout || claimed.status == RunStatus::kCancelled)
      return fail(Kind::kUnsupported, "tensor.unverifiable",
                  text("found a claim of {}, which depends on the machine", runtime::run_status_name(claimed.status)));
    const Plan plan = detail::plan_request(request);
    const RunOutcome expected = plan.outcome();
    const std::size_t outputs = plan.status != RunStatus::kOk ? 0 : 1 + (plan.trace ? plan.model.layers.size() : 0);
    if (claimed.status != expected.status || claimed.gas != expected.gas || claimed.detail != expected.detail ||
        !(claimed.kernel_class.empty() || claimed.kernel_class == expected.kernel_class) ||
        claimed.outputs.size() != outputs)
      return fail(Kind::kCorrupt, "tensor.claim",
                  text("found a claim of {} with {} gas, {} outputs, '{}', '{}', expected {}, {}, {}, '{}', '{}'",
                       runtime::run_status_name(claimed.status), claimed.gas, claimed.outputs.size(), claimed.detail,
                       claimed.kernel_class, runtime::run_status_name(expected.status), expected.gas, outputs,
                       expected.detail, expected.kernel_class));
    if (plan.status != RunStatus::kOk) return {};
    if (!backend_) return std::unexpected(backend_.error().clone());
    const MatmulOptions options{.backend = *backend_};
    if (!plan.is_mlp) return verify_product(plan, claimed, options);
    return plan.trace ? verify_trace(plan, claimed, options) : verify_again(plan, claimed, options);
  }

 private:
  Status verify_product(const Plan& plan, const RunOutcome& claimed, const MatmulOptions& options) {
    const MatmulShape& s = plan.product;
    TRY(const auto c, claimed_cells(claimed.outputs[0], s.m, s.n));
    return audit(s, int8_cells(plan.a), int8_cells(plan.b), c, audit_random_, {.backend = options.backend});
  }

  Status verify_trace(const Plan& plan, const RunOutcome& claimed, const MatmulOptions& options) {
    const std::uint32_t rows = plan.a.rows;
    std::span<const std::int8_t> x = int8_cells(plan.a);
    Activations out;
    for (std::size_t i = 0; i < plan.model.layers.size(); ++i) {
      const LayerView& layer = plan.model.layers[i];
      TRY(const auto product, claimed_cells(claimed.outputs[i + 1], rows, layer.out));
      TRY_OK(with_context(audit({rows, layer.in, layer.out}, x, weights_of(layer), product, audit_random_,
                                {.backend = options.backend}),
                          text("audit layer {}", i)));
      out = finish_layer(layer, rows, product);
      x = out.int8;
    }
    return compare(encode_activations(plan.model.layers.back(), rows, out), claimed);
  }

  static Status verify_again(const Plan& plan, const RunOutcome& claimed, const MatmulOptions& options) {
    TRY(const auto outputs, compute(plan, options));
    return compare(outputs[0], claimed);
  }

  static Status compare(const Bytes& expected, const RunOutcome& claimed) {
    if (equal(expected, claimed.outputs[0])) return {};
    return fail(Kind::kCorrupt, "tensor.claim", "found other bytes in output 0 than the job gives");
  }

  Random& audit_random_;
  Result<Backend> backend_;
};

}  // namespace

std::unique_ptr<runtime::JobKind> make_tensor_kind(Random& audit_random) {
  return std::make_unique<TensorKind>(audit_random);
}

}  // namespace hanse::tensor
