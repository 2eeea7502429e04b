// Keeps warm workers ready: one thread that talks to the zygote, restarts it when it dies, and hands workers out.
// Threads: take, give_back and how_it_ended any; the rest is the thread's.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "base/core/clock.h"
#include "exchange/runtime/detail/zygote_process.h"

namespace hanse::runtime {

class Nursery {
 public:
  static Result<std::unique_ptr<Nursery>> start(const PoolOptions& options, Clock& clock);
  ~Nursery();

  // A warm worker, waited for in order of arrival. Errors: runtime.busy, runtime.no_worker, runtime.cancelled.
  Result<std::unique_ptr<Worker>> take(const RunControl& control);
  // Lets the next call in. A worker that has answered ends by itself and the zygote's word of it wakes the thread, so
  // the caller need not, and is not pushed off its processor; any other is ended at once.
  enum class Left : std::uint8_t { kAnswered, kUnfinished };
  void give_back(std::unique_ptr<Worker> worker, Left left);
  // "signal 11", "exit status 7", or "" when nobody knows after a short wait.
  std::string how_it_ended(std::uint64_t worker_id);

  PoolReport report() const;
  std::vector<std::string> kinds() const;
  std::size_t warm_now() const;
  std::uint64_t spawned() const;
  std::uint64_t zygotes() const;
  std::size_t running() const;
  std::size_t waiting() const;

 private:
  Nursery(const PoolOptions& options, Clock& clock) : options_(options), clock_(clock) {}
  void serve();
  void refill();
  void on_control(Control message);
  void on_pending(std::uint64_t id);
  void restart();
  void wake();
  std::unique_ptr<Worker> pop_alive();  // under mutex_

  const PoolOptions options_;
  Clock& clock_;
  Fd wake_;
  std::unique_ptr<ZygoteProcess> zygote_;                     // the thread's, once started
  std::map<std::uint64_t, std::unique_ptr<Worker>> pending_;  // the thread's: not yet inside their sandbox
  std::uint64_t id_next_ = 1;                                 // the thread's
  std::int64_t spawn_not_before_ns_ = 0;                      // the thread's: rests after a failure

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::deque<std::unique_ptr<Worker>> warm_;
  std::vector<std::unique_ptr<Worker>> used_;  // to be taken down by the thread, not by the caller
  std::deque<std::uint64_t> queue_;            // tickets of waiting calls
  std::uint64_t ticket_next_ = 0;
  std::size_t running_ = 0;
  std::set<std::uint64_t> out_;         // ids of workers handed out
  std::map<std::uint64_t, int> ended_;  // wait status of those among them that ended
  std::string last_failure_;
  PoolReport report_;
  std::vector<std::string> kinds_;
  std::uint64_t spawned_ = 0, zygotes_ = 0;
  std::thread thread_;
};

}  // namespace hanse::runtime
