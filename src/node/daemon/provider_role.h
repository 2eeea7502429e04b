// ProviderRole: what the provider role needs of its machine, put together: a pool of sandboxed workers, a connection to
// the node, the account's caller, the store of unfinished jobs, and roles::Provider on a thread of its own.
// With [pilots] the work goes to pilots of a cluster instead (scale_out.h).
// The isolation level offered is the one that the workers found to hold, or that every pilot must, never
// the one that was wished for.
// Errors of start: runtime.zygote and those of the job store. Without a node it waits and tries again.
// Threads: start and stop from one, the rest from any.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/crypto/kem.h"
#include "base/crypto/sign.h"
#include "node/daemon/settings.h"
#include "node/roles/report.h"

namespace hanse::daemon {

class ProviderRole {
 public:
  struct Options {
    ProviderSettings settings;
    std::string jobs_dir;  // unfinished jobs
    NetworkId network;
    std::optional<crypto::KemSecretKey> key;  // for private jobs; without one it takes none
    std::function<void(Status)> on_end;       // the role ended by itself; from its thread
  };
  // Identity and report are borrowed.
  static Result<std::unique_ptr<ProviderRole>> start(const crypto::Identity& identity, roles::Report& report,
                                                     Options options);
  virtual ~ProviderRole() = default;
  virtual Status ready() const = 0;  // daemon.not_standing (unavailable) until an ask stands
  virtual void stop() = 0;           // drains
};

}  // namespace hanse::daemon
