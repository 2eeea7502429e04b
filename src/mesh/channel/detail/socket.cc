#include "mesh/channel/detail/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>

#include "base/core/text.h"

namespace hanse::channel::detail {
namespace {

constexpr int kBacklog = 128;

std::unexpected<Error> system_error(std::string_view call) {
  return fail(Kind::kInternal, "channel.system", text("{}: {}", call, std::string_view(strerror(errno))));
}

bool parse_port(std::string_view digits, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return error == std::errc() && end == digits.data() + digits.size() && !digits.empty();
}

// Before connect or listen, as the window's scale is agreed then.
Status set_receive_buffer(int fd, std::uint32_t bytes) {
  const int size = static_cast<int>(bytes);
  if (bytes == 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0) return {};
  return system_error("setsockopt SO_RCVBUF");
}

}  // namespace

Result<Address> parse_address(std::string_view given) {
  const std::size_t colon = given.rfind(':');
  std::uint16_t port = 0;
  if (colon == std::string_view::npos || !parse_port(given.substr(colon + 1), port))
    return fail(Kind::kInvalid, "channel.address", text("found address '{}', expected host:port", given));
  std::string host(given.substr(0, colon));
  Address out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']' &&
      inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.size = sizeof *v6;
    return out;
  }
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1)
    return fail(Kind::kInvalid, "channel.address",
                text("found host '{}', expected a numeric IPv4 address or an IPv6 one in brackets", host));
  v4->sin_family = AF_INET;
  v4->sin_port = htons(port);
  out.size = sizeof *v4;
  return out;
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Result<Listener> listen_on(const Address& address, std::uint32_t receive_buffer) {
  Listener out{.fd = Fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))};
  const int fd = out.fd.get();
  if (fd < 0) return system_error("socket");
  const int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return system_error("setsockopt SO_REUSEADDR");
  TRY_OK(set_receive_buffer(fd, receive_buffer));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 || listen(fd, kBacklog) != 0)
    return fail(Kind::kUnavailable, "channel.listen",
                text("the address cannot be listened on: {}", std::string_view(strerror(errno))));
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return system_error("getsockname");
  out.port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port
                                               : reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  return out;
}

Status set_up_stream(int fd) {
  const int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return system_error("setsockopt TCP_NODELAY");
  if (setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentMax, sizeof kUnsentMax) != 0)
    return system_error("setsockopt TCP_NOTSENT_LOWAT");
  return {};
}

Result<Fd> dial(const Address& address, std::uint32_t receive_buffer) {
  Fd out(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (out.get() < 0) return system_error("socket");
  TRY_OK(set_up_stream(out.get()));
  TRY_OK(set_receive_buffer(out.get(), receive_buffer));
  if (connect(out.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 &&
      errno != EINPROGRESS)
    return fail(Kind::kUnavailable, "channel.closed", text("connect: {}", std::string_view(strerror(errno))));
  return out;
}

Status dialed(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return system_error("getsockopt SO_ERROR");
  if (error == 0) return {};
  return fail(Kind::kUnavailable, "channel.closed", text("connect: {}", std::string_view(strerror(error))));
}

}  // namespace hanse::channel::detail
