// The messages of consensus and their bytes (consensus.md 5.2 to 5.4; layouts in proto/records/consensus.md).
// A frame is a type and a body; the channel says who sent it. Bodies are little-endian, in declared order, with u32
// lengths before what varies; trailing bytes are refused. Lengths are checked against what is there before anything is
// allocated.
// Nothing here is signed but Attest and ViewChange (statement.h says how): votes travel over authenticated channels.
// Pure; any thread. Errors: consensus.frame (corrupt: what, found, expected).
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "chain/consensus/quorum.h"

namespace hanse::consensus {

using Seq = std::uint64_t;   // a slot of the order; slot s becomes the block of height s
using View = std::uint64_t;  // a period with one leader

constexpr std::size_t kBatchBytesMax = 512u << 10;
constexpr std::size_t kVertexBytesMax = kBatchBytesMax + (16u << 10);
constexpr std::size_t kLaneWindow = 256;   // vertices of a lane that are not ordered
constexpr std::uint64_t kSlotWindow = 64;  // slots above the stable checkpoint
constexpr std::size_t kClaimsMax = 1'024;  // entries of P or Qs in one ViewChange
constexpr std::size_t kClaimsPerSlotMax = 16;
constexpr std::size_t kSignatureBytesMax = 8u << 10;
constexpr std::size_t kAckHashesMax = 4'096;
constexpr std::size_t kSlotsPerFetchMax = 64;
constexpr std::size_t kVerticesPerFetchMax = 64;
constexpr std::size_t kVertexFetchBytesMax = 2u << 20;  // an answer ends with the vertex that goes beyond

enum class Type : std::uint8_t {
  kVertex = 1,
  kAck = 2,
  kPrePrepare = 3,
  kPrepare = 4,
  kCommit = 5,
  kAttest = 6,
  kViewChange = 7,
  kNewView = 8,
  kStatus = 9,
  kFetchVertex = 10,
  kFetchSlots = 11,
  kSlot = 12,
  kFetchProposal = 13,
  kProposal = 14,
  kStatement = 15,
  kFetchStatement = 16,
  kHandover = 17,
};
constexpr std::uint8_t kTypeCount = 18;
// Frames of chain/sync over the same channels; a Replica takes neither.
constexpr Type kSyncQuestion{32}, kSyncAnswer{33};
constexpr std::size_t kSyncQuestionBytesMax = 256, kSyncAnswerBytesMax = 6u << 20;
std::string_view type_name(Type type);
// The largest body a channel may accept for this type; 0 = unknown type.
std::size_t frame_bytes_max(std::uint8_t type);

using Frame = std::shared_ptr<const Bytes>;  // shared: one body goes to many peers, the journal and the store

// One step of a lane: a batch of transactions, chained to the lane's step before. Its id is the hash of its header,
// which covers the batch through batch_root = BLAKE3("hanse/batch/1", batch).
struct Vertex {
  std::uint64_t epoch = 0;
  Index lane = 0;
  std::uint64_t height = 0;     // 1 is a lane's first
  std::vector<Hash32> parents;  // [0] the lane's own predecessor (zero at height 1), then tips of other lanes
  Hash32 batch_root;
  std::uint32_t batch_len = 0;
  std::uint32_t tx_count = 0;
};

// A vertex with its batch, as it travels and is stored. The batch is a view into the frame.
struct VertexFrame {
  Vertex vertex;
  Hash32 id;
  Frame frame;
  ByteView batch() const { return ByteView(*frame).last(vertex.batch_len); }
};
VertexFrame make_vertex(Vertex vertex, ByteView batch);  // fills batch_root and batch_len
Result<VertexFrame> decode_vertex(Frame frame);

struct Tip {
  Index lane = 0;
  std::uint64_t height = 0;
  Hash32 id;
  friend bool operator==(const Tip&, const Tip&) = default;
};

// "Peer stores these vertices and what they stand on, durably."
struct Ack {
  struct Run {
    Index lane = 0;
    std::uint64_t first_height = 0;
    std::vector<Hash32> ids;
  };
  std::uint64_t epoch = 0;
  std::vector<Run> runs;
};

// What a slot is about to hold: everything up to these tips. The executed cut of slot s is, lane by lane, the maximum
// of the cut of s-1 and these, so a proposal never depends on a neighbour that a view change empties.
struct Proposal {
  std::uint64_t epoch = 0;
  Seq seq = 0;
  Index leader = 0;  // who proposed it first; stays when a later view proposes it again
  std::int64_t time_ms = 0;
  bool epoch_end = false;  // the last slot of its epoch; voters know from execution whether it is
  std::vector<Tip> tips;   // lanes ascending
  friend bool operator==(const Proposal&, const Proposal&) = default;
};
using Digest = Hash32;  // BLAKE3("hanse/proposal/1", encoding); zero = the null proposal, an empty slot
Digest digest_of(const Proposal& proposal);

struct PrePrepare {
  View view = 0;
  Proposal proposal;
};

enum class Phase : std::uint8_t { kPrepare, kCommit };

struct Vote {  // Prepare and Commit
  std::uint64_t epoch = 0;
  View view = 0;
  Seq seq = 0;
  Digest digest;
};

struct Attest {
  std::uint64_t epoch = 0;
  Seq seq = 0;
  Hash32 block;     // hash of the block header of height seq
  Bytes signature;  // of statement_of(); context and algorithm belong to the Oracle
};

// That a block was attested by a quorum: a stable checkpoint or a certificate for clients.
struct Certificate {
  Seq seq = 0;
  Hash32 block;
  struct Signed {
    Index replica = 0;
    Bytes signature;
  };
  std::vector<Signed> signatures;  // replicas strictly ascending
};

struct Claim {
  Seq seq = 0;
  Digest digest;
  View view = 0;
  friend bool operator==(const Claim&, const Claim&) = default;
};

struct ViewChange {
  std::uint64_t epoch = 0;
  Index replica = 0;
  View view = 0;                // the view asked for
  Certificate checkpoint;       // the stable checkpoint; seq 0 needs no signatures
  std::vector<Claim> prepared;  // P: per slot the highest view in which it was prepared here; slots ascending
  std::vector<Claim>
      prepares;  // Qs: per slot and digest the latest view in which Prepare was sent; (seq, digest) ascending
  Bytes signature;
};
// What the signature covers, by its hash: everything but the signatures, as the checkpoint's prove themselves.
Bytes view_change_claims(const ViewChange& vc);
constexpr std::size_t kViewChangeClaimsBytesMax = 2 * kClaimsMax * 48 + 128;
Result<ViewChange> decode_view_change_claims(ByteView claims);

struct NewView {
  std::uint64_t epoch = 0;
  View view = 0;
  std::vector<ViewChange> view_changes;  // replicas strictly ascending, power >= Q
};

struct StatusReport {
  std::uint64_t epoch = 0;
  View view = 0;
  View wanted_view = 0;  // above view while changing
  Seq stable = 0;
  Seq executed = 0;
  std::uint8_t abstaining = 0;  // 1 = waits for a checkpoint, 2 = waits for a newer view, 0 = votes
};

struct FetchVertex {  // with what it stands on in its lane, newest first, at most kVerticesPerFetchMax
  Hash32 id;
  std::uint64_t above = 0;  // but nothing at this height or below
};
struct FetchSlots {  // committed slots from `first`, at most kSlotsPerFetchMax
  Seq first = 0;
  std::uint8_t vertices = 0;  // 1: each slot's vertices before it
};
struct Slot {  // "this slot is committed with this": believed from power >= A; no proposal = null
  Seq seq = 0;
  bool null = false;
  Proposal proposal;
};
struct FetchProposal {
  Seq seq = 0;
  Digest digest;
};
// For the leader's signed statement (statement.h) that covers its proposal for this slot.
struct FetchStatement {
  std::uint64_t epoch = 0;
  View view = 0;
  Seq seq = 0;
};
// To who reports an epoch that is over: the certificate of its last slot, by that epoch's validators.
struct Handover {
  std::uint64_t epoch = 0;
  Certificate certificate;
};

Bytes encode(const Vertex& vertex);
Bytes encode(const Ack& ack);
Bytes encode(const Proposal& proposal);
Bytes encode(const PrePrepare& message);
Bytes encode(const Vote& vote);
Bytes encode(const Attest& attest);
Bytes encode(const ViewChange& vc);
Bytes encode(const NewView& message);
Bytes encode(const StatusReport& status);
Bytes encode(const FetchVertex& fetch);
Bytes encode(const FetchSlots& fetch);
Bytes encode(const Slot& slot);
Bytes encode(const FetchProposal& fetch);
Bytes encode(const FetchStatement& fetch);
Bytes encode(const Handover& handover);
Bytes encode(const Certificate& certificate);

Result<Ack> decode_ack(ByteView body);
Result<Proposal> decode_proposal(ByteView body);
Result<PrePrepare> decode_pre_prepare(ByteView body);
Result<Vote> decode_vote(ByteView body);
Result<Attest> decode_attest(ByteView body);
Result<ViewChange> decode_view_change(ByteView body);
Result<NewView> decode_new_view(ByteView body);
Result<StatusReport> decode_status(ByteView body);
Result<FetchVertex> decode_fetch_vertex(ByteView body);
Result<FetchSlots> decode_fetch_slots(ByteView body);
Result<Slot> decode_slot(ByteView body);
Result<FetchProposal> decode_fetch_proposal(ByteView body);
Result<FetchStatement> decode_fetch_statement(ByteView body);
Result<Handover> decode_handover(ByteView body);
Result<Certificate> decode_certificate(ByteView body);

}  // namespace hanse::consensus
