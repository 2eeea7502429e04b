// The tensor kinds of a provider that cheats, for the tests of audits. LIE: 1 alters a number of the output, 2 swaps
// the model, 3 forges gas.
#include <algorithm>

#include "exchange/runtime/kind_plugin.h"
#include "exchange/tensor/tensor_kind.h"

namespace {

using namespace hanse;  // NOLINT: one small plug-in

class Liar final : public runtime::JobKind {
 public:
  std::vector<std::string> names() const override { return honest_->names(); }
  Status check(const runtime::RunRequest& request) const override { return honest_->check(request); }
  Result<runtime::RunOutcome> run(const runtime::RunRequest& request, runtime::RunControl& control) override {
    runtime::RunRequest asked = request;
    if (LIE == 2 && !asked.artifact.empty()) asked.artifact.back() ^= 0x40;  // a weight of the last layer
    TRY(runtime::RunOutcome out, honest_->run(asked, control));
    if (LIE == 1 && !out.outputs.empty()) out.outputs[0].back() ^= 1;
    if (LIE == 3) out.gas = std::min(request.limits.gas, out.gas + out.gas / 2);
    return out;
  }

 private:
  std::unique_ptr<runtime::JobKind> honest_ = tensor::make_tensor_kind();
};

struct Source {
  static constexpr const char* kManifest =
      "id = \"tensor\"\n"
      "version = \"1.0.0\"\n"
      "abi = \"1\"\n"
      "capabilities = \"tensor.matmul/v1,tensor.mlp/v1\"\n";
  static Result<std::unique_ptr<runtime::JobKind>> make(const runtime::KindConfig&) { return std::make_unique<Liar>(); }
};

}  // namespace

extern "C" const hanse_plugin_v1* hanse_plugin_entry() { return runtime::kind_plugin<Source>(); }
