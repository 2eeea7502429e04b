// Head proofs from strangers: none verifies without signatures.
#include "base/core/check.h"
#include "chain/light/head_proof.h"

namespace {

const hanse::light::Genesis& genesis() {
  static const hanse::light::Genesis made = [] {
    hanse::light::Genesis g;
    g.name = "fuzz";
    const auto key = hanse::crypto::SecretKey::from_seed(hanse::crypto::SigAlg::kMlDsa65, hanse::Bytes(32, 1));
    g.validators.validators = {{.key = key->public_key(), .power_bp = 10'000}};
    return g;
  }();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto proof = hanse::light::decode_head_proof(hanse::as_text(hanse::ByteView(data, size)), genesis());
  hanse::check(!proof, "no proof verifies without a signature");
  return 0;
}
