#include "chain/light/sparse.h"

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::light {
namespace {

std::unexpected<Error> refuse(std::string_view message) { return fail(Kind::kDenied, "light.sparse", message); }

}  // namespace

Hash32 state_key_hash(ByteView key) { return crypto::blake3("hanse/state-key/1", {key}); }
Hash32 state_value_hash(ByteView value) { return crypto::blake3("hanse/state-value/1", {value}); }
Hash32 state_leaf_hash(const Hash32& key_hash, const Hash32& value_hash) {
  return crypto::blake3("hanse/state-leaf/1", {key_hash.view(), value_hash.view()});
}
Hash32 state_node_hash(const Hash32& left, const Hash32& right) {
  return crypto::blake3("hanse/state-node/1", {left.view(), right.view()});
}

Status verify_sparse(const SparseProof& proof, ByteView key, const std::optional<Bytes>& value, const Hash32& root) {
  const std::size_t depth = proof.siblings.size();
  if (depth > kSparseDepthMax) return refuse(text("found {} siblings, expected at most {}", depth, kSparseDepthMax));
  const Hash32 path = state_key_hash(key);
  Hash32 hash;
  if (value) {
    if (proof.other) return refuse("found another key's leaf in a proof of presence");
    hash = state_leaf_hash(path, state_value_hash(*value));
  } else if (proof.other) {
    if (proof.other->key_hash == path) return refuse("found the key's own leaf in a proof of absence");
    for (std::size_t d = 0; d < depth; ++d)
      if (bit_at(proof.other->key_hash, d) != bit_at(path, d))
        return refuse(text("found a leaf that leaves the key's path at bit {} of {}", d, depth));
    hash = state_leaf_hash(proof.other->key_hash, proof.other->value_hash);
  }
  for (std::size_t d = depth; d-- > 0;)
    hash = bit_at(path, d) ? state_node_hash(proof.siblings[d], hash) : state_node_hash(hash, proof.siblings[d]);
  if (hash != root) return refuse(text("found a path to {}, expected the root {}", hash, root));
  return {};
}

}  // namespace hanse::light
