// Addresses of datagrams: numeric only, IPv4 as ::ffff:a.b.c.d, so that one comparison and one hash serve both.
//   Address   16 bytes of IP and a port; all zero = not known. fd57:2::/32 is no place but a circuit through another
//             node (is_carried), which rooms above give their meaning
//   Path      which of our addresses, and who is at the other end
// Threads: plain values. Errors: transport.address (invalid).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace hanse::transport {

struct Address {
  std::array<std::uint8_t, 16> ip{};
  std::uint16_t port = 0;

  bool is_v4() const;
  bool is_carried() const { return ip[0] == 0xfd && ip[1] == 0x57 && ip[2] == 0 && ip[3] == 2; }
  friend auto operator<=>(const Address&, const Address&) = default;
};

// "192.0.2.7:12000" or "[2001:db8::7]:12000"; names are not resolved.
Result<Address> parse_address(std::string_view text);
std::string address_text(const Address& address);

struct Path {
  Address local;  // ip zero: the system chooses; the port names the socket
  Address remote;
  friend auto operator<=>(const Path&, const Path&) = default;
};

}  // namespace hanse::transport
