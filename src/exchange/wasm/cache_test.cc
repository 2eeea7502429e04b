#include "exchange/wasm/plugin_cache.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/wasm/plugin_wasm.h"

namespace hanse::wasm {
namespace {

namespace fs = std::filesystem;

std::string fresh_folder(const char* name) {
  const std::string path = text("{}/hanse-cache-{}-{}", testing::TempDir(), name, getpid());
  fs::remove_all(path);
  return path;
}

Hash32 key_of(std::uint8_t n) { return cache_key("engine", Bytes{n}); }

std::vector<fs::path> files_in(const std::string& folder) {
  std::vector<fs::path> out;
  for (const auto& e : fs::directory_iterator(folder)) out.push_back(e.path());
  return out;
}

TEST(WasmCache, keys_differ_by_engine_and_module) {
  EXPECT_NE(cache_key("a", Bytes{1}), cache_key("b", Bytes{1}));
  EXPECT_NE(cache_key("a", Bytes{1}), cache_key("a", Bytes{2}));
  EXPECT_NE(cache_key("a", to_bytes("bc")), cache_key("ab", to_bytes("c")));
}

TEST(WasmCache, gives_back_what_was_put) {
  const std::string path = fresh_folder("put");
  const auto folder = CacheFolder::open(path);
  ASSERT_TRUE(folder);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all);
  EXPECT_FALSE(folder->find(key_of(1)));
  ASSERT_TRUE(folder->put(key_of(1), seal(key_of(1), to_bytes("code"))));
  const auto back = folder->find(key_of(1));
  ASSERT_TRUE(back);
  EXPECT_EQ(as_text(*unseal(key_of(1), *back)), "code");
  ASSERT_EQ(files_in(path).size(), 1u);
  EXPECT_EQ(fs::status(files_in(path)[0]).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST(WasmCache, refuses_and_removes_a_file_that_was_changed) {
  const std::string path = fresh_folder("bent");
  const auto folder = CacheFolder::open(path);
  ASSERT_TRUE(folder && folder->put(key_of(1), seal(key_of(1), to_bytes("code"))));
  std::fstream(files_in(path)[0], std::ios::in | std::ios::out | std::ios::binary).seekp(75).put('X');
  const auto back = folder->find(key_of(1));
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().id(), "wasm.cache");
  EXPECT_EQ(back.error().kind(), Kind::kCorrupt);
  EXPECT_TRUE(files_in(path).empty());
}

TEST(WasmCache, refuses_files_and_folders_that_others_may_write) {
  const std::string path = fresh_folder("modes");
  const auto folder = CacheFolder::open(path);
  ASSERT_TRUE(folder && folder->put(key_of(1), seal(key_of(1), to_bytes("code"))));
  fs::permissions(files_in(path)[0], fs::perms::group_write, fs::perm_options::add);
  EXPECT_FALSE(folder->find(key_of(1)));
  fs::permissions(path, fs::perms::group_read, fs::perm_options::add);
  const auto loose = CacheFolder::open(path);
  ASSERT_FALSE(loose);
  EXPECT_EQ(loose.error().kind(), Kind::kDenied);
  fs::remove_all(path);
  fs::create_directory_symlink(testing::TempDir(), path);
  EXPECT_FALSE(CacheFolder::open(path));
  fs::remove(path);
}

TEST(WasmCache, keeps_a_bounded_number_of_files) {
  const std::string path = fresh_folder("many");
  const auto folder = CacheFolder::open(path);
  ASSERT_TRUE(folder);
  for (std::size_t k = 0; k < kCacheFilesMax + 3; ++k) {
    const Hash32 key = cache_key("engine", Bytes{static_cast<std::uint8_t>(k), static_cast<std::uint8_t>(k >> 8)});
    ASSERT_TRUE(folder->put(key, seal(key, Bytes{1})));
  }
  EXPECT_EQ(files_in(path).size(), kCacheFilesMax);
}

TEST(WasmCache, a_second_kind_runs_from_the_folder_without_compiling) {
  const std::string path = fresh_folder("kind");
  std::ifstream in("examples/wasm/empty.wasm", std::ios::binary);
  runtime::RunRequest request;
  request.kind = kKindName;
  request.artifact.assign(std::istreambuf_iterator<char>(in), {});
  request.limits = {.gas = 1000, .mem_pages = 64, .wall_ms = 10'000, .out_bytes = 0};
  runtime::RunControl control;
  auto first = make_wasm_kind({.scratch = testing::TempDir(), .cache_folder = path, .interpret = false});
  ASSERT_TRUE(first && (*first)->run(request, control));
  EXPECT_EQ(files_in(path).size(), 1u);
  auto second = make_wasm_kind({.scratch = "/nonexistent", .cache_folder = path, .interpret = false});
  ASSERT_TRUE(second);
  const auto out = (*second)->run(request, control);
  ASSERT_TRUE(out) << out.error().str();
  EXPECT_EQ(out->status, runtime::RunStatus::kOk);
}

}  // namespace
}  // namespace hanse::wasm
