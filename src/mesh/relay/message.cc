#include "mesh/relay/message.h"

#include "base/core/text.h"

namespace hanse::relay {
namespace {

std::unexpected<Error> bad(std::string_view what) { return fail(hanse::Kind::kCorrupt, "relay.format", what); }

// The fields of a kind, in the order they are written.
struct Fields {
  bool request = false, circuit = false, seconds = false, bytes = false, peer = false, why = false;
  std::size_t size() const {
    return 1 + 4u * (static_cast<unsigned>(request) + circuit + seconds + bytes) + (peer ? PeerId::kSize : 0) + why;
  }
};
std::optional<Fields> fields_of(std::uint8_t kind) {
  switch (static_cast<Kind>(kind)) {
    case Kind::kReserve: return Fields{.seconds = true};
    case Kind::kReserved: return Fields{.seconds = true, .bytes = true};
    case Kind::kConnect: return Fields{.request = true, .peer = true};
    case Kind::kConnected: return Fields{.request = true, .circuit = true};
    case Kind::kRefused: return Fields{.request = true, .why = true};
    case Kind::kIncoming: return Fields{.circuit = true, .peer = true};
    case Kind::kClosed: return Fields{.circuit = true, .why = true};
    case Kind::kLeave: return Fields{.circuit = true};
  }
  return std::nullopt;
}

}  // namespace

std::string_view why_name(Why why) {
  constexpr std::string_view kNames[] = {"it relays for nobody",      "it is full", "the peer has no place there",
                                         "an end has left or closed", "idle",       "the bytes of the day are spent"};
  return kNames[static_cast<std::size_t>(why) - 1];
}

Bytes encode(const Message& m) {
  Bytes out{static_cast<std::uint8_t>(m.kind)};
  const Fields f = *fields_of(out[0]);
  if (f.request) append_be(out, m.request);
  if (f.circuit) append_be(out, m.circuit);
  if (f.seconds) append_be(out, m.seconds);
  if (f.bytes) append_be(out, m.bytes);
  if (f.peer) append(out, m.peer.view());
  if (f.why) out.push_back(static_cast<std::uint8_t>(m.why));
  return out;
}

Result<Message> decode_message(ByteView bytes) {
  const auto fields = bytes.empty() ? std::nullopt : fields_of(bytes[0]);
  if (!fields) return bad(text("found {} bytes of an unknown kind, expected kinds 1 to 8", bytes.size()));
  if (bytes.size() != fields->size())
    return bad(text("found {} bytes of kind {}, expected {}", bytes.size(), bytes[0], fields->size()));
  Message out{.kind = static_cast<Kind>(bytes[0])};
  bytes = bytes.subspan(1);
  const auto number = [&](bool there, std::uint32_t& field) {
    if (!there) return;
    field = load_be<std::uint32_t>(bytes.data());
    bytes = bytes.subspan(4);
  };
  number(fields->request, out.request);
  number(fields->circuit, out.circuit);
  number(fields->seconds, out.seconds);
  number(fields->bytes, out.bytes);
  if (fields->peer) PeerId::from(bytes.first(PeerId::kSize), out.peer);
  if (fields->why) {
    out.why = static_cast<Why>(bytes.back());
    if (out.why < Why::kNoRelay || out.why > Why::kSpent) return bad(text("found reason {}", bytes.back()));
  }
  return out;
}

Bytes carry(const Carried& carried) {
  Bytes out;
  out.reserve(kCarryHead + carried.bytes.size());
  out.push_back(static_cast<std::uint8_t>(carried.towards));
  append_be(out, carried.circuit);
  append(out, carried.bytes);
  return out;
}

Result<Carried> open_carried(ByteView bytes) {
  if (bytes.size() <= kCarryHead || bytes.size() > kCarryHead + kCarriedMax)
    return bad(
        text("found {} carried bytes, expected {} to {}", bytes.size(), kCarryHead + 1, kCarryHead + kCarriedMax));
  if (bytes[0] != static_cast<std::uint8_t>(Towards::kRelay) && bytes[0] != static_cast<std::uint8_t>(Towards::kEnd))
    return bad(text("found {:#x} before carried bytes, expected 0x30 or 0x31", bytes[0]));
  return Carried{.towards = static_cast<Towards>(bytes[0]),
                 .circuit = load_be<std::uint32_t>(bytes.data() + 1),
                 .bytes = bytes.subspan(kCarryHead)};
}

}  // namespace hanse::relay
