// Nodes that know little of each other, on loopback: records, the cache, finding and gossip between real nodes.
#include "node/peering/test_nodes.h"

namespace hanse::peering {
namespace {

std::size_t peers(const std::unique_ptr<MeshNode>& node) { return node->health()->peers; }

TEST(Restart, finds_the_peers_again_from_the_cache_alone) {
  const Folder folder;
  const auto other = node(2, settings());
  MeshSettings kept = settings({known(2, *other)});
  kept.folder = folder.path;
  {
    const auto first = node(1, kept);
    ASSERT_TRUE(first->dial({.peer = id_of(2)}));
    ASSERT_TRUE(until([&] { return first->knows(id_of(2))->record; }));
  }
  ASSERT_TRUE(until([&] { return peers(other) == 0; }));
  kept.known.clear();
  const auto again = node(1, kept);
  EXPECT_TRUE(until([&] { return peers(again) == 1; }));
  kept.folder.clear();
  again->stop(0);
  const auto blank = node(1, kept);
  EXPECT_FALSE(blank->knows(id_of(2))->record);
}

TEST(Restart, of_another_network_forgets_the_cache) {
  const Folder folder;
  const auto other = node(2, settings());
  MeshSettings kept = settings({known(2, *other)});
  kept.folder = folder.path;
  {
    const auto first = node(1, kept);
    ASSERT_TRUE(first->dial({.peer = id_of(2)}));
    ASSERT_TRUE(until([&] { return first->knows(id_of(2))->record; }));
  }
  kept.known.clear();
  kept.network.data[0] = 10;
  const auto again = node(1, kept);
  EXPECT_FALSE(again->knows(id_of(2))->record);
  EXPECT_FALSE(again->dial({.peer = id_of(2), .wait_ms = 300}));
}

}  // namespace
}  // namespace hanse::peering
