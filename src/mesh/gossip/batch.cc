#include "mesh/gossip/batch.h"

#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/merkle.h"

namespace hanse::gossip {

MlDsaKeys::MlDsaKeys(std::shared_ptr<const crypto::SecretKey> key)
    : key_(std::move(key)), self_(crypto::account_id(key_->public_key())) {
  check(learn(key_->public_key()).has_value(), "the own key is an ML-DSA key");
}

Status MlDsaKeys::learn(const crypto::PublicKey& key) {
  if (key.alg != crypto::SigAlg::kMlDsa65 && key.alg != crypto::SigAlg::kMlDsa87)
    return fail(Kind::kInvalid, "gossip.key",
                text("found a key of {}, expected mldsa65 or mldsa87", crypto::sig_alg_name(key.alg)));
  const PeerId id = crypto::account_id(key);
  if (known_.contains(id)) return {};
  auto verifier = crypto::Verifier::create(key);
  if (!verifier) return fail(Kind::kInvalid, "gossip.key", verifier.error().str());
  if (known_.size() >= kVerifiersMax)
    known_.erase(std::ranges::min_element(
        known_, {}, [&](const auto& k) { return k.first == self_ ? UINT64_MAX : k.second.used; }));
  known_[id] = {.verifier = std::make_unique<crypto::Verifier>(std::move(*verifier)), .used = ++uses_};
  return {};
}

Bytes MlDsaKeys::sign(const BatchId& batch) { return key_->sign(kBatchContext, batch.view()); }

Verdict MlDsaKeys::verify(const PeerId& origin, const BatchId& batch, ByteView signature) {
  const auto it = known_.find(origin);
  if (it == known_.end()) return Verdict::kNoKey;
  it->second.used = ++uses_;
  return it->second.verifier->verify(kBatchContext, batch.view(), signature) ? Verdict::kGood : Verdict::kBad;
}

std::vector<Held> seal(std::int64_t now, std::vector<Message> messages, Keys& keys) {
  check(!messages.empty() && messages.size() <= kBatchMessagesMax, "a batch of 1 to 256 messages");
  std::vector<Hash32> leaves;
  for (const Message& m : messages) leaves.push_back(Hash32{message_id(m).data});
  const Batch batch{.origin = messages.front().origin,
                    .count = static_cast<std::uint16_t>(messages.size()),
                    .root = crypto::merkle_root(leaves)};
  const BatchId id = batch_id(batch);
  const Bytes signature = keys.sign(id);
  std::vector<Held> out;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    auto path = crypto::merkle_prove(leaves, i);
    check(path.has_value(), "a leaf of the own tree has a path");
    Stored s{.gossip = {.message = std::move(messages[i]),
                        .index = static_cast<std::uint16_t>(i),
                        .batch = batch,
                        .path = std::move(*path),
                        .signature = signature},
             .id = MessageId{leaves[i].data},
             .batch = id,
             .at_ns = now};
    out.push_back(std::make_shared<const Stored>(std::move(s)));
  }
  return out;
}

bool path_holds(const Gossip& g, const MessageId& id) {
  const crypto::LeafPosition at{.index = g.index, .size = g.batch.count};
  return crypto::merkle_verify(Hash32{id.data}, at, g.path, g.batch.root).has_value();
}

const Bytes* Batches::find(const BatchId& id) {
  if (const auto it = young_.find(id); it != young_.end()) return &it->second;
  const auto it = old_.find(id);
  if (it == old_.end()) return nullptr;
  // In use: it moves on with the young ones.
  Bytes signature = std::move(it->second);
  old_.erase(it);
  add(id, std::move(signature));
  return &young_.find(id)->second;
}

void Batches::add(const BatchId& id, Bytes signature) {
  if (young_.size() >= kBatchesMax / 2) {
    old_ = std::move(young_);
    young_.clear();
  }
  young_[id] = std::move(signature);
}

}  // namespace hanse::gossip
