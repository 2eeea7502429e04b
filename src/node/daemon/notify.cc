#include "node/daemon/notify.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::daemon {
namespace {

std::string take(const char* name) {
  const char* value = std::getenv(name);
  std::string out = value != nullptr ? value : "";
  ::unsetenv(name);
  return out;
}

}  // namespace

Result<Notify> Notify::from_environment() {
  const std::string address = take("NOTIFY_SOCKET");
  const std::string every_us = take("WATCHDOG_USEC"), whose = take("WATCHDOG_PID");
  if (address.empty()) return Notify(-1, 0);
  sockaddr_un to{};
  if ((address[0] != '/' && address[0] != '@') || address.size() >= sizeof to.sun_path)
    return fail(
        Kind::kInvalid, "daemon.notify",
        text("found NOTIFY_SOCKET \"{}\", expected / or @ and at most {} bytes", address, sizeof to.sun_path - 1));
  to.sun_family = AF_UNIX;
  address.copy(to.sun_path, address.size());
  if (address[0] == '@') to.sun_path[0] = 0;
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&to), size) != 0) {  // nobody listens
    if (fd >= 0) ::close(fd);
    return Notify(-1, 0);
  }
  const bool ours = whose.empty() || whose == std::to_string(::getpid());
  const std::int64_t us = std::min(std::strtoll(every_us.c_str(), nullptr, 10), 86'400'000'000ll);
  return Notify(fd, ours && us > 0 ? us * 1000 / 2 : 0);
}

Notify::~Notify() {
  if (fd_ >= 0) ::close(fd_);
}

void Notify::send(std::string_view words) const {
  if (fd_ >= 0) (void)::send(fd_, words.data(), words.size(), MSG_NOSIGNAL);  // a manager that is busy misses a word
}

}  // namespace hanse::daemon
