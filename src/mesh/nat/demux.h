// What a datagram on the node's one socket is, by its first bytes (RFC 7983, RFC 9443): STUN and TURN, TURN's channels,
// probes and QUIC share a port.
// ChannelData begins with 0x40 to 0x4f, as QUIC's short headers may: the source decides, so the owner says whether it
// is a TURN server in use. Pure; any thread. Errors: none; kOther is dropped and counted.
#pragma once

#include "mesh/nat/punch_message.h"
#include "mesh/nat/stun.h"

namespace hanse::nat {

enum class DatagramKind : std::uint8_t { kStun, kChannelData, kQuic, kProbe, kOther };
enum class Source : std::uint8_t { kAnybody, kTurnServer };

inline DatagramKind kind_of(ByteView datagram, Source source) {
  if (datagram.empty()) return DatagramKind::kOther;
  const std::uint8_t first = datagram[0];
  if (first < 0x04) return looks_like_stun(datagram) ? DatagramKind::kStun : DatagramKind::kOther;
  if (first == kProbeByte) return datagram.size() == kProbeSize ? DatagramKind::kProbe : DatagramKind::kOther;
  if ((first & 0xf0) == 0x40 && source == Source::kTurnServer) return DatagramKind::kChannelData;
  return (first & 0x40) != 0 ? DatagramKind::kQuic : DatagramKind::kOther;
}

}  // namespace hanse::nat
