// Auditor: the role of a validator that checks work which others sold. Every recheck_ms it reads which jobs are
// audited, has each done again by `judge`, those that end first before the others, and signs a verdict with the
// validator's account. What cannot be judged is left to the others, and tried again, kAttemptsMax times in all, while
// the audit is open: a blob may come late.
// The ledger is its memory: an audit that has this validator's verdict, or is over, is not looked at.
// Threads: run() in one, stop() and counters() from any. Judges one job at a time.
// Errors of run: roles.other_network (conflict), market.not_auditor (denied: this account is no validator); everything
// else is retried with jittered waits and reported.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

#include "base/core/random.h"
#include "exchange/market/audit.h"
#include "exchange/runtime/job_kind.h"
#include "node/client/client.h"
#include "node/roles/caller.h"
#include "node/roles/report.h"

namespace hanse::roles {

struct AuditorCounters {
  std::atomic<std::uint64_t> held{0}, refuted{0}, unsure{0}, failed{0};
};

// Whether a job's receipt holds; nothing when that cannot be said of any machine, an error when this one could not.
// The witness is that of a challenge (market::Audit), or zero.
using Judge = std::function<Result<std::optional<bool>>(const market::Job& job, const BlobId& witness,
                                                        runtime::RunControl& control)>;

class Auditor {
 public:
  struct Ports {
    client::Client& client;
    Caller& caller;
    Random& random;
    Report& report;
  };
  static constexpr int kAttemptsMax = 5;
  static constexpr std::size_t kOpenMax = 4096;  // audits at a time; later ones wait for the next look

  Auditor(Ports ports, const NetworkId& network, std::int64_t recheck_ms, Judge judge);
  ~Auditor() { stop(); }

  Status run();
  void stop();
  const AuditorCounters& counters() const { return counters_; }

 private:
  Status look();
  struct Open {
    market::Job job;
    BlobId witness;
  };
  Result<std::vector<Open>> open_jobs();
  Status take(const Open& open);
  Status say(const market::Job& job, bool holds);
  bool wait_ms(std::int64_t ms);  // true when stop was asked for

  Ports ports_;
  const NetworkId network_;
  const std::int64_t recheck_ms_;
  const Judge judge_;
  AuditorCounters counters_;
  runtime::RunControl control_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<JobId, int> attempts_;  // of open audits without our verdict
};

}  // namespace hanse::roles
