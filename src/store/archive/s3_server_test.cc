#include "store/archive/s3_server_test.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/core/text.h"
#include "store/archive/target.h"

namespace hanse::archive {
namespace {

struct RealS3 : testing::Test {
  static std::unique_ptr<S3Server> server;
  static void SetUpTestSuite() { server = S3Server::start(); }
  static void TearDownTestSuite() { server.reset(); }
  void SetUp() override {
    if (server == nullptr) GTEST_SKIP() << "python3-moto is not installed: ./dev setup s3";
  }
  static std::unique_ptr<Target> open(const std::string& secret, const std::string& id = server->id,
                                      const std::string& options = {}) {
    auto target = open_target(
        server->url("node-1") + options, {.environment = [=](const std::string& name) {
          return name == "AWS_ACCESS_KEY_ID" ? id : name == "AWS_SECRET_ACCESS_KEY" ? secret : std::string();
        }});
    EXPECT_TRUE(target) << target.error().str();
    return std::move(*target);
  }
};
std::unique_ptr<S3Server> RealS3::server;

TEST_F(RealS3, keeps_gives_back_lists_and_erases) {
  const auto target = open(server->secret);
  const auto nothing = target->list("");
  ASSERT_TRUE(nothing) << nothing.error().str();
  EXPECT_TRUE(nothing->empty());
  for (const std::string name : {"b/data.tar.zst", "b/manifest", "cuts/1-2"}) {
    const Status done = target->put(name, bytes_source(as_bytes("bytes of " + name)));
    ASSERT_TRUE(done) << done.error().str();
  }
  ASSERT_TRUE(target->put("b/empty", bytes_source({})));
  EXPECT_EQ(*target->list("b/"), (std::vector<Entry>{{"b/data.tar.zst", 23}, {"b/empty", 0}, {"b/manifest", 19}}));
  EXPECT_EQ(target->list("")->size(), 4u);
  EXPECT_EQ(as_text(*target->get_bytes("b/manifest", 100)), "bytes of b/manifest");
  EXPECT_EQ(target->get_bytes("b/manifest", 18).error().id(), "archive.too_large");
  EXPECT_TRUE(target->get_bytes("b/empty", 0)->empty());
  EXPECT_EQ(target->head("b/manifest")->size_bytes, 19u);
  const auto all = *target->list("");
  for (const auto& entry : all) ASSERT_TRUE(target->erase(entry.name));
  EXPECT_EQ(target->get_bytes("b/manifest", 100).error().id(), "archive.not_found");
  EXPECT_EQ(target->head("b/manifest").error().id(), "archive.not_found");
  EXPECT_TRUE(target->erase("b/manifest"));
}

TEST_F(RealS3, a_wrong_secret_or_key_is_refused_by_the_server) {
  const auto wrong = open(server->secret + "x");
  const Status put = wrong->put("a", bytes_source(as_bytes("1")));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().id(), "archive.denied");
  EXPECT_NE(put.error().str().find("HTTP 403 (SignatureDoesNotMatch"), std::string::npos) << put.error().str();
  EXPECT_EQ(put.error().str().find(server->secret), std::string::npos);
  EXPECT_EQ(wrong->list("").error().id(), "archive.denied");
  EXPECT_EQ(wrong->head("a").error().id(), "archive.denied");
  EXPECT_EQ(open(server->secret, "AKIANOBODY")->list("").error().id(), "archive.denied");
  EXPECT_EQ(open(server->secret)->get_bytes("a", 10).error().id(), "archive.not_found");
}

TEST_F(RealS3, large_objects_go_in_parts_and_come_back_whole) {
  Bytes big((64u << 20) + 12'345);
  SeededRandom(5).fill(big);
  const auto target = open(server->secret);
  const Status done = target->put("big", bytes_source(big));
  ASSERT_TRUE(done) << done.error().str();
  EXPECT_EQ(target->head("big")->size_bytes, big.size());
  EXPECT_EQ(*target->get_bytes("big", big.size()), big);
  // A source that fails in the middle leaves nothing that looks like an object.
  Source broken{.size_bytes = big.size(), .read = [&](std::uint64_t at, ByteSpan out) -> Status {
                  if (at > (20u << 20)) return fail(Kind::kUnavailable, "core.fs_io", "the disk went away");
                  std::memcpy(out.data(), big.data() + at, out.size());
                  return {};
                }};
  EXPECT_EQ(target->put("torn", broken).error().id(), "core.fs_io");
  EXPECT_EQ(target->head("torn").error().id(), "archive.not_found");
  EXPECT_EQ(target->list("")->size(), 1u);
  EXPECT_TRUE(target->erase("big"));
}

TEST_F(RealS3, nobody_who_listens_is_unavailable) {
  const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);  // bound, never listening
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size), 0);
  int waits = 0;
  const std::string at = text("127.0.0.1:{}", ntohs(address.sin_port));
  Context context{.environment = [](const std::string&) { return std::string("x"); }};
  context.wait_ms = [&](std::int64_t) { ++waits; };
  EXPECT_EQ((*open_target("s3://b?endpoint=http://" + at, context))->head("a").error().id(), "archive.unavailable");
  EXPECT_EQ(waits, kAttemptsMax - 1);
  ::close(probe);
}

TEST_F(RealS3, a_server_that_speaks_no_tls_is_refused_as_such) {
  Context context{.environment = [](const std::string&) { return std::string("x"); }};
  const std::string address = server->endpoint.substr(server->endpoint.find("://"));
  const auto target = open_target("s3://b?endpoint=https" + address, context);
  EXPECT_EQ((*target)->head("a").error().id(), "archive.tls");
}

}  // namespace
}  // namespace hanse::archive
