// Daemon: one process with the roles its settings name, from start to a clean stop.
// Order of start: folder, key, genesis, chain, servers, provider. A failure on the way undoes what was started.
// Order of stop: provider (drains through the API), servers, chain.
// Threads: start and stop from one thread; the roles have their own.
// Errors of start: daemon.passphrase (invalid), those of Folder, key files, light genesis, Validator, the servers and
// runtime::Pool. failed() gives the error with which a role ended by itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "node/daemon/settings.h"

namespace hanse::daemon {

class Daemon {
 public:
  static Result<std::unique_ptr<Daemon>> start(Settings settings);
  virtual ~Daemon() = default;

  // {"ready":true,"pid":…,"network":…,"grpc":"unix:…","http":"127.0.0.1:…"}: for whoever started the process.
  virtual std::string ready_line() const = 0;
  virtual std::uint16_t http_port() const = 0;  // 0 without HTTP
  virtual std::uint16_t grpc_port() const = 0;  // 0 without TCP
  // Called at most once, from a role's thread, when a role ends by itself.
  virtual void on_failed(std::function<void()> tell) = 0;
  virtual Status failed() const = 0;
  virtual Status live() = 0;  // an error: it is to be started again
  virtual void stop() = 0;
};

}  // namespace hanse::daemon
