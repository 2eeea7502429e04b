// Chain: a validator's replica that runs: consensus, journal, ledger and network together. Takes transactions, answers
// when they are executed in a block that is fast final: committed by power >= Q, its votes durable.
//
// Life of a transaction: the application's check -> pool -> a batch of the own lane -> ordered with everybody's ->
// executed, committed to the store (unsynced: the journal can give it again) -> answered. Every eighth block, and the
// last one when it gets quiet, is attested; power >= Q of attests is its certificate, and only then it can be proved.
// With one validator in the genesis there is no network, and the same code runs alone.
// When the journal cannot be trusted (damaged, missing, of another instance, behind the store, or the file `restored`
// lies in the folder), the chain abstains: it may have promised what it no longer knows. With several validators it
// follows the others and votes again once nothing it may have voted on is open; alone it answers reads for ever.
// Folder: <dir>/store (RocksDB), <dir>/journal (store/journal), <dir>/restored (to be put beside any restored or
// emptied folder by whoever did it; removed when voting begins again).
//
// Threads: everything from any thread. Callbacks run on the chain's own threads and must not block or call submit.
// Errors: ledger.abstaining (unavailable), ledger.stopped (unavailable), ledger.halted (internal: execution or disk
// failed, or a quorum contradicts us; restart to recover), ledger.timeout (timeout: the transaction may still be
// applied), ledger.not_validator (invalid: the key is no genesis validator's), ledger.uncertified (unavailable),
// replica.network (invalid: several validators and no network), replica.twin (conflict: inside ledger.halted),
// replica.stuck (unavailable), replica.contradicted (internal: a certified chain does not hold our newest block; inside
// ledger.halted), replica.follower (unavailable: to submitters; our key is in no set of this epoch), replica.slot_full
// (exhausted: ordered beyond a slot's limit and not applied), those of Pool, consensus, Ledger, journal, and what the
// application's check says.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/random.h"
#include "chain/consensus/replica.h"
#include "chain/ledger/ledger.h"
#include "chain/replica/net.h"
#include "chain/replica/pool.h"
#include "chain/sync/sync.h"

namespace hanse::replica {

// For measuring. Counts are since open, unless said otherwise.
struct ChainStats {
  Height height;
  std::uint64_t blocks = 0;
  std::uint64_t txs = 0;
  std::size_t pool_count = 0;
  std::size_t pool_bytes = 0;
  std::int64_t sync_ns_last = 0;      // journal fdatasync of both mirrors
  std::int64_t block_ns_last = 0;     // slot decided to answers given
  std::int64_t execute_ns_last = 0;   // of that
  std::int64_t commit_ns_last = 0;    // of that: the store's write
  std::int64_t finality_ns_last = 0;  // submit to answer, of the oldest transaction of the last block that was ours
  std::int64_t admitted_ns_last = 0;  // when that transaction was submitted; 0: the last block held none of ours
  std::uint64_t replayed = 0;         // blocks executed again while opening
  bool abstaining = false;
  std::uint64_t batches = 0, batch_txs = 0;                // of the own lane
  std::uint64_t bad_batches = 0, bad_txs = 0;              // skipped
  std::uint64_t syncs = 0, records = 0, record_bytes = 0;  // of the journal
  std::uint64_t frames_dropped = 0;                        // by a full inbox
  std::uint64_t served = 0, serve_refused = 0;             // requests for the past
  std::uint64_t synced = 0;                                // states that were fetched and installed
  sync::Stats sync;                                        // of fetching one
  std::uint8_t sync_phase = 0;                             // 0 none, 1 waiting for the executor, 2 fetching
  std::int64_t fetch_ns_last = 0;                          // from the lag that was seen to the installed state
  std::uint64_t snapshot_answers = 0, snapshot_bytes = 0;  // given to those that fetch
  std::size_t backlog_bytes = 0;                           // decided and not executed
  consensus::Facts facts;
  consensus::Counters consensus;
};

struct NetworkOptions {
  std::string listen = "127.0.0.1:0";
  // Of the other validators; needed where our number is the lower, elsewhere we are met sooner.
  std::map<AccountId, std::string> addresses;
  PeerNumber number = 0;  // of our key, where the ledger here does not know it yet (stake::Member); 0: it does
};

struct ChainOptions {
  PoolLimits pool;
  ledger::Ledger::Options ledger;
  std::uint32_t journal_segment_bytes = 16u << 20;  // of eight; raised to what a vertex needs
  std::size_t slot_txs_max = kSlotTxsMax;           // a rule of the network: other values are for tests
  bool check_determinism = false;                   // every block is executed twice and compared first
  std::int64_t timeout_ms = 500;                    // see consensus::Config
  std::uint64_t sync_lag = 4'096;                   // slots behind what power >= A executed: fetch a state
  std::uint64_t snapshot_every = 1'024;             // blocks between states that are offered; of checkpoints
  std::uint64_t sync_bytes_per_s = 256u << 20;      // of a state that is fetched, and of those that are given
  std::uint64_t snapshot_bytes_per_s = 192u << 20;
  std::optional<NetworkOptions> network = {};                          // with several validators
  std::function<std::unique_ptr<Net>(PeerNumber self)> make_net = {};  // instead of it, for tests
  Clock* clock = nullptr;                                              // nullptr: system_clock()
  Fs* fs = nullptr;                                                    // of the journal; nullptr: real_fs()
  Random* random = nullptr;                                            // nullptr: system_random()
  std::function<void(const ChainStats&)> on_block = {};  // after each block, on the executor's thread; for measuring
};

class Chain {
 public:
  using Options = ChainOptions;
  using Answer = std::function<void(Result<ledger::Applied>)>;

  // The apps belong to the chain from here on.
  static Result<std::unique_ptr<Chain>> open(const std::string& dir, const light::Genesis& genesis,
                                             std::vector<std::unique_ptr<ledger::App>> apps, crypto::SecretKey key,
                                             Options options);
  ~Chain();  // stop()

  // Fast final when it returns a value. The same transaction again gives the same answer.
  // A deadline of 0 does not wait: ledger.timeout, with the transaction in the pool.
  Result<ledger::Applied> submit(const ledger::Tx& tx, std::int64_t deadline_ms);
  // Answers exactly once, unless this call itself fails.
  Status submit_async(const ledger::Tx& tx, Answer answer);

  // Many for less than one by one. `each` gets every outcome once, by its place, as it comes; some before this returns.
  using EachAnswer = std::function<void(std::size_t place, Result<ledger::Applied> answer)>;
  void submit_each(std::vector<ledger::Tx> txs, EachAnswer each);

  const light::Genesis& genesis() const;
  const NetworkId& network() const;
  consensus::Index self() const;                         // place in the epoch's validator set, or consensus::kFollower
  light::ValidatorSet validators() const;                // of the epoch that is being ordered
  AccountId validator_id(consensus::Index place) const;  // of that set; zero: there is no such place
  Result<ledger::View> view() const;
  Result<ledger::View> proof_view(light::Grade grade = light::Grade::kFast) const;  // Ledger::proof_view
  std::optional<ledger::Certified> certified(light::Grade grade = light::Grade::kFast) const;
  Height height() const;
  // Waits until the height is above `height`, at most timeout_ms; gives the height found. For watchers of events.
  Height wait_above(Height height, std::int64_t timeout_ms) const;
  // Waits for a proof_view() of at least this height: ledger.uncertified when none came in time.
  Result<ledger::View> wait_certified(Height height, std::int64_t timeout_ms,
                                      light::Grade grade = light::Grade::kFast) const;

  // The network's side; alone: port 0 and nobody up.
  Net::Peer peer(consensus::Index index) const;
  std::uint16_t port() const;
  Status set_peer_address(consensus::Index peer, std::string_view address);

  ChainStats stats() const;
  consensus::Facts facts() const;
  Result<light::ValidatorSet> valset(std::uint64_t epoch) const;  // Ledger::valset
  // Whether the replica takes a turn within so long: replica.stuck (unavailable), or ledger.halted.
  Status responds(std::int64_t within_ms) const;
  Status audit() const;                              // Ledger::audit: reads all of the state
  Status checkpoint(const std::string& path) const;  // Ledger::checkpoint: a copy of the store as it is now
  Status health() const;                             // ledger.halted, ledger.abstaining or the store's background error
  void stop();  // lets the block being made end; what waits is answered ledger.stopped

 private:
  struct Rep;
  explicit Chain(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace hanse::replica
