// Asks the router of a home network to let a UDP port in: PCP (RFC 6887), else NAT-PMP (RFC 6886, by libnatpmp), else
// UPnP-IGD (by miniupnpc), whichever answers first in this order; what has worked is tried first the next time. The
// only door to both libraries.
//
// A thread of its own asks, renews (lease.h) and releases on stop; nobody waits for a router but that thread. stop(),
// and the destructor, wait for the release at most `stop_ms`; a library call that still stands then is left to its
// thread, which ends without touching anything of the caller's. What comes back is what the router says. Whether the
// port is reachable, others must see (mesh/nat): routers lie, and one router may stand behind another. Threads: start,
// stop and the destructor on one; mapping() and failure() on any; on_change comes on the thread of the mapper, never
// after stop() has returned, and must not wait for stop(). Borrows the clock, which must live as long as the process;
// owns its routers. Errors: portmap.options (invalid); by failure(): portmap.no_router (unavailable: none answered),
// portmap.refused (denied), portmap.reply (corrupt); from stop(): portmap.deadline (timeout: the release was not
// confirmed in time). Refuses to: map other ports than its own, open a port that the router gives to somebody else,
// speak IPv6 (a firewall there is opened by sending, mesh/nat).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/result.h"
#include "mesh/portmap/lease.h"

namespace hanse::portmap {

struct Wanted {
  std::uint16_t port = 0;           // ours, and the one outside if it is free
  std::uint32_t lifetime_s = 7200;  // RFC 6886 3.3 and 6887 15 suggest two hours or a day
};

// How long a call may take: until an instant, or until a descriptor is readable (-1: none).
struct Budget {
  std::int64_t end_ns = 0;
  int stop_fd = -1;
};

// One protocol to ask a router with. Calls come from one thread, one at a time, and may wait.
class Router {
 public:
  virtual ~Router() = default;
  virtual Protocol protocol() const = 0;
  virtual Result<Mapping> map(const Wanted& wanted, const Budget& budget) = 0;
  virtual Status release(const Wanted& wanted, const Mapping& mapping, const Budget& budget) = 0;
};
using Routers = std::vector<std::unique_ptr<Router>>;

struct GatewayOptions {
  std::string gateway = {};  // numeric IPv4; "": the system's default route
  std::vector<Protocol> protocols = {Protocol::kPcp, Protocol::kNatPmp, Protocol::kUpnp};
};
Routers gateway_routers(const GatewayOptions& options);

struct PortMapperOptions {
  Wanted wanted = {};
  std::int64_t attempt_ms = 10'000;  // for one protocol
  std::int64_t stop_ms = 3'000;
  std::function<void(const std::optional<Mapping>& mapping)> on_change = {};
  Clock* clock = nullptr;  // null: system_clock()
};

class PortMapper {
 public:
  static Result<std::unique_ptr<PortMapper>> start(PortMapperOptions options, Routers routers);
  ~PortMapper();
  PortMapper(const PortMapper&) = delete;
  PortMapper& operator=(const PortMapper&) = delete;

  Status stop();  // again: what it said before
  std::optional<Mapping> mapping() const;
  std::uint64_t renewals() const;
  std::optional<Error> failure() const;  // of the last attempt; nothing after a success

 private:
  class Core;
  explicit PortMapper(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;  // shared with the thread, which may be left behind
};

}  // namespace hanse::portmap
