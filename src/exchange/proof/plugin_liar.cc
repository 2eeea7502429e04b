// The tensor and proof kinds of a provider that cheats, for the tests of audits. LIE: 1 alters a number of the result,
// 2 swaps the model, and the commitment with it, 3 forges gas, 4 alters the end of the last output: a layer's product,
// or the proof. 5 is of an auditor: it verifies, but whatever it runs traps.
#include <algorithm>

#include "exchange/proof/proof_kind.h"
#include "exchange/runtime/kind_plugin.h"
#include "exchange/tensor/tensor_kind.h"

namespace {

using namespace hanse;  // NOLINT: one small plug-in

class Liar final : public runtime::JobKind {
 public:
  std::vector<std::string> names() const override { return {}; }  // the manifest has them
  Status check(const runtime::RunRequest& request) const override { return kind_of(request).check(request); }
  Result<runtime::RunOutcome> run(const runtime::RunRequest& request, runtime::RunControl& control) override {
    runtime::RunRequest asked = request;
    if (LIE == 2 && !asked.artifact.empty()) {
      asked.artifact.back() ^= 0x40;  // a weight of the last layer
      if (asked.kind == proof::kMlpProofKind) {
        TRY(const tensor::ModelView model, tensor::decode_model(asked.artifact));
        TRY(const proof::MlpProver prover, proof::MlpProver::commit(model));
        asked.params[proof::kParamCommitment] = encode(prover.commitment());
      }
    }
    TRY(runtime::RunOutcome out, kind_of(request).run(asked, control));
    if (LIE == 1 && !out.outputs.empty()) out.outputs[0].back() ^= 1;
    if (LIE == 3) out.gas = std::min(request.limits.gas, out.gas + out.gas / 2);
    if (LIE == 4 && !out.outputs.empty()) out.outputs.back().back() ^= 1;
    if (LIE == 5)
      out = {.status = runtime::RunStatus::kTrap, .outputs = {}, .gas = 0, .detail = {}, .kernel_class = {}};
    return out;
  }
  Status verify(const runtime::RunRequest& request, const runtime::RunOutcome& claimed) override {
    return kind_of(request).verify(request, claimed);
  }

 private:
  runtime::JobKind& kind_of(const runtime::RunRequest& request) const {
    return request.kind == proof::kMlpProofKind ? *proof_ : *tensor_;
  }
  std::unique_ptr<runtime::JobKind> tensor_ = tensor::make_tensor_kind(), proof_ = proof::make_proof_kind();
};

struct Source {
  static constexpr const char* kManifest =
      "id = \"liar\"\n"
      "version = \"1.0.0\"\n"
      "abi = \"1\"\n"
      "capabilities = \"tensor.matmul/v1,tensor.mlp/v1,proof.mlp/v1\"\n";
  static Result<std::unique_ptr<runtime::JobKind>> make(const runtime::KindConfig&) { return std::make_unique<Liar>(); }
};

}  // namespace

extern "C" const hanse_plugin_v1* hanse_plugin_entry() { return runtime::kind_plugin<Source>(); }
