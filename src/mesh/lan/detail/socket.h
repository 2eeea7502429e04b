// The multicast socket of one address family, for all interfaces. Private to this room.
// Threads: one. Errors: lan.listen (unavailable).
#pragma once

#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "mesh/lan/lan.h"

namespace hanse::lan::detail {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

class MulticastSocket {
 public:
  enum class Family : std::uint8_t { kV4, kV6 };
  static Result<MulticastSocket> open(Family family, std::uint16_t port);

  void join(const std::set<std::uint32_t>& interfaces);  // these and no others
  bool send(const Datagram& datagram);                   // false: the system refused it
  using Take = std::function<void(const Arrival& arrival, ByteView datagram)>;
  void receive(const Take& take);  // a bounded number of those that wait
  int fd() const { return fd_.get(); }
  bool v6() const { return family_ == Family::kV6; }

 private:
  Status set_up(std::uint16_t port);
  Status set(int level, int option, int value);
  bool membership(int option, std::uint32_t interface);

  Fd fd_;
  Family family_ = Family::kV4;
  std::set<std::uint32_t> joined_;
  Bytes buffer_;
};

// The interfaces that are up and can multicast, but for loopback and tunnels; `names` limits them unless it is empty.
// IPv6 addresses that the system still checks for duplicates are left out: nothing can be sent from them.
std::vector<Interface> local_interfaces(const std::vector<std::string>& names);

}  // namespace hanse::lan::detail
