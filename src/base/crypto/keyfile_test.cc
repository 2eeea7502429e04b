#include "base/crypto/keyfile.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/codec/hex.h"

namespace hanse::crypto {
namespace {

namespace fs = std::filesystem;

// The cheapest scrypt the format allows: these tests are about the file.
constexpr KeyFileOptions kCheap{.scrypt_log2 = kScryptLog2Min};
constexpr KeyFileOptions kPlain{.allow_unencrypted = true, .scrypt_log2 = kScryptLog2Min};
constexpr std::string_view kPass = "nine cogs in the hold";

class KeyFileTest : public testing::Test {
 protected:
  KeyFileTest() {
    std::string pattern = testing::TempDir() + "/keyfile.XXXXXX";
    dir_ = mkdtemp(pattern.data());
    path_ = (dir_ / "node.key").string();
  }
  ~KeyFileTest() override { fs::remove_all(dir_); }

  std::string content() const {
    std::ifstream in(path_);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write() { ASSERT_TRUE(write_key_file(path_, seeds_, kPass, random_, kCheap)); }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir_), fs::directory_iterator()));
  }

  SeededRandom random_{1, "keyfile test"};
  KeySeeds seeds_ = KeySeeds::generate(random_);
  fs::path dir_;
  std::string path_;
};

TEST_F(KeyFileTest, gives_back_the_seeds_under_the_right_passphrase) {
  write();
  const auto opened = open_key_file(path_, kPass);
  ASSERT_TRUE(opened) << opened.error().str();
  EXPECT_EQ(opened->signing, seeds_.signing);
  EXPECT_EQ(opened->kem, seeds_.kem);
  struct stat st;
  ASSERT_EQ(stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600U);
  EXPECT_EQ(files(), 1U) << "no temporary file is left";
}

TEST_F(KeyFileTest, default_cost_is_two_to_the_seventeen) {
  ASSERT_TRUE(write_key_file(path_, seeds_, kPass, random_));
  EXPECT_TRUE(open_key_file(path_, kPass));
}

TEST_F(KeyFileTest, refuses_a_wrong_or_empty_passphrase) {
  write();
  const auto wrong = open_key_file(path_, "nine cogs in the holD");
  EXPECT_EQ(wrong.error().id(), "crypto.wrong_passphrase");
  EXPECT_EQ(wrong.error().kind(), Kind::kDenied);
  EXPECT_EQ(open_key_file(path_, "").error().id(), "crypto.wrong_passphrase");
}

TEST_F(KeyFileTest, public_part_needs_no_passphrase_and_seeds_do_not_show) {
  write();
  const auto info = read_key_file(path_);
  ASSERT_TRUE(info);
  const Identity identity = *seeds_.identity();
  EXPECT_EQ(info->public_key, identity.mldsa().public_key());
  EXPECT_EQ(info->account, identity.id());
  EXPECT_TRUE(info->encrypted);
  EXPECT_TRUE(content().starts_with("hanse-key 2 encrypted " + codec::encode_id(identity.id().view()) + "\n"));
  const std::string file = content();
  const Bytes body = *codec::from_base32(file.substr(file.find('\n') + 1, file.size() - file.find('\n') - 2));
  EXPECT_EQ(as_text(body).find(as_text(seeds_.signing.view())), std::string_view::npos);
  EXPECT_EQ(as_text(body).find(as_text(seeds_.kem.view())), std::string_view::npos);
}

TEST_F(KeyFileTest, unencrypted_files_are_made_and_read_only_when_allowed_and_say_so) {
  EXPECT_EQ(write_key_file(path_, seeds_, "", random_, kCheap).error().id(), "crypto.passphrase_empty");
  EXPECT_EQ(files(), 0U);
  ASSERT_TRUE(write_key_file(path_, seeds_, "", random_, kPlain));
  EXPECT_TRUE(content().starts_with("hanse-key 2 UNENCRYPTED hanse1"));
  EXPECT_FALSE(read_key_file(path_)->encrypted);
  EXPECT_EQ(open_key_file(path_, "").error().id(), "crypto.keyfile_unencrypted");
  const auto opened = open_key_file(path_, "", kPlain);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->signing, seeds_.signing);
}

TEST_F(KeyFileTest, an_existing_file_stays_unless_replaced) {
  write();
  const KeySeeds others = KeySeeds::generate(random_);
  EXPECT_EQ(write_key_file(path_, others, kPass, random_, kCheap).error().id(), "crypto.keyfile_exists");
  EXPECT_EQ(open_key_file(path_, kPass)->signing, seeds_.signing);
  KeyFileOptions replace = kCheap;
  replace.replace = true;
  ASSERT_TRUE(write_key_file(path_, others, kPass, random_, replace));
  EXPECT_EQ(open_key_file(path_, kPass)->signing, others.signing);
  EXPECT_EQ(files(), 1U);
}

TEST_F(KeyFileTest, symbolic_links_are_not_followed) {
  write();
  const std::string link = (dir_ / "link.key").string();
  fs::create_symlink(path_, link);
  EXPECT_EQ(open_key_file(link, kPass).error().id(), "crypto.keyfile_symlink");
  KeyFileOptions replace = kCheap;
  replace.replace = true;
  EXPECT_EQ(write_key_file(link, seeds_, kPass, random_, replace).error().id(), "crypto.keyfile_symlink");
}

TEST_F(KeyFileTest, files_open_to_others_are_refused) {
  write();
  for (const unsigned mode : {0640U, 0604U, 0610U}) {
    fs::permissions(path_, static_cast<fs::perms>(mode));
    EXPECT_EQ(open_key_file(path_, kPass).error().id(), "crypto.keyfile_mode") << mode;
    EXPECT_EQ(read_key_file(path_).error().id(), "crypto.keyfile_mode") << mode;
  }
  fs::permissions(path_, static_cast<fs::perms>(0400));
  EXPECT_TRUE(open_key_file(path_, kPass));
}

TEST_F(KeyFileTest, files_of_another_user_are_refused) {
  write();
  if (chown(path_.c_str(), geteuid() + 1, static_cast<gid_t>(-1)) != 0) {
    std::printf("skipped: only root can give a file away\n");
    return;
  }
  EXPECT_EQ(open_key_file(path_, kPass).error().id(), "crypto.keyfile_owner");
}

TEST_F(KeyFileTest, absent_files_and_directories_are_told_apart_from_broken_ones) {
  EXPECT_EQ(open_key_file(path_, kPass).error().id(), "crypto.keyfile_missing");
  EXPECT_EQ(open_key_file(path_ + "/deeper/x", kPass).error().id(), "crypto.keyfile_missing");
  EXPECT_EQ(open_key_file(dir_.string(), kPass).error().id(), "crypto.keyfile_io");
  EXPECT_EQ(write_key_file(dir_.string() + "/", seeds_, kPass, random_, kCheap).error().id(), "crypto.keyfile_io");
}

TEST_F(KeyFileTest, cost_outside_its_range_is_refused) {
  for (const unsigned log2 : {kScryptLog2Min - 1, kScryptLog2Max + 1})
    EXPECT_EQ(encode_key_file(seeds_, kPass, random_, {.scrypt_log2 = log2}).error().id(), "crypto.keyfile_cost");
}

TEST_F(KeyFileTest, every_altered_character_is_refused) {
  // Unencrypted, so that each try costs no scrypt; the sealed form is covered by the tag.
  const std::string good = *encode_key_file(seeds_, "", random_, kPlain);
  ASSERT_TRUE(unlock_key_file(good, "", kPlain));
  for (std::size_t i = 0; i < good.size(); i += i < 3000 ? 7 : 1) {
    std::string bad = good;
    bad[i] = bad[i] == 'a' ? 'b' : 'a';
    const auto got = unlock_key_file(bad, "", kPlain);
    ASSERT_FALSE(got) << "character " << i;
    EXPECT_EQ(got.error().id(), "crypto.keyfile_corrupt") << "character " << i;
  }
  EXPECT_EQ(parse_key_file("").error().id(), "crypto.keyfile_corrupt");
  EXPECT_EQ(parse_key_file(good.substr(0, good.size() - 1)).error().id(), "crypto.keyfile_corrupt");
  EXPECT_EQ(parse_key_file(good + "\n").error().id(), "crypto.keyfile_corrupt");
  EXPECT_EQ(parse_key_file(std::string(kKeyFileMax + 1, 'h')).error().id(), "crypto.keyfile_corrupt");
}

TEST_F(KeyFileTest, a_sealed_file_with_an_altered_box_or_public_part_is_corrupt_not_mistyped) {
  const std::string good = *encode_key_file(seeds_, kPass, random_, kCheap);
  std::string box = good;
  box[box.size() - 20] = box[box.size() - 20] == 'a' ? 'b' : 'a';
  EXPECT_EQ(unlock_key_file(box, kPass).error().id(), "crypto.keyfile_corrupt");
  // Another key in the public part, with its own first line: readable, but the tag covers the public part.
  const std::string other = *encode_key_file(KeySeeds::generate(random_), kPass, random_, kCheap);
  EXPECT_NE(parse_key_file(other)->account, parse_key_file(good)->account);
  std::string mixed = other.substr(0, other.size() - 184) + good.substr(good.size() - 184);
  EXPECT_FALSE(unlock_key_file(mixed, kPass));
}

}  // namespace
}  // namespace hanse::crypto
