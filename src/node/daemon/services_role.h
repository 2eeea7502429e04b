// ServicesRole: the public services of a daemon (node/services, node/api/exchange_server.h), as [services] in node.toml
// says: over a connection to a node and, where there is one, the control socket of a node of the mix.
// It writes its certificates to services.pem in the data folder, for visitors that pin them.
// Threads: start and stop from one, the rest from any. Errors of start: those of ExchangeServer and core/fs.h.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "base/crypto/sign.h"
#include "node/daemon/settings.h"

namespace hanse::daemon {

class ServicesRole {
 public:
  // The identity is borrowed.
  static Result<std::unique_ptr<ServicesRole>> start(ServicesSettings settings, const crypto::Identity& identity,
                                                     const std::string& certificates_file);
  virtual ~ServicesRole() = default;
  virtual std::array<std::uint16_t, api::kExchangeServices> ports() const = 0;
  virtual void refresh_metrics() = 0;
  virtual void stop() = 0;
};

std::span<const config::Key> services_schema();  // the keys of [services]

}  // namespace hanse::daemon
