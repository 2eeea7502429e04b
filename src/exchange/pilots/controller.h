// How many pilots there should be, as a pure state machine: it sees the queue, the pilots that are connected and what
// the cluster lists, and says whom to start, cancel or let go.
//   wanted   ceil((queued + running calls) / slots), within min and max
//   start    when fewer than wanted are there or on their way: at most kStartsMax a step, and not while backing off.
//   The
//            first list comes first: what an earlier process of this provider left is cancelled before anything starts
//   let go   pilots that have been idle for idle_ms, when there are more than wanted
//   failed   a start that the cluster refused, a pilot it no longer lists before it came, or one that did not come
//            within start_ms_max: the wait doubles from backoff_ms_first to backoff_ms_most; one that comes ends it
//   lost     a pilot that came and is gone, unless it was let go
//   orphans  what the cluster lists and nobody here knows is cancelled, at every list
// Threads: values. Times are of one monotonic clock. Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "exchange/pilots/cluster.h"
#include "exchange/pilots/runner.h"

namespace hanse::pilots {

constexpr std::size_t kStartsMax = 4;

struct ControllerLimits {
  std::uint32_t min = 0, max = 4, slots = 1;  // max at most kPilotsMax
  std::int64_t idle_ms = 60'000;
  std::int64_t start_ms_max = 600'000;
  std::int64_t list_ms = 10'000;
  std::int64_t backoff_ms_first = 1'000, backoff_ms_most = 300'000;
  std::string name_prefix;  // of pilots: the group and a word of this run
};

struct Seen {  // now and then: what the runner has
  RunnerSnapshot snapshot;
};
struct Started {
  std::string name, id;
};
struct StartFailed {
  std::string name;
};
struct ListedNow {
  std::int64_t asked_ms = 0;  // what was started after it need not be in it
  std::vector<Listed> jobs;
};
struct ListFailed {};
struct Ending {};
using Event = std::variant<Seen, Started, StartFailed, ListedNow, ListFailed, Ending>;

struct Start {
  std::string name;
};
struct Cancel {
  std::string name, id;  // each may be ""; the ticket of the name is worth nothing from here on
};
struct LetGo {
  std::string name;
};
struct List {};
using Effect = std::variant<Start, Cancel, LetGo, List>;

struct ControllerState {
  enum class Phase : std::uint8_t { kStarting, kStarted, kHere, kLeaving };
  struct Pilot {
    Phase phase = Phase::kStarting;
    std::string id;
    std::int64_t since_ms = 0;
  };
  std::map<std::string, Pilot> pilots;  // at most limits.max
  std::uint32_t wanted = 0;
  bool listed = false, listing = false, ending = false;
  std::int64_t list_due_ms = 0, start_not_before_ms = 0;
  std::uint32_t failures = 0, list_failures = 0;  // in a row
  std::uint64_t number_next = 1;
  std::uint64_t started = 0, failed = 0, lost = 0, orphans = 0;  // ever
};

std::vector<Effect> step(ControllerState& state, const ControllerLimits& limits, const Event& event,
                         std::int64_t now_ms);

}  // namespace hanse::pilots
