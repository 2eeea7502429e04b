#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "node/api/stream_server.h"

#include <gtest/gtest.h>

namespace hanse::api {
namespace {

constexpr int kWaitMs = 20'000;

// A client by hand: it asks, reads frames of a server (unmasked, whole) and sends masked ones.
class HandClient {
 public:
  explicit HandClient(std::uint16_t port, int receive_bytes = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_bytes > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&in), sizeof in), 0);
  }
  ~HandClient() { ::close(fd_); }

  void send(const std::string& bytes) {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // The head of the answer.
  std::string ask(std::string_view target, std::string_view more = "Host: localhost\r\n") {
    send(
        text("GET {} HTTP/1.1\r\n{}Upgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
             target, more));
    while (in_.find("\r\n\r\n") == in_.npos && fill()) {
    }
    const std::size_t end = in_.find("\r\n\r\n");
    const std::string head = in_.substr(0, end);
    in_.erase(0, end == in_.npos ? end : end + 4);
    return head;
  }
  struct Frame {
    int opcode = -1;  // -1: the connection ended
    std::string body;
    int close_code() const {
      return body.size() < 2 ? 0 : (static_cast<std::uint8_t>(body[0]) << 8 | static_cast<std::uint8_t>(body[1]));
    }
  };
  Frame frame() {
    if (!need(2)) return {};
    std::size_t size = in_[1] & 0x7f, head = 2;
    if (size == 126) {
      if (!need(4)) return {};
      size = static_cast<std::size_t>(static_cast<std::uint8_t>(in_[2]) << 8 | static_cast<std::uint8_t>(in_[3]));
      head = 4;
    }
    EXPECT_LT(size, 127u * 512);
    if (!need(head + size)) return {};
    Frame out{.opcode = in_[0] & 0x0f, .body = in_.substr(head, size)};
    in_.erase(0, head + size);
    return out;
  }
  std::string rest() {
    while (fill()) {
    }
    return in_;
  }

 private:
  bool need(std::size_t n) {
    while (in_.size() < n)
      if (!fill()) return false;
    return true;
  }
  bool fill() {
    pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&p, 1, kWaitMs) <= 0) return false;
    char buf[4096];
    const ssize_t n = ::read(fd_, buf, sizeof buf);
    if (n <= 0) return false;
    in_.append(buf, static_cast<std::size_t>(n));
    return true;
  }

  int fd_;
  std::string in_;
};

std::unique_ptr<StreamServer> serve(StreamOptions options = {}) {
  options.address = "127.0.0.1:0";
  options.topics = {"block.fast", "block.economic", "view"};
  auto started = StreamServer::start(std::move(options));
  EXPECT_TRUE(started) << started.error().str();
  return std::move(*started);
}

// The count changes on the server's thread after the client has read its answer.
void wait_clients(const StreamServer& server, std::size_t count) {
  const std::int64_t until = system_clock().mono_ns() + std::int64_t{kWaitMs} * 1'000'000;
  while (server.clients() != count && system_clock().mono_ns() < until) std::this_thread::yield();
  ASSERT_EQ(server.clients(), count);
}

TEST(Stream, sends_each_client_the_topics_it_named) {
  const auto server = serve();
  HandClient all(server->port()), some(server->port());
  EXPECT_TRUE(all.ask("/api/v1/stream").starts_with("HTTP/1.1 101")) << "upgrade";
  EXPECT_TRUE(some.ask("/api/v1/stream?topics=view,block.economic").starts_with("HTTP/1.1 101"));
  wait_clients(*server, 2);
  server->publish("block.fast", "{\"n\":1}");
  server->publish("view", "{\"n\":2}");
  server->publish("block.economic", std::string(300, 'x'));
  EXPECT_EQ(all.frame().body, "{\"n\":1}");
  EXPECT_EQ(all.frame().body, "{\"n\":2}");
  const auto long_one = all.frame();
  EXPECT_EQ(long_one.opcode, 1);
  EXPECT_EQ(long_one.body.size(), 300u);
  EXPECT_EQ(some.frame().body, "{\"n\":2}");
  EXPECT_EQ(some.frame().body.size(), 300u);
}

TEST(Stream, forgets_a_client_that_left) {
  const auto server = serve();
  {
    HandClient client(server->port());
    EXPECT_TRUE(client.ask("/api/v1/stream").starts_with("HTTP/1.1 101"));
    wait_clients(*server, 1);
  }
  wait_clients(*server, 0);
  server->publish("view", "{}");
}

TEST(Stream, closes_a_client_that_speaks_with_1003) {
  const auto server = serve();
  HandClient client(server->port());
  EXPECT_TRUE(client.ask("/api/v1/stream").starts_with("HTTP/1.1 101"));
  client.send(std::string("\x81\x82\x01\x02\x03\x04", 6) + static_cast<char>('h' ^ 1) + static_cast<char>('i' ^ 2));
  const auto closed = client.frame();
  EXPECT_EQ(closed.opcode, 8);
  EXPECT_EQ(closed.close_code(), 1003);
}

// Publishes until the client `slow` was dropped; the other one reads along, so that little waits inside.
void flood(StreamServer& server, HandClient& quick) {
  const std::string message(32'000, 'x');
  for (int i = 0; i < 10'000 && server.clients() == 2; ++i) {
    server.publish("block.fast", message);
    server.publish("view", "{}");
    ASSERT_EQ(quick.frame().body, "{}");  // the message before was offered by then
  }
  ASSERT_EQ(server.clients(), 1u);
}

TEST(Stream, drops_a_client_that_reads_too_slowly_with_1013) {
  const auto server = serve({.address = {}, .topics = {}, .queue_max = 4, .slow_close_ms = kWaitMs});
  HandClient slow(server->port(), 4'096), quick(server->port());
  EXPECT_TRUE(slow.ask("/api/v1/stream?topics=block.fast").starts_with("HTTP/1.1 101"));
  EXPECT_TRUE(quick.ask("/api/v1/stream?topics=view").starts_with("HTTP/1.1 101"));
  wait_clients(*server, 2);
  flood(*server, quick);
  auto next = slow.frame();
  for (; next.opcode == 1; next = slow.frame()) ASSERT_EQ(next.body.size(), 32'000u);
  EXPECT_EQ(next.opcode, 8);
  EXPECT_EQ(next.close_code(), 1013);
  server->publish("view", "{\"still\":1}");
  EXPECT_EQ(quick.frame().body, "{\"still\":1}");
}

TEST(Stream, cuts_off_a_slow_client_that_does_not_take_the_close_frame) {
  const auto server = serve({.address = {}, .topics = {}, .queue_max = 4, .slow_close_ms = 1});
  HandClient slow(server->port(), 4'096), quick(server->port());
  EXPECT_TRUE(slow.ask("/api/v1/stream?topics=block.fast").starts_with("HTTP/1.1 101"));
  EXPECT_TRUE(quick.ask("/api/v1/stream?topics=view").starts_with("HTTP/1.1 101"));
  wait_clients(*server, 2);
  flood(*server, quick);
  slow.rest();  // comes to an end
}

TEST(Stream, closes_all_with_1013_when_it_cannot_keep_up_with_what_is_told) {
  const auto server = serve({.address = {}, .topics = {}, .pending_max = 0});
  HandClient client(server->port());
  EXPECT_TRUE(client.ask("/api/v1/stream").starts_with("HTTP/1.1 101"));
  wait_clients(*server, 1);
  server->publish("view", "{}");
  const auto closed = client.frame();
  EXPECT_EQ(closed.opcode, 8);
  EXPECT_EQ(closed.close_code(), 1013);
}

TEST(Stream, refuses_other_hosts_pages_paths_and_topics) {
  const auto server = serve();
  const auto refused = [&](std::string_view target, std::string_view more, int status, std::string_view id) {
    HandClient client(server->port());
    const std::string head = client.ask(target, more);
    EXPECT_TRUE(head.starts_with(text("HTTP/1.1 {}", status))) << target << more << head;
    EXPECT_NE(client.rest().find(id), std::string::npos) << target << more;
  };
  constexpr std::string_view kHost = "Host: localhost\r\n";
  refused("/api/v1/stream", "Host: evil.example\r\n", 403, "api.bad_host");
  refused("/api/v1/stream", "Host: localhost\r\nOrigin: http://evil.example\r\n", 403, "api.bad_host");
  refused("/api/v1/stream", "Host: localhost\r\nOrigin: null\r\n", 403, "api.bad_host");
  refused("/other", kHost, 404, "api.no_route");
  refused("/api/v1/stream?topics=evidence", kHost, 400, "api.bad_request");
  refused("/api/v1/stream?topics=view,", kHost, 400, "api.bad_request");
  refused("/api/v1/stream?from=1", kHost, 400, "api.bad_request");
  HandClient page(server->port());
  EXPECT_TRUE(
      page.ask("/api/v1/stream", "Host: localhost\r\nOrigin: http://localhost:3000\r\n").starts_with("HTTP/1.1 101"));
  HandClient plain(server->port());
  plain.send("GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_NE(plain.rest().find("api.bad_request"), std::string::npos);
}

TEST(Stream, closes_one_client_past_its_limit_and_names_a_port_in_use) {
  const auto server = serve({.address = {}, .topics = {}, .clients_max = 1});
  HandClient first(server->port());
  EXPECT_TRUE(first.ask("/api/v1/stream").starts_with("HTTP/1.1 101"));
  HandClient second(server->port());
  EXPECT_EQ(second.rest(), "");
  const auto taken = StreamServer::start({.address = text("127.0.0.1:{}", server->port()), .topics = {}});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().id(), "api.port_in_use");
  EXPECT_EQ(StreamServer::start({.address = "0.0.0.0:0", .topics = {}}).error().id(), "client.bad_address");
  EXPECT_EQ(StreamServer::start({.address = "unix:/tmp/x", .topics = {}}).error().id(), "client.bad_address");
}

}  // namespace
}  // namespace hanse::api
