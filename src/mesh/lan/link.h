// What the parts of this room share: where datagrams of one interface come from and go to, and the names asked for.
// Times are monotonic nanoseconds of the caller. Threads: plain values. Errors: none.
#pragma once

#include "mesh/discovery/address.h"
#include "mesh/lan/dns.h"

namespace hanse::lan {

using discovery::Address;

constexpr std::uint16_t kPort = 5353;
constexpr std::array<std::uint8_t, 4> kGroupV4 = {224, 0, 0, 251};
constexpr std::array<std::uint8_t, 16> kGroupV6 = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb};
constexpr std::int64_t kNever = INT64_MAX;
constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000 * kMs;

inline const Name& service_name() {
  static const Name name = Name::of({"_hanse", "_udp", "local"});
  return name;
}

// A message to the group of the interface, or to one asker.
struct Outgoing {
  Message message;
  std::optional<Address> to = {};
};

}  // namespace hanse::lan
