// Recorder: the journal's thread. Records that came while a sync ran are appended and made durable by the next one, all
// together. Journal numbers are tokens plus base(): a replica counts its records from 1 in each life.
// A group is begun when the patience of one of its records ends.
// A failed append or sync ends it: on_failed once, and nothing is reported durable after that.
// Private to the room. Threads: record, release and stop from any; callbacks on the thread inside.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include "base/core/clock.h"
#include "chain/consensus/replica.h"
#include "store/journal/journal.h"

namespace hanse::replica {

constexpr double kCompactShare = 0.375;  // what is still needed then fits once more: see Chain::Rep::config

class Recorder {
 public:
  struct Callbacks {
    std::function<void(std::uint64_t token)> durable;
    std::function<void()> filling;  // used beyond kCompactShare, at most once per half a segment
    std::function<void(const Error& why)> failed;
  };
  Recorder(journal::Journal& journal, Clock& clock, Callbacks callbacks);
  ~Recorder();  // stop()

  void record(std::vector<consensus::Record> records);
  void release(std::uint64_t token);  // records below it are not needed
  void stop();                        // what waits is made durable first

  std::uint64_t durable_seq() const { return durable_seq_; }  // as the journal counts
  std::int64_t sync_ns_last() const { return sync_ns_last_; }
  std::uint64_t syncs() const { return syncs_; }
  std::uint64_t records() const { return records_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  void run();
  Status write(const std::vector<consensus::Record>& group);

  journal::Journal& journal_;
  Clock& clock_;
  const Callbacks callbacks_;
  const std::uint64_t base_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<consensus::Record> waiting_;
  std::int64_t due_ns_ = kNever;  // of what waits
  bool stopping_ = false;
  std::uint64_t release_ = 0;
  std::uint64_t since_compact_ = ~std::uint64_t{0};  // bytes; the first time counts as long ago
  std::atomic<std::uint64_t> durable_seq_, syncs_ = 0, records_ = 0, bytes_ = 0;
  std::atomic<std::int64_t> sync_ns_last_ = 0;
  std::thread thread_;
};

}  // namespace hanse::replica
