// Merkle tree over a list of hashes, in the shape of RFC 6962 section 2.1 with BLAKE3 contexts instead of prefix bytes:
//   leaf = BLAKE3("hanse/list-leaf/1", item)   node = BLAKE3("hanse/list-node/1", left || right), split at the largest
//   power of two below the count
// The root covers the count: list_root = BLAKE3("hanse/list-root/1", count as u64 big-endian || top), where the top of
// an empty list is zero.
// Pure; any thread. Errors: light.list (denied), light.list_index (invalid: no such place).
#pragma once

#include <span>
#include <vector>

#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::light {

constexpr std::size_t kListPathMax = 32;

Hash32 list_leaf(const Hash32& item);
Hash32 list_node(const Hash32& left, const Hash32& right);
Hash32 list_seal(std::uint64_t count, const Hash32& top);  // the root of a tree whose top is known

Hash32 list_root(std::span<const Hash32> items);
// Siblings from the leaf up.
Result<std::vector<Hash32>> list_path(std::span<const Hash32> items, std::size_t index);

struct ListPlace {
  std::uint64_t index = 0;
  std::uint64_t count = 0;
};
Status verify_list(const Hash32& item, ListPlace place, std::span<const Hash32> path, const Hash32& root);

}  // namespace hanse::light
