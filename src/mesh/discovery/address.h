// Where a peer may be reached, and what kind of place that is. An address is 4 or 16 bytes and a port; IPv4 inside IPv6
// (::ffff:0:0/96) is judged as the IPv4 address it is. Sources: RFC 6890 (special-purpose), RFC 1918, 6598, 4193, 4291.
// Pure; any thread. Errors: none.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "base/core/bytes.h"

namespace hanse::discovery {

enum class AddressKind : std::uint8_t {
  kHost = 0,       // of an interface
  kReflexive = 1,  // as others see it
  kMapped = 2,     // asked of the router
};

struct Address {
  AddressKind kind = AddressKind::kHost;
  Bytes ip = {};  // 4 or 16 bytes
  std::uint16_t port = 0;
  friend auto operator<=>(const Address&, const Address&) = default;
};

enum class Reach : std::uint8_t {
  kNever,    // loopback, multicast, broadcast, unspecified, reserved, port 0, or no address at all: never dialled
  kPrivate,  // only on this machine's networks: RFC 1918, shared (CGNAT), unique local, link-local
  kPublic,
};
Reach reach_of(const Address& address);
std::string address_text(const Address& address);  // "192.0.2.7:12000", "[2001:db8::7]:12000" without zero runs joined

}  // namespace hanse::discovery
