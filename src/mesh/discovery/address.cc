#include "mesh/discovery/address.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::discovery {

namespace {

Reach reach_v4(ByteView ip) {
  const unsigned a = ip[0], b = ip[1];
  if (a == 0 || a == 127 || a >= 224) return Reach::kNever;  // this network, loopback, multicast, reserved, broadcast
  if (a == 10 || (a == 172 && (b & 0xf0) == 16) || (a == 192 && b == 168)) return Reach::kPrivate;
  if ((a == 100 && (b & 0xc0) == 64) || (a == 169 && b == 254)) return Reach::kPrivate;
  return Reach::kPublic;
}

Reach reach_v6(ByteView ip) {
  const bool ten_zeros = std::ranges::all_of(ip.first(10), [](std::uint8_t b) { return b == 0; });
  if (ten_zeros && ip[10] == 0xff && ip[11] == 0xff) return reach_v4(ip.subspan(12));
  if (ten_zeros) return Reach::kNever;  // unspecified, loopback, IPv4-compatible
  if (ip[0] == 0xff) return Reach::kNever;
  if ((ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)) return Reach::kPrivate;
  if (ip[0] == 0xfe) return Reach::kNever;  // site-local, long withdrawn
  return Reach::kPublic;
}

}  // namespace

Reach reach_of(const Address& address) {
  if (address.port == 0) return Reach::kNever;
  if (address.ip.size() == 4) return reach_v4(address.ip);
  if (address.ip.size() == 16) return reach_v6(address.ip);
  return Reach::kNever;
}

std::string address_text(const Address& address) {
  const Bytes& ip = address.ip;
  if (ip.size() == 4) return text("{}.{}.{}.{}:{}", ip[0], ip[1], ip[2], ip[3], address.port);
  if (ip.size() != 16) return text("({} bytes):{}", ip.size(), address.port);
  std::string out = "[";
  for (std::size_t i = 0; i < 16; i += 2) {
    if (i > 0) out += ':';
    out += text("{:x}", load_be<std::uint16_t>(ip.data() + i));
  }
  return out + text("]:{}", address.port);
}

}  // namespace hanse::discovery
