// The WebAssembly kind of a provider that cheats, for the tests of audits: after half of the steps it alters a byte of
// memory and goes on from there as if nothing had happened. Work without steps it does honestly.
#include "exchange/runtime/kind_plugin.h"
#include "exchange/wasm/plugin_wasm.h"
#include "exchange/wasm/step_state.h"

namespace {

using namespace hanse;  // NOLINT: one small plug-in
using runtime::RunOutcome;
using runtime::RunRequest;

class Liar final : public runtime::JobKind {
 public:
  explicit Liar(std::unique_ptr<runtime::JobKind> honest) : honest_(std::move(honest)) {}
  std::vector<std::string> names() const override { return honest_->names(); }
  Status check(const RunRequest& request) const override { return honest_->check(request); }
  Result<Bytes> prepare(const RunRequest& request, runtime::RunControl& control) override {
    return honest_->prepare(request, control);
  }
  Result<RunOutcome> run(const RunRequest& request, runtime::RunControl& control) override {
    TRY(RunOutcome honest, honest_->run(request, control));
    if (honest.steps.size() < 2 || request.steps) return honest;
    RunRequest part = request;
    const auto half = static_cast<std::uint32_t>(honest.steps.size() / 2);
    part.steps = runtime::StepRange{.state = {}, .count = half};
    TRY(const RunOutcome first, honest_->run(part, control));
    TRY(wasm::StepState state, wasm::decode_state(first.state));
    state.memory.back() ^= 1;
    part.steps = runtime::StepRange{.state = wasm::encode_state(state), .count = runtime::kStepsMax};
    TRY(RunOutcome rest, honest_->run(part, control));
    rest.steps.insert(rest.steps.begin(), honest.steps.begin(), honest.steps.begin() + half);
    return rest;
  }

 private:
  std::unique_ptr<runtime::JobKind> honest_;
};

struct Source {
  static constexpr const char* kManifest =
      "id = \"wasm\"\nversion = \"1.0.0\"\nabi = \"1\"\ncapabilities = \"wasm/v1\"\n";
  static Result<std::unique_ptr<runtime::JobKind>> make(const runtime::KindConfig& config) {
    TRY(auto honest, wasm::make_wasm_kind({.scratch = config.scratch}));
    return std::make_unique<Liar>(std::move(honest));
  }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const hanse_plugin_v1* hanse_plugin_entry() {
  return runtime::kind_plugin<Source>();
}
