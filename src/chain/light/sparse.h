// The sparse Merkle tree over replicated state, as a verifier needs it (chain/ledger/tree.h stores and updates it).
// A compact binary tree over the bits of BLAKE3("hanse/state-key/1", key), most significant first, in the manner of the
// Jellyfish Merkle tree (Gao, Hu, Wu 2021): a subtree with one key is its leaf, an empty one is 32 zero bytes.
//   leaf = BLAKE3("hanse/state-leaf/1", key hash || value hash)     value hash = BLAKE3("hanse/state-value/1", value)
//   node = BLAKE3("hanse/state-node/1", left || right)
// The contexts keep a leaf from posing as a node; the leaf holds the whole key hash, so its position is checked.
// Pure; any thread. Errors: light.sparse (denied: the path does not lead to the root, or shows something else).
#pragma once

#include <optional>
#include <vector>

#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::light {

constexpr std::size_t kSparseDepthMax = 256;

Hash32 state_key_hash(ByteView key);
Hash32 state_value_hash(ByteView value);
Hash32 state_leaf_hash(const Hash32& key_hash, const Hash32& value_hash);
Hash32 state_node_hash(const Hash32& left, const Hash32& right);
inline bool bit_at(const Hash32& hash, std::size_t depth) {
  return (hash.data[depth / 8] >> (7 - depth % 8) & 1u) != 0;
}

// What stands where the key's path ends, and the siblings on the way. Presence: the leaf is the key's own (other is
// empty). Absence: the path ends in nothing, or in the leaf of another key.
struct SparseProof {
  struct Leaf {
    Hash32 key_hash, value_hash;
  };
  std::optional<Leaf> other;     // only in proofs of absence
  std::vector<Hash32> siblings;  // from the root down, at most kSparseDepthMax
};

// Whether `key` has exactly `value` (nothing: is absent) under root.
Status verify_sparse(const SparseProof& proof, ByteView key, const std::optional<Bytes>& value, const Hash32& root);

}  // namespace hanse::light
