#include "chain/replica/oracle.h"

namespace hanse::replica {

Result<std::unique_ptr<MlDsaOracle>> MlDsaOracle::create(const NetworkId& network, const light::ValidatorSet& set,
                                                         const crypto::SecretKey& key) {
  std::unique_ptr<MlDsaOracle> oracle(new MlDsaOracle(network, key));
  for (const light::Validator& validator : set.validators) {
    TRY(auto verifier, crypto::Verifier::create(validator.key));
    oracle->verifiers_.push_back(std::move(verifier));
  }
  return oracle;
}

Bytes MlDsaOracle::sign(Purpose purpose, ByteView message) {
  return key_.sign(consensus::purpose_context(purpose), bound(message));
}

bool MlDsaOracle::verify(consensus::Index signer, Purpose purpose, ByteView message, ByteView signature) {
  return signer < verifiers_.size() &&
         verifiers_[signer].verify(consensus::purpose_context(purpose), bound(message), signature).has_value();
}

Bytes MlDsaOracle::bound(ByteView message) const {
  Bytes out = to_bytes(network_.view());
  append(out, message);
  return out;
}

}  // namespace hanse::replica
