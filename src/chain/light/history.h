// History: one root over the header hashes of every block before, so that one certificate speaks for all of them.
// A Merkle mountain range: appending touches O(log n) nodes and changes none that were stored. Its root is
// list_tree.h's over the same hashes (count included), so a path is checked by verify_list.
// A node stands for the leaves [index << level, (index + 1) << level); a peak is a node that no stored one stands
// above. Pure over `get`; any thread that may call it. Errors: light.history (corrupt: `get` lacks a node),
// light.list_index (invalid: no such leaf), and what get gives.
#pragma once

#include <functional>
#include <optional>

#include "chain/light/list_tree.h"

namespace hanse::light {

struct HistoryPlace {
  std::uint8_t level = 0;
  std::uint64_t index = 0;
};
struct HistoryNode {
  HistoryPlace place;
  Hash32 hash;
};
using HistoryGet = std::function<Result<std::optional<Hash32>>(HistoryPlace)>;

struct History {
  std::uint64_t count = 0;
  std::vector<Hash32> peaks;  // from the oldest leaves to the newest, one for each bit of count
};
std::vector<HistoryNode> append(History& history, const Hash32& item);  // the nodes to store
Hash32 history_root(const History& history);
Result<History> load_history(const HistoryGet& get, std::uint64_t count);
// Siblings of leaf `place.index` from the leaf up, in the history of `place.count` leaves; more may be stored.
Result<std::vector<Hash32>> history_path(const HistoryGet& get, ListPlace place);

}  // namespace hanse::light
