// Rendezvous records: a machine says that an agent runs on it, so that the agent is found by its id (mesh.md 5.13;
// layout in proto/records/rendezvous.md). Signed by the machine, whose key stands in it, under the agent's certificate
// of the machine (mesh/identity), which stands in it too: the agent's own key is not needed while it is published, and
// whoever reads a record proves it alone.
// Rules, all checked by open_record:
//   - of this network; not after its end, nor ending more than kLifeMsMax from now, both with kSkewMs for wrong clocks
//   - of the agent that was asked for
//   - the agent's certificate holds now and is for the machine whose key is in the record
//   - the machine's signature is over everything else, context "hanse/rendezvous-record/1"
// `here` false: the agent runs there no longer; said when a machine stops.
// An agent may run on several machines. Each has its own sequence, and of two machines the one that the agent certified
// last stands first: the agent's key decides that, no machine can.
// Pure but for the key; any thread.
// Errors: rendezvous.record (corrupt: layout or rule of the bytes), rendezvous.network (conflict), rendezvous.expired
// (unavailable), rendezvous.agent (denied: of another agent than was asked for, or of our own: a certificate of another
// machine), rendezvous.signature (denied), those of identity::verify.
#pragma once

#include <optional>

#include "mesh/identity/identity.h"

namespace hanse::rendezvous {

using identity::AgentId;
using identity::MachineId;

constexpr std::string_view kRecordContext = "hanse/rendezvous-record/1";
constexpr std::size_t kRecordBytesMax = 16u << 10;
constexpr std::int64_t kLifeMsMax = 30 * 60'000, kSkewMs = 5 * 60'000;

struct Record {
  crypto::PublicKey key = {};  // the machine's
  MachineId machine = {};      // its id
  AgentId agent = {};          // of the certificate
  NetworkId network = {};
  std::uint64_t seq = 0;  // of the machine: higher replaces; never goes back, also over restarts
  std::int64_t not_after_ms = 0, certified_ms = 0;  // Unix time; the second: when the certificate begins
  bool here = true;
  Bytes cert = {};  // an identity::AgentCert, signed
  friend bool operator==(const Record&, const Record&) = default;
};

struct SignedRecord {
  Record record;
  Bytes bytes;  // as signed and sent
};

// Fills in what key and certificate say.
Result<SignedRecord> sign_record(Record record, const crypto::SecretKey& key);

// Layout and the rules that need no time. Proves nothing. The views are into bytes.
struct Unproved {
  Record record;
  ByteView body, signature;
};
Result<Unproved> decode_record(ByteView bytes);

struct Expected {
  NetworkId network;
  std::int64_t now_ms = 0;
  std::optional<AgentId> agent = {};  // any
};
Result<SignedRecord> open_record(ByteView bytes, const Expected& expected);

// Of two proved records of one machine for one agent: what the second one means to who has the first.
enum class Succession : std::uint8_t { kNewer, kSame, kOlder, kEquivocation };
Succession succession(const Record& have, const Record& other);
// Of two machines of one agent, which is to be tried first.
bool stands_before(const Record& a, const Record& b);

}  // namespace hanse::rendezvous
