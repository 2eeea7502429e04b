// Ledger: executes ordered transactions through the applications and keeps what came of it: state, its authenticated
// tree, blocks, results, events, the history over all headers, certificates and validator sets. It decides nothing
// about order and holds no key; consensus hands it cuts, and certificates later, for some heights. One block is one
// atomic write. Executing a cut is a pure function of the state before and the cut, so a block whose write was lost in
// a crash comes back by executing its cut again.
//
// A state key is proved at the height of a view, which needs that height's certificate. The state of earlier heights is
// gone but for snapshots: commit(…, Keep::kForProof) keeps one until a certificate for it comes, at most kProvableMax.
// A transaction of any block is proved by the newest certificate at or above it, through the history.
//
// Store families: meta, state, nodes, blocks (u64 height), txs (id), events (height || u32 index), topics
// (topic || 0 || height || index), history (u8 level || u64 index -> hash), certs (height), valsets (epoch, those that
// changed), sources (height || u32 -> key in vertices), and those of chain/replica, which this room never writes.
// The bytes of a transaction lie in one of its vertices, where the cut says so, and else in txs. Transactions are
// remembered for good: the same bytes are never applied twice. A ledger whose state was fetched (install.h) knows
// earlier ones by their ids only.
// Threads: execute, commit and certify on one thread; view(), proof_view(), certified(), valset() and all of View on
// any. A View must not outlive its Ledger.
// Errors: ledger.other_network (conflict: found, expected), ledger.app_missing (unsupported), ledger.no_app
// (unsupported), ledger.cut (invalid: wrong height, epoch or time), ledger.record (corrupt), ledger.state_io
// (corrupt), ledger.not_found (not_found: block, transaction), ledger.uncertified (unavailable), ledger.before_sync
// (unavailable: the transaction was applied before the state was fetched),
// ledger.nondeterministic (internal), ledger.next_set (internal: two applications name one, or a set that breaks the
// rules), and those of kv, light and the applications.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "chain/ledger/app.h"
#include "chain/ledger/range.h"
#include "chain/light/light_proof.h"
#include "store/kv/kv.h"

namespace hanse::ledger {

// Families of chain/replica (consensus.md 5.7), kept in this store so that one batch holds a block and what ordered it.
constexpr kv::Family kVertices{10}, kEdges{11}, kMetadata{12}, kIndexHeight{13}, kIndexTimestamp{14}, kFinalized{15},
    kReceipts{16};

// Where the bytes of a transaction are: `size` of them from `offset` on, in the value of a key of the family vertices.
struct TxPlace {
  std::uint32_t source = 0;  // which of the cut's sources is the key
  std::uint32_t offset = 0, size = 0;
  friend bool operator==(const TxPlace&, const TxPlace&) = default;
};

// What consensus decided: the transactions of one block and its time. Everything else follows. Its size is no rule of
// validity: what was decided is executed, and who makes cuts bounds them (chain/replica: kSlotTxsMax).
struct Cut {
  Height height;
  std::int64_t time_ms = 0;
  AccountId leader;  // zero: nobody proposed the slot, and it has no transactions
  std::vector<Tx> txs;
  std::uint64_t epoch = 0;
  Hash32 id = {};          // consensus' own name for the decision
  bool epoch_end = false;  // the next block is of the next epoch
  // Not part of its encoding. From whoever keeps the bytes in the family vertices, in the batch that he gives to
  // commit(): of each transaction its id and its place. Otherwise empty, and the ledger keeps the bytes itself.
  std::vector<Hash32> tx_ids = {};
  std::vector<TxPlace> places = {};
  std::vector<Hash32> sources = {};
};
Bytes encode_cut(const Cut& cut);
Result<Cut> decode_cut(ByteView bytes);

struct Block {
  light::BlockHeader header;
  std::vector<Hash32> tx_ids;
  std::vector<Hash32> result_hashes;
};

struct Applied {
  Hash32 tx_id;
  Height height;
  std::uint32_t index = 0;  // in the block
  TxResult result;
};

struct LedgerEvent {
  Height height;
  std::uint32_t index = 0;  // among the block's events
  Event event;
};

// A block executed but not yet written.
struct Executed {
  light::BlockHeader header;
  std::vector<Hash32> tx_ids;
  std::vector<Bytes> txs;           // their encodings, or
  std::vector<TxPlace> places;      // where those are, in
  std::vector<Hash32> sources;      // these
  std::vector<TxResult> results;    // as many as tx_ids
  std::vector<Bytes> result_bytes;  // their encodings
  std::vector<Hash32> result_hashes;
  std::vector<Event> events;    // of the transactions in order, then of the applications' ends
  std::vector<Hash32> skipped;  // applied before, left out of the block
  bool wants_block = false;
  bool epoch_due = false;
  Writes writes;
  TreeUpdate tree;
  light::History history;  // with the parent
  std::vector<light::HistoryNode> history_nodes;
  bool epoch_end = false;
  std::optional<light::ValidatorSet> next_set;  // when it differs from the block's own
};

// A block that has a certificate.
struct Certified {
  light::BlockHeader header;
  light::Certificate certificate;
  std::uint32_t power_bp = 0;
};

// What a proof is for: the grade its verifier demands and the epoch whose set it trusts.
struct ProofWanted {
  light::Grade grade = light::Grade::kFast;
  std::uint64_t from_epoch = 0;
};

constexpr std::size_t kProvableMax = 16;
enum class Keep : bool { kNo, kForProof };

class Ledger;

// The committed data as it was after one block.
struct Moment {
  kv::Snapshot snapshot;
  light::BlockHeader header;
  std::uint8_t side = 0;  // which families hold the state
};
struct StoredTx;

// What was committed at one moment.
class View final : public StateReader {
 public:
  Height height() const { return header().height; }
  const light::BlockHeader& header() const { return moment_->header; }
  Result<std::uint64_t> next_epoch() const;  // of the block after this view's
  // Of any block; the newest there is, whatever the view's moment.
  Result<std::optional<light::Certificate>> certificate(Height height) const;

  Result<std::optional<Bytes>> get(ByteView key) const override;
  Status scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const override;

  Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) const;
  Status check(const Tx& tx, std::int64_t next_time_ms) const;  // the application's own check, for the next block
  Result<light::LightProof> prove(ByteView key, ProofWanted wanted = {}) const;
  Result<Block> block(Height height) const;
  Result<std::optional<Applied>> tx_result(const Hash32& id) const;
  Result<Tx> tx(const Hash32& id) const;
  Result<std::vector<Bytes>> encoded_txs(const Block& block) const;  // all of it, each as encode_tx() gives it
  Result<light::TxProof> prove_tx(const Hash32& id, ProofWanted wanted = {}) const;
  // Events from height `from` and index `skip` on, oldest first, at most `limit`. Topics that start with topic_prefix.
  struct EventsFrom {
    Height height;
    std::uint32_t skip = 0;
  };
  Result<std::vector<LedgerEvent>> events(EventsFrom from, std::string_view topic_prefix, std::size_t limit) const;

  // For nodes that fetch this state: an answer of about bytes_max (range.h), and earlier blocks up to this view's.
  Result<RangeAnswer> prove_range(const light::KeyRange& range, std::size_t bytes_max) const;
  struct Past {
    std::vector<Block> blocks;  // from `first` on, as many as bytes_max allows but at least one
    std::vector<Hash32> path;   // of the last of them in this view's history; empty when it is this view's own block
  };
  struct Heights {
    Height first, last;
  };
  Result<Past> past(Heights heights, std::size_t bytes_max) const;
  // A header of its own with certificate and handovers from epoch `from_epoch` on: ledger.uncertified.
  Result<light::CertifiedHeader> believable(ProofWanted wanted) const;

 private:
  friend class Ledger;
  View(const Ledger& ledger, std::shared_ptr<const Moment> moment) : ledger_(ledger), moment_(std::move(moment)) {}
  Result<Certified> certified(const light::BlockHeader& header, light::Grade grade) const;
  Result<std::optional<StoredTx>> stored_tx(const Hash32& id) const;
  struct Source;
  Result<Bytes> bytes_of(const StoredTx& stored, Source& last) const;
  Result<light::CertifiedHeader> believable(const light::BlockHeader& shown, const Certified& by,
                                            ProofWanted wanted) const;
  Result<std::vector<light::Handover>> handovers(std::uint64_t upto_epoch, ProofWanted wanted) const;

  const Ledger& ledger_;
  std::shared_ptr<const Moment> moment_;  // shared by all views of one block
};

class Ledger {
 public:
  struct Options {
    std::size_t cache_bytes = 64u << 20;
    std::size_t write_buffer_bytes = 64u << 20;
  };
  // Apps not named in the genesis file stay unused; a section without its app is ledger.app_missing. A new folder gets
  // block 0. The apps must outlive the ledger.
  static Result<std::unique_ptr<Ledger>> open(const std::string& path, const light::Genesis& genesis,
                                              const std::vector<App*>& apps, Options options);
  ~Ledger();

  const light::Genesis& genesis() const { return genesis_; }
  const NetworkId& network() const { return network_; }
  const Block& tip() const { return tip_; }                     // execute/commit thread only
  bool wants_block() const { return wants_block_; }             // said by the applications at the tip; same thread
  std::uint64_t epoch() const { return epoch_; }                // of the next block; same thread
  const light::ValidatorSet& next_set() const { return set_; }  // that certifies the next block; same thread
  Result<light::ValidatorSet> valset(std::uint64_t epoch) const;
  App* app(std::uint8_t number) const;
  Result<View> view() const;
  // At the newest block that has a certificate of the grade and whose moment was kept: ledger.uncertified.
  Result<View> proof_view(light::Grade grade = light::Grade::kFast) const;
  std::optional<Certified> certified(light::Grade grade) const;  // the newest
  // For what chain/replica keeps in its own families.
  const kv::Store& store() const { return *store_; }

  Result<Executed> execute(const Cut& cut) const;
  // Writes the block, and `extra` in the same batch.
  Status commit(const Executed& executed, Keep keep = Keep::kNo, kv::Batch extra = {});
  // Checks and keeps a certificate of a committed block, in any order of heights. Below quorum_bp it is refused; one
  // that weighs no more than the one there is changes nothing.
  Status certify(Height height, light::Certificate certificate);
  Status sync();  // makes everything committed durable
  Status health() const;
  // A ledger of its own in the new folder `path`, of one moment between two commits; any thread. For backups.
  Status checkpoint(const std::string& path) const { return store_->checkpoint(path); }
  // Executes the cut twice and compares the headers: ledger.nondeterministic names both.
  Status check_determinism(const Cut& cut) const;
  // Recomputes the root from every state record: ledger.record when the tree says otherwise.
  Status audit() const;

  // One small record of the owner's, written with the next commit or put_note at once.
  Result<std::optional<Bytes>> note(std::string_view name) const;
  Status put_note(std::string_view name, ByteView value);

 private:
  friend class View;
  friend class Installer;
  Ledger(const light::Genesis& genesis, std::unique_ptr<kv::Store> store);
  Status start(const std::vector<App*>& apps);
  Status write_genesis();
  Status load_tip();
  Status load_certified();
  void keep(const std::shared_ptr<const Moment>& moment);
  void note_certified(Certified block);
  BlockContext context_of(const Cut& cut) const;
  Status check_cut(const Cut& cut) const;
  Status run_txs(const Cut& cut, const BlockContext& context, Overlay& state, Executed& out) const;
  Status seal(const Cut& cut, Overlay& state, Executed& out) const;
  NodeGet node_get(std::uint8_t side, const kv::Snapshot* at) const;

  light::Genesis genesis_;
  NetworkId network_;
  std::unique_ptr<kv::Store> store_;
  std::map<std::uint8_t, App*> apps_;
  Block tip_;
  bool wants_block_ = false;
  std::uint8_t side_ = 0;  // which families hold the state
  std::uint64_t epoch_ = 0;
  light::ValidatorSet set_;
  light::History history_;  // over the blocks below the tip

  mutable std::mutex mutex_;  // for what follows
  std::shared_ptr<const Moment> newest_;
  std::deque<std::shared_ptr<const Moment>> kept_;  // ascending, at most kProvableMax
  struct Graded {
    std::optional<Certified> newest;
    std::shared_ptr<const Moment> provable;
  };
  Graded graded_[2];  // fast, economic
};

}  // namespace hanse::ledger
