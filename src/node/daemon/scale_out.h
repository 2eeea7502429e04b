// ScaleOut: what a provider with [pilots] has instead of its own pool: the listener of pilots, the cluster, and the
// thread that keeps as many as the work asks for. The group that its pilots carry comes from the account, so the next
// process of the same provider finds and ends what this one leaves.
// Errors of start: pilots.address, pilots.tls. Threads: made and destroyed by one; runner() any.
#pragma once

#include <memory>

#include "exchange/pilots/scaler.h"
#include "node/daemon/pilot_settings.h"

namespace hanse::daemon {

class ScaleOut {
 public:
  static Result<std::unique_ptr<ScaleOut>> start(PilotSettings settings, const AccountId& account,
                                                 std::vector<std::string> kinds);
  runtime::Runner& runner() { return *runner_; }

 private:
  ScaleOut() = default;
  std::unique_ptr<pilots::PilotRunner> runner_;
  std::unique_ptr<pilots::Cluster> cluster_;
  std::unique_ptr<pilots::Scaler> scaler_;  // ends first
};

}  // namespace hanse::daemon
