// ThreadPool: a fixed number of threads that run posted tasks, first in first out.
// Limits: `threads` from 1 to kThreadsMax, at most `queue_max` tasks waiting; the next one is refused.
// Threads: post and drain from any but its own. Destruction drains.
// Errors: exec.full (exhausted), exec.stopped (unavailable), exec.bad_size (invalid), exec.system (internal).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/core/executor.h"

namespace hanse::exec {

constexpr std::size_t kThreadsMax = 256;

struct PoolSize {
  std::size_t threads = 1;
  std::size_t queue_max = 64;
};

class ThreadPool final : public Executor {
 public:
  static Result<std::unique_ptr<ThreadPool>> create(PoolSize size);
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  Status post(Task task) override;
  void drain();  // refuses new tasks, runs those that wait, joins the threads
  std::size_t waiting() const;

 private:
  explicit ThreadPool(PoolSize size) : size_(size) {}
  void work();

  const PoolSize size_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace hanse::exec
