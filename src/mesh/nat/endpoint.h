// Where a datagram goes: an IP address and a port.
// Shapes: an address is 4 or 16 bytes; an IPv4 address leaves the other 12 zero, so values compare as they should.
// Threads: plain values. Errors: nat.endpoint (invalid: not "192.0.2.7:12000" or "[2001:db8::7]:12000").
// Refuses to: resolve names.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::nat {

struct Address {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};

  static Address v4(std::uint32_t host_order);
  ByteView view() const { return {bytes.data(), v6 ? std::size_t{16} : std::size_t{4}}; }
  friend auto operator<=>(const Address&, const Address&) = default;
};

struct Endpoint {
  Address ip;
  std::uint16_t port = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

std::string to_text(const Endpoint& endpoint);
Result<Endpoint> parse_endpoint(std::string_view shown);

// Can be the source of a datagram that somebody waits for: no port 0, no unspecified, multicast or broadcast address.
bool answerable(const Endpoint& endpoint);

// What a pure core wants sent. `socket` is an index that the core and its owner agree on; 0 is the node's own port.
struct Datagram {
  std::uint16_t socket = 0;
  std::uint8_t ttl = 0;  // 0: the system's
  Endpoint to;
  Bytes bytes;
};
using Outbox = std::vector<Datagram>;

}  // namespace hanse::nat
