#include "base/exec/thread_pool.h"

#include <system_error>

#include "base/core/text.h"

namespace hanse::exec {

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(PoolSize size) {
  if (size.threads == 0 || size.threads > kThreadsMax || size.queue_max == 0)
    return fail(Kind::kInvalid, "exec.bad_size",
                text("found {} threads and {} places, expected 1 to {} threads and at least one place", size.threads,
                     size.queue_max, kThreadsMax));
  std::unique_ptr<ThreadPool> pool(new ThreadPool(size));
  try {
    for (std::size_t i = 0; i < size.threads; ++i) pool->threads_.emplace_back([p = pool.get()] { p->work(); });
  } catch (const std::system_error& e) {
    return fail(Kind::kInternal, "exec.system", text("start a thread: {}", e.what()));
  }
  return pool;
}

ThreadPool::~ThreadPool() { drain(); }

Status ThreadPool::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(Kind::kUnavailable, "exec.stopped", "the pool takes no more tasks");
    if (queue_.size() >= size_.queue_max)
      return fail(Kind::kExhausted, "exec.full", text("found {} tasks waiting, the most there may be", queue_.size()));
    queue_.push_back(std::move(task));
  }
  changed_.notify_one();
  return {};
}

void ThreadPool::drain() {
  std::vector<std::jthread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  changed_.notify_all();
  threads.clear();  // joins
}

std::size_t ThreadPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void ThreadPool::work() {
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace hanse::exec
