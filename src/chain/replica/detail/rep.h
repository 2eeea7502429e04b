// The inside of Chain, spread over chain.cc (door, answers), chain_open.cc (from disk), chain_run.cc (a turn of the
// replica), chain_sync.cc (fetching a state) and chain_epoch.cc (from one set to the next). Private to the room.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "chain/replica/applier.h"
#include "chain/replica/chain.h"
#include "chain/replica/inbox.h"
#include "chain/replica/oracle.h"
#include "chain/replica/recorder.h"
#include "chain/replica/server.h"
#include "chain/replica/signer.h"
#include "chain/replica/snapshots.h"
#include "chain/replica/syncer.h"
#include "store/journal/journal.h"

namespace hanse::replica {

constexpr std::size_t kBacklogBytesMax = 4u << 20;  // decided and not executed: no own batches above it
constexpr std::uint32_t kJournalSegments = 8;
constexpr std::string_view kRestoredMark = "restored";

struct Chain::Rep {
  enum class SyncPhase : std::uint8_t { kNone, kHolding, kFetching };

  explicit Rep(crypto::SecretKey secret) : key(std::move(secret)) {}
  ~Rep() { stop(); }

  // ---- chain_open.cc
  struct Trust {
    std::string why_not;  // "" = the journal is ours and whole
  };
  Status open_ledger(const std::string& dir, const light::Genesis& genesis, Options& options);
  Result<Trust> open_journal();
  Status new_journal();
  Status open_seats();
  Status open_net(const light::Genesis& genesis, Options& options);
  Result<consensus::Config> config(const Seats& seats) const;
  Result<consensus::Certificate> newest_checkpoint(const consensus::Config& config) const;
  Status start(const Options& options);
  Status certify_alone();
  void start_threads(const Options& options, const consensus::Config& config);
  bool alone() const { return !net; }
  std::string mark_path() const { return dir + "/" + std::string(kRestoredMark); }

  // ---- chain_run.cc
  std::int64_t turn(Mail& mail);
  void handle(const Mail& mail, consensus::Effects& all);
  void cut_batches(consensus::Effects& all);
  void carry_out(consensus::Effects all);
  void notice(const consensus::Notice& what);
  void publish();
  consensus::Now now() const { return {.mono_ns = clock->mono_ns(), .wall_ms = clock->wall_ms()}; }

  // ---- chain_sync.cc
  void start_sync(const Options& options, const consensus::Config& config);
  void watch_lag(const Mail& mail, consensus::Effects& all);
  void show_sync(SyncPhase phase);
  void install(sync::Head head);
  void answer_applied();

  // ---- chain_evidence.cc
  void bring(ledger::Tx tx);
  void bring_again();
  void show_presence(const consensus::SignAttest& asked, const Bytes& signature);

  // ---- chain_epoch.cc
  void next_epoch(NextEpoch next);
  void seat(std::shared_ptr<const Seats> seats);
  Status meet_members();
  consensus::Counters all_counters() const;    // of this epoch's replica and those before
  std::shared_ptr<const Seats> seats() const;  // any thread

  // ---- chain.cc
  Status submit_async(const ledger::Tx& tx, Answer answer);
  void deliver(Made made);
  void halt(const Error& why);
  void wake_all();
  void answer_all(const Error& error);
  Status refuse_locked() const;
  void stop();

  // Set once by open().
  std::string dir;
  std::vector<std::unique_ptr<ledger::App>> apps;
  crypto::SecretKey key;
  Clock* clock = nullptr;
  Fs* fs = nullptr;
  Random* random = nullptr;
  std::uint32_t segment_bytes = 0;
  std::function<void(const ChainStats&)> on_block;
  std::int64_t timeout_ms = 500;
  PeerNumber own_number = 0;
  std::string abstain_reason;  // "" = the journal is trusted
  std::unique_ptr<ledger::Ledger> ledger;
  std::unique_ptr<journal::Journal> journal;
  std::unique_ptr<MlDsaOracle> signs;  // with the key alone: the signer outlives epochs
  std::unique_ptr<Net> net;            // nullptr: alone

  // The turn's: one at a time, see Inbox.
  std::unique_ptr<consensus::Replica> replica;
  std::optional<Places> places;
  std::deque<consensus::VertexFrame> again;  // own batches that the epoch before did not order
  consensus::Counters counted;               // of the replicas before this one
  std::set<PeerNumber> ups;                  // who was heard of
  std::int64_t batch_due_ns = 0;
  std::int64_t ticked_ns = 0;
  SyncPhase sync_phase = SyncPhase::kNone;
  std::uint64_t sync_lag = 0;
  std::int64_t sync_again_ns = 0;
  std::int64_t sync_began_ns = 0;
  std::atomic<std::uint8_t> sync_phase_shown{0};  // sync_phase, for stats
  std::atomic<std::int64_t> fetch_ns_last{0};
  bool sync_wanted = false;

  std::unique_ptr<Inbox> inbox;
  std::unique_ptr<Recorder> recorder;
  std::unique_ptr<Applier> applier;
  std::unique_ptr<Signer> signer;
  std::unique_ptr<Server> server;
  std::unique_ptr<Snapshots> snapshots;
  std::unique_ptr<Syncer> syncer;
  std::thread loop;

  std::vector<ledger::Tx> own_txs;      // the signer thread's: not taken by the pool yet
  std::uint64_t presence_shown_to = 0;  // the signer thread's: the first slot that needs another presence

  // What a turn leaves for others to read, under a lock of its own: a turn waits for nobody who submits or is answered.
  mutable std::mutex turn_mutex;
  mutable std::condition_variable turned;
  consensus::Facts facts;
  consensus::Counters counters;
  std::uint64_t turns = 0;
  mutable bool asked_turn = false;  // somebody waits for the next one
  std::atomic<bool> abstaining = false;
  std::atomic<bool> settled = false;         // what the journal promised is executed
  std::atomic<bool> over = false;            // halted or stopping
  std::atomic<std::size_t> waiting_txs = 0;  // in the pool

  mutable std::mutex mutex;                        // for what follows
  mutable std::condition_variable wake;            // a block was made, or it is over
  mutable std::condition_variable wake_certified;  // a certificate was kept, or it is over
  struct Waiting {
    Answer first;
    std::vector<Answer> more;  // of the same bytes, submitted again
    std::int64_t since_ns = 0;
  };
  std::shared_ptr<const Seats> at;
  std::optional<Pool> pool;
  std::unordered_map<Hash32, Waiting> waiting;
  ChainStats stats;
  bool stopping = false;
  std::optional<Error> halted;
};

}  // namespace hanse::replica
