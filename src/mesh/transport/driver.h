// Driver: an Endpoint on real UDP sockets. One thread turns it: receive, deadlines, events, send.
//
// Datagrams come with recvmmsg and UDP_GRO, go with sendmsg and UDP_SEGMENT where the system can, one by one where it
// cannot. A datagram that the system refuses to send (no route, no buffer, a filter) is lost like any other on its way
// and counted; it ends neither a connection nor the loop.
// Threads: open, turn, run and everything through endpoint() on one thread; post, stop and stats on any.
// Owns the sockets and the endpoint. Borrows the clock and what the endpoint's options borrow.
// Limits: kSocketsMax sockets, kPostedMax tasks that wait.
// Errors: transport.address (invalid), transport.listen (unavailable), transport.system (internal), transport.full
// (exhausted: tasks), transport.no_path (unavailable: no socket of that family).
// Refuses to: resolve names, send on a socket that it did not open.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/executor.h"
#include "mesh/transport/transport.h"

namespace hanse::transport {

constexpr std::size_t kSocketsMax = 8;
constexpr std::size_t kPostedMax = 4096;

struct DriverOptions {
  std::vector<std::string> listen = {"127.0.0.1:0"};  // "[::]:12000" takes IPv6 alone
  Options endpoint;
  std::function<void(Endpoint&, Event)> on_event;  // on the thread that turns; may use the endpoint
  bool segments = true;                            // UDP_SEGMENT and UDP_GRO, if the system has them
  Clock* clock = nullptr;                          // null: system_clock()
};

struct DriverStats {
  std::uint64_t datagrams_in = 0, datagrams_out = 0, bytes_in = 0, bytes_out = 0;
  std::uint64_t calls_in = 0, calls_out = 0;  // system calls that moved something
  std::uint64_t lost = 0;                     // refused by the system
  bool segments = false;                      // in use
};

class Driver {
 public:
  static Result<std::unique_ptr<Driver>> open(DriverOptions options);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // One round: waits at most so long, less if there is something to do. Errors: transport.system.
  Status turn(std::int64_t wait_ns);
  // Turns until stop(); then closes every connection and sends the farewells.
  Status run();
  void stop();
  Status post(Task task);  // on the thread that turns

  Endpoint& endpoint();
  std::int64_t now_ns() const;
  std::vector<Address> addresses() const;  // one a socket, as bound
  Result<ConnectionId> dial(const Address& remote, const PeerId& peer);
  DriverStats stats() const;

 private:
  class Core;
  explicit Driver(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace hanse::transport
