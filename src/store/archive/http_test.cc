#include "store/archive/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include <gtest/gtest.h>

#include "base/core/fd.h"
#include "base/core/text.h"

namespace hanse::archive {
namespace {

// Answers the first who comes with one byte now and then, for 20 s.
void dribble(int listener) {
  const Fd one(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  const std::string_view head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
  (void)!::send(one.get(), head.data(), head.size(), MSG_NOSIGNAL);
  pollfd closed{.fd = one.get(), .events = POLLRDHUP, .revents = 0};
  for (int i = 0; i < 1000 && ::poll(&closed, 1, 20) == 0; ++i) (void)!::send(one.get(), "x", 1, MSG_NOSIGNAL);
}

TEST(Http, an_answer_that_never_ends_is_given_up) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
  std::thread server([&] { dribble(listener.get()); });
  const auto http = make_http();
  HttpRequest request;
  request.url = text("http://127.0.0.1:{}/", ntohs(at.sin_port));
  request.ms_max = 300;
  const auto answer = http->send(request);
  server.join();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().id(), "archive.timeout");
}

}  // namespace
}  // namespace hanse::archive
