// ExchangeServer: the public services of the exchange (proto/hanse/services/v1) over TLS (mesh/gate), each on a port of
// its own: router, auction, execution. It translates the wire to services::Desk and back, asks services::Access before
// every call, limits, and does nothing else. gRPC's own TLS is not used: each connection comes from the gate as a plain
// descriptor, and the number of that descriptor, which gRPC names as a call's peer and keeps open as long as any call
// of the connection lives, tells whose call it is.
// A call that goes on is asked about again, so a watch ends when its token does.
// Limits: those of the gate, for which only calls that were let in count; calls_max calls and watches_max watches of
// all connections together, of which one token or account has three quarters at most; kStreamsMax calls of one
// connection; kMessageBytesMax a message (more is refused by gRPC itself, without details), a blob of
// client::kBlobBytesMax; execute_ms_max for ExecuteJob. Threads: start and stop from one; calls run on the servers' own
// threads. Borrows desk, access and identity. Errors of start: those of gate::Gate, api.listen (internal). Errors in
// answers: api.busy, api.bad_request, api.too_large, api.closing, services.still_running (timeout), those of Access and
// Desk.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/core/result.h"
#include "mesh/gate/gate.h"
#include "node/services/access.h"
#include "node/services/desk.h"

namespace hanse::api {

constexpr std::size_t kExchangeServices = 3;  // router, auction, execution
constexpr int kStreamsMax = 32;

struct ExchangeOptions {
  gate::Options gate{};  // its addresses: one for each service, in their order
  std::uint32_t calls_max = 64;
  std::uint32_t watches_max = 8;
  std::int64_t execute_ms_max = 600'000;
};

class ExchangeServer {
 public:
  static Result<std::unique_ptr<ExchangeServer>> start(services::Desk& desk, services::Access& access,
                                                       const crypto::Identity& identity, ExchangeOptions options);
  virtual ~ExchangeServer() = default;
  virtual std::array<std::uint16_t, kExchangeServices> ports() const = 0;
  virtual std::string certificates() const = 0;  // PEM
  virtual void refresh_metrics() = 0;
  virtual void stop(std::int64_t grace_ms) = 0;  // as GrpcServer's
};

}  // namespace hanse::api
