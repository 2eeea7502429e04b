#include "chain/light/list_tree.h"

#include <bit>

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::light {
namespace {

std::size_t split(std::size_t count) { return std::bit_floor(count - 1); }

Hash32 top_of(std::span<const Hash32> items) {
  if (items.empty()) return {};
  if (items.size() == 1) return list_leaf(items[0]);
  const std::size_t k = split(items.size());
  return list_node(top_of(items.first(k)), top_of(items.subspan(k)));
}

void path_of(std::span<const Hash32> items, std::size_t index, std::vector<Hash32>& out) {
  if (items.size() == 1) return;
  const std::size_t k = split(items.size());
  if (index < k) {
    path_of(items.first(k), index, out);
    out.push_back(top_of(items.subspan(k)));
  } else {
    path_of(items.subspan(k), index - k, out);
    out.push_back(top_of(items.first(k)));
  }
}

}  // namespace

Hash32 list_leaf(const Hash32& item) { return crypto::blake3("hanse/list-leaf/1", {item.view()}); }
Hash32 list_node(const Hash32& left, const Hash32& right) {
  return crypto::blake3("hanse/list-node/1", {left.view(), right.view()});
}
Hash32 list_seal(std::uint64_t count, const Hash32& top) {
  std::uint8_t bytes[8];
  store_be(bytes, count);
  return crypto::blake3("hanse/list-root/1", {ByteView(bytes), top.view()});
}

Hash32 list_root(std::span<const Hash32> items) { return list_seal(items.size(), top_of(items)); }

Result<std::vector<Hash32>> list_path(std::span<const Hash32> items, std::size_t index) {
  if (index >= items.size())
    return fail(Kind::kInvalid, "light.list_index", text("found place {}, expected below {}", index, items.size()));
  std::vector<Hash32> out;
  path_of(items, index, out);
  return out;
}

Status verify_list(const Hash32& item, ListPlace place, std::span<const Hash32> path, const Hash32& root) {
  if (place.index >= place.count)
    return fail(Kind::kDenied, "light.list", text("found place {} of {}", place.index, place.count));
  // The turns from the root down, so that the siblings, which come from the leaf up, can be taken in reverse.
  std::vector<bool> right_turns;
  std::uint64_t index = place.index, count = place.count;
  while (count > 1) {
    const std::uint64_t k = std::bit_floor(count - 1);
    const bool right = index >= k;
    right_turns.push_back(right);
    index -= right ? k : 0;
    count = right ? count - k : k;
  }
  if (path.size() != right_turns.size())
    return fail(Kind::kDenied, "light.list", text("found {} siblings, expected {}", path.size(), right_turns.size()));
  Hash32 hash = list_leaf(item);
  for (std::size_t i = 0; i < path.size(); ++i)
    hash = right_turns[path.size() - 1 - i] ? list_node(path[i], hash) : list_node(hash, path[i]);
  const Hash32 found = list_seal(place.count, hash);
  if (found != root) return fail(Kind::kDenied, "light.list", text("found a path to {}, expected {}", found, root));
  return {};
}

}  // namespace hanse::light
