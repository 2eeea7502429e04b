#include "mesh/portmap/pcp.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::portmap {
namespace {

constexpr std::uint8_t kVersion = 2, kMap = 1, kAnswer = 0x80, kUdp = 17;
constexpr std::uint8_t kUnsupportedVersion = 1;
constexpr std::size_t kNonceAt = 24, kProtocolAt = 36, kInnerPortAt = 40, kOuterPortAt = 42, kOuterIpAt = 44;
constexpr std::array<std::uint8_t, 12> kV4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::unexpected<Error> bad(std::string_view what) {
  return fail(Kind::kCorrupt, "portmap.reply", text("found {} in the router's answer to a PCP request", what));
}

// RFC 6887 section 7.4.
std::string_view code_name(std::uint8_t code) {
  constexpr std::string_view kNames[] = {"success",
                                         "unsupported version",
                                         "not authorized",
                                         "malformed request",
                                         "unsupported opcode",
                                         "unsupported option",
                                         "malformed option",
                                         "network failure",
                                         "no resources",
                                         "unsupported protocol",
                                         "over quota",
                                         "cannot provide that port",
                                         "address mismatch",
                                         "excessive remote peers"};
  return code < std::size(kNames) ? kNames[code] : "an unknown code";
}

}  // namespace

Bytes encode_pcp(const PcpMap& m) {
  Bytes out = {kVersion, kMap, 0, 0};
  append_be(out, m.lifetime_s);
  append(out, kV4Prefix);
  append(out, m.client);
  append(out, m.nonce.view());
  append(out, Bytes{kUdp, 0, 0, 0});
  append_be(out, m.port);
  append_be(out, m.wanted_port);
  append(out, kV4Prefix);  // any outer IPv4 address
  append(out, Bytes(4, 0));
  return out;
}

Result<PcpAnswer> decode_pcp(ByteView b, const PcpMap& request) {
  if (b.size() < 4) return bad(text("{} bytes", b.size()));
  if (b[0] != kVersion) return PcpAnswer{.other_version = true};
  if (b.size() < 24 || b.size() % 4 != 0 || b.size() > kPcpBytesMax) return bad(text("{} bytes", b.size()));
  if (b[1] != (kAnswer | kMap)) return bad(text("opcode {}", b[1]));
  if (b[3] == kUnsupportedVersion) return PcpAnswer{.other_version = true};
  if (b[3] != 0)
    return fail(Kind::kDenied, "portmap.refused",
                text("found PCP result {} ({}) from the router", b[3], code_name(b[3])));
  if (b.size() < kPcpMapBytes) return bad(text("{} bytes", b.size()));
  if (!equal(b.subspan(kNonceAt, 12), request.nonce.view())) return bad("another nonce");
  if (b[kProtocolAt] != kUdp || load_be<std::uint16_t>(b.data() + kInnerPortAt) != request.port)
    return bad("another protocol or port");
  PcpAnswer out{.lifetime_s = load_be<std::uint32_t>(b.data() + 4),
                .port = load_be<std::uint16_t>(b.data() + kOuterPortAt)};
  const ByteView ip = b.subspan(kOuterIpAt, 16);
  out.ip = to_bytes(std::ranges::equal(ip.first(12), kV4Prefix) ? ip.subspan(12) : ip);
  if (request.lifetime_s != 0 && (out.port == 0 || out.lifetime_s == 0)) return bad("port or lifetime 0");
  return out;
}

}  // namespace hanse::portmap
