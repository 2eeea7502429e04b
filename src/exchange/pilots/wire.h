// What goes between the provider's daemon and a pilot, inside TLS 1.3, and the ticket that brings a pilot there.
// Frames: u32 payload size, u8 type, u8 zero x3, u64 call (little-endian), payload.
//   kHello    pilot: encode_hello; the first frame, and nothing else before the answer
//   kWelcome  daemon: nothing            kRefused  daemon: an encoded Error; it closes
//   kRun      daemon: u8 isolation, then an encoded RunRequest (proto/records/run.md); call is new
//   kStop     daemon: call should end soon
//   kDone     pilot: call's encoded RunOutcome          kFailed  pilot: call's encoded Error
//   kPing     either, every kPingMs: nothing; who hears no byte for kSilentMsMax gives the other up
//   kEnd      daemon: no further calls; the pilot ends once it has answered those it has
// A frame of an unknown type or beyond its size is pilots.bad_frame (corrupt), and the connection ends.
// Hello: CBOR map {0 version, 1 name, 2 secret (32 bytes), 3 isolation, 4 kinds, 5 slots}.
// Ticket, one line of text: "hanse-pilot/1 HOST:PORT NAME PIN SECRET"; PIN is the account id of the daemon's key of
// this run, SECRET is good for one hello; both in lower-case hex. Errors: pilots.bad_ticket (invalid, without the
// secret), the codec.* ids.
// Threads: values.
#pragma once

#include <string>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "exchange/runtime/job_kind.h"

namespace hanse::pilots {

constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kNameMax = 63;  // of a pilot: a label of DNS
constexpr std::size_t kKindsMax = 64;
constexpr std::uint32_t kSlotsMax = 64;  // calls a pilot runs side by side
constexpr std::size_t kHelloSizeMax = 8 * 1024;
constexpr std::size_t kTicketSizeMax = 512;
constexpr std::int64_t kPingMs = 1'000, kSilentMsMax = 15'000;
constexpr std::size_t kFrameHeadSize = 16;
constexpr std::size_t kFrameSizeMax = 1 + runtime::kRequestSizeMax;  // bytes of a payload

enum class FrameType : std::uint8_t {
  kHello = 1,
  kWelcome = 2,
  kRefused = 3,
  kRun = 4,
  kStop = 5,
  kDone = 6,
  kFailed = 7,
  kPing = 8,
  kEnd = 9,
};

struct FrameHead {
  std::size_t size = 0;
  FrameType type = FrameType::kPing;
  std::uint64_t call = 0;
};
void write_head(const FrameHead& head, std::uint8_t* out);
Result<FrameHead> read_head(const std::uint8_t* in, std::size_t size_max);

struct Hello {
  std::uint32_t version = kVersion;
  std::string name;
  Hash32 secret;
  std::uint8_t isolation = 0;
  std::vector<std::string> kinds;
  std::uint32_t slots = 1;
};
Bytes encode_hello(const Hello& hello);
Result<Hello> decode_hello(ByteView bytes);

struct Ticket {
  std::string address;  // HOST:PORT, [V6]:PORT
  std::string name;
  AccountId pin;
  Hash32 secret;
};
std::string write_ticket(const Ticket& ticket);
Result<Ticket> parse_ticket(std::string_view text);

bool is_pilot_name(std::string_view name);  // lower-case letters, digits and inner hyphens, at most kNameMax

}  // namespace hanse::pilots
