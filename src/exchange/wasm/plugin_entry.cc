// The door of build/lib/hanse/wasm.so.
#include "exchange/runtime/kind_plugin.h"
#include "exchange/wasm/plugin_wasm.h"

namespace {

struct WasmSource {
  static constexpr const char* kManifest =
      "id = \"wasm\"\nversion = \"1.0.0\"\nabi = \"1\"\ncapabilities = \"wasm/v1\"\n";
  static hanse::Result<std::unique_ptr<hanse::runtime::JobKind>> make(const hanse::runtime::KindConfig& config) {
    return hanse::wasm::make_wasm_kind({.scratch = config.scratch});
  }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const hanse_plugin_v1* hanse_plugin_entry() {
  return hanse::runtime::kind_plugin<WasmSource>();
}
