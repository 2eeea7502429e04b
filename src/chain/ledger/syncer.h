// Runs a journal's sync on a thread of its own, so that a block is executed and signed meanwhile. Private to the room.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "store/journal/journal.h"

namespace hanse::ledger {

class Syncer {
 public:
  Syncer(journal::Journal& journal, Clock& clock) : journal_(journal), clock_(clock), thread_([this] { run(); }) {}
  ~Syncer() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  // Between start and join nobody else touches the journal.
  void start() {
    {
      const std::lock_guard lock(mutex_);
      wanted_ = true;
    }
    wake_.notify_all();
  }
  Status join() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !wanted_; });
    return std::move(status_);
  }
  std::int64_t last_ns() const {
    const std::lock_guard lock(mutex_);
    return last_ns_;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return wanted_ || stop_; });
      if (stop_) return;
      lock.unlock();
      const std::int64_t before = clock_.mono_ns();
      Status status = journal_.sync();
      const std::int64_t took = clock_.mono_ns() - before;
      lock.lock();
      status_ = std::move(status);
      last_ns_ = took;
      wanted_ = false;
      wake_.notify_all();
    }
  }

  journal::Journal& journal_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool wanted_ = false, stop_ = false;
  Status status_;
  std::int64_t last_ns_ = 0;
  std::thread thread_;
};

}  // namespace hanse::ledger
