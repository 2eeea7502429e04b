// What a node and its relay tell each other, and the datagrams that the relay carries. Layout: proto/records/mesh.md.
//   control frame 0x08: u8 kind, then the fields of the kind
//   carried bytes: u8 0x30 towards the relay or 0x31 away from it, u32 circuit, bytes; in a datagram, or in a frame of
//   protocol 0x30 where the smallest packet of the carried connection does not fit a datagram of the relay's
// Numbers are big-endian. Threads: plain values. Errors: relay.format (corrupt).
#pragma once

#include <optional>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::relay {

using PeerId = AccountId;

constexpr std::uint8_t kRelayFrame = 0x08;
constexpr std::uint64_t kCarryProtocol = 0x30;
constexpr std::size_t kCarryHead = 1 + 4;
constexpr std::size_t kCarriedMax = 1500;  // bytes of one carried datagram

enum class Kind : std::uint8_t {
  kReserve = 1,    // seconds: let others reach me through you for so long
  kReserved = 2,   // seconds; bytes: a second and circuit at most
  kConnect = 3,    // request, peer: open a circuit to it
  kConnected = 4,  // request, circuit
  kRefused = 5,    // request (0: of a reservation), why
  kIncoming = 6,   // circuit, peer: who opened it
  kClosed = 7,     // circuit, why
  kLeave = 8,      // circuit: an end wants it no more
};
enum class Why : std::uint8_t {
  kNoRelay = 1,      // this node relays for nobody
  kFull = 2,         // reservations, or circuits
  kNotReserved = 3,  // the peer has no place here
  kGone = 4,         // an end has left or closed
  kIdle = 5,
  kSpent = 6,  // the day's bytes of an end
};
std::string_view why_name(Why why);

struct Message {
  Kind kind = Kind::kReserve;
  std::uint32_t request = 0, circuit = 0, seconds = 0, bytes = 0;
  PeerId peer{};
  Why why = Why::kGone;
  friend bool operator==(const Message&, const Message&) = default;
};
Bytes encode(const Message& message);
Result<Message> decode_message(ByteView bytes);

enum class Towards : std::uint8_t { kRelay = 0x30, kEnd = 0x31 };
struct Carried {
  Towards towards = Towards::kRelay;
  std::uint32_t circuit = 0;
  ByteView bytes;
};
Bytes carry(const Carried& carried);
Result<Carried> open_carried(ByteView bytes);  // views into bytes

}  // namespace hanse::relay
