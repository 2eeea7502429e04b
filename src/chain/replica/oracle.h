// Oracle in production: ML-DSA under the purpose's context (consensus/statement.h) over the network's id and the
// message (of an attest: what light::sign_header signs), with every validator's key decoded once. Private to the room.
// Threads: any. Errors: those of crypto::Verifier::create.
#pragma once

#include <vector>

#include "base/crypto/sign.h"
#include "chain/consensus/replica.h"
#include "chain/light/genesis.h"

namespace hanse::replica {

class MlDsaOracle final : public consensus::Oracle {
 public:
  // The key is borrowed.
  static Result<std::unique_ptr<MlDsaOracle>> create(const NetworkId& network, const light::ValidatorSet& set,
                                                     const crypto::SecretKey& key);

  Bytes sign(Purpose purpose, ByteView message) override;
  bool verify(consensus::Index signer, Purpose purpose, ByteView message, ByteView signature) override;

 private:
  MlDsaOracle(const NetworkId& network, const crypto::SecretKey& key) : network_(network), key_(key) {}
  Bytes bound(ByteView message) const;
  const NetworkId network_;
  const crypto::SecretKey& key_;
  std::vector<crypto::Verifier> verifiers_;
};

}  // namespace hanse::replica
