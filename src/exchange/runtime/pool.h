// Pool: the Runner of a provider. Keeps `warm` sandboxed workers waiting, so that a job finds one at once; a worker
// takes one call and ends, whatever comes of it, and another takes its place.
//
// What can go wrong with a worker never reaches the caller's process:
//   wall_ms passes            the worker is asked to stop and killed after grace_ms; outcome timeout
//   control.stop()            the same; outcome cancelled
//   crash, kill, garbage, an oversized or unexpected frame, an outcome beyond the request's limits
//                             Error runtime.worker_crashed with how it ended and its last words on standard error
//   memory                    RLIMIT_DATA: the kind reports it, or the worker crashes
// Every worker runs at the highest isolation level of the machine (isolation.h), which is what jobs are checked
// against. The zygote dies with this process and is restarted when it dies alone; so are workers that die idle. wall_ms
// counts the run, not what JobKind::prepare does, which has its own limit.
//
// Errors of start: runtime.zygote (unavailable): hanse-worker is missing, ended or spoke another protocol; says why.
// Errors of run and verify, beside those of runner.h: runtime.request_too_large (exhausted), runtime.prepare_timeout
// (timeout), runtime.no_worker (unavailable): none came within spawn_ms_max; says why.
// Threads: any. Owns one thread that refills.
#pragma once

#include <memory>

#include "base/core/clock.h"
#include "exchange/runtime/isolation.h"
#include "exchange/runtime/runner.h"

namespace hanse::runtime {

struct PoolOptions {
  std::string worker_path;            // "" = hanse-worker beside this program
  std::string plugin_dir;             // "" = ../lib/hanse seen from hanse-worker
  std::vector<std::string> plugins;   // paths; when there are any, plugin_dir is not searched
  std::string scratch_root = "/tmp";  // for scratch directories of level 2
  std::uint8_t level_max = kIsolationMax;
  std::size_t warm = 2;
  std::size_t running_max = 4;
  std::size_t waiting_max = 256;
  std::uint32_t grace_ms = 100;
  std::uint32_t prepare_ms_max = 30'000;
  std::uint32_t spawn_ms_max = 10'000;
  std::uint64_t memory_overhead_bytes = 512u << 20;  // private memory of a kind beyond the job's pages
  std::uint64_t prepared_bytes_max = 256u << 20;     // of the store of prepared artifacts
  // When not empty: a control group (base/governor/cgroup.h) for the zygote and all its workers, e.g. "hanse/workers".
  // start fails with governor.not_enforceable when the machine cannot keep these.
  std::string group;
  std::uint64_t group_memory_bytes = 4ull << 30;
  std::uint32_t group_cpu_percent = 0;  // of one processor; 0 = no cap
  std::uint32_t group_pids_max = 512;
};

struct PoolReport {
  Isolation isolation;                // level is what workers run at
  std::vector<std::string> failed;    // plug-ins that did not load, and why
  std::vector<std::string> enforced;  // what the control group keeps, e.g. "memory_max 4294967296"
  int zygote_pid = -1;
};

struct PoolCounters {
  std::uint64_t runs = 0, crashes = 0, timeouts = 0, cancelled = 0, spawned = 0, prepared_hits = 0, prepared_misses = 0,
                zygotes = 0;
  std::uint64_t running = 0, waiting = 0;  // now
};

class Pool final : public Runner {
 public:
  static Result<std::unique_ptr<Pool>> start(PoolOptions options, Clock& clock = system_clock());
  ~Pool() override;

  Result<RunOutcome> run(const RunRequest& request, std::uint8_t isolation, RunControl& control) override;
  Status verify(const RunRequest& request, const RunOutcome& claimed, std::uint8_t isolation,
                RunControl& control) override;
  std::vector<std::string> kinds() const override;

  // Asks the kind's check only. Errors are those of run and the kind's own.
  Status check(const RunRequest& request, RunControl& control);

  std::uint8_t level() const;
  PoolReport report() const;
  PoolCounters counters() const;
  std::size_t warm_now() const;

  struct Impl;

 private:
  explicit Pool(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hanse::runtime
