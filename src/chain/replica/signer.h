// Signer: signs attests and statements on a thread of its own, verifies statements of others, and syncs the store where
// something may be forgotten only after that: before a checkpoint's attest, and before journal records are released.
// In the order asked for, but that verifying waits for everything else. Private to the room. Threads: any; callbacks on
// the thread inside. Errors: the store's through failed(), once.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <variant>

#include "chain/consensus/replica.h"
#include "chain/ledger/app.h"
#include "chain/replica/seats.h"

namespace hanse::replica {

class Signer {
 public:
  struct Callbacks {
    std::function<Status()> sync;  // the store
    std::function<void(const consensus::SignAttest& asked, Bytes signature)> attested;
    std::function<void(consensus::Statement statement)> stated;
    std::function<void(consensus::CheckStatement what, consensus::Signature found)> checked;
    std::function<void(ledger::Tx tx)> bring;          // to the ledger
    std::function<void(std::uint64_t token)> release;  // everything executed is in the store
    std::function<void(const Error& why)> failed;
  };
  Signer(consensus::Oracle& oracle, Callbacks callbacks)
      : oracle_(oracle), callbacks_(std::move(callbacks)), thread_([this] { run(); }) {}
  ~Signer() { stop(); }

  void sign(consensus::SignAttest what) { put(what); }
  void state(consensus::Statement what) { put(std::move(what)); }
  // `seats`: of the epoch that it was asked in.
  void check(consensus::CheckStatement what, std::shared_ptr<const Seats> seats) {
    put(Check{.what = std::move(what), .seats = std::move(seats)});
  }
  void bring(ledger::Tx what) { put(std::move(what)); }
  void release(std::uint64_t token) { put(token); }
  void stop();

 private:
  struct Check {
    consensus::CheckStatement what;
    std::shared_ptr<const Seats> seats;
  };
  using Work = std::variant<consensus::SignAttest, consensus::Statement, Check, ledger::Tx, std::uint64_t>;
  void put(Work work);
  void run();
  Status carry_out(Work work);

  consensus::Oracle& oracle_;
  const Callbacks callbacks_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_, checks_;  // bounded by the replica: its slots, and kChecksMax of each peer
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hanse::replica
