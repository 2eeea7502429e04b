#include "base/core/fs.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <csignal>

#include "base/core/mem_fs.h"
#include "base/core/text.h"

namespace hanse {
namespace {

std::string fresh_dir(const std::string& name) {
  const std::string dir = testing::TempDir() + "hanse_fs_" + name + "_" + std::to_string(::getpid());
  EXPECT_TRUE(real_fs().mkdir(dir));
  return dir;
}

// The same behaviour is asked of both implementations.
void exercise(Fs& fs, const std::string& dir) {
  const std::string path = dir + "/a";
  EXPECT_EQ(fs.open(path, OpenMode::kRead).error().id(), "core.fs_not_found");
  {
    auto file = fs.open(path, OpenMode::kCreate);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->append(as_bytes("hello")));
    ASSERT_TRUE((*file)->append(as_bytes(" world")));
    ASSERT_TRUE((*file)->write_at(0, as_bytes("J")));
    ASSERT_TRUE((*file)->sync());
    EXPECT_EQ(*(*file)->size(), 11u);
    Bytes out(20);
    EXPECT_EQ(*(*file)->read_at(6, out), 5u);
    EXPECT_EQ(*(*file)->read_at(11, out), 0u);
    ASSERT_TRUE((*file)->truncate(5));
    ASSERT_TRUE((*file)->preallocate(8));
    EXPECT_EQ(*(*file)->size(), 8u);
  }
  EXPECT_EQ(fs.open(path, OpenMode::kCreate).error().id(), "core.fs_exists");
  EXPECT_EQ(*read_file(fs, path, 8), to_bytes(std::string_view("Jello\0\0\0", 8)));
  EXPECT_EQ(read_file(fs, path, 7).error().id(), "core.fs_full");
  ASSERT_TRUE(replace_file(fs, path, as_bytes("new")));
  ASSERT_TRUE(replace_file(fs, path, as_bytes("newer")));
  EXPECT_EQ(as_text(*read_file(fs, path, 10)), "newer");
  ASSERT_TRUE(fs.mkdir(dir + "/sub"));
  ASSERT_TRUE(fs.mkdir(dir + "/sub"));
  ASSERT_TRUE(fs.sync_dir(dir));
  EXPECT_EQ(*fs.list(dir), (std::vector<std::string>{"a", "sub"}));
  EXPECT_TRUE(*fs.exists(path));
  ASSERT_TRUE(fs.rename(path, dir + "/b"));
  EXPECT_FALSE(*fs.exists(path));
  EXPECT_GT(*fs.free_bytes(dir), 0u);
  ASSERT_TRUE(fs.unlink(dir + "/b"));
  EXPECT_EQ(fs.unlink(dir + "/b").error().id(), "core.fs_not_found");
}

TEST(RealFs, keeps_files) { exercise(real_fs(), fresh_dir("keeps")); }

TEST(MemFs, keeps_files) {
  MemFs fs;
  ASSERT_TRUE(fs.mkdir("d"));
  exercise(fs, "d");
}

TEST(RealFs, refuses_writing_what_was_opened_for_reading) {
  const std::string path = fresh_dir("readonly") + "/a";
  ASSERT_TRUE(replace_file(real_fs(), path, as_bytes("x")));
  auto file = real_fs().open(path, OpenMode::kRead);
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->write_at(0, as_bytes("y")).error().id(), "core.fs_io");  // EBADF
}

TEST(RealFs, reports_the_file_size_limit_as_full) {
  const std::string path = fresh_dir("limit") + "/a";
  rlimit old;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  auto file = real_fs().open(path, OpenMode::kCreate);
  ASSERT_TRUE(file);
  rlimit small = old;
  small.rlim_cur = 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status at_limit = (*file)->write_at(0, Bytes(4096));
  const Status beyond = (*file)->write_at(4096, Bytes(1));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(at_limit);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().id(), "core.fs_full");
}

TEST(MemFs, keeps_what_was_synced_and_may_lose_the_rest) {
  int lost = 0, kept = 0, torn = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    MemFs fs;
    auto file = fs.open("a", OpenMode::kCreate);
    ASSERT_TRUE(file && (*file)->append(Bytes(2048, 1)) && (*file)->sync() && fs.sync_dir("."));
    ASSERT_TRUE((*file)->write_at(2048, Bytes(2048, 2)));
    fs.crash(seed);
    EXPECT_EQ((*file)->size().error().id(), "core.fs_io");
    const auto after = read_file(fs, "a", 1 << 20);
    ASSERT_TRUE(after);
    ASSERT_GE(after->size(), 2048u);
    EXPECT_TRUE(std::all_of(after->begin(), after->begin() + 2048, [](std::uint8_t b) { return b == 1; }));
    const auto twos = std::count(after->begin(), after->end(), 2);
    ++(twos == 0 ? lost : twos == 2048 ? kept : torn);
  }
  EXPECT_GT(lost, 0);
  EXPECT_GT(kept, 0);
  EXPECT_GT(torn, 0);
}

TEST(MemFs, forgets_files_whose_folder_was_not_synced) {
  int gone = 0, there = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    MemFs fs;
    auto file = fs.open("a", OpenMode::kCreate);
    ASSERT_TRUE(file && (*file)->append(Bytes(10, 1)) && (*file)->sync());
    fs.crash(seed);
    ++(*fs.exists("a") ? there : gone);
  }
  EXPECT_GT(gone, 0);
  EXPECT_GT(there, 0);
}

TEST(MemFs, replace_file_leaves_old_or_new_after_a_crash_anywhere) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    MemFs fs;
    ASSERT_TRUE(replace_file(fs, "a", Bytes(3000, 1)));
    fs.fail_at(1 + seed % 6, MemFs::Fault::kIo);
    const Status second = replace_file(fs, "a", Bytes(3000, 2));
    fs.crash(seed);
    const auto after = read_file(fs, "a", 1 << 20);
    ASSERT_TRUE(after);
    if (second) {
      EXPECT_EQ(*after, Bytes(3000, 2));
    } else {
      EXPECT_TRUE(*after == Bytes(3000, 1) || *after == Bytes(3000, 2));
    }
  }
}

TEST(MemFs, fails_the_named_operation_once) {
  MemFs fs(4096);
  auto file = fs.open("a", OpenMode::kCreate);
  ASSERT_TRUE(file);
  fs.fail_at(2, MemFs::Fault::kIo);
  EXPECT_TRUE((*file)->append(Bytes(8, 1)));
  EXPECT_EQ((*file)->sync().error().id(), "core.fs_io");
  EXPECT_TRUE((*file)->sync());
  EXPECT_TRUE((*file)->append(Bytes(4088)));
  EXPECT_EQ((*file)->append(Bytes(1)).error().id(), "core.fs_full");
  EXPECT_EQ(*(*file)->size(), 4096u);
  EXPECT_EQ(*fs.free_bytes("."), 0u);
  EXPECT_TRUE(fs.flip("a", 0, 0));
  EXPECT_FALSE(fs.flip("a", 4096, 0));
  EXPECT_EQ((*read_file(fs, "a", 4096))[0], 0);
  auto reader = fs.open("a", OpenMode::kRead);
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->write_at(0, as_bytes("x")).error().id(), "core.fs_denied");
}

}  // namespace
}  // namespace hanse
