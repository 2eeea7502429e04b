#include "engines/tlog/tile.h"

#include "base/core/random.h"
#include "engines/tlog/log_world_test.h"

namespace hanse::tlog {
namespace {

TEST(TilePath, is_that_of_the_specification) {
  const auto path = [](ResourceKind kind, unsigned level, std::uint64_t index, std::uint64_t width) {
    return resource_path({kind, level, index, width});
  };
  EXPECT_EQ(path(ResourceKind::kTile, 0, 1234067, 256), "tile/0/x001/x234/067");
  EXPECT_EQ(path(ResourceKind::kTile, 7, 0, 1), "tile/7/000.p/1");
  EXPECT_EQ(path(ResourceKind::kTile, 1, 999, 255), "tile/1/999.p/255");
  EXPECT_EQ(path(ResourceKind::kTile, 1, 1000, 256), "tile/1/x001/000");
  EXPECT_EQ(path(ResourceKind::kEntries, 0, 5, 256), "tile/entries/005");
  EXPECT_EQ(path(ResourceKind::kEntries, 0, 2001, 3), "tile/entries/x002/001.p/3");
  EXPECT_EQ(path(ResourceKind::kCheckpoint, 0, 0, 256), "checkpoint");
}

TEST(TilePath, is_read_back_and_has_one_form) {
  SeededRandom random(3, "paths");
  for (int i = 0; i < 2000; ++i) {
    Resource r{random.below(2) == 0 ? ResourceKind::kTile : ResourceKind::kEntries, 0,
               random.next_u64() >> random.below(64), 1 + random.below(256)};
    if (r.kind == ResourceKind::kTile) r.level = static_cast<unsigned>(random.below(kLevelMax + 1));
    EXPECT_EQ(parse_resource(resource_path(r)).value(), r) << resource_path(r);
  }
  for (const char* bad : {"",
                          "checkpoint/",
                          "/checkpoint",
                          "tile/",
                          "tile/0",
                          "tile/0/",
                          "tile/0/1",
                          "tile/0/0001",
                          "tile/0/x000/001",
                          "tile/0/x001/1",
                          "tile/0/001/002",
                          "tile/0/x001",
                          "tile/8/000",
                          "tile/00/000",
                          "tile/-1/000",
                          "tile/0/000.p",
                          "tile/0/000.p/",
                          "tile/0/000.p/0",
                          "tile/0/000.p/256",
                          "tile/0/000.p/01",
                          "tile/0/000.p/1/",
                          "tile/entries/",
                          "tile/entries/0",
                          "tile/0/../000",
                          "tile/0/x18x446/000",
                          "tile/0/x020/x000/x000/x000/x000/x000/000",
                          "tile/0/000 ",
                          "tile/0/00a",
                          "tile/1/000.p/1x"})
    EXPECT_EQ(error_of(parse_resource(bad)), "tlog.path") << bad;
}

TEST(TileWidth, is_that_of_the_specifications_example) {
  EXPECT_EQ(tile_width(70'000, 0, 272), 256u);
  EXPECT_EQ(tile_width(70'000, 0, 273), 112u);
  EXPECT_EQ(tile_width(70'000, 0, 274), 0u);
  EXPECT_EQ(tile_width(70'000, 1, 0), 256u);
  EXPECT_EQ(tile_width(70'000, 1, 1), 17u);
  EXPECT_EQ(tile_width(70'000, 2, 0), 1u);
  EXPECT_EQ(tile_width(70'000, 3, 0), 0u);
  EXPECT_EQ(tile_width(256, 0, 0), 256u);
  EXPECT_EQ(tile_width(256, 0, 1), 0u);
  EXPECT_EQ(tile_width(256, 1, 0), 1u);
  EXPECT_EQ(tile_width(0, 0, 0), 0u);
  EXPECT_EQ(tile_width(~std::uint64_t{0}, 8, 0), 0u);
}

TEST(Bundle, has_big_endian_lengths_and_nothing_else) {
  Bytes bundle;
  append_entry(bundle, as_bytes("ab"));
  append_entry(bundle, {});
  append_entry(bundle, Bytes(0x0102, 'x'));
  ASSERT_EQ(bundle.size(), 2 + 2 + 2 + 2u + 0x0102);
  EXPECT_EQ(ByteView(bundle).first(8)[6], 1);
  EXPECT_EQ(ByteView(bundle).first(8)[7], 2);
  const auto entries = parse_bundle(bundle, 3).value();
  EXPECT_EQ(as_text(entries[0]), "ab");
  EXPECT_TRUE(entries[1].empty());
  EXPECT_EQ(entries[2].size(), 0x0102u);
  for (std::size_t size = 0; size < bundle.size(); ++size)
    EXPECT_EQ(error_of(parse_bundle(ByteView(bundle).first(size), 3)), "tlog.bundle") << size;
  EXPECT_EQ(error_of(parse_bundle(bundle, 2)), "tlog.bundle");
  EXPECT_EQ(error_of(parse_bundle(bundle, 4)), "tlog.bundle");
  bundle.push_back(0);
  EXPECT_EQ(error_of(parse_bundle(bundle, 3)), "tlog.bundle");
  Bytes largest;
  append_entry(largest, Bytes(kEntryMax));
  EXPECT_EQ(parse_bundle(largest, 1).value()[0].size(), kEntryMax);
}

TEST(TileNodes, gives_the_nodes_of_the_tree_and_none_outside) {
  MemLog log;
  log.grow(70'000);
  for (const std::uint64_t size : {1u, 255u, 256u, 257u, 65'535u, 65'536u, 65'793u, 70'000u}) {
    const TileNodes nodes(log.fetch(), size);
    EXPECT_EQ(crypto::log_root(nodes, size).value(), log.head(size).root) << size;
    for (unsigned level = 0; level < 18; ++level) {
      const std::uint64_t count = size >> level;
      EXPECT_EQ(error_of(nodes.node(level, count)), "tlog.tree_range");
      if (count == 0) continue;
      for (const std::uint64_t index : {std::uint64_t{0}, count / 2, count - 1})
        EXPECT_EQ(nodes.node(level, index).value(), log.tree.node(level, index).value()) << level << " " << index;
    }
  }
}

TEST(TileNodes, takes_the_full_tile_where_the_partial_one_is_gone) {
  MemLog log;
  log.grow(600);
  const Fetch full_only = [&](const std::string& path) -> Result<Bytes> {
    if (path.starts_with("tile/0/001.p/") || path.starts_with("tile/entries/001.p/"))
      return fail(Kind::kNotFound, "tlog.path", path);
    return log.resource(path);
  };
  EXPECT_EQ(crypto::log_root(TileNodes(full_only, 300), 300).value(), log.head(300).root);
  EXPECT_EQ(parse_bundle(fetch_bundle(full_only, 300, 1).value(), 44).value().size(), 44u);
}

TEST(TileNodes, a_tile_of_another_size_is_refused) {
  MemLog log;
  log.grow(300);
  for (const int change : {-32, -1, 1, 32}) {
    const Fetch wrong = [&](const std::string& path) -> Result<Bytes> {
      Bytes bytes = log.resource(path).value();
      bytes.resize(static_cast<std::size_t>(static_cast<int>(bytes.size()) + change));
      return bytes;
    };
    EXPECT_EQ(error_of(fetch_tile(wrong, 300, 0, 1)), "tlog.tile") << change;
    EXPECT_EQ(error_of(fetch_bundle(wrong, 300, 1)), "tlog.bundle") << change;
  }
  EXPECT_EQ(error_of(fetch_tile(log.fetch(), 300, 0, 2)), "tlog.tree_range");
  EXPECT_EQ(error_of(fetch_bundle(log.fetch(), 300, 2)), "tlog.tree_range");
}

TEST(Frontier, has_the_root_and_completes_the_nodes_of_the_tree) {
  MemLog log;
  log.grow(1100);
  Frontier frontier;
  EXPECT_EQ(frontier.root(), crypto::log_empty_root());
  std::size_t visited = 0;
  for (std::uint64_t n = 0; n < 1100; ++n) {
    if (n % 97 == 0) {
      const Frontier again = Frontier::of(log.tree, n).value();
      EXPECT_EQ(again.root(), frontier.root()) << n;
      EXPECT_EQ(again.size(), n);
    }
    frontier.push(crypto::log_leaf_hash(log.entries[n]), [&](unsigned height, std::uint64_t i, const Hash32& hash) {
      EXPECT_EQ(hash, log.tree.node(height, i).value()) << height << " " << i;
      ++visited;
    });
    ASSERT_EQ(frontier.root(), log.head(n + 1).root) << n;
  }
  EXPECT_EQ(visited, 1100u + 550 + 275 + 137 + 68 + 34 + 17 + 8 + 4 + 2 + 1);
}

}  // namespace
}  // namespace hanse::tlog
