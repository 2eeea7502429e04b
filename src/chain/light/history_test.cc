#include "chain/light/history.h"

#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "chain/light/light_net_test.h"

namespace hanse::light {
namespace {

struct StoredHistory {
  History history;
  std::map<std::pair<std::uint8_t, std::uint64_t>, Hash32> nodes;
  HistoryGet get = [this](HistoryPlace p) -> Result<std::optional<Hash32>> {
    const auto it = nodes.find({p.level, p.index});
    return it == nodes.end() ? std::nullopt : std::optional(it->second);
  };
  void add(const Hash32& item) {
    for (const HistoryNode& n : append(history, item))
      EXPECT_TRUE(nodes.emplace(std::pair(n.place.level, n.place.index), n.hash).second) << "a node is stored once";
  }
};

TEST(History, has_the_root_and_the_paths_of_the_list_at_every_length) {
  StoredHistory s;
  const auto items = items_of(70);
  EXPECT_EQ(history_root(s.history), list_root({}));
  for (std::size_t count = 1; count <= items.size(); ++count) {
    s.add(items[count - 1]);
    const std::span<const Hash32> now(items.data(), count);
    ASSERT_EQ(history_root(s.history), list_root(now)) << count;
    ASSERT_EQ(s.history.peaks.size(), static_cast<std::size_t>(std::popcount(count)));
    const auto loaded = load_history(s.get, count);
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->peaks, s.history.peaks);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(*history_path(s.get, {i, count}), *list_path(now, i));
  }
  // Paths of shorter histories come from the same nodes.
  for (std::size_t count = 1; count <= items.size(); ++count) {
    const Hash32 root = list_root(std::span(items.data(), count));
    for (std::size_t i = 0; i < count; ++i)
      EXPECT_TRUE(verify_list(items[i], {i, count}, *history_path(s.get, {i, count}), root));
  }
}

TEST(History, stores_two_nodes_an_item_and_touches_no_more_than_its_height) {
  StoredHistory s;
  for (std::size_t n = 0; n < 1'024; ++n) s.add(hash_of(static_cast<std::uint8_t>(n)));
  EXPECT_EQ(s.nodes.size(), 2u * 1'024 - 1);
  EXPECT_EQ(history_path(s.get, {700, 1'023})->size(), 10u);
}

TEST(History, says_which_node_or_place_is_not_there) {
  StoredHistory s;
  for (const Hash32& item : items_of(6)) s.add(item);
  EXPECT_EQ(history_path(s.get, {6, 6}).error().id(), "light.list_index");
  EXPECT_EQ(history_path(s.get, {0, 0}).error().id(), "light.list_index");
  s.nodes.erase({1, 2});
  EXPECT_EQ(history_path(s.get, {0, 6}).error().id(), "light.history");
  EXPECT_EQ(load_history(s.get, 6).error().id(), "light.history");
}

}  // namespace
}  // namespace hanse::light
