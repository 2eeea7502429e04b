// What the parts of Reach share: addresses in the words of both rooms below, datagrams beside QUIC, control frames.
// Private to this room. Threads: plain values. Errors: none.
#pragma once

#include <algorithm>
#include <deque>

#include "mesh/nat/endpoint.h"
#include "mesh/transport/transport.h"

namespace hanse::reach::detail {

using transport::Address;
using transport::PeerId;

constexpr std::int64_t kMs = 1'000'000, kSecondNs = 1000 * kMs;
constexpr std::int64_t kNever = INT64_MAX, kNow = INT64_MIN / 2;  // of deadlines
constexpr std::uint8_t kObservedFrame = 0x02, kPunchFrame = 0x05, kPunchSyncFrame = 0x06;

inline nat::Endpoint to_endpoint(const Address& a) {
  nat::Endpoint out{.ip = {.v6 = !a.is_v4()}, .port = a.port};
  if (out.ip.v6)
    out.ip.bytes = a.ip;
  else
    std::copy_n(a.ip.begin() + 12, 4, out.ip.bytes.begin());
  return out;
}

inline Address to_address(const nat::Endpoint& e) {
  Address out{.ip = e.ip.bytes, .port = e.port};
  if (e.ip.v6) return out;
  out.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  std::copy_n(e.ip.bytes.begin(), 4, out.ip.begin() + 12);
  return out;
}

// u8 4 or 6, the address, u16 port.
inline void put_address(Bytes& out, const Address& address) {
  const nat::Endpoint e = to_endpoint(address);
  out.push_back(e.ip.v6 ? 6 : 4);
  append(out, e.ip.view());
  append_be(out, e.port);
}

// Takes it from the front; nothing when there is none. IPv4 inside IPv6 is not this layout's IPv4.
inline std::optional<Address> take_address(ByteView& bytes) {
  if (bytes.empty() || (bytes[0] != 4 && bytes[0] != 6)) return std::nullopt;
  nat::Endpoint e{.ip = {.v6 = bytes[0] == 6}, .port = 0};
  const std::size_t size = e.ip.view().size();
  if (bytes.size() < 1 + size + 2) return std::nullopt;
  std::copy_n(bytes.begin() + 1, size, e.ip.bytes.begin());
  e.port = load_be<std::uint16_t>(bytes.data() + 1 + size);
  bytes = bytes.subspan(1 + size + 2);
  const Address out = to_address(e);
  if (e.ip.v6 && out.is_v4()) return std::nullopt;
  return out;
}

struct RawDatagram {     // STUN or a probe
  transport::Path path;  // local port 0: our own socket of the family
  std::uint8_t ttl = 0;
  Bytes bytes;
};
inline RawDatagram raw(std::uint16_t port, nat::Datagram datagram) {
  return {.path = {.local = {.ip = {}, .port = port}, .remote = to_address(datagram.to)},
          .ttl = datagram.ttl,
          .bytes = std::move(datagram.bytes)};
}
using RawOut = std::deque<RawDatagram>;

struct Letter {  // a control frame for a peer
  PeerId to;
  std::uint8_t type = 0;
  Bytes body;
};
using Letters = std::vector<Letter>;

inline std::int64_t sooner(std::int64_t at, const std::optional<std::int64_t>& other) {
  return other ? std::min(at, *other) : at;
}

}  // namespace hanse::reach::detail
