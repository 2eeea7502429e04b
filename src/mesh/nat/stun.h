// STUN messages (RFC 8489) with the attributes of TURN (RFC 8656) and NAT behaviour discovery (RFC 5780).
//
// A message is a header of 20 bytes and attributes, each padded to 4 bytes. decode() takes one whole datagram: lengths
// must meet exactly, known attributes must have their form, the first of several equal ones counts, nothing may follow
// FINGERPRINT, and what follows an integrity attribute (other than a stronger one and FINGERPRINT) is not read.
// FINGERPRINT is checked there; integrity needs a key: integrity_ok().
// Shapes: a datagram has at most kStunBytesMax bytes and kAttributesMax attributes; text has the limits of the RFC.
// Threads: plain values. Errors: nat.stun_format (corrupt), nat.stun_limit (exhausted), nat.stun_fingerprint (corrupt).
// Refuses to: read RFC 3489 messages (no cookie), prepare names and passwords (RFC 8265): bytes are taken as given.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/ids.h"
#include "base/core/result.h"
#include "mesh/nat/endpoint.h"

namespace hanse::nat {

constexpr std::uint32_t kStunCookie = 0x2112a442;
constexpr std::size_t kStunHeaderSize = 20;
constexpr std::size_t kStunBytesMax = 4096;
constexpr std::size_t kAttributesMax = 48;
constexpr std::size_t kXorPeersMax = 8;
constexpr std::size_t kUsernameBytesMax = 513, kTextBytesMax = 763, kUnknownMax = 16, kAlgorithmsMax = 8;

using TransactionId = FixedBytes<12, struct StunTransactionTag>;

enum class StunClass : std::uint8_t { kRequest = 0, kIndication = 1, kSuccess = 2, kError = 3 };
enum class StunMethod : std::uint16_t {
  kBinding = 1,
  kAllocate = 3,
  kRefresh = 4,
  kSend = 6,
  kData = 7,
  kCreatePermission = 8,
  kChannelBind = 9,
};

constexpr std::uint16_t kAlgorithmMd5 = 1, kAlgorithmSha256 = 2;  // RFC 8489, 18.5

struct ErrorCode {
  std::uint16_t code = 0;  // 300 to 699
  std::string reason;
  friend bool operator==(const ErrorCode&, const ErrorCode&) = default;
};

struct ChangeRequest {
  bool ip = false, port = false;
  friend bool operator==(const ChangeRequest&, const ChangeRequest&) = default;
};

struct StunMessage {
  StunClass kind = StunClass::kRequest;
  StunMethod method = StunMethod::kBinding;
  TransactionId id;

  std::optional<std::string> username, realm, nonce, software;
  std::optional<Hash32> userhash;
  std::vector<std::uint16_t> password_algorithms;  // offered, best first
  std::optional<std::uint16_t> password_algorithm;
  std::optional<Endpoint> mapped, xor_mapped, alternate_server, xor_relayed, response_origin, other_address;
  std::vector<Endpoint> xor_peers;
  std::optional<ErrorCode> error;
  std::vector<std::uint16_t> unknown_attributes;  // what the sender of an error 420 did not understand
  std::optional<ChangeRequest> change_request;
  std::optional<std::uint16_t> padding_bytes;  // length of PADDING
  std::optional<std::uint16_t> channel;
  std::optional<std::uint32_t> lifetime_s;
  std::optional<std::uint8_t> requested_transport, requested_family;
  std::optional<Bytes> data;

  // Of a received message: types below 0x8000 that decode() does not know (first kUnknownMax), and where integrity is.
  std::vector<std::uint16_t> not_understood;
  std::optional<std::uint16_t> integrity_at, integrity_sha256_at;
  bool fingerprint = false;
};

// The first bytes say STUN: the two high bits are zero and the cookie is there.
bool looks_like_stun(ByteView datagram);
Result<StunMessage> decode_stun(ByteView datagram);

enum class Integrity : std::uint8_t { kNone, kSha1, kSha256 };
struct StunSeal {
  Integrity integrity = Integrity::kNone;
  Bytes key;  // of the integrity
  bool fingerprint = false;
};
Bytes encode_stun(const StunMessage& message, const StunSeal& seal = {});

// False when the attribute is absent, of another length or does not match.
bool integrity_ok(const StunMessage& message, ByteView datagram, Integrity kind, ByteView key);

struct Credential {
  std::string username, password;
};
// RFC 8489, 9.2.2: MD5 or SHA-256 of username ":" realm ":" password.
Bytes long_term_key(const Credential& credential, std::string_view realm, std::uint16_t algorithm);
Hash32 userhash(std::string_view username, std::string_view realm);  // RFC 8489, 14.4

std::uint32_t crc32_ieee(ByteView data);  // RFC 1952, 8

}  // namespace hanse::nat
