#include "store/archive/target.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/mem_fs.h"
#include "base/core/text.h"

namespace hanse::archive {
namespace {

struct Folder : testing::Test {
  MemFs fs{64u << 20};
  std::unique_ptr<Target> target;

  void SetUp() override {
    auto opened = open_target("dir:backups", {.fs = &fs});
    ASSERT_TRUE(opened) << opened.error().str();
    target = std::move(*opened);
  }
  std::string names() {
    std::string out;
    const auto listed = target->list("");
    EXPECT_TRUE(listed) << listed.error().str();
    for (const Entry& e : *listed) out += text("{}:{} ", e.name, e.size_bytes);
    return out;
  }
};

TEST_F(Folder, gives_back_lists_and_erases_what_was_put) {
  EXPECT_EQ(names(), "");
  const Bytes big((2u << 20) + 5, 7);
  ASSERT_TRUE(target->put("b/data", bytes_source(big)));
  ASSERT_TRUE(target->put("a", bytes_source(as_bytes("one"))));
  ASSERT_TRUE(target->put("a", bytes_source(as_bytes("other"))));
  ASSERT_TRUE(target->put("b/empty", bytes_source({})));
  EXPECT_EQ(names(), "a:5 b/data:2097157 b/empty:0 ");
  EXPECT_EQ(target->list("b/")->size(), 2u);
  EXPECT_EQ(*target->get_bytes("b/data", big.size()), big);
  EXPECT_EQ(as_text(*target->get_bytes("a", 5)), "other");
  EXPECT_EQ(target->get_bytes("a", 4).error().id(), "archive.too_large");
  EXPECT_EQ(target->head("b/data")->size_bytes, big.size());
  ASSERT_TRUE(target->erase("a"));
  ASSERT_TRUE(target->erase("a"));
  EXPECT_EQ(target->get_bytes("a", 5).error().id(), "archive.not_found");
  EXPECT_EQ(target->head("a").error().kind(), Kind::kNotFound);
}

TEST_F(Folder, a_full_disk_or_a_crash_leaves_the_old_object_whole) {
  const Bytes old(100'000, 1), next(100'000, 2);
  ASSERT_TRUE(target->put("b/data", bytes_source(old)));
  const std::uint64_t before = fs.operations();
  ASSERT_TRUE(target->put("b/data", bytes_source(old)));
  const std::uint64_t steps = fs.operations() - before;
  ASSERT_GE(steps, 4u);
  for (std::uint64_t n = 1; n <= steps; ++n) {
    for (const auto fault : {MemFs::Fault::kFull, MemFs::Fault::kIo}) {
      ASSERT_TRUE(target->put("b/data", bytes_source(old)));
      fs.fail_at(n, fault);
      const Status done = target->put("b/data", bytes_source(next));
      EXPECT_FALSE(done) << n;
      fs.crash(n);
      const auto got = target->get_bytes("b/data", 200'000);
      ASSERT_TRUE(got) << got.error().str();
      EXPECT_TRUE(*got == old || *got == next) << "step " << n;
      EXPECT_EQ(names(), "b/data:100000 ") << "step " << n;
    }
  }
}

TEST_F(Folder, no_room_is_an_error_and_leaves_nothing) {
  MemFs small(1000);
  auto opened = open_target("dir:backups", {.fs = &small});
  const Status done = (*opened)->put("data", bytes_source(Bytes(2000, 1)));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().id(), "core.fs_full");
  EXPECT_EQ((*opened)->list("")->size(), 0u);
  EXPECT_TRUE((*opened)->put("data", bytes_source(Bytes(900, 1))));
}

TEST(Names, one_folder_and_one_file_of_plain_letters) {
  for (const std::string& good :
       std::vector<std::string>{"a", "a/b", "backup-12-34/data.tar.zst", std::string(kNameMax, 'a')})
    EXPECT_TRUE(check_name(good)) << good;
  for (const std::string& bad :
       std::vector<std::string>{"", "/a", "a/", "a//b", "a/b/c", "..", "../a", "a/..", ".a", "a/.b", "a b", "a%2f",
                                "\xC3\xA4", "a\\b", std::string(kNameMax + 1, 'a')}) {
    const auto status = check_name(bad);
    ASSERT_FALSE(status) << bad;
    EXPECT_EQ(status.error().id(), "archive.name");
  }
}

std::string open_error(const std::string& url, std::map<std::string, std::string> environment = {}) {
  const auto opened = open_target(url, {.environment = [&](const std::string& name) { return environment[name]; }});
  return opened ? (*opened)->shown() : std::string(opened.error().id());
}

TEST(TargetUrl, names_the_place_without_secrets) {
  const std::map<std::string, std::string> aws = {{"AWS_ACCESS_KEY_ID", "id"}, {"AWS_SECRET_ACCESS_KEY", "geheim"}};
  EXPECT_EQ(open_error("dir:/a/b/"), "dir:/a/b");
  EXPECT_EQ(open_error("/a/b"), "dir:/a/b");
  EXPECT_EQ(open_error("s3://bucket/a/b?region=eu-north-1", aws), "s3://bucket/a/b/");
  EXPECT_EQ(open_error("s3://bucket?endpoint=http://127.0.0.1:9000&path_style=1", aws), "s3://bucket/");
  EXPECT_EQ(open_error("gs://bucket/a", {{"GS_ACCESS_KEY_ID", "id"}, {"GS_SECRET_ACCESS_KEY", "s"}}), "gs://bucket/a/");
  EXPECT_EQ(open_error("az://account/container", {{"AZURE_STORAGE_KEY", "Zm9v"}}), "az://account/container/");
}

TEST(TargetUrl, refuses_what_it_does_not_know) {
  const std::map<std::string, std::string> aws = {{"AWS_ACCESS_KEY_ID", "id"}, {"AWS_SECRET_ACCESS_KEY", "s"}};
  for (const char* bad : {"", "dir:", "ftp://host/a", "s3://", "s3:///a", "s3://b?what=1", "s3://b?region", "s3://b//a",
                          "s3://b?region=a&region=b", "s3://b?path_style=2", "s3://b?endpoint=ftp://h",
                          "s3://b?endpoint=https://", "s3://b?endpoint=https://user@host", "s3://b/ä", "az://account"})
    EXPECT_EQ(open_error(bad, aws), "archive.url") << bad;
}

TEST(TargetUrl, plain_http_is_for_loopback_only) {
  const std::map<std::string, std::string> aws = {{"AWS_ACCESS_KEY_ID", "id"}, {"AWS_SECRET_ACCESS_KEY", "s"}};
  for (const char* bad :
       {"http://example.com", "http://127.0.0.1.example.com", "http://10.0.0.1:9000", "http://localhost.a"})
    EXPECT_EQ(open_error(text("s3://b?endpoint={}", std::string(bad)), aws), "archive.plain_http") << bad;
  for (const char* good : {"http://127.0.0.1:9000", "http://localhost", "http://[::1]:9000", "https://example.com"})
    EXPECT_EQ(open_error(text("s3://b?endpoint={}", std::string(good)), aws), "s3://b/") << good;
}

TEST(TargetUrl, credentials_come_from_the_environment_or_a_closed_file) {
  EXPECT_EQ(open_error("s3://b"), "archive.credentials");
  EXPECT_EQ(open_error("az://a/c", {{"AZURE_STORAGE_KEY", "no base64"}}), "archive.credentials");
  const std::string path = text("{}hanse_credentials_{}", testing::TempDir(), static_cast<std::int64_t>(::getpid()));
  std::filesystem::remove(path);
  ASSERT_TRUE(replace_file(real_fs(), path,
                           as_bytes("[default]\n# a remark\naws_access_key_id = id\r\n"
                                    "aws_secret_access_key=geheim")));
  EXPECT_EQ(open_error("s3://b?credentials=" + path), "s3://b/");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(open_error("s3://b?credentials=" + path), "archive.credentials");
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  ASSERT_TRUE(replace_file(real_fs(), path, as_bytes("geheim")));
  const auto opened = open_target("s3://b?credentials=" + path, {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().id(), "archive.credentials");
  EXPECT_EQ(opened.error().str().find("geheim"), std::string::npos);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace hanse::archive
