// Sockets: a machine of datagrams on real UDP sockets. One thread turns it: receive, deadlines, deliver, send.
//
// Datagrams come with recvmmsg and UDP_GRO, go with sendmsg and UDP_SEGMENT where the system can, one by one where it
// cannot. A datagram that the system refuses to send (no route, no buffer, a filter) is lost like any other on its way
// and counted; it ends neither a connection nor the loop.
// Threads: open, turn, open_more and close_port on one thread; post, stop and stats on any. A machine opens and closes
// sockets from on_deadline() and deliver() alone.
// Owns the sockets. Borrows the machine and the clock.
// Limits: kWatchesMax descriptors beside, kSocketsMax sockets to listen on and kMoreSocketsMax more, kPostedMax tasks
// that wait. Errors: transport.address (invalid), transport.listen (unavailable), transport.options (invalid),
// transport.limit (exhausted: more sockets), transport.system (internal), transport.full (exhausted: tasks). Refuses
// to: resolve names, send on a socket that it did not open.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/executor.h"
#include "mesh/transport/transport.h"

namespace hanse::transport {

constexpr std::size_t kSocketsMax = 8;
constexpr std::size_t kMoreSocketsMax = 272;
constexpr std::size_t kPostedMax = 4096;
constexpr std::size_t kWatchesMax = 8;

class Machine {
 public:
  virtual ~Machine() = default;
  virtual void receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) = 0;
  virtual bool transmit(Batch& out, std::int64_t now_ns) = 0;  // false: nothing has to go out now
  virtual std::int64_t next_deadline_ns() const = 0;           // INT64_MAX: none
  virtual void on_deadline(std::int64_t now_ns) = 0;
  virtual void deliver(std::int64_t now_ns) = 0;  // what has happened, to whom it concerns
};

struct SocketsOptions {
  std::vector<std::string> listen = {"127.0.0.1:0"};  // "[::]:12000" takes IPv6 alone
  bool segments = true;                               // UDP_SEGMENT and UDP_GRO, if the system has them
  Clock* clock = nullptr;                             // null: system_clock()
};

struct SocketStats {
  std::uint64_t datagrams_in = 0, datagrams_out = 0, bytes_in = 0, bytes_out = 0;
  std::uint64_t calls_in = 0, calls_out = 0;  // system calls that moved something
  std::uint64_t lost = 0;                     // refused by the system
  bool segments = false;                      // in use
};

class Sockets {
 public:
  static Result<std::unique_ptr<Sockets>> open(SocketsOptions options, Machine& machine);
  ~Sockets();
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  // One round: waits at most so long, less if there is something to do. Errors: transport.system.
  Status turn(std::int64_t wait_ns);
  Status run();  // turns until stop()
  void stop();
  Status post(Task task);  // on the thread that turns
  // Calls ready whenever the descriptor, which the caller keeps open, can be read; before the machine delivers.
  Status watch(int fd, std::function<void()> ready);

  std::int64_t now_ns() const;
  std::vector<Address> addresses() const;  // one a socket to listen on, as bound
  // A path to there from a socket that fits. Errors: transport.no_path (unavailable: no socket of that family).
  Result<Path> path_to(const Address& remote) const;
  Result<std::uint16_t> open_more(bool v4);  // on all addresses and a port that the system chooses; answers the port
  void close_port(std::uint16_t port);       // of open_more
  SocketStats stats() const;

 private:
  class Core;
  explicit Sockets(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace hanse::transport
