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

// Each knows the first node alone, which has no role: it tells who is where.
TEST(Finding, all_meet_by_id_who_know_one_node) {
  const auto first = node(1, settings());
  std::vector<std::unique_ptr<MeshNode>> others;
  for (std::uint8_t n = 2; n <= 8; ++n) others.push_back(node(n, settings({known(1, *first)})));
  for (auto& one : others)
    for (std::uint8_t n = 2; n <= 8; ++n) {
      if (id_of(n) == one->id()) continue;
      const auto met = one->dial({.peer = id_of(n), .wait_ms = 20'000});
      ASSERT_TRUE(met) << met.error().str();
    }
}

// One has IPv6 alone and the other IPv4 alone; each knows its own relay, and the relays know each other.
TEST(Finding, a_peer_behind_a_relay_that_only_its_record_names) {
  MeshSettings of_relay = settings({}, kAllRoles);
  of_relay.bind = {"127.0.0.1:0", "[::1]:0"};
  const auto left = node(1, of_relay);
  of_relay.known = {known(1, *left)};
  const auto right = node(2, of_relay);
  MeshSettings six = settings({known(1, *left)}), four = settings({known(2, *right)});
  six.bind = {"[::1]:0"};
  const auto a = node(3, six), b = node(4, four);
  ASSERT_TRUE(a->dial({.peer = id_of(1)}));
  ASSERT_TRUE(b->dial({.peer = id_of(2)}));
  placed(*b, 1);
  const auto met = a->dial({.peer = id_of(4), .wait_ms = 20'000});
  ASSERT_TRUE(met) << met.error().str();
  EXPECT_FALSE(met->direct);
  EXPECT_EQ(met->relay, id_of(2));
}

TEST(Finding, nobody_of_another_network_is_found) {
  const auto first = node(1, settings({}, kAllRoles));
  MeshSettings strange = settings({known(1, *first)});
  strange.network.data[0] = 10;
  const auto stranger = node(2, strange), a = node(3, settings({known(1, *first)}));
  ASSERT_TRUE(a->dial({.peer = id_of(1)}));
  EXPECT_FALSE(stranger->dial({.peer = id_of(3), .wait_ms = 1'000}));
  EXPECT_FALSE(a->dial({.peer = id_of(2), .wait_ms = 1'000}));
  EXPECT_EQ(peers(stranger), 0u);
}

}  // namespace
}  // namespace hanse::peering
