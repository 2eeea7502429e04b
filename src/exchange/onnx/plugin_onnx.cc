#include "exchange/onnx/plugin_session.h"
#include "exchange/runtime/kind_plugin.h"

namespace {

struct Source {
  static constexpr const char* kManifest =
      "id = \"onnx\"\n"
      "version = \"1.0.0\"\n"
      "abi = \"1\"\n"
      "capabilities = \"onnx/v1\"\n";
  static hanse::Result<std::unique_ptr<hanse::runtime::JobKind>> make(const hanse::runtime::KindConfig&) {
    TRY(auto engine, hanse::onnx::make_runtime_engine());
    return hanse::onnx::make_onnx_kind(std::move(engine));
  }
};

}  // namespace

extern "C" const hanse_plugin_v1* hanse_plugin_entry() { return hanse::runtime::kind_plugin<Source>(); }
