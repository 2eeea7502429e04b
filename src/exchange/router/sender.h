// The sender's part of the mix as a pure state machine: what it wants to say leaves on a schedule that tells nothing.
//   Deep    Poisson(sends_per_s): each time a message that waits, else cover to a random receiver; and loops to itself.
//           The mean delay is the smallest that hides among the traffic which the mixes of the path publish
//           (entropy.h). Too little of it: submit refuses, and a message that waited comes back in `failed`. It is
//           never sent with less, nor on the other lane
//   Flash   at once, two layers, no delay
// A cell's delays end within the epoch it is made for or the grace after it: near the end of an epoch they are drawn
// again, or the next epoch's keys are used.
// Limits: queue_max messages wait, the two newest directories are kept. One thread at a time.
// Errors: router.anon_set_too_small, router.no_path, router.message, router.surb (see entropy.h, directory.h,
// message.h), router.queue_full (exhausted), router.no_directory (unavailable: no nodes of this epoch are known, or no
// cell can end in it).
#pragma once

#include "exchange/router/directory.h"
#include "exchange/router/loops.h"
#include "exchange/router/mix.h"

namespace hanse::router {

struct SenderConfig {
  Geometry geometry = kXWingGeometry;
  NodeId home = {};  // the receiver that keeps our mailbox: loops end there
  AnonymityWanted wanted = {};
  double sends_per_s = 1;
  double loops_per_s = 0.2;
  std::int64_t loop_slack_ms = 10'000;
  std::size_t queue_max = 256;
  std::int64_t epoch_ms = 600'000;
  std::int64_t grace_ms = 60'000;
};

struct SenderFailure {
  MessageId id;
  Error error;
};
struct SenderEffects {
  std::vector<CellSend> sends;
  std::vector<SenderFailure> failed;
};
struct SenderCounters {
  std::uint64_t flash = 0, deep = 0, cover = 0, loops = 0;
};

class Sender {
 public:
  Sender(SenderConfig config, Random& random, Now now);  // `random` is borrowed

  void directory(Directory directory);
  Result<SenderEffects> submit(Now now, Lane lane, const Destination& to, Message message);
  SenderEffects tick(Now now);                                   // at or after wake_ns()
  Result<Path> path(Now now, Lane lane, const Destination& to);  // as a message would take: for a reply block
  bool loop_back(const Target& id) { return loops_.back(id); }

  std::int64_t wake_ns() const { return std::min(send_ns_, loop_ns_); }
  bool alarm() const { return loops_.alarm(); }
  std::size_t waiting() const { return queue_.size(); }
  const SenderCounters& counters() const { return counters_; }

 private:
  struct Waiting {
    Destination to;
    Message message;
  };
  Result<Path> timely_path(Now now, const Destination& to, Hides what);  // its delays end in time
  Result<const Directory*> current(Now now) const;
  void send_next(Now now, SenderEffects& out);
  void send_cover(Now now, SenderEffects& out);
  void send_loop(Now now, SenderEffects& out);
  Status seal(const Path& path, const Message& message, SenderEffects& out);

  const SenderConfig config_;
  Random& random_;
  std::map<std::uint32_t, Directory> directories_;
  std::deque<Waiting> queue_;
  Loops loops_;
  std::int64_t send_ns_, loop_ns_;
  SenderCounters counters_;
};

}  // namespace hanse::router
