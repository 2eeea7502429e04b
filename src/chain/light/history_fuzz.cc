// Paths through the history from strangers: only the path that the tree gives leads an item to the root.
#include <map>

#include "base/core/check.h"
#include "chain/light/history.h"

namespace {

constexpr std::uint64_t kCountMax = 200;

struct Stored {
  std::map<std::pair<std::uint8_t, std::uint64_t>, hanse::Hash32> nodes;
  std::vector<hanse::Hash32> roots;  // by count

  Stored() {
    hanse::light::History history;
    roots.push_back(hanse::light::history_root(history));
    for (std::uint64_t n = 0; n < kCountMax; ++n) {
      for (const auto& node : hanse::light::append(history, item(n)))
        nodes[{node.place.level, node.place.index}] = node.hash;
      roots.push_back(hanse::light::history_root(history));
    }
  }
  static hanse::Hash32 item(std::uint64_t n) {
    hanse::Hash32 out;
    hanse::store_be(out.data.data(), n);
    return out;
  }
};

}  // namespace

// u8 index, u8 count, u8 item, u8 how many siblings are right, then the others.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Stored stored;
  if (size < 4 || data[1] > kCountMax) return 0;
  const hanse::light::ListPlace place{.index = data[0], .count = data[1]};
  const auto right = hanse::light::history_path(
      [](hanse::light::HistoryPlace p) -> hanse::Result<std::optional<hanse::Hash32>> {
        const auto it = stored.nodes.find({p.level, p.index});
        return it == stored.nodes.end() ? std::nullopt : std::optional(it->second);
      },
      place);
  hanse::check(right.has_value() == (place.index < place.count), "every leaf has a path");
  std::vector<hanse::Hash32> path;
  for (std::size_t i = 0; right && i < right->size() && i < data[3]; ++i) path.push_back((*right)[i]);
  for (std::size_t at = 4; at + 32 <= size; at += 32)
    hanse::Hash32::from(hanse::ByteView{data + at, 32}, path.emplace_back());
  const bool accepted =
      hanse::light::verify_list(Stored::item(data[2]), place, path, stored.roots[place.count]).has_value();
  hanse::check(accepted == (right && data[2] == data[0] && path == *right), "one path leads to the root");
  return 0;
}
