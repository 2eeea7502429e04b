#include "engines/tlog/log_store.h"

#include "base/core/random.h"
#include "engines/tlog/log_world_test.h"

namespace hanse::tlog {
namespace {

Entry entry(std::uint64_t n, std::size_t size = 40) {
  Entry out;
  store_be(out.id.data.data(), n + 1);
  out.body = to_bytes(text("entry {}", n));
  out.body.resize(std::max(size, out.body.size()), static_cast<std::uint8_t>(n));
  return out;
}

// Both the same: the store's answers come from pieces on disk, the other's from the definition.
void expect_same(const LogStore& store, const MemLog& log, std::uint64_t size) {
  for (unsigned level = 0; level <= 2; ++level)
    for (std::uint64_t index = 0; tile_width(size, level, index) > 0; ++index) {
      const Resource tile{ResourceKind::kTile, level, index, tile_width(size, level, index)};
      ASSERT_EQ(store.read(tile, size).value(), log.resource(resource_path(tile)).value()) << resource_path(tile);
      if (level > 0) continue;
      const Resource bundle{ResourceKind::kEntries, 0, index, tile.width};
      ASSERT_EQ(store.read(bundle, size).value(), log.resource(resource_path(bundle)).value());
    }
}

TEST(LogStore, serves_the_bytes_of_the_specification_whatever_the_groups_were) {
  SeededRandom random(11, "groups");
  TempDir dir;
  MemLog log;
  auto store = LogStore::create(dir.path() + "/store", log.origin).value();
  std::vector<std::uint64_t> sizes;
  while (log.entries.size() < 2000) {
    std::vector<Entry> group;
    for (std::uint64_t n = 1 + random.below(random.below(4) == 0 ? kGroupMax : 9); n > 0; --n) {
      group.push_back(entry(log.entries.size(), random.below(50) == 0 ? 3000 : random.below(100)));
      log.add(group.back().body);
    }
    const auto added = store->append(group).value();
    for (std::size_t i = 0; i < group.size(); ++i)
      ASSERT_EQ(added[i], (Added{log.entries.size() - group.size() + i, false}));
    ASSERT_EQ(store->head(), log.head());
    sizes.push_back(log.entries.size());
    if (random.below(40) == 0) {
      store.reset();
      store = LogStore::open(dir.path() + "/store", log.origin).value();
      ASSERT_EQ(store->head(), log.head());
    }
  }
  expect_same(*store, log, log.entries.size());
  for (std::size_t i = 0; i < sizes.size(); i += 7) {
    expect_same(*store, log, sizes[i]);
    EXPECT_EQ(store->head_at(sizes[i]).value(), log.head(sizes[i]));
  }
  for (const std::uint64_t n : {0u, 255u, 256u, 1999u}) {
    EXPECT_EQ(store->entry(n).value(), log.entries[n]);
    EXPECT_EQ(store->find(entry(n).id).value(), n);
  }
  EXPECT_EQ(store->find(Hash32{}).value(), std::nullopt);
  EXPECT_EQ(error_of(store->entry(log.entries.size())), "tlog.tree_range");
}

TEST(LogStore, an_id_keeps_its_first_index) {
  TempDir dir;
  auto store = LogStore::create(dir.path() + "/store", "log").value();
  const Entry twice[] = {entry(1), entry(2), entry(1), entry(3)};
  EXPECT_EQ(store->append(twice).value(), (std::vector<Added>{{0, false}, {1, false}, {0, true}, {2, false}}));
  const Entry again[] = {entry(4), entry(2)};
  EXPECT_EQ(store->append(again).value(), (std::vector<Added>{{3, false}, {1, true}}));
  const Entry only_known[] = {entry(3), entry(3)};
  EXPECT_EQ(store->append(only_known).value(), (std::vector<Added>{{2, true}, {2, true}}));
  EXPECT_EQ(store->head().size, 4u);
  EXPECT_TRUE(store->append({}).value().empty());
}

TEST(LogStore, nothing_beyond_the_size_asked_for_is_there) {
  TempDir dir;
  auto store = LogStore::create(dir.path() + "/store", "log").value();
  std::vector<Entry> group;
  for (std::uint64_t n = 0; n < 256; ++n) group.push_back(entry(n));
  ASSERT_TRUE(store->append(group));
  const auto read = [&](std::string_view path, std::uint64_t size) {
    return error_of(store->read(parse_resource(path).value(), size));
  };
  EXPECT_EQ(read("tile/0/000.p/7", 7), "none");
  EXPECT_EQ(read("tile/0/000.p/8", 7), "tlog.path");
  EXPECT_EQ(read("tile/0/000", 255), "tlog.path");
  EXPECT_EQ(read("tile/1/000.p/1", 255), "tlog.path");
  EXPECT_EQ(read("tile/1/000.p/1", 256), "none");
  EXPECT_EQ(read("tile/entries/000", 255), "tlog.path");
  EXPECT_EQ(read("tile/entries/001.p/1", 256), "tlog.path");
  EXPECT_EQ(read("checkpoint", 256), "tlog.path");
}

TEST(LogStore, limits_hold_and_one_past_them_is_refused) {
  TempDir dir;
  auto store = LogStore::create(dir.path() + "/store", "log").value();
  Entry large = entry(0, kEntryMax);
  EXPECT_EQ(store->append({&large, 1}).value()[0].index, 0u);
  EXPECT_EQ(store->entry(0).value(), large.body);
  large = entry(1, kEntryMax + 1);
  EXPECT_EQ(error_of(store->append({&large, 1})), "tlog.entry_size");
  std::vector<Entry> many(kGroupMax + 1);
  EXPECT_EQ(error_of(store->append(many)), "tlog.group_size");
  EXPECT_EQ(store->head().size, 1u);
}

TEST(LogStore, a_folder_of_another_log_of_none_or_with_other_tiles_is_refused) {
  TempDir dir;
  const std::string path = dir.path() + "/store";
  EXPECT_EQ(error_of(LogStore::open(path, "log")), "kv.missing");
  {
    auto store = LogStore::create(path, "log").value();
    const Entry some[] = {entry(0), entry(1), entry(2)};
    ASSERT_TRUE(store->append(some));
  }
  EXPECT_EQ(error_of(LogStore::open(path, "other")), "tlog.wrong_origin");
  const kv::Options families{
      .families = {{"entries", kv::Holds::kLargeValues}, {"tiles"}, {"ids", kv::Holds::kHashes}, {"meta"}}};
  const Bytes tile_key(10, 0);
  {
    auto raw = kv::Store::open(path, families).value();
    kv::Batch batch;
    batch.put({1}, tile_key, Bytes(96, 1));
    ASSERT_TRUE(raw->write(std::move(batch), kv::Sync::kYes));
  }
  EXPECT_EQ(error_of(LogStore::open(path, "log")), "tlog.store_root");
  {
    auto raw = kv::Store::open(path, families).value();
    kv::Batch batch;
    batch.put({1}, tile_key, Bytes(64, 1));
    ASSERT_TRUE(raw->write(std::move(batch), kv::Sync::kYes));
  }
  EXPECT_EQ(error_of(LogStore::open(path, "log")), "tlog.store");
  {
    auto raw = kv::Store::open(path, families).value();
    kv::Batch batch;
    batch.put({3}, as_bytes("head"), as_bytes("x"));
    ASSERT_TRUE(raw->write(std::move(batch), kv::Sync::kYes));
  }
  EXPECT_EQ(error_of(LogStore::open(path, "log")), "tlog.store");
  {
    auto raw = kv::Store::open(path, families).value();
    kv::Batch batch;
    batch.erase({3}, as_bytes("head"));
    ASSERT_TRUE(raw->write(std::move(batch), kv::Sync::kYes));
  }
  EXPECT_EQ(error_of(LogStore::open(path, "log")), "tlog.no_store");
}

}  // namespace
}  // namespace hanse::tlog
