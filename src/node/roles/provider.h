// Provider: the role that sells computing. It keeps the account's registration and one ask standing, learns of the jobs
// that were matched to it, and hands each to `work`, at most `parallel` at a time (`capacity` of the offer counts more:
// the market keeps a place for a job until it is settled).
// The ledger is its memory: which jobs are open is read from the market at every start and every recheck_ms, so a
// provider that was killed goes on with what it had, and an event that was missed costs time, not the job.
// A private job comes twice: when it is matched, and when its payload is given; in between it waits, which is no
// failure, and it is declined when the provider stops.
// A job that cannot be done is given back (declined before its start, given up after), so that it is offered again.
// stop() drains: the asks are withdrawn, jobs that did not begin are declined, those that run may finish within
// drain_ms and are stopped and given back afterwards.
// Threads: run() in one, stop() and counters() from any.
// Errors of run: roles.other_network (conflict); everything else is retried with jittered waits and reported.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/exec/thread_pool.h"
#include "exchange/market/events.h"
#include "exchange/runtime/job_kind.h"
#include "node/client/client.h"
#include "node/roles/caller.h"
#include "node/roles/offer.h"
#include "node/roles/report.h"

namespace hanse::roles {

constexpr std::size_t kProviderQueueMax = 1024;  // jobs taken and not ended; the market sends at most `capacity`
constexpr int kJobAttemptsMax = 3;               // of `work` for one job before it is given back

struct ProviderOptions {
  Offer offer;
  std::uint32_t parallel = 4;
  std::int64_t recheck_ms = 15'000;
  std::int64_t drain_ms = 30'000;
};

struct ProviderCounters {
  std::atomic<std::uint64_t> taken{0}, finished{0}, failed{0}, given_back{0}, reconnects{0};
  std::atomic<std::uint64_t> running{0};
};

// Does one job to its end: start, run, receipt. Called with the same job again after a failure or a restart, so each of
// its steps looks first whether it was done. Errors of kind unavailable, timeout, exhausted and internal are retried.
using JobWork = std::function<Status(const JobId& id, runtime::RunControl& control)>;

class Provider {
 public:
  struct Ports {
    client::Client& client;
    Caller& caller;
    Clock& clock;
    Random& random;
    Report& report;
  };
  Provider(Ports ports, const NetworkId& network, ProviderOptions options, JobWork work);
  ~Provider();

  Status run();
  void stop();
  const ProviderCounters& counters() const { return counters_; }
  bool is_standing() const { return standing_; }  // registered, with an ask, and watching

 private:
  struct ActiveJob {
    runtime::RunControl control;
    bool begun = false;
    bool again = false;  // the ledger told more of it meanwhile
  };
  Status session();
  Status settle_offer(Height now);
  Status resume();
  Status watch(Height from);
  Result<Bytes> known_key();
  void take(const JobId& id);
  void work_on(const JobId& id, ActiveJob& job);
  Status attempt(const JobId& id, ActiveJob& job);
  void give_back(const JobId& id, const Error& why);
  void withdraw_asks();
  void decline_awaited();
  void drain();
  bool wait_stop_ms(std::int64_t ms);  // true when stop was asked for
  bool stopping() const { return stopping_; }

  Ports ports_;
  const NetworkId network_;
  const ProviderOptions options_;
  const JobWork work_;
  ProviderCounters counters_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> standing_{false};
  std::atomic<bool> recheck_soon_{false};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<JobId, std::shared_ptr<ActiveJob>> active_;  // shared with the thread that works on it
  std::set<JobId> awaiting_;                            // private jobs whose payload is to come
  std::map<JobId, int> attempts_;                       // failures of jobs that are still open
  std::unique_ptr<exec::ThreadPool> threads_;
};

}  // namespace hanse::roles
