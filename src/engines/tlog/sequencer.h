// The one writer of a log: entries wait in a queue, go in groups into the store, and are acknowledged when a checkpoint
// that covers them is signed, kept and published.
//   group       at most group_max entries, closed when full or when the first has waited group_wait_ns
//   one group   ids looked up, hashed, one synced batch (log_store.h); then its head goes to the signer
//   signing     the newest durable head, never one before its batch is synced; the note is synced to `signed` (a file
//               beside the store) before anybody sees it; then the callbacks of all it covers run
// The two steps run in threads of their own, so a group is written while the one before is signed.
// Opening compares: the last signed checkpoint must be ours (key, origin) and the head the store has at that size. A
// store that went back, or another tree, is refused: nothing is signed then. If the folder as a whole was put back, no
// file on this machine can tell; witnesses can.
// After an error of the store or of `signed` nothing more is taken: open anew. What was written then keeps its index.
// Threads: any may add and read; callbacks run in the signer's thread (or the writer's, with an error), one at a time,
// and must be quick. Limits: queue_max entries and queue_bytes_max bytes wait, then tlog.busy.
// Errors: tlog.busy (exhausted: try again), tlog.stopped (unavailable: closing, or after an error), tlog.entry_size
// (invalid), tlog.rollback (corrupt: the store is older than what was signed), tlog.fork (corrupt: the store has
// another tree than was signed), tlog.no_signer (invalid), those of log_store.h, signed_file.h and checkpoint.h.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "engines/tlog/log_store.h"
#include "engines/tlog/signed_file.h"

namespace hanse::tlog {

struct SequencerLimits {
  std::size_t group_max = kGroupMax;  // at most kGroupMax
  std::int64_t group_wait_ns = 5'000'000;
  std::size_t queue_max = 8192;
  std::size_t queue_bytes_max = std::size_t{64} << 20;
};

class Sequencer {
 public:
  struct Parts {
    std::string dir;  // holds the folder `store` and the file `signed`
    std::string origin;
    std::vector<NoteSigner> signers;  // the first one makes the signature that opening asks for
    Clock* clock = &system_clock();
    Fs* fs = &real_fs();  // of `signed`; the store is RocksDB's
    SequencerLimits limits;
    std::function<void(const std::string& note)> on_published;  // in the signer's thread, before the callbacks
  };
  using Done = std::function<void(const Result<Added>&)>;

  // A new log: the empty store and the signed checkpoint of size 0. tlog.exists when there is one.
  static Status create(Parts& parts);
  static Result<std::unique_ptr<Sequencer>> open(Parts parts);
  ~Sequencer();  // what waits is refused with tlog.stopped; what is being written is finished

  Status add(Entry entry, Done done);
  Result<Added> add_and_wait(Entry entry);

  std::string checkpoint() const;  // the last one published
  TreeHead published() const;
  // Any resource of the log as published: what a server answers (c2sp.org/tlog-tiles). tlog.path for anything else.
  Result<Bytes> route(std::string_view path) const;
  const LogStore& store() const { return *store_; }
  std::uint64_t checkpoints() const;  // signed since opening

 private:
  struct Waiting {
    Entry entry;
    Done done;
    std::int64_t since_ns;
  };
  struct Written {
    TreeHead head;
    std::vector<Added> added;
    std::vector<Done> done;
  };
  Sequencer(Parts parts, std::unique_ptr<LogStore> store, SignedFile file);
  static Result<std::string> sign(const Parts& parts, const TreeHead& head);
  Status check_signed();
  std::vector<Waiting> take_group();
  void write_groups();
  void sign_heads();
  Status sign_one(const TreeHead& head);
  void stop_with(const Error& error);

  Parts parts_;
  std::unique_ptr<LogStore> store_;
  SignedFile file_;
  mutable std::mutex mutex_;  // what follows
  std::condition_variable queued_, written_ready_;
  std::deque<Waiting> queue_;
  std::size_t queue_bytes_ = 0;
  std::deque<Written> written_;
  bool closing_ = false, writer_done_ = false;
  std::unique_ptr<Error> stopped_;
  std::string checkpoint_;
  TreeHead published_;
  std::uint64_t checkpoints_ = 0;
  std::thread writer_, signer_;
};

}  // namespace hanse::tlog
