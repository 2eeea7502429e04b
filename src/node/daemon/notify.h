// Notify: words to the service manager that started the process (the protocol of sd_notify(3): datagrams to the Unix
// socket $NOTIFY_SOCKET), without its library. Where no manager listens, nothing is sent and nothing fails.
// Words: "READY=1", "STOPPING=1", "WATCHDOG=1"; several are joined by line feeds.
// Takes the variables out of the environment, so that workers do not speak for the daemon. Any thread may send.
// Errors: daemon.notify (invalid: the address is neither a path nor an abstract name that fits).
#pragma once

#include <string_view>

#include "base/core/result.h"

namespace hanse::daemon {

class Notify {
 public:
  static Result<Notify> from_environment();
  Notify(Notify&& o) noexcept : fd_(o.fd_), watchdog_ns_(o.watchdog_ns_) { o.fd_ = -1; }
  Notify& operator=(Notify&&) = delete;
  ~Notify();

  void send(std::string_view words) const;
  // How often WATCHDOG=1 is due: half of what the manager waits for, as sd_watchdog_enabled(3) advises. 0: not at all.
  std::int64_t watchdog_ns() const { return watchdog_ns_; }

 private:
  Notify(int fd, std::int64_t watchdog_ns) : fd_(fd), watchdog_ns_(watchdog_ns) {}

  int fd_ = -1;
  std::int64_t watchdog_ns_ = 0;
};

}  // namespace hanse::daemon
