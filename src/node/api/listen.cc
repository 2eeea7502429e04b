#include "node/api/listen.h"

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::api {

Status prepare_socket(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string dir = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(Kind::kDenied, "api.bad_socket_dir", text("make {}: {}", dir, std::strerror(errno)));
  struct stat st{};
  if (::stat(dir.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
    return fail(Kind::kDenied, "api.bad_socket_dir", text("found no folder {} for the socket", dir));
  if (st.st_uid != ::geteuid() || (st.st_mode & 077) != 0)
    return fail(Kind::kDenied, "api.bad_socket_dir",
                text("found {} with mode {:o} and owner {}, expected mode 700 and owner {}", dir,
                     unsigned{st.st_mode & 07777}, unsigned{st.st_uid}, unsigned{::geteuid()}));
  if (::lstat(path.c_str(), &st) != 0) return {};
  if (!S_ISSOCK(st.st_mode))
    return fail(Kind::kConflict, "api.port_in_use", text("found {} and it is no socket, expected it free", path));
  const client::Address address{.path = path, .host = {}, .port = 0};
  if (client::probe(address))
    return fail(Kind::kConflict, "api.port_in_use", text("found another node listening on {}", address.shown()));
  if (::unlink(path.c_str()) != 0)
    return fail(Kind::kInternal, "api.listen", text("remove the stale socket {}: {}", path, std::strerror(errno)));
  return {};
}

bool is_loopback_host(std::string_view host) {
  for (const std::string_view name : {"127.0.0.1", "localhost", "[::1]"}) {
    if (host == name) return true;
    if (host.size() > name.size() && host.starts_with(name) && host[name.size()] == ':') return true;
  }
  return false;
}

Status port_is_free(const client::Address& address) {
  if (address.port == 0) return {};
  const bool v6 = address.host == "::1";
  const int fd = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(Kind::kInternal, "api.listen", text("socket: {}", std::strerror(errno)));
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // past TIME_WAIT of a node that just ended
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(address.port);
  in6.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(address.port);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int rc = v6 ? ::bind(fd, reinterpret_cast<const sockaddr*>(&in6), sizeof in6)
                    : ::bind(fd, reinterpret_cast<const sockaddr*>(&in), sizeof in);
  int why = rc == 0 ? 0 : errno;
  if (rc == 0 && ::listen(fd, 1) != 0) why = errno;
  ::close(fd);
  if (why == 0) return {};
  if (why == EADDRINUSE)
    return fail(Kind::kConflict, "api.port_in_use",
                text("found {} taken by another program, expected it free", address.shown()));
  return fail(why == EACCES ? Kind::kDenied : Kind::kInternal, "api.listen",
              text("listen on {}: {}", address.shown(), std::strerror(why)));
}

}  // namespace hanse::api
