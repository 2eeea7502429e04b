#include "store/blob/blob.h"

#include <gtest/gtest.h>

#include <thread>
#include <unistd.h>

#include "base/codec/hex.h"
#include "base/core/mem_fs.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::blob {
namespace {

struct Blob : testing::Test {
  MemFs fs;
  SeededRandom random{1};
  std::unique_ptr<BlobStore> store;
  Options options{.blob_bytes_max = 1'000'000, .quota_bytes = 3'000'000};

  void SetUp() override { reopen(); }
  void reopen() {
    store.reset();
    auto opened = BlobStore::open(fs, "blobs", options, random);
    ASSERT_TRUE(opened) << opened.error().str();
    store = std::move(*opened);
  }
  static std::string path_of(const BlobId& id) {
    const std::string hex = codec::to_hex(id.view());
    return text("blobs/{}/{}", hex.substr(0, 2), hex);
  }
};

TEST_F(Blob, gives_back_what_was_put_under_its_hash) {
  for (const std::size_t size : {0u, 1u, 1000u, 256u << 10, (256u << 10) + 1}) {
    const Bytes bytes(size, 7);
    const auto id = store->put(bytes);
    ASSERT_TRUE(id) << id.error().str();
    EXPECT_EQ(*id, crypto::blob_id(bytes));
    EXPECT_EQ(*store->get(*id, size), bytes);
    EXPECT_EQ(*store->size(*id), size);
    EXPECT_TRUE(*store->has(*id));
  }
  EXPECT_EQ(store->usage().count, 5u);
  reopen();
  EXPECT_EQ(store->usage().count, 5u);
  EXPECT_EQ(store->usage().bytes, 1001u + 2 * (256u << 10) + 1);
}

TEST_F(Blob, works_on_the_real_file_system) {
  const std::string dir = text("{}hanse_blob_{}", testing::TempDir(), static_cast<std::int64_t>(::getpid()));
  auto real = BlobStore::open(real_fs(), dir, options, system_random());
  ASSERT_TRUE(real) << real.error().str();
  const Bytes bytes(300'000, 3);
  const auto id = (*real)->put(bytes);
  ASSERT_TRUE(id) << id.error().str();
  EXPECT_EQ(*(*real)->get(*id, 1'000'000), bytes);
  ASSERT_TRUE((*real)->remove(*id));
  EXPECT_FALSE(*(*real)->has(*id));
}

TEST_F(Blob, takes_a_stream_and_forgets_an_abandoned_one) {
  {
    auto writer = store->begin();
    ASSERT_TRUE(writer && writer->append(as_bytes("ab")) && writer->append(as_bytes("c")));
    EXPECT_EQ(writer->size_bytes(), 3u);
    EXPECT_EQ(*writer->finish(), crypto::blob_id(as_bytes("abc")));
  }
  {
    auto writer = store->begin();
    ASSERT_TRUE(writer && writer->append(Bytes(1000)));
    EXPECT_EQ(store->usage().bytes, 1003u);
  }
  EXPECT_EQ(store->usage().bytes, 3u);
  EXPECT_EQ(*fs.list("blobs/tmp"), std::vector<std::string>());
}

TEST_F(Blob, the_same_blob_twice_counts_once) {
  const auto first = store->put(as_bytes("x"));
  const auto second = store->put(as_bytes("x"));
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(store->usage().count, 1u);
  EXPECT_EQ(store->usage().bytes, 1u);
}

TEST_F(Blob, refuses_beyond_the_size_limit_and_the_quota) {
  EXPECT_TRUE(store->put(Bytes(1'000'000, 1)));
  EXPECT_EQ(store->put(Bytes(1'000'001, 1)).error().id(), "blob.too_large");
  EXPECT_TRUE(store->put(Bytes(1'000'000, 2)));
  EXPECT_TRUE(store->put(Bytes(999'999, 3)));
  EXPECT_EQ(store->put(as_bytes("ab")).error().id(), "blob.quota");
  const auto last = store->put(as_bytes("a"));
  ASSERT_TRUE(last);
  EXPECT_EQ(store->put(as_bytes("b")).error().id(), "blob.quota");
  ASSERT_TRUE(store->remove(*last));
  EXPECT_TRUE(store->put(as_bytes("b")));
  EXPECT_EQ(store->get(crypto::blob_id(Bytes(1'000'000, 1)), 999'999).error().id(), "blob.too_large");
}

TEST_F(Blob, reports_bytes_that_do_not_hash_to_the_name_and_mends_them_by_putting_again) {
  const auto id = store->put(Bytes(5000, 1));
  ASSERT_TRUE(id);
  ASSERT_TRUE(fs.flip(path_of(*id), 4000, 2));
  EXPECT_EQ(store->get(*id, 5000).error().id(), "blob.corrupt");
  EXPECT_EQ(store->verify(*id).error().id(), "blob.corrupt");
  ASSERT_TRUE(store->put(Bytes(5000, 1)));
  EXPECT_TRUE(store->verify(*id));
  EXPECT_EQ(store->usage().bytes, 5000u);
}

TEST_F(Blob, says_what_is_not_there) {
  const BlobId unknown = crypto::blob_id(as_bytes("unknown"));
  EXPECT_EQ(store->get(unknown, 10).error().id(), "blob.not_found");
  EXPECT_EQ(store->size(unknown).error().id(), "blob.not_found");
  EXPECT_EQ(store->remove(unknown).error().id(), "blob.not_found");
  EXPECT_FALSE(*store->has(unknown));
}

TEST_F(Blob, lists_in_order_of_id_and_stops_when_told) {
  std::vector<BlobId> expected;
  for (int n = 0; n < 20; ++n) expected.push_back(*store->put(to_bytes(text("{}", n))));
  std::ranges::sort(expected);
  std::vector<BlobId> found;
  ASSERT_TRUE(store->list([&](const BlobId& id, std::uint64_t) { return found.push_back(id), true; }));
  EXPECT_EQ(found, expected);
  int visits = 0;
  ASSERT_TRUE(store->list([&](const BlobId&, std::uint64_t) { return ++visits < 3; }));
  EXPECT_EQ(visits, 3);
}

TEST_F(Blob, survives_crashes_and_faults_whole_or_not_at_all) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    SeededRandom r(seed, "blob crash");
    MemFs disk;
    auto opened = BlobStore::open(disk, "blobs", options, r);
    ASSERT_TRUE(opened);
    std::vector<BlobId> acknowledged;
    if (r.below(2) == 0) disk.fail_at(1 + r.below(40), r.below(2) == 0 ? MemFs::Fault::kIo : MemFs::Fault::kFull);
    for (int n = 0; n < 6; ++n) {
      Bytes bytes(r.below(3000));
      r.fill(bytes);
      if (const auto id = (*opened)->put(bytes)) acknowledged.push_back(*id);
    }
    opened->reset();
    disk.crash(seed);
    auto again = BlobStore::open(disk, "blobs", options, r);
    ASSERT_TRUE(again) << again.error().str();
    for (const BlobId& id : acknowledged) EXPECT_TRUE((*again)->verify(id));
    ASSERT_TRUE((*again)->list([&](const BlobId& id, std::uint64_t) {
      EXPECT_TRUE((*again)->verify(id));
      return true;
    }));
    EXPECT_EQ(*disk.list("blobs/tmp"), std::vector<std::string>());
  }
}

TEST_F(Blob, may_be_written_from_several_threads) {
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int n = 0; n < 50; ++n) EXPECT_TRUE(store->put(to_bytes(text("blob {}", n))));
      });
  }
  EXPECT_EQ(store->usage().count, 50u);
  const Usage counted = store->usage();
  reopen();
  EXPECT_EQ(store->usage().bytes, counted.bytes);
}

}  // namespace
}  // namespace hanse::blob
