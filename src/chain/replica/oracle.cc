#include "chain/replica/oracle.h"

namespace hanse::replica {
namespace {

std::string_view context_of(consensus::Oracle::Purpose purpose) {
  return purpose == consensus::Oracle::Purpose::kAttest ? "hanse/attest/1" : "hanse/view-change/1";
}

}  // namespace

Result<std::unique_ptr<MlDsaOracle>> MlDsaOracle::create(const light::ValidatorSet& set, const crypto::SecretKey& key) {
  std::unique_ptr<MlDsaOracle> oracle(new MlDsaOracle(key));
  for (const light::Validator& validator : set.validators) {
    TRY(auto verifier, crypto::Verifier::create(validator.key));
    oracle->verifiers_.push_back(std::move(verifier));
  }
  return oracle;
}

Bytes MlDsaOracle::sign(Purpose purpose, ByteView message) { return key_.sign(context_of(purpose), message); }

bool MlDsaOracle::verify(consensus::Index signer, Purpose purpose, ByteView message, ByteView signature) {
  return signer < verifiers_.size() && verifiers_[signer].verify(context_of(purpose), message, signature).has_value();
}

}  // namespace hanse::replica
