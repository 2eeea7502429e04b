// Signer: signs attests on a thread of its own, and syncs the store where something may be forgotten only after that:
// before a checkpoint's attest, and before journal records are released. In the order asked for.
// Private to the room. Threads: any; callbacks on the thread inside. Errors: the store's through failed(), once.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <variant>

#include "chain/consensus/replica.h"

namespace hanse::replica {

class Signer {
 public:
  struct Callbacks {
    std::function<Status()> sync;  // the store
    std::function<void(consensus::Seq seq, Bytes signature)> attested;
    std::function<void(std::uint64_t token)> release;  // everything executed is in the store
    std::function<void(const Error& why)> failed;
  };
  Signer(consensus::Oracle& oracle, Callbacks callbacks)
      : oracle_(oracle), callbacks_(std::move(callbacks)), thread_([this] { run(); }) {}
  ~Signer() { stop(); }

  void sign(consensus::SignAttest what) { put(what); }
  void release(std::uint64_t token) { put(token); }
  void stop();

 private:
  using Work = std::variant<consensus::SignAttest, std::uint64_t>;
  void put(Work work);
  void run();

  consensus::Oracle& oracle_;
  const Callbacks callbacks_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hanse::replica
