#include "store/archive/pack.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <unistd.h>

#include "base/core/mem_fs.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::archive {
namespace {

struct Packing : testing::Test {
  MemFs fs;
  void SetUp() override {
    ASSERT_TRUE(fs.mkdir("in"));
    ASSERT_TRUE(fs.mkdir("out"));
  }
  void file(const std::string& name, const Bytes& bytes) { ASSERT_TRUE(replace_file(fs, "in/" + name, bytes)); }
  Bytes packed(const std::vector<std::string>& names) {
    const auto done = pack(fs, "in", names, "packed");
    EXPECT_TRUE(done) << done.error().str();
    const Bytes bytes = *read_file(fs, "packed", 1u << 30);
    EXPECT_EQ(done->size_bytes, bytes.size());
    EXPECT_EQ(done->hash, crypto::blake3(bytes));
    EXPECT_TRUE(fs.unlink("packed"));
    return bytes;
  }
  Result<std::vector<PackedFile>> unpacked(ByteView bytes, UnpackLimits limits = {}, std::size_t step = 4096) {
    Unpacker to(fs, "out", limits);
    for (std::size_t at = 0; at < bytes.size(); at += step)
      TRY_OK(to.feed(bytes.subspan(at, std::min(step, bytes.size() - at))));
    return to.finish();
  }
  void clear() {
    const auto names = *fs.list("out");
    for (const auto& name : names) ASSERT_TRUE(fs.unlink("out/" + name));
  }
};

Bytes noise(std::size_t size) {
  Bytes out(size);
  SeededRandom(size).fill(out);
  return out;
}

TEST_F(Packing, gives_the_same_files_back_whatever_the_pieces) {
  std::vector<std::string> names;
  for (const std::size_t size : {0u, 1u, 511u, 512u, 513u, 3'000'000u}) {
    names.push_back(text("f{}.sst", size));
    file(names.back(), noise(size));
  }
  const Bytes bytes = packed(names);
  for (const std::size_t step : {std::size_t{1000}, std::size_t{1} << 17, bytes.size()}) {
    const auto files = unpacked(bytes, {}, step);
    ASSERT_TRUE(files) << files.error().str();
    ASSERT_EQ(files->size(), names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      const Bytes want = *read_file(fs, "in/" + names[i], 1u << 30);
      EXPECT_EQ((*files)[i], (PackedFile{names[i], want.size(), crypto::blake3(want)}));
      EXPECT_EQ(*read_file(fs, "out/" + names[i], 1u << 30), want);
    }
    clear();
  }
}

TEST_F(Packing, the_same_files_give_the_same_bytes) {
  file("a", noise(5000));
  EXPECT_EQ(packed({"a"}), packed({"a"}));
}

TEST_F(Packing, every_flipped_byte_is_refused_or_harmless) {
  file("a", noise(2000));
  file("b", Bytes(700, 3));
  const Bytes bytes = packed({"a", "b"});
  const auto want = unpacked(bytes);
  ASSERT_TRUE(want);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    clear();
    Bytes bad = bytes;
    bad[at] ^= 0x10;
    const auto got = unpacked(bad);
    if (!got) continue;
    EXPECT_EQ(*got, *want) << "byte " << at;  // bits of the frame header that say nothing
  }
}

TEST_F(Packing, a_cut_or_continued_archive_is_refused) {
  file("a", noise(2000));
  const Bytes bytes = packed({"a"});
  for (std::size_t size = 0; size < bytes.size(); size += 37) {
    clear();
    const auto got = unpacked(ByteView(bytes).first(size));
    ASSERT_FALSE(got) << size;
    EXPECT_EQ(got.error().id(), "archive.tar");
  }
  clear();
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(unpacked(longer).error().id(), "archive.tar");
  clear();
  EXPECT_EQ(unpacked(as_bytes("this is no zstd frame at all")).error().id(), "archive.zstd");
}

// A tar of one entry as a stranger would make it.
struct Strange {
  std::string name = "a";
  char type = '0';
  std::string size = "00000000005";
  std::string body = "hello";
  std::string prefix = {};
};
Bytes strange_tar(const Strange& s) {
  Bytes h(512, 0);
  const auto put = [&](std::size_t at, std::string_view v) { std::memcpy(h.data() + at, v.data(), v.size()); };
  put(0, s.name);
  put(100, "0000644");
  put(124, s.size);
  h[156] = static_cast<std::uint8_t>(s.type);
  put(257, "ustar");
  put(345, s.prefix);
  put(148, "        ");
  unsigned sum = 0;
  for (const auto b : h) sum += b;
  put(148, text("{:06o}", sum));
  h[154] = 0;
  append(h, as_bytes(s.body));
  h.resize((h.size() + 511) / 512 * 512 + 1024, 0);
  return h;
}

TEST_F(Packing, refuses_names_and_kinds_that_could_leave_the_folder) {
  ASSERT_TRUE(unpacked(compress(strange_tar({}))));
  for (const std::string name : {"../a", "/etc/passwd", "a/b", "..", ".hidden", "", "a b", "a\\b", "\xC3\xA4"}) {
    const auto got = unpacked(compress(strange_tar({.name = name})));
    ASSERT_FALSE(got) << name;
    EXPECT_EQ(got.error().id(), "archive.path") << name;
  }
  for (const char type : {'1', '2', '3', '4', '5', '6', 'x', 'g', 'L', 'K'})
    EXPECT_EQ(unpacked(compress(strange_tar({.name = "b", .type = type}))).error().id(), "archive.path") << type;
  EXPECT_EQ(unpacked(compress(strange_tar({.name = "b", .prefix = "../.."}))).error().id(), "archive.path");
}

TEST_F(Packing, never_overwrites_a_file) {
  ASSERT_TRUE(unpacked(compress(strange_tar({}))));
  EXPECT_EQ(unpacked(compress(strange_tar({.body = "other"}))).error().id(), "core.fs_exists");
  EXPECT_EQ(as_text(*read_file(fs, "out/a", 100)), "hello");
  Bytes twice = strange_tar({.name = "b"});
  twice.resize(1024);
  append(twice, strange_tar({.name = "b"}));
  EXPECT_EQ(unpacked(compress(twice)).error().id(), "archive.tar");
}

TEST_F(Packing, bombs_stop_at_the_limits) {
  file("zeros", Bytes(50u << 20, 0));
  file("b", noise(10));
  const Bytes bytes = packed({"zeros", "b"});
  EXPECT_LT(bytes.size(), 20'000u);
  EXPECT_TRUE(unpacked(bytes, {.files_max = 2, .bytes_max = (50u << 20) + 10}));
  clear();
  EXPECT_EQ(unpacked(bytes, {.files_max = 2, .bytes_max = (50u << 20) + 9}).error().id(), "archive.bomb");
  clear();
  EXPECT_EQ(unpacked(bytes, {.files_max = 1, .bytes_max = 1u << 30}).error().id(), "archive.bomb");
  clear();
  EXPECT_EQ(unpacked(bytes, {.files_max = 2, .bytes_max = 1000}).error().id(), "archive.bomb");
  EXPECT_TRUE(fs.list("out")->empty());
  EXPECT_EQ(unpacked(compress(Bytes(100 * 512, 0))).error().id(), "archive.bomb");
  EXPECT_EQ(unpacked(compress(strange_tar({.size = "77777777777"}))).error().id(), "archive.tar");
  clear();
  EXPECT_EQ(unpacked(compress(strange_tar({.size = "\x80\x01zzzzzzzz"}))).error().id(), "archive.tar");
}

TEST_F(Packing, a_full_disk_ends_packing_and_unpacking) {
  file("a", noise(20'000));
  const Bytes bytes = packed({"a"});
  MemFs small(10'000);
  ASSERT_TRUE(small.mkdir("out"));
  Unpacker to(small, "out", {});
  const Status fed = to.feed(bytes);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().id(), "core.fs_full");
  fs.fail_at(2, MemFs::Fault::kFull);
  EXPECT_EQ(pack(fs, "in", {"a"}, "packed").error().id(), "core.fs_full");
  EXPECT_EQ(pack(fs, "in", {"../a"}, "packed2").error().id(), "archive.name");
}

TEST_F(Packing, single_frames_are_bounded) {
  const Bytes zeros(1'000'000, 0);
  const Bytes small = compress(zeros);
  EXPECT_EQ(*decompress(small, zeros.size()), zeros);
  EXPECT_EQ(decompress(small, zeros.size() - 1).error().id(), "archive.bomb");
  EXPECT_EQ(decompress(ByteView(small).first(small.size() - 1), zeros.size()).error().id(), "archive.zstd");
  EXPECT_EQ(decompress(as_bytes("no frame"), 100).error().id(), "archive.zstd");
  EXPECT_EQ(decompress({}, 100).error().id(), "archive.zstd");
}

TEST(PackingOnDisk, the_systems_tar_reads_it) {
  if (std::system("tar --version >/dev/null 2>&1 && zstd --version >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "tar and zstd are not installed";
  const std::string dir = text("{}hanse_pack_{}", testing::TempDir(), static_cast<std::int64_t>(::getpid()));
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir + "/out");
  ASSERT_TRUE(replace_file(real_fs(), dir + "/a.sst", noise(100'000)));
  ASSERT_TRUE(replace_file(real_fs(), dir + "/b", noise(0)));
  ASSERT_TRUE(pack(real_fs(), dir, {"a.sst", "b"}, dir + "/p.tar.zst"));
  EXPECT_EQ(std::system(text("tar --zstd -C {}/out -xf {}/p.tar.zst", dir, dir).c_str()), 0);
  EXPECT_EQ(*read_file(real_fs(), dir + "/out/a.sst", 1u << 20), noise(100'000));
  EXPECT_TRUE(*real_fs().exists(dir + "/out/b"));
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace hanse::archive
