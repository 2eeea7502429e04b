// Syncer: carries out chain/sync on a thread of its own: sends its questions, checks answers, stores what is good
// beside the ledger's own state (ledger/install.h). While it is at work the ledger must not move. Limits: kAnswersMax
// answers of kAnswersBytesMax wait; what comes beyond is dropped, and asked for again. Private to the room. Threads:
// begin, received and stop from any; callbacks on the thread inside. Errors: the store's and ledger.halted's cause
// through failed(), once.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "chain/ledger/install.h"
#include "chain/replica/net.h"
#include "chain/sync/sync.h"

namespace hanse::replica {

constexpr std::size_t kAnswersMax = 256;
constexpr std::size_t kAnswersBytesMax = 64u << 20;

class Syncer {
 public:
  struct Callbacks {
    std::function<void(sync::Head head)> complete;  // all of it is stored
    std::function<void()> gave_up;                  // nothing of it is left
    std::function<void(const Error& why)> failed;
  };
  Syncer(ledger::Ledger& ledger, Net& net, Clock& clock, sync::Config config, Callbacks callbacks);
  ~Syncer();  // stop()

  // Whether a fetch was cut off and can go on.
  static Result<bool> begun(ledger::Ledger& ledger);
  void begin(Height own, const Hash32& block);
  void received(consensus::Index from, consensus::Frame answer);
  void stop();
  sync::Stats stats() const;

 private:
  void run();
  Status carry_out(sync::Effects effects);
  Status carry_out(sync::StoreRange& range);
  Status carry_out(sync::StorePast& past);

  ledger::Ledger& ledger_;
  Net& net_;
  Clock& clock_;
  const Callbacks callbacks_;
  sync::Sync core_;  // the thread's
  std::vector<consensus::Index> unreachable_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<sync::Event> queue_;
  std::size_t queue_bytes_ = 0;
  sync::Stats stats_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hanse::replica
