// Calls: questions to an exit of the mix (exit.h) and their answers, over a net that loses cells.
//   begin    the question is cut into fragments; the first one carries reply blocks
//   silence  nothing came until an answer could be here (expect()): the first fragment is sent again with new blocks,
//            and the exit says what it lacks or answers once more; after kPollsMax silences another exit is asked,
//            under another id, so that nothing ties the two to each other; so too when there is no path to it any more
//   answer   fragments beyond the first two are asked for, kWindow messages at a time
// What is asked must be safe to repeat: a question may be worked out twice, also by two exits.
// Pure: what is to be sent comes out without reply blocks; the driver makes them (`surbs` of them) and sends.
// Limits: kCallsMax under way, router::kFragmentsMax fragments each way. One thread at a time.
// Errors of begin: mixing.no_exit (unavailable: nobody to ask), mixing.limit (exhausted), router.message (too long).
#pragma once

#include <set>

#include "base/core/random.h"
#include "exchange/router/directory.h"
#include "node/mixing/exit.h"

namespace hanse::mixing {

constexpr std::size_t kCallsMax = 64, kWindow = 16;
constexpr int kPollsMax = 2;
constexpr std::int64_t kSlackNs = 2'000'000'000;  // beyond the travel: the exit works, queues drain; doubles a silence

class Calls {
 public:
  Calls(const router::Geometry& geometry, Random& random) : geometry_(geometry), random_(random) {}

  struct Send {
    router::MessageId call;  // as begin() named it
    router::NodeId exit;
    router::Lane lane;
    router::Message message;
    std::size_t surbs = 0;
  };
  using Sends = std::vector<Send>;
  struct Begun {
    router::MessageId call;
    Sends sends;
  };
  // Exits are asked in the order given, the first one again after the last.
  Result<Begun> begin(std::int64_t now_ns, router::Lane lane, std::vector<router::NodeId> exits, Bytes question);
  void expect(const router::MessageId& call, std::int64_t at_ns);  // no silence before
  Sends take(std::int64_t now_ns, router::Message message);        // kAnswer or kMissing
  Sends tick(std::int64_t now_ns);                                 // at or after next_ns()
  std::int64_t next_ns() const;
  // Of a message that could not be sent. Without a path to this exit (router.no_path: strata change with the epoch) the
  // next one is asked, and once each has none, or for any other reason, the call ends.
  void failed(std::int64_t now_ns, const router::MessageId& message, const Error& error);

  bool knows(const router::MessageId& message) const;
  std::optional<Result<Bytes>> ended(const router::MessageId& call);  // nothing while it goes on; forgotten with it
  void forget(const router::MessageId& call);
  std::size_t under_way() const { return calls_.size(); }
  std::uint64_t repeats() const { return repeats_; }
  std::uint64_t other_exits() const { return other_exits_; }

 private:
  struct Call {
    router::Lane lane = router::Lane::kFlash;
    std::vector<router::NodeId> exits;
    std::size_t exit = 0;  // the one that is asked
    Bytes question;
    router::MessageId id;                    // of its messages
    std::vector<router::Message> fragments;  // of the question
    std::set<std::uint16_t> asked;           // fragments of the answer
    int silences = 0;
    std::size_t no_paths = 0;  // exits in a row
    bool moves = false;        // to the next exit, with the next tick
    std::int64_t due_ns = 0;
    std::optional<Result<Bytes>> ended;
  };
  using Named = std::pair<const router::MessageId, Call>;

  Named* find(const router::MessageId& message);
  Status start(std::int64_t now_ns, Named& named, Sends& out);
  void send(std::int64_t now_ns, Named& named, std::uint16_t fragment, Sends& out);
  void ask_more(std::int64_t now_ns, Named& named, Sends& out);
  void wait(std::int64_t now_ns, Call& call);

  const router::Geometry geometry_;
  Random& random_;
  std::map<router::MessageId, Call> calls_;
  router::Assembly answers_;
  std::uint64_t repeats_ = 0, other_exits_ = 0;
};

}  // namespace hanse::mixing
