// TCP sockets of this room: non-blocking, close-on-exec, no delay; numeric addresses only.
// At most kUnsentMax bytes wait in the system unsent, so that a vote overtakes bulk here and not behind it there.
// Threads: any. Errors: channel.address (invalid), channel.listen (unavailable), channel.system (internal),
// channel.closed (unavailable).
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "base/core/result.h"

namespace hanse::channel::detail {

constexpr int kUnsentMax = 16 << 10;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};
Result<Address> parse_address(std::string_view text);

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

struct Listener {
  Fd fd;
  std::uint16_t port = 0;
};
// receive_buffer: bytes, of its streams; 0 leaves it to the system.
Result<Listener> listen_on(const Address& address, std::uint32_t receive_buffer);
Result<Fd> dial(const Address& address, std::uint32_t receive_buffer);  // connecting: writable once it is decided
Status dialed(int fd);                                                  // what became of it
Status set_up_stream(int fd);                                           // options of both sides

}  // namespace hanse::channel::detail
