// Ledger: executes ordered transactions through the applications and keeps what came of it: state, its authenticated
// tree, blocks, results, events. It decides nothing about order and holds no key; a sequencer (sequencer.h, chain.h)
// hands it cuts and certificates.
// One block is one atomic write. Executing a cut is a pure function of the state before and the cut, so a block whose
// write was lost in a crash comes back by executing its cut again.
//
// Store families: meta, state, nodes, blocks (u64 height), txs (id), events (height || u32 index), topics
// (topic || 0 || height || index). Transactions are remembered for good: the same bytes are never applied twice.
// Threads: execute and commit on one thread; view() and all of View on any. A View must not outlive its Ledger.
// Errors: ledger.other_network (conflict: found, expected), ledger.app_missing (unsupported), ledger.no_app
// (unsupported), ledger.cut (invalid: wrong height, time or size), ledger.record (corrupt), ledger.state_io (corrupt),
// ledger.not_found (not_found: block, transaction), ledger.uncertified (unavailable), ledger.nondeterministic
// (internal), and those of kv, light and the applications.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "chain/ledger/app.h"
#include "chain/ledger/tree.h"
#include "chain/light/light_proof.h"
#include "store/kv/kv.h"

namespace hanse::ledger {

// What a sequencer decided: the transactions of one block and its time. Everything else follows.
struct Cut {
  Height height;
  std::int64_t time_ms = 0;
  AccountId leader;
  std::vector<Tx> txs;
};
Bytes encode_cut(const Cut& cut);
Result<Cut> decode_cut(ByteView bytes);

struct Block {
  light::BlockHeader header;
  light::Certificate certificate;
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
  std::vector<Tx> txs;
  std::vector<TxResult> results;    // as many as txs
  std::vector<Bytes> result_bytes;  // their encodings
  std::vector<Hash32> result_hashes;
  std::vector<Event> events;    // of the transactions in order, then of the applications' ends
  std::vector<Hash32> skipped;  // applied before, left out of the block
  bool wants_block = false;
  std::map<Bytes, std::optional<Bytes>> writes;
  TreeUpdate tree;
};

class Ledger;

// What was committed at one moment.
class View final : public StateReader {
 public:
  Height height() const { return tip_.header.height; }
  const light::BlockHeader& header() const { return tip_.header; }
  const light::Certificate& certificate() const { return tip_.certificate; }

  Result<std::optional<Bytes>> get(ByteView key) const override;
  Status scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const override;

  Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) const;
  Status check(const Tx& tx, std::int64_t next_time_ms) const;  // the application's own check, for the next block
  Result<light::LightProof> prove(ByteView key) const;
  Result<Block> block(Height height) const;
  Result<std::optional<Applied>> tx_result(const Hash32& id) const;
  Result<Tx> tx(const Hash32& id) const;
  Result<light::TxProof> prove_tx(const Hash32& id) const;
  // Events from height `from` and index `skip` on, oldest first, at most `limit`. Topics that start with topic_prefix.
  struct EventsFrom {
    Height height;
    std::uint32_t skip = 0;
  };
  Result<std::vector<LedgerEvent>> events(EventsFrom from, std::string_view topic_prefix, std::size_t limit) const;

 private:
  friend class Ledger;
  View(const Ledger& ledger, kv::Snapshot snapshot) : ledger_(ledger), snapshot_(std::move(snapshot)) {}
  const Ledger& ledger_;
  kv::Snapshot snapshot_;
  Block tip_;
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
  const Block& tip() const { return tip_; }          // execute/commit thread only
  bool wants_block() const { return wants_block_; }  // said by the applications at the tip; same thread
  App* app(std::uint8_t number) const;
  Result<View> view() const;

  Result<Executed> execute(const Cut& cut) const;
  Status commit(const Executed& executed, light::Certificate certificate);
  Status certify_tip(light::Certificate certificate);  // for block 0, and after a replay
  Status sync();                                       // makes everything committed durable
  Status health() const;
  // Executes the cut twice and compares the headers: ledger.nondeterministic names both.
  Status check_determinism(const Cut& cut) const;
  // Recomputes the root from every state record: ledger.record when the tree says otherwise.
  Status audit() const;

  // One small record of the owner's, written with the next commit or put_note at once.
  Result<std::optional<Bytes>> note(std::string_view name) const;
  Status put_note(std::string_view name, ByteView value);

 private:
  friend class View;
  Ledger(const light::Genesis& genesis, std::unique_ptr<kv::Store> store);
  Status start(const std::vector<App*>& apps);
  Status write_genesis();
  Status load_tip();
  BlockContext context_of(const Cut& cut) const;
  Status check_cut(const Cut& cut) const;
  Status run_txs(const Cut& cut, const BlockContext& context, Overlay& state, Executed& out) const;
  Status seal(const Cut& cut, const Overlay& state, Executed& out) const;
  NodeGet node_get(const kv::Snapshot* at) const;

  light::Genesis genesis_;
  NetworkId network_;
  std::unique_ptr<kv::Store> store_;
  std::map<std::uint8_t, App*> apps_;
  Block tip_;
  bool wants_block_ = false;
};

}  // namespace hanse::ledger
