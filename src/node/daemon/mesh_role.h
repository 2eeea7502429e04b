// MeshRole: the mesh of a daemon (node/peering) with its control socket and its health over HTTP, as [mesh] in
// node.toml says, and with [router] its part in the mix (mix_ledger.h). /health: 200 with true counts, or 503 with
// "degraded" until a peer is connected (or the node stands alone); /ready the same; /metrics. Threads: start and stop
// from one. Errors of start: those of MeshNode, ControlServer and HttpServer.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/crypto/sign.h"
#include "node/daemon/settings.h"

namespace hanse::daemon {

class MeshRole {
 public:
  // The identity is borrowed. metrics: what /metrics answers.
  static Result<std::unique_ptr<MeshRole>> start(MeshRoleSettings settings, const crypto::Identity& identity,
                                                 std::function<std::string()> metrics);
  virtual ~MeshRole() = default;
  virtual std::vector<std::string> addresses() const = 0;  // as bound
  virtual std::uint16_t health_port() const = 0;           // 0: none
  virtual Status ready() = 0;                              // daemon.no_peer (unavailable)
  virtual void refresh_metrics() = 0;
  virtual void stop() = 0;  // drains what it relays
};

}  // namespace hanse::daemon
