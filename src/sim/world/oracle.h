// Signatures of a simulated network. Tokens: a mix of signer, purpose and message under the world's secret, which no
// simulated replica sees, so nobody can make another's. Real: ML-DSA-44 keys from the seed, for runs that want to pay
// for it.
// A signer is a key: the replica's number, and 64 more for each time it was rotated (tokens only: with real keys a
// rotated key is the old one).
// One thread at a time. Errors: those of key generation.
#pragma once

#include <memory>
#include <vector>

#include "chain/consensus/replica.h"

namespace hanse::sim {

class Signatures {
 public:
  virtual ~Signatures() = default;
  virtual Bytes sign(consensus::Index signer, consensus::Oracle::Purpose purpose, ByteView message) = 0;
  virtual bool verify(consensus::Index signer, consensus::Oracle::Purpose purpose, ByteView message,
                      ByteView signature) = 0;
};

std::unique_ptr<Signatures> token_signatures(std::uint64_t secret);
Result<std::unique_ptr<Signatures>> real_signatures(std::uint64_t seed, std::size_t replicas);

// What one replica holds of it: its own key, everybody's public ones.
class HostOracle final : public consensus::Oracle {
 public:
  // `signers`: the key in each place of the epoch's set; `self`: the own one.
  HostOracle(Signatures& all, consensus::Index self, std::vector<consensus::Index> signers)
      : all_(all), self_(self), signers_(std::move(signers)) {}
  Bytes sign(Purpose purpose, ByteView message) override { return all_.sign(self_, purpose, message); }
  bool verify(consensus::Index signer, Purpose purpose, ByteView message, ByteView signature) override {
    return signer < signers_.size() && all_.verify(signers_[signer], purpose, message, signature);
  }

 private:
  Signatures& all_;
  consensus::Index self_;
  std::vector<consensus::Index> signers_;
};

}  // namespace hanse::sim
