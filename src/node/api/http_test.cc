#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "node/api/hand_backend.h"
#include "node/api/http_server.h"

#include <gtest/gtest.h>

namespace hanse::api {
namespace {

TEST(HttpRoutes, answer_what_the_backend_says) {
  HandBackend b;
  EXPECT_EQ(http_reply(b, &b, "GET", "/health/live").body, "live\n");
  EXPECT_EQ(http_reply(b, &b, "GET", "/health/ready").status, 200u);
  b.is_ready = false;
  const auto unready = http_reply(b, &b, "GET", "/health/ready");
  EXPECT_EQ(unready.status, 503u);
  EXPECT_EQ(unready.body,
            "{\"error\":{\"kind\":\"unavailable\",\"id\":\"ledger.starting\",\"message\":\"found no block yet\"}}\n");
  EXPECT_EQ(http_reply(b, &b, "GET", "/metrics").body, "hanse_up 1\n");
  EXPECT_EQ(http_reply(b, &b, "GET", "/metrics").type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(http_reply(b, &b, "GET", "/api/v1/blocks/5?pretty").body, "{\"height\":5}\n");
  EXPECT_EQ(http_reply(b, &b, "GET", "/api/v1/jobs/000102030405060708090a0b0c0d0e0f").body,
            "{\"job\":\"000102030405060708090a0b0c0d0e0f\"}\n");
  const auto info = http_reply(b, &b, "GET", "/api/v1/info");
  EXPECT_EQ(info.status, 200u);
  EXPECT_NE(info.body.find("\"roles\":[\"validator\",\"gateway\"]"), std::string::npos) << info.body;
}

TEST(HttpRoutes, show_where_consensus_is) {
  HandBackend b;
  EXPECT_EQ(http_reply(b, &b, "GET", "/api/v1/consensus/status").body,
            "{\"height\":9,\"finalized\":8,\"economic\":7,\"view\":6,\"leader\":\"hanse1abc\",\"stable\":5,\"lag\":4,"
            "\"abstaining\":false,\"validators\":3,\"quorum_bp\":6700,\"economic_bp\":8000}\n");
  const std::string hash(64, 'a');
  EXPECT_EQ(http_reply(b, &b, "GET", "/api/v1/consensus/finality/12").body, "{\"height\":12}\n");
  EXPECT_EQ(http_reply(b, &b, "GET", "/api/v1/consensus/finality/" + hash).body, "{\"hash\":\"" + hash + "\"}\n");
  EXPECT_EQ(http_reply(b, &b, "GET", "/api/v1/cert/8").body, "{\"certificate\":8}\n");
  EXPECT_EQ(http_reply(b, &b, "GET", "/api/v1/valset/0").body, "{\"epoch\":0}\n");
  EXPECT_EQ(http_reply(b, &b, "GET", "/api/v1/tx/" + hash + "/proof").body, "{\"tx\":\"" + hash + "\"}\n");
  b.is_live = false;
  const auto dead = http_reply(b, &b, "GET", "/health/live");
  EXPECT_EQ(dead.status, 503u);
  EXPECT_NE(dead.body.find("ledger.halted"), std::string::npos);
}

TEST(HttpRoutes, refuse_what_is_not_there) {
  HandBackend b;
  EXPECT_EQ(http_reply(b, &b, "GET", "/api/v1/blocks/6").status, 404u);
  for (const char* bad :
       {"/api/v1/blocks/", "/api/v1/blocks/x", "/api/v1/blocks/-1", "/api/v1/blocks/18446744073709551616",
        "/api/v1/consensus/finality/", "/api/v1/consensus/finality/123456789012345678901", "/api/v1/cert/a",
        "/api/v1/valset/-1", "/api/v1/tx/0a/proof", "/api/v1/tx//proof", "/api/v1/jobs/", "/api/v1/jobs/00",
        "/api/v1/jobs/zz0102030405060708090a0b0c0d0e0f"}) {
    const auto r = http_reply(b, &b, "GET", bad);
    EXPECT_EQ(r.status, 400u) << bad;
    EXPECT_NE(r.body.find("api.bad_request"), std::string::npos) << bad;
  }
  EXPECT_NE(http_reply(b, &b, "GET", "/").body.find("api.no_route"), std::string::npos);
  EXPECT_EQ(http_reply(b, &b, "GET", "/health/livex").status, 404u);
  EXPECT_EQ(http_reply(b, &b, "GET", "/api/v1/tx/proof").status, 404u);
  const auto post = http_reply(b, &b, "POST", "/api/v1/info");
  EXPECT_EQ(post.status, 405u);
  EXPECT_NE(post.body.find("api.bad_method"), std::string::npos);
}

TEST(HttpRoutes, have_no_api_without_a_backend) {
  HandBackend b;
  EXPECT_EQ(http_reply(b, nullptr, "GET", "/health/ready").status, 200u);
  EXPECT_EQ(http_reply(b, nullptr, "GET", "/metrics").status, 200u);
  EXPECT_EQ(http_reply(b, nullptr, "GET", "/api/v1/info").status, 404u);
}

TEST(HttpRoutes, give_each_kind_its_status) {
  EXPECT_EQ(http_status(Kind::kInvalid), 400u);
  EXPECT_EQ(http_status(Kind::kDenied), 403u);
  EXPECT_EQ(http_status(Kind::kNotFound), 404u);
  EXPECT_EQ(http_status(Kind::kConflict), 409u);
  EXPECT_EQ(http_status(Kind::kExhausted), 429u);
  EXPECT_EQ(http_status(Kind::kCorrupt), 500u);
  EXPECT_EQ(http_status(Kind::kInternal), 500u);
  EXPECT_EQ(http_status(Kind::kUnsupported), 501u);
  EXPECT_EQ(http_status(Kind::kUnavailable), 503u);
  EXPECT_EQ(http_status(Kind::kTimeout), 504u);
}

struct Served {
  explicit Served(HttpOptions options = {}) {
    options.address = "127.0.0.1:0";
    auto started = HttpServer::start(
        options, [this](std::string_view m, std::string_view t) { return http_reply(backend, &backend, m, t); });
    EXPECT_TRUE(started) << started.error().str();
    server = std::move(*started);
  }
  HandBackend backend;
  std::unique_ptr<HttpServer> server;
};

int dial(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&in), sizeof in), 0);
  return fd;
}

std::string read_to_end(int fd) {
  std::string out;
  char buf[4096];
  for (ssize_t n; (n = ::read(fd, buf, sizeof buf)) > 0;) out.append(buf, static_cast<std::size_t>(n));
  ::close(fd);
  return out;
}

std::string ask(std::uint16_t port, const std::string& request) {
  const int fd = dial(port);
  EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  return read_to_end(fd);
}

TEST(HttpServer, serves_and_closes_when_asked) {
  Served s;
  const auto reply =
      ask(s.server->port(), "GET /metrics HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(reply.starts_with("HTTP/1.1 200 OK\r\n")) << reply;
  EXPECT_TRUE(reply.ends_with("\r\n\r\nhanse_up 1\n")) << reply;
}

TEST(HttpServer, answers_several_requests_on_one_connection) {
  Served s;
  const auto reply = ask(s.server->port(),
                         "GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                         "GET /health/ready HTTP/1.1\r\nHost: [::1]:9\r\nConnection: close\r\n\r\n");
  EXPECT_NE(reply.find("live\n"), std::string::npos) << reply;
  EXPECT_NE(reply.find("ready\n"), std::string::npos) << reply;
}

TEST(HttpServer, refuses_other_hosts_bodies_and_long_heads) {
  Served s;
  const auto port = s.server->port();
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "localhost.evil", ""}) {
    const auto r = ask(port, text("GET /api/v1/info HTTP/1.1\r\nHost: {}\r\n\r\n", host));
    EXPECT_TRUE(r.starts_with("HTTP/1.1 403")) << r;
    EXPECT_NE(r.find("api.bad_host"), std::string::npos);
  }
  const auto body = ask(port, "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_TRUE(body.starts_with("HTTP/1.1 413")) << body;
  EXPECT_NE(body.find("api.too_large"), std::string::npos);
  const auto fits = ask(port, "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " +
                                  std::string(kHeadBytesMax - 100, 'x') + "\r\n\r\n");
  EXPECT_TRUE(fits.starts_with("HTTP/1.1 200")) << fits;
  const auto head = ask(port, "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(kHeadBytesMax, 'x'));
  EXPECT_TRUE(head.starts_with("HTTP/1.1 431")) << head;
  const auto garbage = ask(port, "\x16\x03\x01\x02\r\n\r\n");
  EXPECT_TRUE(garbage.starts_with("HTTP/1.1 400")) << garbage;
}

TEST(HttpServer, closes_one_connection_past_its_limit) {
  Served s({.address = {}, .connections_max = 2});
  const int a = dial(s.server->port()), b = dial(s.server->port());
  const std::string request = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
  char buf[512];
  for (const int fd : {a, b}) {  // both answered, so both are counted
    ASSERT_GT(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), 0);
    ASSERT_GT(::read(fd, buf, sizeof buf), 0);
  }
  EXPECT_EQ(read_to_end(dial(s.server->port())), "");
  ::close(a);
  ::close(b);
}

TEST(HttpServer, closes_a_connection_that_says_nothing) {
  Served s({.address = {}, .idle_ms = 30});
  EXPECT_EQ(read_to_end(dial(s.server->port())), "");
}

TEST(HttpServer, names_a_port_in_use_and_an_address_off_the_machine) {
  Served s;
  const auto handler = [](std::string_view, std::string_view) { return HttpReply{}; };
  const auto taken = HttpServer::start({.address = text("127.0.0.1:{}", s.server->port())}, handler);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().id(), "api.port_in_use");
  const auto outside = HttpServer::start({.address = "0.0.0.0:0"}, handler);
  ASSERT_FALSE(outside);
  EXPECT_EQ(outside.error().id(), "client.bad_address");
}

}  // namespace
}  // namespace hanse::api
