// Applier: the executor's thread. Takes decided slots in order, makes each the block of its height, commits it with
// what ordered it in one batch of the store, and reports. Certificates take their turn behind the blocks they are for.
// Private to the room. Threads: execute, certify and stop from any; callbacks on the thread inside. Errors: those of
// the ledger and the store through failed(), once; after that it does nothing.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "base/core/clock.h"
#include "chain/consensus/replica.h"
#include "chain/ledger/ledger.h"
#include "chain/replica/batch.h"
#include "chain/replica/seats.h"

namespace hanse::replica {

constexpr std::size_t kEarlyMax = 64;  // certificates of blocks not made yet

// A committed block, to be answered for.
struct Made {
  ledger::Executed block;
  std::vector<Hash32> left_out;  // ordered but beyond the slot's limit
  std::uint64_t bad_batches = 0, bad_txs = 0;
  std::int64_t execute_ns = 0, commit_ns = 0;
  std::int64_t queued_ns = 0;  // when the slot was decided
};

class Applier {
 public:
  struct Options {
    std::uint64_t attest_every = 8;
    std::uint64_t checkpoint_every = 32;
    std::size_t slot_txs_max = kSlotTxsMax;
    bool check_determinism = false;
  };
  struct Callbacks {
    std::function<std::uint64_t()> journal_seq;  // durable now
    std::function<void(Made made)> made;
    std::function<void(const consensus::Reached& reached)> executed;  // after made
    std::function<void(NextEpoch next)> ended;  // the epoch's certificate and all blocks up to it are durable
    std::function<void()> certified;
    std::function<void(const Error& why)> failed;
  };
  Applier(ledger::Ledger& ledger, Clock& clock, Options options, Callbacks callbacks);
  ~Applier();  // stop()

  void execute(consensus::Execute slot, std::shared_ptr<const Seats> seats);
  void end_epoch(consensus::EpochEnd end);
  void certify(consensus::Certificate certificate);
  void run(std::function<Status()> work);  // between two blocks, on the thread that owns the ledger
  void stop();                             // the block being made ends
  std::size_t backlog_bytes() const { return backlog_bytes_; }

 private:
  struct Slot {
    consensus::Execute execute;
    std::shared_ptr<const Seats> seats;  // of its epoch
    std::int64_t queued_ns = 0;
  };
  using Work = std::variant<Slot, consensus::Certificate, std::function<Status()>, consensus::EpochEnd>;
  void put(Work work);
  void loop();
  Status make(Slot& slot, bool last);
  Status keep(consensus::Certificate certificate);
  Status finish(consensus::EpochEnd end);

  ledger::Ledger& ledger_;
  Clock& clock_;
  const Options options_;
  const Callbacks callbacks_;
  std::map<consensus::Seq, consensus::Certificate> early_;  // the thread's
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_;
  bool stopping_ = false;
  std::atomic<std::size_t> backlog_bytes_ = 0;
  std::thread thread_;
};

}  // namespace hanse::replica
