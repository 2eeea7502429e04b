// Tunnel: a TUN (IP packets) or TAP (Ethernet frames) device in a network namespace; the end of a wire.
// The device lives as long as the object. Addresses, routes and "up" are the caller's affair. Needs CAP_NET_ADMIN
// there. read gives packets without waiting; write drops what the device does not take. Threads: open from the only
// thread (it visits the namespace and comes back), the rest from any one. Errors: wire.device (denied or internal;
// which step, the system's word), wire.end (invalid).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::wire {

constexpr std::size_t kPacketBytesMax = 65'535 + 14;
constexpr std::size_t kEthernetHeader = 14;

enum class Layer : std::uint8_t { kIp, kEthernet };

class Tunnel {
 public:
  // `end` is NAMESPACE:DEVICE; the namespace is a name of `ip netns`, a path, or nothing for the process's own.
  static Result<Tunnel> open(std::string_view end, Layer layer);
  Tunnel(Tunnel&& o) noexcept : fd_(o.fd_) { o.fd_ = -1; }
  Tunnel& operator=(Tunnel&&) = delete;
  ~Tunnel();

  int fd() const { return fd_; }
  std::optional<Bytes> read();  // nothing: no packet waits
  bool write(ByteView packet);  // false: dropped

 private:
  explicit Tunnel(int fd) : fd_(fd) {}

  int fd_ = -1;
};

}  // namespace hanse::wire
