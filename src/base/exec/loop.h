// Loop: one thread that waits for file descriptors, timers and posted tasks, on epoll.
// The thread in run() is the loop thread. post() and stop() are for any thread; everything else is for the loop thread,
// or for any one thread before run() begins.
// Limits: kPostedMax tasks waiting, kTimersMax timers, kWatchesMax descriptors; the next one is refused.
// Timers fire in order of their instant, those of one instant in the order they were set, never early.
// Owns neither the descriptors nor the clock. A descriptor is unwatched before it is closed.
// Errors: exec.full (exhausted), exec.stopped (unavailable), exec.system (internal; the call and errno).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/core/clock.h"
#include "base/core/executor.h"

namespace hanse::exec {

constexpr std::size_t kPostedMax = 4096;
constexpr std::size_t kTimersMax = 4096;
constexpr std::size_t kWatchesMax = 128;

struct TimerId {
  std::int64_t at_ns = 0;
  std::uint64_t order = 0;
  friend auto operator<=>(const TimerId&, const TimerId&) = default;
};

struct Ready {
  bool readable = false;
  bool writable = false;
  bool closed = false;  // error or hang-up
};

class Loop final : public Executor {
 public:
  static Result<std::unique_ptr<Loop>> create(Clock& clock);
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Status post(Task task) override;
  Result<TimerId> after(std::int64_t delay_ns, Task task);
  bool cancel(TimerId id);  // false when it has fired or never was

  using OnReady = std::function<void(Ready)>;
  struct Interest {
    bool read = true;
    bool write = false;
  };
  Status watch(int fd, Interest interest, OnReady on_ready);
  void unwatch(int fd);

  // Serves until stop(). Tasks posted before stop() have run when it returns; later ones are refused.
  Status run();
  // Serves what is ready now and returns without waiting: for tests and for loops within loops.
  Status run_ready();
  void stop();

 private:
  explicit Loop(Clock& clock) : clock_(clock) {}
  Status turn(bool may_wait);
  void run_posted();
  void run_timers();
  int wait_ms(bool may_wait) const;
  void wake();

  Clock& clock_;
  int epoll_ = -1;
  int wake_ = -1;
  std::map<TimerId, Task> timers_;
  std::uint64_t timer_order_ = 0;
  std::map<int, std::shared_ptr<OnReady>> watches_;  // shared: a handler may unwatch itself while it runs

  std::mutex mutex_;
  std::vector<Task> posted_;
  bool stopping_ = false;
};

}  // namespace hanse::exec
