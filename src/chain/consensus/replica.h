// Replica: one validator's part in consensus, as a pure state machine: step(now, event) -> effects.
// Data lanes spread batches of transactions; weighted PBFT orders cuts of the lanes (consensus.md 5.3, 5.4). It links
// no clock, socket, thread, file or generator: the driver (chain/replica) and the simulator (sim/world) carry out the
// effects and run this same object.
//
// Life of a batch: submit -> own Vertex, journaled, sent to all -> peers journal it and send Acks -> the leader
// proposes tips (PrePrepare) -> Prepare from power >= Q: prepared -> Commit from power >= Q (or Prepare from everyone):
// committed, fast final -> executed in slot order -> Attest -> certificate, stable checkpoint.
//
// One object is one epoch. At the slot where the epoch ends (rules in replica_epoch.cc) it orders nothing more, gathers
// that block's certificate and reports Effects::epoch_ended; then it is silent, and the driver makes the next epoch's
// object: another Power, an Index that may differ, view 0, empty lanes. What was not ordered of the own lane
// is unordered(), to be submitted again. Who is in no set follows: it executes and votes on nothing.
//
// The rule of durability: a frame that depends on a record leaves only after the driver reported that record durable.
// Tokens count records from 1 in the order of Effects::records; durable(t) says that all up to t are safe.
// Own votes count towards a quorum at that moment too, never before.
//
// Limits: those of messages.h; queues of this class are bounded by replicas x windows. Threads: one at a time.
// Errors: consensus.config (invalid), consensus.record (corrupt: a journal record that cannot be read),
// consensus.lane_full (exhausted: submit beyond the lane's window), consensus.batch (invalid: size or count),
// consensus.abstaining (unavailable), consensus.halted (internal),
// consensus.not_validator (unavailable). Bad frames are counted and dropped, not answered.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chain/consensus/statement.h"

namespace hanse::consensus {

struct Now {
  std::int64_t mono_ns = 0;
  std::int64_t wall_ms = 0;  // only proposed as block time and compared with the leader's
};

// Signatures, as a port: ML-DSA in production, unforgeable tokens in the simulator.
class Oracle {
 public:
  using Purpose = consensus::Purpose;
  virtual ~Oracle() = default;
  virtual Bytes sign(Purpose purpose, ByteView message) = 0;
  virtual bool verify(Index signer, Purpose purpose, ByteView message, ByteView signature) = 0;
};

constexpr Index kFollower = 0xFFFE;  // of oneself in an epoch whose set one is not in

struct Config {
  std::uint64_t epoch = 0;
  Index self = 0;          // or kFollower
  Seq base = 0;            // the last slot of the epoch before; 0 in the first
  Hash32 base_block = {};  // its header hash; zero at slot 0
  std::optional<Power> power;
  std::int64_t timeout_ms = 500;  // before the first view change; doubles per failed view
  std::int64_t timeout_ms_max = 60'000;
  std::int64_t interval_ms = 1'000;  // between empty slots while somebody waits for one
  std::int64_t drift_ms = 2'000;     // a leader's time may be so far ahead
  std::uint64_t attest_every = 8;    // slots; also when idle
  std::uint64_t checkpoint_every = 32;
  std::uint64_t slots_in_flight_max = 4;
  std::uint64_t slots_ahead_max = 16;          // handed to execution and not executed
  std::size_t execution_bytes_max = 8u << 20;  // likewise; one slot may go beyond
  std::size_t lane_bytes_max = 8u << 20;       // of a lane's vertices that are not ordered
  std::int64_t linger_ms = 100;                // for attests of the epoch's last block beyond Q
  std::int64_t idle_attest_ms = 20;            // after the last executed slot
  std::int64_t status_ms = 200;  // between status reports while work is pending; five times that when idle
  std::int64_t fetch_ms = 20;    // before something missing is asked for, and again from another peer
};

enum class RecordType : std::uint8_t {
  kVertex = 1,       // a vertex frame, own or foreign: before its Ack
  kPrepare = 2,      // own Prepare or PrePrepare with the proposal: Qs
  kPrepared = 3,     // a Claim: P, before Commit
  kViewChange = 4,   // own ViewChange, whole
  kNewView = 5,      // NewView entered, whole
  kAttest = 6,       // own Attest
  kSnapshot = 7,     // everything that is still needed of the records before
  kSnapshotEnd = 8,  // u64 slot: with the ledger at it or above, nothing before the snapshot is needed
  kUnsigned = 9,  // u64 height: own vertices up to it are not signed, as one may have been before the journal was lost
  kStable = 10,   // a stable checkpoint's certificate: before anything that only the window above it allows
};
struct Record {
  RecordType type = RecordType::kVertex;
  Frame payload;
  // How long the sync may wait for more records: what depends on this one can wait so long.
  std::int64_t patience_ns = 0;
};

// What a replica starts from: the ledger's knowledge and the journal's.
struct Start {
  Seq executed = 0;       // the newest block in the ledger
  Hash32 executed_block;  // its header hash
  std::vector<Tip> cut;   // of that block
  Certificate stable;     // newest certificate of a checkpoint slot <= executed; seq 0 = genesis
  bool wants_block = false;
  bool epoch_due = false;   // said at the newest block
  Seq epoch_end = 0;        // the epoch's last slot, where blocks up to `executed` settled it
  std::uint64_t token = 0;  // the last one given by the object before, in one process
  Seq abstain_bound = 0;    // EpochEnd's
  bool abstain = false;     // the journal cannot be trusted: take part without voting until the past is covered
  std::vector<Record> records;
};

// ---- effects -------------------------------------------------------------------------------------------------------

constexpr Index kEveryone = 0xFFFF;  // all replicas but oneself

struct Send {
  Index to = kEveryone;
  Type type = Type::kStatus;
  Frame body;
};

struct Execute {  // in slot order, each once; answer with executed()
  Seq seq = 0;
  Digest digest;                        // zero: a null slot
  std::optional<Proposal> proposal;     // nothing: a null slot
  std::vector<VertexFrame> vertices{};  // new in this slot, in order of execution
  std::vector<VertexFrame> ignored{};   // why tips are not in the cut: stored too, as who comes later has to see it
  std::vector<Tip> cut;                 // after this slot
  bool epoch_end = false;               // the epoch's last slot

  std::size_t bytes() const;  // of the vertices it orders
};

// What became of a slot.
struct Reached {
  Seq seq = 0;
  Hash32 block;
  bool wants_block = false;  // see needs_empty_slot()
  bool epoch_due = false;    // an application wants the epoch to end
};

struct SignAttest {  // sign message() for Purpose::kAttest, off this thread; answer with attested()
  std::uint64_t epoch = 0;
  Seq seq = 0;
  Hash32 block;
  bool checkpoint = false;  // the ledger up to seq must be synced first: others will forget what leads to it
  Bytes message() const { return attest_message(Attest{.epoch = epoch, .seq = seq, .block = block, .signature = {}}); }
};

// Somebody's statement whose signature is to be verified off this thread; answer with checked().
struct CheckStatement {
  Index from = 0;  // who sent it
  Statement statement;
};
enum class Signature : std::uint8_t { kGood, kBad };

struct ServeVertex {  // from the store, with what it stands on in its lane, newest first
  Index to = 0;
  Hash32 id;
  std::uint64_t above = 0;                                         // nothing at this height or below
  std::size_t vertices_max = 1, bytes_max = kVertexFetchBytesMax;  // it ends with the vertex that goes beyond the bytes
};
struct ServeSlots {  // send Slot frames first..last from the store, each after its vertices where they are asked for
  Index to = 0;
  Seq first = 0, last = 0;
  bool vertices = false;
};
struct ServeProposal {
  Index to = 0;
  Seq seq = 0;
  Digest digest;
};

struct ServeHandover {  // send a Handover frame with the certificate of the epoch's last block
  Index to = 0;
  std::uint64_t epoch = 0;
};

struct EpochEnd {
  Certificate certificate;  // of the last block; make it durable before the next epoch begins
  std::uint64_t token = 0;  // the last one given
  bool abstaining = false;  // goes on in the next epoch, with
  Seq abstain_bound = 0;
};

enum class NoticeKind : std::uint8_t {
  kNewView,     // number = view
  kHalted,      // this replica stops: text says why
  kVoting,      // abstaining ended
  kEvidence,    // replica = who; text says what
  kAbstaining,  // from now on: the others know of votes that this journal does not; text says which
};
struct Notice {
  NoticeKind kind = NoticeKind::kNewView;
  Index replica = 0;
  std::uint64_t number = 0;
  std::string text;
};

struct Effects {
  std::vector<Record> records;  // append in order; then sync, then durable()
  std::vector<Send> sends;
  std::vector<Execute> executes;
  std::vector<SignAttest> signs;
  std::vector<Statement> states;          // own ones: sign statement_message(), off this thread; answer with stated()
  std::vector<CheckStatement> checks;     // answer each with checked()
  std::vector<Evidence> evidence;         // each fact once an instance: bring it to the ledger
  std::vector<Statement> testimony;       // own view changes that led to the view entered now: bring it there too
  std::vector<Certificate> certificates;  // power >= Q, growing towards all; give them to the ledger
  std::vector<ServeVertex> serve_vertices;
  std::vector<ServeSlots> serve_slots;
  std::vector<ServeProposal> serve_proposals;
  std::vector<ServeHandover> serve_handovers;
  std::vector<Notice> notices;
  std::optional<EpochEnd> epoch_ended;
  // Records below this token are not needed once the ledger is synced up to facts().executed; what replaces them is
  // durable already.
  std::optional<std::uint64_t> released;
};

// A fetched state: a checkpoint slot's block with its certificate, and the cut after it.
struct Installed {
  Certificate certificate;
  std::vector<Tip> cut;
  bool wants_block = false;
};

struct Counters {
  std::uint64_t frames_dropped = 0, frames_malformed = 0, frames_stale = 0, frames_far = 0, frames_denied = 0;
  std::uint64_t frames_other_epoch = 0;
  std::uint64_t proposals_sent = 0, prepares_sent = 0, prepares_received = 0, commits_sent = 0, commits_received = 0;
  std::uint64_t slots_committed = 0, slots_express = 0, slots_null = 0, slots_caught_up = 0;
  std::uint64_t view_changes = 0, new_views = 0, extra_candidates = 0;
  std::uint64_t vertices_stored = 0, vertices_ordered = 0, vertices_forked = 0, fetches = 0;
  std::uint64_t certificates = 0, checkpoints = 0;
  std::uint64_t evidence = 0;  // two signed statements that exclude each other; forks and proposals seen unsigned
  std::uint64_t statements_sent = 0, statements_received = 0, statements_shown = 0;  // own; good; of others, passed on
  std::uint64_t signatures_missed = 0;  // views given up because the leader did not sign what it proposed
};

struct Facts {
  std::uint64_t epoch = 0;
  Seq epoch_end = 0;  // 0 = not settled
  View view = 0;
  View wanted_view = 0;
  Index leader = 0;
  Seq stable = 0;     // stable checkpoint
  Seq committed = 0;  // all up to here handed to execution
  Seq executed = 0;
  Seq certified = 0;  // newest slot with a certificate
  Seq reported = 0;   // others of power >= A say that they executed so far
  bool abstaining = false;
  bool halted = false;
  bool held = false;
  bool follower = false;
  bool ended = false;                             // the epoch
  std::size_t lane_vertices = 0, lane_bytes = 0;  // own, not ordered
  std::size_t pending_slots = 0;                  // accepted or voted on, not committed
  std::size_t log_slots = 0;                      // whose votes are kept
  std::int64_t timeout_ms = 0;
};

class Replica {
 public:
  // `oracle` is borrowed.
  static Result<std::unique_ptr<Replica>> create(Config config, Start start, Oracle& oracle, Now now);
  ~Replica();

  // `from` is a place in the set, or above it (below kReplicasMax) for a peer that is in no set: that one is served.
  // Each returns what to do now. Order within Effects: records, then everything else.
  Effects receive(Now now, Index from, std::uint8_t type, Frame body);
  Effects tick(Now now);  // at or after wake_ns()
  Effects durable(Now now, std::uint64_t token);
  Effects executed(Now now, const Reached& reached);
  Effects attested(Now now, Seq seq, Bytes signature);
  Effects stated(Now now, Statement statement);  // as asked for, now with its signature
  Effects checked(Now now, const CheckStatement& what, Signature found);
  Effects peer_up(Now now, Index peer);
  // A batch for the own lane: at most kBatchBytesMax. The caller asks lane_open() first.
  Result<Effects> submit(Now now, ByteView batch, std::uint32_t tx_count);
  // Writes a snapshot record, so that older ones can be released: when the journal fills.
  Effects compact(Now now);
  // State sync (replica_sync.cc). While held nothing is given to execution and no slot is asked for; what was given
  // ends.
  Effects hold(Now now);
  Effects resume(Now now);  // without having installed anything
  // The ledger is the fetched state of a checkpoint now, durably: go on from there. Nothing may be in execution.
  Effects installed(Now now, Installed at);

  bool lane_open() const;            // a batch would be taken
  std::int64_t batch_at_ns() const;  // when the next batch, if it is not full before, is best cut; may be past
  std::int64_t wake_ns() const;      // when tick() is due
  Facts facts() const;
  const Counters& counters() const;
  std::vector<Tip> cut() const;  // of the newest slot handed to execution
  // The own vertices that no slot holds, lowest first: of an epoch that ended they never will be in one.
  std::vector<VertexFrame> unordered() const;

 private:
  struct Core;
  explicit Replica(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

// A body for Type::kSlot, for drivers that serve from their store.
Frame slot_frame(Seq seq, const std::optional<Proposal>& proposal);

}  // namespace hanse::consensus
