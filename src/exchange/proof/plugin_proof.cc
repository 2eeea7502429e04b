#include "exchange/proof/proof_kind.h"
#include "exchange/runtime/kind_plugin.h"
#include "exchange/tensor/matmul.h"

namespace {

struct Source {
  static constexpr const char* kManifest =
      "id = \"proof\"\n"
      "version = \"1.0.0\"\n"
      "abi = \"1\"\n"
      "capabilities = \"proof.mlp/v1\"\n";
  static hanse::Result<std::unique_ptr<hanse::runtime::JobKind>> make(const hanse::runtime::KindConfig&) {
    TRY_OK(hanse::tensor::default_backend());  // a wrong override is an error at load, not at the first job
    return hanse::proof::make_proof_kind();
  }
};

}  // namespace

extern "C" const hanse_plugin_v1* hanse_plugin_entry() { return hanse::runtime::kind_plugin<Source>(); }
