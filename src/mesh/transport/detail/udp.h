// One UDP socket: many datagrams a call where the system can. Private to this room.
// Threads: one. Errors: transport.listen (unavailable).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <utility>
#include <vector>

#include "base/core/fd.h"
#include "mesh/transport/sockets.h"

namespace hanse::transport::detail {

struct UdpCounts {  // written by one thread, read by any
  std::atomic<std::uint64_t> datagrams_in{0}, datagrams_out{0}, bytes_in{0}, bytes_out{0}, calls_in{0}, calls_out{0},
      lost{0};
};

struct UdpInbox;  // what one call receives into; the sockets of one thread share it
std::shared_ptr<UdpInbox> make_inbox();

class UdpSocket {
 public:
  static Result<UdpSocket> open(const Address& address, bool segments, std::shared_ptr<UdpInbox> inbox);

  using Take = std::function<void(const Path& path, ByteView datagram, std::uint8_t ecn)>;
  // Receives what waits, a bounded number of calls; answers false when the socket is empty.
  bool receive(const Take& take, UdpCounts& counts);
  // False: the socket is full, try the rest of the batch again when it is writable.
  bool send(Batch& batch, UdpCounts& counts);

  int fd() const { return fd_.get(); }
  const Address& address() const { return address_; }
  bool segments() const { return segments_; }

 private:
  UdpSocket() = default;
  Status set_up(const Address& address, bool segments);
  int send_once(const Batch& batch, std::size_t at, std::size_t size, bool from_there);

  Fd fd_;
  Address address_;
  bool segments_ = false;
  std::shared_ptr<UdpInbox> inbox_;
};

}  // namespace hanse::transport::detail
