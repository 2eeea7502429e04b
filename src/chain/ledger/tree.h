// The sparse Merkle tree of chain/light/sparse.h as it is stored: one record per node, named by its path.
// Only the newest version is kept; readers that need an older one hold a snapshot of the store.
//   record key    u16 depth big-endian || the path's bits, padded with zeros
//   record value  0x01 || key hash || value hash || key  (a leaf)   or   0x02 || left hash || right hash
// A leaf names its key, so that a range of key hashes can be read back as pairs (range.h).
// Pure over `get`; any thread that may call it. Errors: ledger.tree_corrupt (corrupt), and what get gives.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "chain/light/sparse.h"

namespace hanse::ledger {

using NodeGet = std::function<Result<std::optional<Bytes>>(ByteView record_key)>;

struct TreeUpdate {
  Hash32 root;
  // To put, or (nothing) to erase; of two with one key the later holds.
  std::vector<std::pair<Bytes, std::optional<Bytes>>> records;
};
struct TreeChange {
  Hash32 key;                   // hash of the state key
  std::optional<Hash32> value;  // hash of the new value; nothing removes the key
  ByteView state_key;           // what `key` is the hash of; borrowed while the tree is updated
};
// In any order, one for each key.
Result<TreeUpdate> update_tree(const NodeGet& get, std::vector<TreeChange> changes);
Result<Hash32> tree_root(const NodeGet& get);
Result<light::SparseProof> prove_in_tree(const NodeGet& get, const Hash32& key_hash);

}  // namespace hanse::ledger
