#include "mesh/gate/detail/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/core/text.h"
#include "mesh/gate/detail/tls.h"
#include "mesh/transport/address.h"

namespace hanse::gate::detail {
namespace {

constexpr int kBacklog = 64;

struct Place {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* any() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

Result<Place> place_of(std::string_view given) {
  const auto address = transport::parse_address(given);
  if (!address) return fail(Kind::kInvalid, "gate.address", text("found \"{}\", expected IP:PORT or [IP]:PORT", given));
  Place out;
  if (address->is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(address->port);
    std::memcpy(&in.sin_addr, address->ip.data() + 12, 4);
    std::memcpy(&out.storage, &in, sizeof in);
    out.size = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(address->port);
    std::memcpy(&in.sin6_addr, address->ip.data(), 16);
    std::memcpy(&out.storage, &in, sizeof in);
    out.size = sizeof in;
  }
  return out;
}

Result<Fd> tcp_socket(const Place& place) {
  Fd fd(::socket(place.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("make a socket");
  return fd;
}

}  // namespace

void set_no_delay(int fd) {
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Result<Listener> listen_on(std::string_view address) {
  TRY(const Place place, place_of(address));
  TRY(Fd fd, tcp_socket(place));
  const int on = 1;
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // past TIME_WAIT of a node that just ended
  if (::bind(fd.get(), place.any(), place.size) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    if (errno == EADDRINUSE)
      return fail(Kind::kConflict, "gate.port_in_use", text("found {} taken, expected it free", address));
    return system_error(text("listen on {}", address));
  }
  Place bound;
  bound.size = sizeof bound.storage;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.size) != 0)
    return system_error("ask for the port");
  const std::uint16_t port = bound.family() == AF_INET ? reinterpret_cast<const sockaddr_in&>(bound.storage).sin_port
                                                       : reinterpret_cast<const sockaddr_in6&>(bound.storage).sin6_port;
  return Listener{.fd = std::move(fd), .port = ntohs(port)};
}

Result<Fd> accept_one(int listener) {
  Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) {
    set_no_delay(fd.get());
    return fd;
  }
  if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return system_error("accept");
  return fd;
}

Result<Fd> connect_to(std::string_view address, std::int64_t wait_ms) {
  TRY(const Place place, place_of(address));
  TRY(Fd fd, tcp_socket(place));
  const auto unreachable = [&](int why) {
    return fail(Kind::kUnavailable, "gate.unreachable", text("connect to {}: {}", address, std::strerror(why)));
  };
  set_no_delay(fd.get());
  if (::connect(fd.get(), place.any(), place.size) == 0) return fd;
  if (errno != EINPROGRESS) return unreachable(errno);
  pollfd waits{.fd = fd.get(), .events = POLLOUT, .revents = 0};
  if (::poll(&waits, 1, static_cast<int>(wait_ms)) <= 0)
    return fail(Kind::kTimeout, "gate.timeout", text("found no answer of {} in {} ms", address, wait_ms));
  int why = 0;
  socklen_t size = sizeof why;
  (void)::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &why, &size);
  if (why != 0) return unreachable(why);
  return fd;
}

}  // namespace hanse::gate::detail
