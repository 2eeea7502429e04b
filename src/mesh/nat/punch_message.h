// The bytes of a coordinated punch: the offers that two peers exchange over the connection they have (relayed,
// reliable, authenticated), and the probes that they send through their NATs.
//   PUNCH       session 16 | attempt u8 | nat u8 | delta i16 | hard_sockets u16 | t_offset_ms u16 | count u8 |
//   candidates
//               a candidate: u8 4 or 6 | address | port u16; at most 16, best first; numbers are big-endian
//   nat         mapping << 4 | filtering << 2 | port rule (classify.h)
//   PUNCH_SYNC  session 16 | attempt u8
//   probe       0x17 | type u8 | path nonce 8 | sender 8 | tx 12 | observed: u8 0, 4 or 6, address 16, port u16 | mac
//   16
// Every probe has 65 bytes, so an answer is never longer than its question. The MAC is BLAKE3 in derive-key mode over
// key and bytes: it needs no nonce, and one key may seal any number of probes of both sides.
// Threads: plain values. Errors: nat.punch_format (corrupt), nat.probe (corrupt: form, session or MAC).
#pragma once

#include <vector>

#include "base/core/result.h"
#include "mesh/nat/classify.h"

namespace hanse::nat {

constexpr std::size_t kCandidatesMax = 16;
constexpr std::uint16_t kHardSocketsMax = 256;
constexpr std::size_t kProbeSize = 65;
constexpr std::uint8_t kProbeByte = 0x17;

using PunchId = FixedBytes<16, struct PunchTag>;
using PathNonce = FixedBytes<8, struct PathNonceTag>;
using PeerTag = FixedBytes<8, struct PeerTagTag>;  // first bytes of the hash of a PeerId
using ProbeKey = FixedBytes<32, struct ProbeKeyTag>;
using ProbeTx = FixedBytes<12, struct ProbeTxTag>;

struct PunchOffer {
  PunchId session;
  std::uint8_t attempt = 0;
  Mapping mapping = Mapping::kUnknown;
  Filtering filtering = Filtering::kUnknown;
  PortRule port_rule = PortRule::kUnknown;
  std::int16_t delta = 0;
  std::uint16_t hard_sockets = 0;  // 0: neither opens many sockets nor guesses ports
  std::uint16_t t_offset_ms = 0;   // from a sync to the first probe
  std::vector<Endpoint> candidates;
  friend bool operator==(const PunchOffer&, const PunchOffer&) = default;
};
Bytes encode(const PunchOffer& offer);
Result<PunchOffer> decode_punch(ByteView bytes);

struct PunchSync {
  PunchId session;
  std::uint8_t attempt = 0;
};
Bytes encode(const PunchSync& sync);
Result<PunchSync> decode_punch_sync(ByteView bytes);

enum class ProbeType : std::uint8_t { kPing = 1, kPong = 2, kNominate = 3 };
struct Probe {
  ProbeType type = ProbeType::kPing;
  PathNonce path;
  PeerTag sender;
  ProbeTx tx;
  std::optional<Endpoint> observed;  // of a pong: where the question came from
  friend bool operator==(const Probe&, const Probe&) = default;
};
Bytes seal_probe(const Probe& probe, const ProbeKey& key);
Result<Probe> open_probe(ByteView datagram, const ProbeKey& key);

}  // namespace hanse::nat
