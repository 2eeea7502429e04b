#include "store/kv/kv.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/random.h"
#include "base/core/text.h"

namespace hanse::kv {
namespace {

namespace fs = std::filesystem;
constexpr Family kA{0}, kB{1};

struct Kv : testing::Test {
  std::string dir = text("{}hanse_kv_{}_{}", testing::TempDir(), static_cast<std::int64_t>(::getpid()),
                         testing::UnitTest::GetInstance()->current_test_info()->name());
  void SetUp() override {
    fs::remove_all(dir);
    fs::create_directories(dir);
  }
  void TearDown() override { fs::remove_all(dir); }
  static Options options() {
    return {
        .families = {"a", "b"}, .create = Create::kIfMissing, .cache_bytes = 8u << 20, .write_buffer_bytes = 8u << 20};
  }
  std::unique_ptr<Store> open() {
    auto store = Store::open(dir + "/db", options());
    EXPECT_TRUE(store) << store.error().str();
    return store ? std::move(*store) : nullptr;
  }
};

Bytes b(std::string_view s) { return to_bytes(s); }
Status put(Store& store, Family family, std::string_view key, std::string_view value, Sync sync = Sync::kYes) {
  Batch batch;
  batch.put(family, as_bytes(key), as_bytes(value));
  return store.write(std::move(batch), sync);
}
std::string get(const Store& store, Family family, std::string_view key, const Snapshot* at = nullptr) {
  const auto value = store.get(family, as_bytes(key), at);
  if (!value) return std::string(value.error().id());
  return *value ? std::string(as_text(**value)) : "(none)";
}
std::string keys(const Store& store, Family family, std::string_view prefix, std::string_view from = {}) {
  std::string out;
  EXPECT_TRUE(store.scan(family, as_bytes(prefix), as_bytes(from), [&](ByteView key, ByteView) {
    out += text("{} ", as_text(key));
    return true;
  }));
  return out;
}

TEST_F(Kv, answers_alike_whatever_a_family_holds) {
  Options o = options();
  o.families = {"plain", {"large", Holds::kLargeValues}, {"hashes", Holds::kHashes}, {"seldom", Holds::kSeldomRead}};
  SeededRandom random(7);
  std::map<std::string, std::string> expected;
  const auto expect_alike = [&](const Store& store) {
    std::string all;
    for (const auto& [key, value] : expected) all += key + " ";
    for (const std::uint8_t family : {0, 1, 2, 3}) {
      EXPECT_EQ(keys(store, {family}, ""), all);
      for (const auto& [key, value] : expected) {
        EXPECT_EQ(get(store, {family}, key), value);
        EXPECT_EQ((*store.last({family}, {}, as_bytes(key + "~")))->first, b(key));
      }
      EXPECT_EQ(get(store, {family}, "absent"), "(none)");
      std::vector<ByteView> asked = {as_bytes("absent")};
      for (const auto& [key, value] : expected) asked.push_back(as_bytes(key));
      const auto many = store.get_many({family}, asked);
      ASSERT_TRUE(many && many->size() == asked.size());
      EXPECT_FALSE((*many)[0]);
      for (std::size_t i = 1; i < asked.size(); ++i)
        EXPECT_EQ((*many)[i], b(expected.at(std::string(as_text(asked[i])))));
      EXPECT_EQ((*store.last({family}, {}))->first, b(expected.rbegin()->first));
    }
  };
  for (int round = 0; round < 4; ++round) {
    auto store = Store::open(dir + "/db", o);
    ASSERT_TRUE(store) << store.error().str();
    if (round > 0) expect_alike(**store);
    for (int n = 0; n < 100; ++n) {
      const std::string key = text("{:02}", random.next_u64() % 90);
      const std::string value(random.next_u64() % (3 * kSeparateMin), static_cast<char>('a' + n % 26));
      Batch batch;
      for (const std::uint8_t family : {0, 1, 2, 3})
        n % 7 == 0 ? batch.erase({family}, as_bytes(key)) : batch.put({family}, as_bytes(key), as_bytes(value));
      ASSERT_TRUE((*store)->write(std::move(batch), Sync::kNo));
      n % 7 == 0 ? void(expected.erase(key)) : void(expected[key] = value);
      if (n == 50) ASSERT_TRUE((*store)->flush());
    }
    expect_alike(**store);
    ASSERT_TRUE((*store)->checkpoint(text("{}/copy-{}", dir, round)));
    ASSERT_TRUE((*store)->scrub());
  }
  for (FamilySpec& family : o.families) family.holds = Holds::kLookups;  // as an older build wrote and reads it
  const auto copy = Store::open(dir + "/copy-3", o);
  ASSERT_TRUE(copy) << copy.error().str();
  expect_alike(**copy);
}

TEST_F(Kv, hashes_are_found_while_many_come_and_at_the_moment_of_a_snapshot) {
  constexpr std::uint32_t kCount = 20'000, kPerBatch = 100;
  Options o = options();
  o.families = {{"hashes", Holds::kHashes}};
  auto store = Store::open(dir + "/db", o);
  ASSERT_TRUE(store) << store.error().str();
  const Family all{0};
  const auto name = [](std::uint32_t n) { return text("{:08x}-{}", n * 0x9E37'79B9u, n); };
  std::atomic<std::uint32_t> written{0};
  std::atomic<std::uint32_t> missed{0}, invented{0};
  std::thread reader([&] {
    SeededRandom random(3);
    for (std::uint32_t upto = 0; (upto = written) < kCount;) {
      if (upto > 0 && get(**store, all, name(static_cast<std::uint32_t>(random.below(upto)))) != "first") ++missed;
      if (get(**store, all, name(kCount + static_cast<std::uint32_t>(random.below(100)))) != "(none)") ++invented;
    }
  });
  for (std::uint32_t n = 0; n < kCount; n += kPerBatch) {
    Batch batch;
    for (std::uint32_t k = n; k < n + kPerBatch; ++k) batch.put(all, as_bytes(name(k)), as_bytes("first"));
    EXPECT_TRUE((*store)->write(std::move(batch), Sync::kNo));
    const Status flushed = n == kCount / 2 ? (*store)->flush() : Status();
    EXPECT_TRUE(flushed);
    written = n + kPerBatch;
  }
  reader.join();
  EXPECT_EQ(missed, 0u);
  EXPECT_EQ(invented, 0u);
  const Snapshot before = (*store)->snapshot();
  Batch batch;
  batch.put(all, as_bytes(name(kCount - 1)), as_bytes("second"));
  batch.put(all, as_bytes(name(kCount - 1)), as_bytes("third"));
  batch.erase(all, as_bytes(name(kCount - 2)));
  batch.put(all, as_bytes(name(kCount)), as_bytes("new"));
  ASSERT_TRUE((*store)->write(std::move(batch), Sync::kNo));
  for (int round = 0; round < 2; ++round) {  // in memory, then on disk
    EXPECT_EQ(get(**store, all, name(kCount - 1)), "third");
    EXPECT_EQ(get(**store, all, name(kCount - 2)), "(none)");
    EXPECT_EQ(get(**store, all, name(kCount)), "new");
    EXPECT_EQ(get(**store, all, name(kCount - 1), &before), "first");
    EXPECT_EQ(get(**store, all, name(kCount - 2), &before), "first");
    EXPECT_EQ(get(**store, all, name(kCount), &before), "(none)");
    std::string last;
    std::size_t count = 0;
    EXPECT_TRUE((*store)->scan(all, {}, {}, [&](ByteView key, ByteView) {
      EXPECT_LT(last, as_text(key));
      last = as_text(key);
      ++count;
      return true;
    }));
    EXPECT_EQ(count, kCount);
    ASSERT_TRUE((*store)->flush());
  }
}

TEST_F(Kv, keeps_a_batch_over_families_and_reopening) {
  {
    auto store = open();
    Batch batch;
    batch.put(kA, b("1"), b("one"));
    batch.put(kB, b("1"), b("eins"));
    batch.put(kA, b("2"), b("two"));
    batch.erase(kA, b("2"));
    EXPECT_EQ(batch.count(), 4u);
    EXPECT_EQ(batch.size_bytes(), 1 + 3 + 1 + 4 + 1 + 3 + 1u);
    ASSERT_TRUE(store->write(std::move(batch), Sync::kNo));
    ASSERT_TRUE(store->sync());
  }
  auto store = open();
  EXPECT_EQ(get(*store, kA, "1"), "one");
  EXPECT_EQ(get(*store, kB, "1"), "eins");
  EXPECT_EQ(get(*store, kA, "2"), "(none)");
  EXPECT_TRUE(store->health());
  EXPECT_TRUE(store->flush());
  EXPECT_TRUE(store->scrub());
  EXPECT_GT(store->stats().table_bytes, 0u);
}

TEST_F(Kv, a_checkpoint_is_a_store_of_its_own_while_the_first_goes_on) {
  const auto store = open();
  ASSERT_TRUE(put(*store, kA, "a", "1", Sync::kNo));
  ASSERT_TRUE(put(*store, kB, "b", "2", Sync::kNo));
  const Status made = store->checkpoint(dir + "/copy");
  ASSERT_TRUE(made) << made.error().str();
  ASSERT_TRUE(put(*store, kA, "a", "later"));
  EXPECT_EQ(store->checkpoint(dir + "/copy").error().id(), "kv.exists");
  auto copy = Store::open(dir + "/copy", options());  // with the first one open: it has its own lock
  ASSERT_TRUE(copy) << copy.error().str();
  EXPECT_EQ(get(**copy, kA, "a"), "1");
  EXPECT_EQ(get(**copy, kB, "b"), "2");
  ASSERT_TRUE(put(**copy, kA, "a", "own"));
  EXPECT_EQ(get(*store, kA, "a"), "later");
}

TEST_F(Kv, scans_a_prefix_in_order_and_finds_the_last_key) {
  auto store = open();
  for (const char* key : {"b2", "a", "b1", "c", "b\xFF"}) ASSERT_TRUE(put(*store, kA, key, key));
  EXPECT_EQ(keys(*store, kA, "b"), "b1 b2 b\xFF ");
  EXPECT_EQ(keys(*store, kA, "b", "b2"), "b2 b\xFF ");
  EXPECT_EQ(keys(*store, kA, "", "b2"), "b2 b\xFF c ");
  EXPECT_EQ(keys(*store, kB, ""), "");
  const auto last = [&](std::string_view prefix, std::string_view upto) {
    const auto found = store->last(kA, as_bytes(prefix), as_bytes(upto));
    return found && *found ? std::string(as_text((*found)->first)) : "(none)";
  };
  EXPECT_EQ(last("", ""), "c");
  EXPECT_EQ(last("b", ""), "b\xFF");
  EXPECT_EQ(last("b", "b1x"), "b1");
  EXPECT_EQ(last("b", "b1"), "b1");
  EXPECT_EQ(last("b", "b0"), "(none)");
  EXPECT_EQ(last("d", ""), "(none)");
  EXPECT_EQ(last("b\xFF", ""), "b\xFF");
}

TEST_F(Kv, a_snapshot_keeps_its_moment) {
  auto store = open();
  ASSERT_TRUE(put(*store, kA, "k", "old"));
  const Snapshot before = store->snapshot();
  ASSERT_TRUE(put(*store, kA, "k", "new"));
  ASSERT_TRUE(put(*store, kA, "l", "new"));
  EXPECT_EQ(get(*store, kA, "k", &before), "old");
  EXPECT_EQ(get(*store, kA, "l", &before), "(none)");
  EXPECT_EQ(get(*store, kA, "k"), "new");
}

TEST_F(Kv, clears_a_family_whole_but_not_for_a_snapshot_of_before) {
  const auto store = open();
  ASSERT_TRUE(put(*store, kA, "x", "1"));
  ASSERT_TRUE(put(*store, kA, std::string(kKeyMax, '\xFE'), "2"));
  ASSERT_TRUE(put(*store, kB, "x", "3"));
  const Snapshot before = store->snapshot();
  Batch batch;
  batch.clear(kA);
  batch.put(kB, as_bytes("y"), as_bytes("4"));
  ASSERT_TRUE(store->write(std::move(batch), Sync::kYes));
  EXPECT_EQ(get(*store, kA, "x"), "(none)");
  EXPECT_FALSE(*store->last(kA, {}));
  EXPECT_EQ(get(*store, kA, "x", &before), "1");
  EXPECT_EQ(get(*store, kB, "x"), "3");
  EXPECT_EQ(get(*store, kB, "y"), "4");
  ASSERT_TRUE(put(*store, kA, "x", "5"));
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(get(*store, kA, "x"), "5");
}

TEST_F(Kv, refuses_a_missing_folder_unknown_families_and_a_second_opener) {
  Options strict = options();
  strict.create = Create::kNo;
  EXPECT_EQ(Store::open(dir + "/none", strict).error().id(), "kv.missing");
  auto store = open();
  EXPECT_EQ(Store::open(dir + "/db", options()).error().id(), "kv.locked");
  store.reset();
  Options fewer = options();
  fewer.families = {"a"};
  EXPECT_EQ(Store::open(dir + "/db", fewer).error().id(), "kv.families");
  fewer.families = {};
  EXPECT_EQ(Store::open(dir + "/db", fewer).error().id(), "kv.limit");
  fewer.families = std::vector<FamilySpec>(kFamiliesMax + 1, "x");
  EXPECT_EQ(Store::open(dir + "/db", fewer).error().id(), "kv.limit");
}

TEST_F(Kv, refuses_keys_and_batches_beyond_the_limits) {
  auto store = open();
  Batch at_limit;
  at_limit.put(kA, Bytes(kKeyMax, 1), {});
  EXPECT_TRUE(store->write(std::move(at_limit), Sync::kNo));
  Batch long_key;
  long_key.put(kA, b("before"), b("x"));
  long_key.put(kA, Bytes(kKeyMax + 1), {});
  EXPECT_EQ(store->write(std::move(long_key), Sync::kNo).error().id(), "kv.limit");
  EXPECT_EQ(get(*store, kA, "before"), "(none)");
  Batch large;
  const Bytes chunk(kValueMax);
  for (std::size_t n = 0; n < kBatchMax / kValueMax; ++n) large.put(kA, b("k"), chunk);
  EXPECT_EQ(store->write(std::move(large), Sync::kNo).error().id(), "kv.limit");
}

// The newest file of a kind in the store's folder.
std::string newest(const std::string& dir, std::string_view extension) {
  std::string found;
  for (const auto& entry : fs::directory_iterator(dir))
    if (entry.path().extension() == extension && entry.file_size() > 0 && entry.path().string() > found)
      found = entry.path();
  return found;
}

TEST_F(Kv, a_torn_log_tail_loses_whole_batches_from_the_end_only) {
  {
    auto store = open();
    for (int n = 0; n < 50; ++n) {
      Batch batch;
      batch.put(kA, b(text("{:>4}", n)), Bytes(100, 1));
      batch.put(kB, b(text("{:>4}", n)), Bytes(100, 2));
      ASSERT_TRUE(store->write(std::move(batch), Sync::kYes));
    }
    // Copied while open: closing would flush nothing of the log, but must not touch the copy.
    fs::copy(dir + "/db", dir + "/copy", fs::copy_options::recursive);
  }
  const std::string log = newest(dir + "/copy", ".log");
  ASSERT_FALSE(log.empty());
  fs::resize_file(log, fs::file_size(log) * 2 / 3);
  auto store = Store::open(dir + "/copy", options());
  ASSERT_TRUE(store) << store.error().str();
  std::vector<std::string> found[2];
  for (const Family family : {kA, kB})
    ASSERT_TRUE((*store)->scan(family, {}, {}, [&](ByteView key, ByteView) {
      found[family.index].emplace_back(as_text(key));
      return true;
    }));
  EXPECT_EQ(found[0], found[1]);
  EXPECT_GT(found[0].size(), 20u);
  EXPECT_LT(found[0].size(), 50u);
  for (std::size_t n = 0; n < found[0].size(); ++n) EXPECT_EQ(found[0][n], text("{:>4}", n));
}

TEST_F(Kv, a_flipped_byte_in_a_table_is_reported_by_read_and_scrub) {
  {
    auto store = open();
    for (int n = 0; n < 2000; ++n)
      ASSERT_TRUE(put(*store, kA, text("key {}", n), text("value {}", n * 7919), Sync::kNo));
    ASSERT_TRUE(store->flush());
  }
  const std::string table = newest(dir + "/db", ".sst");
  ASSERT_FALSE(table.empty());
  {
    std::fstream file(table, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(100);
    const char byte = static_cast<char>(file.get() ^ 0x40);
    file.seekp(100);
    file.put(byte);
  }
  auto store = open();
  EXPECT_EQ(store->scrub().error().id(), "kv.corrupt");
  EXPECT_EQ(get(*store, kA, "key 0"), "kv.corrupt");
  const Status scanned = store->scan(kA, {}, {}, [](ByteView, ByteView) { return true; });
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().id(), "kv.corrupt");
}

// Writes batches that touch both families until the disk says no. Gives the count written, or a negative number.
int fill(const std::string& path) {
  Options o{
      .families = {"a", "b"}, .create = Create::kIfMissing, .cache_bytes = 1u << 20, .write_buffer_bytes = 1u << 20};
  auto store = Store::open(path, o);
  if (!store) return -1;
  for (int n = 0; n < 4000; ++n) {
    Batch batch;
    Bytes noise(4096);
    for (std::size_t i = 0; i < noise.size(); ++i)
      noise[i] = static_cast<std::uint8_t>((i * 131 + static_cast<std::size_t>(n) * 7) ^ (i >> 3));
    batch.put(kA, b(text("{:>5}", n)), noise);
    batch.put(kB, b(text("{:>5}", n)), b("x"));
    const Status status = (*store)->write(std::move(batch), Sync::kYes);
    if (status) continue;
    if (status.error().id() != "kv.full" && status.error().id() != "kv.io") return -2;
    return n;
  }
  return -3;
}

void expect_whole_batches(const std::string& path, int acknowledged) {
  Options o{.families = {"a", "b"}, .create = Create::kNo, .cache_bytes = 1u << 20, .write_buffer_bytes = 1u << 20};
  auto store = Store::open(path, o);
  ASSERT_TRUE(store) << store.error().str();
  int count[2] = {0, 0};
  for (const Family family : {kA, kB})
    ASSERT_TRUE((*store)->scan(family, {}, {}, [&](ByteView, ByteView) { return ++count[family.index] > 0; }));
  EXPECT_EQ(count[0], count[1]);
  EXPECT_GE(count[0], acknowledged);
}

TEST_F(Kv, a_full_disk_is_an_error_and_nothing_is_half_written) {
  const std::string mount_point = dir + "/small";
  fs::create_directories(mount_point);
  if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=8m") != 0)
    GTEST_SKIP() << "no right to mount: the file size limit test covers this";
  const int acknowledged = fill(mount_point + "/db");
  EXPECT_GT(acknowledged, 0);
  EXPECT_EQ(::mount("tmpfs", mount_point.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
  expect_whole_batches(mount_point + "/db", acknowledged);
  EXPECT_EQ(::umount(mount_point.c_str()), 0);
}

TEST_F(Kv, a_file_size_limit_is_an_error_and_nothing_is_half_written) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  const pid_t child = ::fork();  // before any store is open here: the limit is for that process only
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 300'000, .rlim_max = 300'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const int count = fill(dir + "/db");
    (void)!::write(fds[1], &count, sizeof count);
    ::_exit(0);
  }
  int acknowledged = -9;
  ASSERT_EQ(::read(fds[0], &acknowledged, sizeof acknowledged), static_cast<ssize_t>(sizeof acknowledged));
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(fds[0]);
  ::close(fds[1]);
  EXPECT_GT(acknowledged, 0);
  expect_whole_batches(dir + "/db", acknowledged);
}

}  // namespace
}  // namespace hanse::kv
