// Where a node listens: a Unix socket or a loopback port. No DNS: a name could lead off the machine.
// Errors: client.bad_address (invalid), client.unreachable (unavailable).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace hanse::client {

struct Address {
  std::string path;  // of the socket; empty for TCP
  std::string host;  // "127.0.0.1" or "::1"
  std::uint16_t port = 0;

  std::string shown() const;  // "unix:/run/x.sock", "127.0.0.1:50051", "[::1]:50051"
};

// "unix:PATH", "127.0.0.1:PORT", "localhost:PORT" (taken as 127.0.0.1) or "[::1]:PORT"; port 0 is for listeners.
Result<Address> parse_address(std::string_view text);

// Connects and closes: does anybody listen?
Status probe(const Address& address);

}  // namespace hanse::client
