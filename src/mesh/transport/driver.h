// Driver: an Endpoint on real UDP sockets (sockets.h). One thread turns it.
//
// Threads: open, turn, run and everything through endpoint() on one thread; post, stop and stats on any.
// Owns the sockets and the endpoint. Borrows the clock and what the endpoint's options borrow.
// Limits and errors: those of sockets.h and of Endpoint.
#pragma once

#include <functional>

#include "mesh/transport/sockets.h"

namespace hanse::transport {

struct DriverOptions {
  std::vector<std::string> listen = {"127.0.0.1:0"};
  Options endpoint;
  std::function<void(Endpoint&, Event)> on_event;  // on the thread that turns; may use the endpoint
  bool segments = true;
  Clock* clock = nullptr;
};

class Driver {
 public:
  static Result<std::unique_ptr<Driver>> open(DriverOptions options);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  Status turn(std::int64_t wait_ns);
  // Turns until stop(); then closes every connection and sends the farewells.
  Status run();
  void stop();
  Status post(Task task);

  Endpoint& endpoint();
  std::int64_t now_ns() const;
  std::vector<Address> addresses() const;
  Result<ConnectionId> dial(const Address& remote, const PeerId& peer);
  SocketStats stats() const;

 private:
  class Core;
  explicit Driver(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace hanse::transport
