// The one logger of the process: the rings, the writer thread and the sink.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "base/logging/detail/record.h"
#include "base/logging/detail/ring.h"
#include "base/logging/detail/sink.h"

namespace hanse::logging::detail {

class Core {
 public:
  static Core& get();  // never destroyed: threads may log while the process ends

  Status start(const Options& options);
  void stop();
  Status flush();
  Stats stats();
  void issue(Level level, std::string_view event, Fields fields, const std::source_location& where);
  void crash_flush();     // async-signal-safe
  void forget_threads();  // in a forked child, where the writer does not exist

 private:
  struct Counts {
    std::array<std::atomic<std::uint64_t>, kLevels> issued{}, written{}, lost{};
  };

  Ring* ring_of_thread();
  bool enqueue(Ring& ring, Level level, std::string_view event, Fields fields, const std::source_location& where);
  void write_directly(Level level, std::string_view event, Fields fields, const std::source_location& where);
  void write_line(const std::byte* record, char* line);
  void wake();
  void run_writer();
  std::size_t drain(char* line, int crash_fd);
  void retire_rings();

  std::atomic<bool> running_{false};
  const Clock* clock_ = &system_clock();
  Format format_ = Format::kPretty;
  std::size_t ring_bytes_ = 0;
  TimeBase time_base_;
  char crash_file_[4096] = {};

  std::mutex rings_mutex_;  // adding, retiring and counting rings
  std::array<std::atomic<Ring*>, kThreadsMax> rings_{};
  Counts direct_;  // events that went around the rings, and all that the writer wrote
  std::uint64_t retired_issued_[kLevels] = {}, retired_lost_[kLevels] = {};

  std::mutex sink_mutex_;
  std::unique_ptr<Sink> sink_;

  std::atomic_flag draining_;  // held by whoever takes records out
  std::mutex wait_mutex_;
  std::condition_variable wake_writer_, flushed_;
  std::atomic<bool> asleep_{false};
  std::uint64_t flush_asked_ = 0, flush_done_ = 0;  // under wait_mutex_
  bool stop_asked_ = false;                         // under wait_mutex_
  std::thread writer_;
};

}  // namespace hanse::logging::detail
