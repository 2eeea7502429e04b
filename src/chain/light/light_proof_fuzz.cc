// Proofs from strangers: what decodes re-encodes to itself, and nothing but the right signatures verifies.
#include "base/core/check.h"
#include "chain/light/light_proof.h"

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
  const hanse::ByteView input{data, size};
  if (const auto proof = hanse::light::decode_light_proof(input)) {
    hanse::check(hanse::equal(hanse::light::encode(*proof), input), "a decoded proof encodes to itself");
    hanse::check(!hanse::light::verify(*proof, hanse::light::trust(genesis()), {}),
                 "no proof verifies without a signature");
  }
  if (const auto proof = hanse::light::decode_tx_proof(input)) {
    hanse::check(hanse::equal(hanse::light::encode(*proof), input), "a decoded proof encodes to itself");
    hanse::check(!hanse::light::verify(*proof, hanse::light::trust(genesis()), {}),
                 "no proof verifies without a signature");
  }
  return 0;
}
