// AuditorRole: what the auditor role needs of its machine, put together as in provider_role.h: sandboxed workers, a
// connection to the node, the account's caller, and roles::Auditor on a thread of its own. It works with the key of a
// validator. Errors of start: runtime.zygote. Without a node it waits and tries again.
// Threads: start and stop from one.
#pragma once

#include <functional>
#include <memory>

#include "base/crypto/sign.h"
#include "node/daemon/settings.h"
#include "node/roles/report.h"

namespace hanse::daemon {

class AuditorRole {
 public:
  struct Options {
    AuditorSettings settings;
    NetworkId network;
    std::function<void(Status)> on_end;  // the role ended by itself; from its thread
  };
  // Identity and report are borrowed.
  static Result<std::unique_ptr<AuditorRole>> start(const crypto::Identity& identity, roles::Report& report,
                                                    Options options);
  virtual ~AuditorRole() = default;
  virtual void stop() = 0;
};

}  // namespace hanse::daemon
