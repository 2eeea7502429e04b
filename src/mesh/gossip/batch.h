// Batch signatures: what one origin publishes within batch_ms is signed once (mesh.md 5.12). The ids of up to
// kBatchMessagesMax messages are the leaves of a Merkle tree (crypto/merkle.h, list tree); the origin signs the batch's
// id under "hanse/gossip-batch/1", and each message carries its path, at most kPathMax hashes. One message alone is a
// tree of one leaf with an empty path. Checking a message of a batch that is known costs hashes only.
// Signing is a port: ML-DSA-65 in production (MlDsaKeys), something cheap in the simulator.
// Limits: kBatchMessagesMax, kVerifiersMax (an expanded key takes 40 to 64 KB), kBatchesMax. One thread at a time.
// Errors: gossip.key (invalid: the key is not ML-DSA, or is not the one of that id).
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/crypto/sign.h"
#include "mesh/gossip/messages.h"

namespace hanse::gossip {

constexpr std::string_view kBatchContext = "hanse/gossip-batch/1";
constexpr std::size_t kVerifiersMax = 64;
constexpr std::size_t kBatchesMax = 1'024;

enum class Verdict : std::uint8_t { kGood, kBad, kNoKey };

class Keys {
 public:
  virtual ~Keys() = default;
  virtual Bytes sign(const BatchId& batch) = 0;
  virtual Verdict verify(const PeerId& origin, const BatchId& batch, ByteView signature) = 0;
};

class MlDsaKeys final : public Keys {
 public:
  explicit MlDsaKeys(std::shared_ptr<const crypto::SecretKey> key);
  const PeerId& self() const { return self_; }
  Status learn(const crypto::PublicKey& key);  // of anybody; its id follows from it
  Bytes sign(const BatchId& batch) override;
  Verdict verify(const PeerId& origin, const BatchId& batch, ByteView signature) override;

 private:
  struct Known {
    std::unique_ptr<crypto::Verifier> verifier;
    std::uint64_t used = 0;
  };
  std::shared_ptr<const crypto::SecretKey> key_;
  PeerId self_;
  std::map<PeerId, Known> known_;
  std::uint64_t uses_ = 0;
};

// A message as it is kept and sent on: with the signature of its batch.
struct Stored {
  Gossip gossip;  // flood and hops are 0 here
  MessageId id;
  BatchId batch;
  std::int64_t at_ns = 0;
  std::uint8_t hops = 0;  // of the copy that came here
};
using Held = std::shared_ptr<const Stored>;  // shared by the cache and the frames that wait in queues

// Signs one batch of own messages; they get their places in it.
std::vector<Held> seal(std::int64_t now, std::vector<Message> messages, Keys& keys);

// Whether the message is the leaf that its index says.
bool path_holds(const Gossip& gossip, const MessageId& id);

// Batches whose signature was good, with it: two generations of kBatchesMax / 2.
class Batches {
 public:
  const Bytes* find(const BatchId& id);  // its signature, or null
  void add(const BatchId& id, Bytes signature);
  std::size_t size() const { return young_.size() + old_.size(); }

 private:
  std::unordered_map<BatchId, Bytes> young_, old_;
};

}  // namespace hanse::gossip
