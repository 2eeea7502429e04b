// The MAP request of the Port Control Protocol: RFC 6887 sections 7.1, 7.2 and 11.1, for one UDP port over IPv4.
// A server of the older NAT-PMP answers version 0: that is no error, the caller turns to that protocol.
// Threads: plain values. Errors: portmap.reply (corrupt: no answer to this request), portmap.refused (denied: a result
// code).
#pragma once

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::portmap {

constexpr std::uint16_t kPcpPort = 5351;
constexpr std::size_t kPcpMapBytes = 60, kPcpBytesMax = 1100;

struct PcpMap {
  FixedBytes<12> nonce = {};                // names the mapping: whoever knows it may change it
  std::array<std::uint8_t, 4> client = {};  // our own address, as the router's side of the network sees it
  std::uint16_t port = 0;                   // ours
  std::uint16_t wanted_port = 0;            // outside
  std::uint32_t lifetime_s = 0;             // 0 releases
};
Bytes encode_pcp(const PcpMap& request);

struct PcpAnswer {
  bool other_version = false;  // nothing else is set: the server speaks NAT-PMP, or only another PCP
  std::uint32_t lifetime_s = 0;
  std::uint16_t port = 0;  // outside
  Bytes ip = {};           // outside: 4 or 16 bytes
};
Result<PcpAnswer> decode_pcp(ByteView bytes, const PcpMap& request);

}  // namespace hanse::portmap
