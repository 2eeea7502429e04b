// Oracle in production: ML-DSA under the contexts "hanse/attest/1" (over a block header's hash, as light::sign_header)
// and "hanse/view-change/1", with every validator's key decoded once.
// Private to the room. Threads: any. Errors: those of crypto::Verifier::create.
#pragma once

#include <vector>

#include "base/crypto/sign.h"
#include "chain/consensus/replica.h"
#include "chain/light/genesis.h"

namespace hanse::replica {

class MlDsaOracle final : public consensus::Oracle {
 public:
  // The key is borrowed.
  static Result<std::unique_ptr<MlDsaOracle>> create(const light::ValidatorSet& set, const crypto::SecretKey& key);

  Bytes sign(Purpose purpose, ByteView message) override;
  bool verify(consensus::Index signer, Purpose purpose, ByteView message, ByteView signature) override;

 private:
  explicit MlDsaOracle(const crypto::SecretKey& key) : key_(key) {}
  const crypto::SecretKey& key_;
  std::vector<crypto::Verifier> verifiers_;
};

}  // namespace hanse::replica
