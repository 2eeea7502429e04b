#include "chain/light/history.h"

#include <bit>

#include "base/core/text.h"

namespace hanse::light {
namespace {

Result<Hash32> node_at(const HistoryGet& get, HistoryPlace place) {
  TRY(const auto found, get(place));
  if (!found)
    return fail(Kind::kCorrupt, "light.history", text("found no node {} of level {}", place.index, place.level));
  return *found;
}

// The top over the leaves [begin, end), which begin where a perfect tree of their size may.
Result<Hash32> top_of(const HistoryGet& get, std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t size = end - begin;
  if (std::has_single_bit(size)) {
    const auto level = static_cast<std::uint8_t>(std::countr_zero(size));
    return node_at(get, {.level = level, .index = begin >> level});
  }
  const std::uint64_t middle = begin + std::bit_floor(size - 1);
  TRY(const Hash32 left, top_of(get, begin, middle));
  TRY(const Hash32 right, top_of(get, middle, end));
  return list_node(left, right);
}

}  // namespace

std::vector<HistoryNode> append(History& history, const Hash32& item) {
  HistoryNode node{.place = {.level = 0, .index = history.count}, .hash = list_leaf(item)};
  std::vector<HistoryNode> out{node};
  // Each low one bit of the count is a peak of the node's own size at its left.
  for (std::uint64_t left = history.count; (left & 1u) != 0; left >>= 1u) {
    node = {.place = {.level = static_cast<std::uint8_t>(node.place.level + 1), .index = node.place.index >> 1u},
            .hash = list_node(history.peaks.back(), node.hash)};
    history.peaks.pop_back();
    out.push_back(node);
  }
  history.peaks.push_back(node.hash);
  ++history.count;
  return out;
}

Hash32 history_root(const History& history) {
  Hash32 top;
  for (std::size_t i = history.peaks.size(); i-- > 0;)
    top = i + 1 == history.peaks.size() ? history.peaks[i] : list_node(history.peaks[i], top);
  return list_seal(history.count, top);
}

Result<History> load_history(const HistoryGet& get, std::uint64_t count) {
  History out{.count = count, .peaks = {}};
  for (std::uint64_t begin = 0; begin < count;) {
    const std::uint64_t size = std::bit_floor(count - begin);
    TRY(out.peaks.emplace_back(), top_of(get, begin, begin + size));
    begin += size;
  }
  return out;
}

Result<std::vector<Hash32>> history_path(const HistoryGet& get, ListPlace place) {
  if (place.index >= place.count)
    return fail(Kind::kInvalid, "light.list_index",
                text("found place {}, expected below {}", place.index, place.count));
  std::vector<Hash32> from_top;
  std::uint64_t begin = 0, end = place.count;
  while (end - begin > 1) {
    const std::uint64_t middle = begin + std::bit_floor(end - begin - 1);
    const bool right = place.index >= middle;
    TRY(from_top.emplace_back(), right ? top_of(get, begin, middle) : top_of(get, middle, end));
    (right ? begin : end) = middle;
  }
  return std::vector<Hash32>(from_top.rbegin(), from_top.rend());
}

}  // namespace hanse::light
