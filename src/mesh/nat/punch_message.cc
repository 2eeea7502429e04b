#include "mesh/nat/punch_message.h"

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::nat {
namespace {

constexpr std::size_t kOfferHeadSize = 16 + 1 + 1 + 2 + 2 + 2 + 1;
constexpr std::size_t kMacSize = 16, kSealedSize = kProbeSize - kMacSize;

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kCorrupt, "nat.punch_format", what); }
std::unexpected<Error> bad_probe(std::string_view what) { return fail(Kind::kCorrupt, "nat.probe", what); }

FixedBytes<kMacSize> mac(const ProbeKey& key, ByteView bytes) {
  FixedBytes<kMacSize> out;
  crypto::blake3_xof("hanse/probe/1", {key.view(), bytes}, out.span());
  return out;
}

}  // namespace

Bytes encode(const PunchOffer& offer) {
  Bytes out = to_bytes(offer.session.view());
  out.push_back(offer.attempt);
  out.push_back(static_cast<std::uint8_t>(static_cast<unsigned>(offer.mapping) << 4 |
                                          static_cast<unsigned>(offer.filtering) << 2 |
                                          static_cast<unsigned>(offer.port_rule)));
  append_be(out, static_cast<std::uint16_t>(offer.delta));
  append_be(out, offer.hard_sockets);
  append_be(out, offer.t_offset_ms);
  out.push_back(static_cast<std::uint8_t>(offer.candidates.size()));
  for (const Endpoint& c : offer.candidates) {
    out.push_back(c.ip.v6 ? 6 : 4);
    append(out, c.ip.view());
    append_be(out, c.port);
  }
  return out;
}

Result<PunchOffer> decode_punch(ByteView bytes) {
  if (bytes.size() < kOfferHeadSize)
    return bad(text("found {} bytes, expected {} or more", bytes.size(), kOfferHeadSize));
  PunchOffer out;
  PunchId::from(bytes.first(16), out.session);
  const std::uint8_t* p = bytes.data();
  out.attempt = p[16];
  const unsigned mapping = p[17] >> 4, filtering = p[17] >> 2 & 3, rule = p[17] & 3;
  if (mapping > static_cast<unsigned>(Mapping::kAddressPort)) return bad(text("found mapping {}", mapping));
  out.mapping = static_cast<Mapping>(mapping);
  out.filtering = static_cast<Filtering>(filtering);
  out.port_rule = static_cast<PortRule>(rule);
  out.delta = static_cast<std::int16_t>(load_be<std::uint16_t>(p + 18));
  out.hard_sockets = load_be<std::uint16_t>(p + 20);
  out.t_offset_ms = load_be<std::uint16_t>(p + 22);
  if (out.delta < -kDeltaMax || out.delta > kDeltaMax) return bad(text("found delta {}", out.delta));
  if ((out.port_rule == PortRule::kDelta) != (out.delta != 0))
    return bad(text("found delta {} in another rule", out.delta));
  if (out.hard_sockets > kHardSocketsMax) return bad(text("found {} hard sockets", out.hard_sockets));
  if (out.t_offset_ms > 1000) return bad(text("found an offset of {} ms", out.t_offset_ms));
  if (p[24] > kCandidatesMax) return bad(text("found {} candidates, at most {}", p[24], kCandidatesMax));
  ByteView rest = bytes.subspan(kOfferHeadSize);
  for (int i = 0; i < p[24]; ++i) {
    const std::size_t size = rest.empty() ? 0 : rest[0] == 4 ? 7 : rest[0] == 6 ? 19 : 0;
    if (size == 0 || rest.size() < size) return bad(text("found candidate {} cut or of no family", i));
    Endpoint c;
    c.ip.v6 = rest[0] == 6;
    std::copy(rest.begin() + 1, rest.begin() + static_cast<std::ptrdiff_t>(size) - 2, c.ip.bytes.begin());
    c.port = load_be<std::uint16_t>(rest.data() + size - 2);
    if (!answerable(c)) return bad(text("found candidate {}", to_text(c)));
    out.candidates.push_back(c);
    rest = rest.subspan(size);
  }
  if (!rest.empty()) return bad(text("found {} bytes behind the candidates", rest.size()));
  return out;
}

Bytes encode(const PunchSync& sync) {
  Bytes out = to_bytes(sync.session.view());
  out.push_back(sync.attempt);
  return out;
}

Result<PunchSync> decode_punch_sync(ByteView bytes) {
  if (bytes.size() != 17) return bad(text("found {} bytes in a sync, expected 17", bytes.size()));
  PunchSync out;
  PunchId::from(bytes.first(16), out.session);
  out.attempt = bytes[16];
  return out;
}

Bytes seal_probe(const Probe& probe, const ProbeKey& key) {
  Bytes out{kProbeByte, static_cast<std::uint8_t>(probe.type)};
  append(out, probe.path.view());
  append(out, probe.sender.view());
  append(out, probe.tx.view());
  const Endpoint seen = probe.observed.value_or(Endpoint{});
  out.push_back(!probe.observed ? 0 : seen.ip.v6 ? 6 : 4);
  append(out, seen.ip.bytes);
  append_be(out, seen.port);
  append(out, mac(key, out).view());
  return out;
}

Result<Probe> open_probe(ByteView datagram, const ProbeKey& key) {
  if (datagram.size() != kProbeSize || datagram[0] != kProbeByte)
    return bad_probe(text("found {} bytes, expected a probe of {}", datagram.size(), kProbeSize));
  const FixedBytes<kMacSize> want = mac(key, datagram.first(kSealedSize));
  std::uint8_t differs = 0;  // in constant time
  for (std::size_t i = 0; i < kMacSize; ++i) differs |= want.data[i] ^ datagram[kSealedSize + i];
  if (differs != 0) return bad_probe("found another mac");
  Probe out;
  out.type = static_cast<ProbeType>(datagram[1]);
  const std::uint8_t family = datagram[30];
  if (datagram[1] < 1 || datagram[1] > 3 || (family != 0 && family != 4 && family != 6) ||
      (family != 0) != (out.type == ProbeType::kPong))
    return bad_probe(text("found type {} with family {}", datagram[1], family));
  PathNonce::from(datagram.subspan(2, 8), out.path);
  PeerTag::from(datagram.subspan(10, 8), out.sender);
  ProbeTx::from(datagram.subspan(18, 12), out.tx);
  if (family == 0) return out;
  Endpoint seen;
  seen.ip.v6 = family == 6;
  const ByteView ip = datagram.subspan(31, family == 6 ? 16 : 4);
  std::copy(ip.begin(), ip.end(), seen.ip.bytes.begin());
  seen.port = load_be<std::uint16_t>(datagram.data() + 47);
  out.observed = seen;
  return out;
}

}  // namespace hanse::nat
