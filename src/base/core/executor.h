// Executor: where work runs later, as a port. Production passes an exec::Loop or exec::ThreadPool; a test or the
// simulator passes one whose turns it takes by hand.
// A task runs once, on a thread of the executor's, and does not throw.
// Threads: post from any. Errors: exec.full (exhausted) when the queue is at its limit, exec.stopped (unavailable);
// the task is then destroyed without having run.
#pragma once

#include <functional>

#include "base/core/result.h"

namespace hanse {

using Task = std::move_only_function<void()>;

class Executor {
 public:
  virtual ~Executor() = default;
  virtual Status post(Task task) = 0;
};

}  // namespace hanse
