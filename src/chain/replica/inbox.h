// Inbox: what waits for the replica, and who works on it. Votes and control come before bulk; what other threads report
// is never refused, frames are: beyond a peer's limits its newest is dropped and counted, as the protocol sends it
// again. Work is done in turns, one at a time, each with everything that waits. Whoever brings something takes the turn
// at once on its own thread, unless one is being taken: then that worker goes on with it, so on a busy machine hardly
// anything waits for a thread to be woken. After kTurnsInARow a worker leaves the rest to the thread inside run(),
// which also takes the turns that are due by time.
// Private to the room. Threads: any; a turn may bring something (it is worked on afterwards).
#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "chain/consensus/replica.h"
#include "chain/replica/seats.h"

namespace hanse::replica {

constexpr std::size_t kPeerFramesMax = 16'384;  // of one peer, a class
constexpr std::size_t kPeerBins = 256;          // numbers that are equal modulo it share what follows
constexpr std::size_t kPeerBytesMax = 16u << 20;
constexpr int kTurnsInARow = 8;

bool is_bulk(std::uint8_t type);

struct Mail {
  struct Frame {
    PeerNumber from = 0;
    std::uint8_t type = 0;
    consensus::Frame body;
  };
  struct Attested {
    consensus::Seq seq = 0;
    Bytes signature;
  };
  struct Checked {
    consensus::CheckStatement what;
    consensus::Signature found = consensus::Signature::kBad;
  };
  std::vector<Frame> votes, bulk;
  std::vector<consensus::Reached> executed;
  std::vector<Attested> attested;
  std::vector<consensus::Statement> stated;
  std::vector<Checked> checked;
  std::vector<PeerNumber> ups;
  std::optional<consensus::Installed> installed;
  std::optional<NextEpoch> next_epoch;
  bool sync_over = false;     // nothing was installed
  std::uint64_t durable = 0;  // token; 0 = nothing new
  bool compact = false;
  bool kicked = false;
  bool empty() const {
    return votes.empty() && bulk.empty() && executed.empty() && attested.empty() && stated.empty() && checked.empty() &&
           ups.empty() && durable == 0 && !compact && !kicked && !installed && !next_epoch && !sync_over;
  }
  void clear();  // keeps the memory
};

class Inbox {
 public:
  // `turn` gets what waits, perhaps nothing, and says when the next one is due at the latest.
  using Turn = std::function<std::int64_t(Mail& mail)>;
  Inbox(Clock& clock, Turn turn) : clock_(clock), turn_(std::move(turn)) {}

  // Only kept, until work() or another event: many frames take one turn.
  void frame(PeerNumber from, std::uint8_t type, consensus::Frame body);
  void work();

  void executed(consensus::Reached what);
  void attested(Mail::Attested what);
  void stated(consensus::Statement what);
  void checked(Mail::Checked what);
  void up(PeerNumber peer);
  void next_epoch(NextEpoch next);
  void installed(consensus::Installed what);
  void sync_over();
  void durable(std::uint64_t token);
  void compact();
  void kick();  // the pool has something new, or somebody waits for a turn
  void stop();  // no turn begins after it

  // Lets turns begin. Returns after stop() and the end of the last turn; one thread.
  void run();
  std::uint64_t dropped() const;

 private:
  template <class Put>
  void put(Put put);
  void work(std::unique_lock<std::mutex>& lock);
  void take_turn(std::unique_lock<std::mutex>& lock);
  void end_work();

  Clock& clock_;
  const Turn turn_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;  // for run()
  Mail mail_;
  Mail taken_;  // the worker's
  struct Held {
    std::size_t frames = 0, bytes = 0;
  };
  std::array<std::array<Held, kPeerBins>, 2> held_{};  // by class and peer
  std::uint64_t dropped_ = 0;
  std::int64_t due_ns_ = 0;     // of the next turn, whatever comes
  std::int64_t asleep_ns_ = 0;  // run() sleeps until then; 0: it does not
  bool working_ = true;         // until run()
  bool stopped_ = false;
};

}  // namespace hanse::replica
