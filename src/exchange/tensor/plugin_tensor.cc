#include "exchange/runtime/kind_plugin.h"
#include "exchange/tensor/matmul.h"
#include "exchange/tensor/tensor_kind.h"

namespace {

struct Source {
  static constexpr const char* kManifest =
      "id = \"tensor\"\n"
      "version = \"1.0.0\"\n"
      "abi = \"1\"\n"
      "capabilities = \"tensor.matmul/v1,tensor.mlp/v1\"\n";
  static hanse::Result<std::unique_ptr<hanse::runtime::JobKind>> make(const hanse::runtime::KindConfig&) {
    TRY_OK(hanse::tensor::default_backend());  // a wrong override is an error at load, not at the first job
    return hanse::tensor::make_tensor_kind();
  }
};

}  // namespace

extern "C" const hanse_plugin_v1* hanse_plugin_entry() { return hanse::runtime::kind_plugin<Source>(); }
