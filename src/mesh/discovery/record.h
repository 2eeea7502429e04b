// Peer records: what a peer says of itself, signed (mesh.md 5.11; layout in proto/records/peer_record.md).
// Rules, all checked by open_record:
//   - the id is that of the key it is checked with; the signature is over everything else, context
//     "hanse/peer-record/1"
//   - not after its end, nor ending more than kLifeMsMax from now, both with kSkewMs for wrong clocks
//   - of this network
//   - no address that may never be dialled; at most kAddressesMax, in ascending order, none twice
//   - two scopes, each with its own sequence: a public record has public addresses only and may travel anywhere; a
//     local one stays on the links of the network that it was heard on. An owner signs both: an address cannot be taken
//     out of a record that somebody else signed
// Pure but for the key; any thread.
// Errors: discovery.record (corrupt: layout or rule of the bytes), discovery.signature (denied: another key, or a bad
// signature), discovery.expired (unavailable), discovery.network (conflict), discovery.address (invalid: our own record
// with an address that may not be in it, or too many).
#pragma once

#include <vector>

#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/crypto/sign.h"
#include "mesh/discovery/address.h"

namespace hanse::discovery {

using PeerId = AccountId;

constexpr std::string_view kRecordContext = "hanse/peer-record/1";
constexpr std::size_t kAddressesMax = 16, kRelaysMax = 4;
constexpr std::size_t kRecordBytesMax = 6u << 10;
constexpr std::int64_t kLifeMsMax = 2 * 3'600'000, kSkewMs = 5 * 60'000;

enum class Scope : std::uint8_t { kPublic = 0, kLocal = 1 };
enum class Nat : std::uint8_t { kUnknown = 0, kNone = 1, kEasy = 2, kHard = 3, kBlocked = 4 };

struct PeerRecord {
  crypto::SigAlg alg = crypto::SigAlg::kMlDsa65;
  PeerId peer = {};
  std::uint64_t seq = 0;  // higher replaces; never goes back, also over restarts
  std::int64_t not_after_ms = 0;
  NetworkId network = {};
  Scope scope = Scope::kPublic;
  std::vector<Address> addresses = {};  // ascending
  std::vector<PeerId> relays = {};
  std::uint64_t roles = 0, caps = 0;  // bits
  Nat nat = Nat::kUnknown;
  friend bool operator==(const PeerRecord&, const PeerRecord&) = default;
};

struct SignedRecord {
  PeerRecord record;
  Bytes bytes;  // as signed and sent
};

// Takes out of `record` what its scope may not hold, puts the rest in order, and signs.
Result<SignedRecord> sign_record(PeerRecord record, const crypto::SecretKey& key);

// Layout and the rules that need neither key nor time. `signature` is a view into bytes.
struct Unproved {
  PeerRecord record;
  ByteView body;  // what is signed
  ByteView signature;
};
Result<Unproved> decode_record(ByteView bytes);

struct Expected {
  NetworkId network;
  std::int64_t now_ms = 0;
};
Result<SignedRecord> open_record(ByteView bytes, const crypto::PublicKey& key, const Expected& expected);

// Of two proved records of one peer and scope: what the second one means to who has the first.
enum class Succession : std::uint8_t { kNewer, kSame, kOlder, kEquivocation };
Succession succession(const SignedRecord& have, const SignedRecord& other);

}  // namespace hanse::discovery
