// Syncs two files. On most disks two syncs in flight take about the time of one, so the second has a thread of its own;
// while a sync is quicker than waking that thread costs, both are done here. Private to the room. Threads: one caller
// at a time. Errors: those of File::sync, the first file's first.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/thread_name.h"

namespace hanse::journal {

class MirrorSync {
 public:
  MirrorSync() = default;
  MirrorSync(const MirrorSync&) = delete;
  ~MirrorSync() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  Status both(File& first, File& second) {
    if (quick_) {
      Status status = timed(first);
      Status other = second.sync();
      return status ? std::move(other) : std::move(status);
    }
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    {
      const std::lock_guard lock(mutex_);
      file_ = &second;
    }
    changed_.notify_all();
    Status own = timed(first);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return file_ == nullptr; });
    return own ? std::move(status_) : std::move(own);
  }

 private:
  static constexpr std::int64_t kQuickNs = 400'000;

  Status timed(File& file) {
    const std::int64_t before = system_clock().mono_ns();
    Status status = file.sync();
    quick_ = system_clock().mono_ns() - before < kQuickNs;
    return status;
  }

  void run() {
    name_thread("mirror");
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return file_ != nullptr || stopping_; });
      if (file_ == nullptr) return;
      File& file = *file_;
      lock.unlock();
      Status status = file.sync();
      lock.lock();
      status_ = std::move(status);
      file_ = nullptr;
      changed_.notify_all();
    }
  }

  bool quick_ = false;  // the last one was

  std::mutex mutex_;
  std::condition_variable changed_;
  File* file_ = nullptr;  // to be synced by the thread; null again when it is
  Status status_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hanse::journal
