// PilotRunner: the Runner (exchange/runtime/runner.h) of a provider whose work is done elsewhere. Pilots are programs
// that a cluster started (hanse-pilot); each dials in with a ticket, says what it is, and takes calls.
//
// A pilot is let in when its ticket was issued, names it and was not shown before, its protocol is ours, its sandbox
// holds at least `isolation` and it runs every one of `kinds`. Otherwise it is told why, once, and the connection ends.
// A call waits in a queue of queue_max for a pilot with a free slot. When a pilot is lost (its connection ends, it is
// silent, it answers garbage, an outcome beyond the request's limits, or nothing long after the job's own limits) its
// calls go to others, attempts_max times in all; then runtime.worker_crashed. A stop reaches the pilot, and the caller
// has its outcome `cancelled` within cancel_ms_max whatever the pilot does.
// run's errors: runtime.isolation (above `isolation`), runtime.busy, runtime.no_worker (no pilot took it within
// wait_ms_max, also after one was lost with it), runtime.worker_crashed, runtime.cancelled (unavailable: this object
// ends), runtime.request_too_large, and what the pilot's own Pool says. A pilot is refused with: pilots.bad_ticket,
// pilots.version, pilots.isolation, pilots.kinds, pilots.full. Limits: kPilotsMax connections that were let in,
// kHandshakesMax others at a time; tickets as many as pilots. Threads: any; owns one for the listener and one for each
// connection.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "exchange/runtime/runner.h"

namespace hanse::pilots {

constexpr std::size_t kPilotsMax = 64;
constexpr std::size_t kHandshakesMax = 16;

struct RunnerOptions {
  std::string listen = "127.0.0.1:0";  // IP:PORT
  std::string address = {};            // what pilots dial, HOST:PORT; port 0: the listener's; "" = where it listens
  std::uint8_t isolation = 0;
  std::vector<std::string> kinds = {};
  std::size_t queue_max = 256;
  std::uint32_t attempts_max = 3;
  std::int64_t wait_ms_max = 600'000;
  std::int64_t hello_ms_max = 10'000;
  std::int64_t cancel_ms_max = 5'000;
  std::int64_t overhead_ms_max = 60'000;  // of a call beyond its wall_ms: transfer, preparing, a worker's start
};

struct PilotSeen {
  std::string name;
  std::int64_t idle_ms = 0;  // 0: it has calls
};

struct RunnerSnapshot {
  std::size_t queued = 0, running = 0;  // calls
  std::vector<PilotSeen> pilots;        // by name
};

struct RunnerCounters {
  std::uint64_t let_in = 0, refused = 0, lost = 0, given_again = 0;
};

class PilotRunner final : public runtime::Runner {
 public:
  // Errors: pilots.address, pilots.tls.
  static Result<std::unique_ptr<PilotRunner>> start(RunnerOptions options, Random& random = system_random(),
                                                    Clock& clock = system_clock());
  ~PilotRunner() override;

  Result<runtime::RunOutcome> run(const runtime::RunRequest& request, std::uint8_t isolation,
                                  runtime::RunControl& control) override;
  std::vector<std::string> kinds() const override;

  Result<std::string> issue(const std::string& name);  // the ticket of a new pilot; pilots.full, pilots.bad_ticket
  void withdraw(const std::string& name);              // its ticket is worth nothing; a connected pilot is cut off
  void retire(const std::string& name);                // no further calls; it ends after those it has
  RunnerSnapshot snapshot() const;
  RunnerCounters counters() const;

  struct Impl;

 private:
  explicit PilotRunner(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hanse::pilots
