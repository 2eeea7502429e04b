// Snapshots: serves the state of pinned blocks to replicas that fetch it (chain/sync), on a thread of its own that
// yields to every other one: never on the consensus thread. Pinned are the newest kSnapshotsKept blocks whose height is
// a multiple of `every`, offered once they are certified; one that somebody fetches from stays longer, at most
// kSnapshotsMax in all. Pinned versions cost the store the space of what was overwritten since. Budget:
// kSyncQuestionsMax questions wait, kSyncPeerMax of one peer; answers of bytes_per_s in all. Private to the room.
// Threads: pin on the executor's, ask and stats from any. Errors: none; what cannot be read is refused and counted.
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "chain/ledger/ledger.h"
#include "chain/replica/net.h"
#include "chain/sync/messages.h"

namespace hanse::replica {

constexpr std::size_t kSnapshotsKept = 2;
constexpr std::size_t kSnapshotsMax = 4;
constexpr std::int64_t kSnapshotUsedNs = 30'000'000'000;  // so long after a question it counts as used
constexpr std::size_t kSyncQuestionsMax = 256;
constexpr std::size_t kSyncPeerMax = 16;

class Snapshots {
 public:
  struct Options {
    std::uint64_t every = 1'024;  // blocks; a multiple of the checkpoints' distance
    std::uint64_t bytes_per_s = 192u << 20;
  };
  Snapshots(const ledger::Ledger& ledger, Net& net, Clock& clock, Options options);
  ~Snapshots();  // stop()

  void made(Height height);  // a block was committed: pins it where it is time
  void ask(consensus::Index from, consensus::Frame question);
  void stop();

  struct Stats {
    std::uint64_t answered = 0, refused = 0, bytes = 0;
    std::size_t pinned = 0;
  };
  Stats stats() const;

 private:
  struct Pin {
    ledger::View view;
    std::int64_t used_ns = 0;
  };
  struct Question {
    consensus::Index from = 0;
    consensus::Frame body;
  };
  void run();
  Bytes answer(const sync::Request& request);
  Result<sync::Head> head(const ledger::View& view) const;
  std::vector<Height> offers() const;
  std::optional<ledger::View> find(Height height);

  const ledger::Ledger& ledger_;
  Net& net_;
  Clock& clock_;
  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Question> queue_;
  std::list<Pin> pins_;  // ascending
  Stats stats_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hanse::replica
