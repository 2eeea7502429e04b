// The port through which a job's node is run: exchange/flow calls it, Pool (pool.h) implements it with sandboxed
// workers, tests may put anything behind it.
// Threads: any; calls run side by side as far as the implementation has room.
#pragma once

#include "exchange/runtime/job_kind.h"

namespace hanse::runtime {

class Runner {
 public:
  virtual ~Runner() = default;

  // Runs one request under at least `isolation` (0 to 3, isolation.h). A job's own failure is an outcome, so are its
  // timeout (wall_ms) and a stop through `control`; an Error means that nothing can be said about the job:
  //   runtime.isolation (unsupported)   more isolation than this machine has: found, needed
  //   runtime.no_kind (unsupported)     no plug-in runs this kind
  //   runtime.worker_crashed (unavailable)  the worker died or answered garbage; the message says how
  //   runtime.busy (exhausted)          too many calls wait for a worker
  //   and whatever the kind's check refuses.
  virtual Result<RunOutcome> run(const RunRequest& request, std::uint8_t isolation, RunControl& control) = 0;

  // Does the claimed outcome follow from the request? Asks the kind's verify in a worker; by default this runs the
  // request again through run() and compares. Error: runtime.mismatch (corrupt) and those of run().
  virtual Status verify(const RunRequest& request, const RunOutcome& claimed, std::uint8_t isolation,
                        RunControl& control);

  // Kinds that run() accepts.
  virtual std::vector<std::string> kinds() const = 0;
};

}  // namespace hanse::runtime
