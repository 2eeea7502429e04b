#include "node/client/address.h"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::client {

std::string Address::shown() const {
  if (!path.empty()) return "unix:" + path;
  return host == "::1" ? text("[::1]:{}", port) : text("{}:{}", host, port);
}

Result<Address> parse_address(std::string_view given) {
  const auto refuse = [&](std::string_view why) {
    return fail(Kind::kInvalid, "client.bad_address",
                text("found \"{}\" ({}), expected unix:PATH, 127.0.0.1:PORT or [::1]:PORT", given, why));
  };
  Address out;
  constexpr std::string_view kUnix = "unix:";
  if (given.starts_with(kUnix)) {
    out.path = given.substr(kUnix.size());
    if (out.path.empty() || out.path.find('\0') != out.path.npos) return refuse("no path");
    if (out.path.size() >= sizeof(sockaddr_un::sun_path))
      return refuse(text("a path of {} bytes, a socket holds {}", out.path.size(), sizeof(sockaddr_un::sun_path) - 1));
    return out;
  }
  const auto colon = given.rfind(':');
  if (colon == given.npos) return refuse("no port");
  const std::string_view host = given.substr(0, colon);
  if (host == "127.0.0.1" || host == "localhost")
    out.host = "127.0.0.1";
  else if (host == "[::1]")
    out.host = "::1";
  else
    return refuse("not a loopback address");
  const std::string_view port = given.substr(colon + 1);
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (ec != std::errc{} || end != port.data() + port.size()) return refuse("no port number");
  return out;
}

Status probe(const Address& address) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (!address.path.empty()) {
    auto* un = reinterpret_cast<sockaddr_un*>(&storage);
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, address.path.data(), address.path.size());
    size = static_cast<socklen_t>(sizeof *un);
  } else if (address.host == "::1") {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address.port);
    in6->sin6_addr = IN6ADDR_LOOPBACK_INIT;
    size = sizeof *in6;
  } else {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(address.port);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size = sizeof *in;
  }
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(Kind::kInternal, "client.unreachable", text("socket: {}", std::strerror(errno)));
  // Non-blocking: a Unix socket whose backlog is full answers EAGAIN, a loopback port EINPROGRESS; both have a
  // listener.
  const int rc = ::connect(fd, reinterpret_cast<const sockaddr*>(&storage), size);
  const int why = errno;
  ::close(fd);
  if (rc == 0 || why == EAGAIN || why == EINPROGRESS) return {};
  return fail(why == EACCES ? Kind::kDenied : Kind::kUnavailable, "client.unreachable",
              text("found no node at {} ({}), expected hansed to listen there", address.shown(), std::strerror(why)));
}

}  // namespace hanse::client
