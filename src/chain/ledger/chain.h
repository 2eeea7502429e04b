// Chain: a ledger that runs. Takes transactions, makes blocks with one validator's key, answers when they are durable.
//
// Life of a block: the cut is written to the journal; while its fdatasync runs, the block is executed and signed; when
// both are done the block is committed to the store (unsynced: the journal can give it again) and the submitters get
// their answers. After a crash open() executes the cuts that the store does not have.
// When the journal cannot be trusted (damaged, missing, of another instance, or behind the store), the chain opens in
// abstain mode: it answers reads and refuses to make blocks, because it may have promised what it no longer knows.
// Folder: <dir>/store (RocksDB), <dir>/journal (store/journal).
//
// Threads: everything from any thread. Callbacks run on the chain's own thread and must not block or call submit.
// Errors: ledger.abstaining (unavailable), ledger.stopped (unavailable), ledger.halted (internal: execution or disk
// failed; restart to recover), ledger.timeout (timeout: the transaction may still be applied), ledger.not_validator
// (invalid: the key is not the genesis validator's), ledger.one_validator (unsupported), those of Sequencer::submit,
// Ledger, journal, and what the application's check says.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/random.h"
#include "chain/ledger/ledger.h"
#include "chain/ledger/sequencer.h"

namespace hanse::ledger {

struct ChainStats {
  Height height;
  std::uint64_t blocks = 0;  // since open
  std::uint64_t txs = 0;     // since open
  std::size_t pool_count = 0;
  std::size_t pool_bytes = 0;
  std::int64_t sync_ns_last = 0;   // journal fdatasync of both mirrors
  std::int64_t block_ns_last = 0;  // cut to answers
  std::uint64_t replayed = 0;      // cuts executed again by open()
  bool abstaining = false;
};

class Chain {
 public:
  struct Options {
    PoolLimits pool;
    Ledger::Options ledger;
    std::uint32_t journal_segment_bytes = 4u << 20;
    Clock* clock = nullptr;                                // nullptr: system_clock()
    Fs* fs = nullptr;                                      // of the journal; nullptr: real_fs()
    Random* random = nullptr;                              // nullptr: system_random()
    std::function<void(const ChainStats&)> on_block = {};  // after each block, on the chain's thread; for measuring
  };
  using Answer = std::function<void(Result<Applied>)>;

  // The apps belong to the chain from here on.
  static Result<std::unique_ptr<Chain>> open(const std::string& dir, const light::Genesis& genesis,
                                             std::vector<std::unique_ptr<App>> apps, crypto::SecretKey key,
                                             Options options);
  ~Chain();  // stop()

  // Durable when it returns a value. The same transaction again gives the same answer.
  // A deadline of 0 does not wait: ledger.timeout, with the transaction in the pool.
  Result<Applied> submit(const Tx& tx, std::int64_t deadline_ms);
  // Answers exactly once, unless this call itself fails.
  Status submit_async(const Tx& tx, Answer answer);

  const light::Genesis& genesis() const;
  const NetworkId& network() const;
  Result<View> view() const;
  Result<View> proof_view() const;
  Height height() const;
  // Waits until the height is above `height`, at most timeout_ms; gives the height found. For watchers of events.
  Height wait_above(Height height, std::int64_t timeout_ms) const;

  ChainStats stats() const;
  Status audit() const;   // Ledger::audit: reads all of the state
  Status health() const;  // ledger.halted, ledger.abstaining or the store's background error
  void stop();            // lets the block being made end; what waits is answered ledger.stopped

 private:
  struct Rep;
  explicit Chain(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace hanse::ledger
