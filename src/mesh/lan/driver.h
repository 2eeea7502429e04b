// Driver: a Lan on the sockets of this machine: 224.0.0.251 and ff02::fb, port 5353, on every interface that is up and
// can multicast. Follows interfaces and addresses as they come and go (rtnetlink).
//
// Turned by one thread: run() until stop(), or by the owner's epoll: fd() is readable, or next_ns() has come ->
// turn(0), and leave() at the end. What the system refuses to send is lost and counted, as on any network. A machine
// without one of the two families uses the other. Port 5353 is shared with Avahi and other nodes: all hear the group;
// an answer to one asker reaches only one of them, and what is missed is asked for again to the group. Threads: open,
// turn, run, leave and lan() on one thread; stop on any. Owns the sockets and the Lan. Borrows clock and random.
// Errors: lan.listen (unavailable: neither family can be had), lan.system (internal).
#pragma once

#include <functional>

#include "base/core/clock.h"
#include "mesh/lan/lan.h"

namespace hanse::lan {

struct DriverOptions {
  LanOptions lan;
  std::vector<std::string> interfaces = {};                           // by name; none: all
  std::function<void(const std::vector<Hint>& hints)> on_hints = {};  // whenever they changed, on the thread that turns
  Clock* clock = nullptr;                                             // null: system_clock()
  Random* random = nullptr;                                           // null: system_random()
};

class Driver {
 public:
  static Result<std::unique_ptr<Driver>> open(DriverOptions options);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  Status turn(std::int64_t wait_ns);  // one round: waits at most so long, less if there is something to do
  Status run();                       // turns until stop(), then leaves
  void stop();
  void leave();  // goodbye; nothing is sent or heard afterwards

  int fd() const;
  std::int64_t next_ns() const;
  const Lan& lan() const;
  std::uint64_t lost() const;  // datagrams that the system refused

 private:
  class Core;
  explicit Driver(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace hanse::lan
