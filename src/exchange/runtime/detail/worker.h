// One worker as the pool sees it: its socket, standard error, stop page and pidfd.
// Threads: one at a time.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/core/bytes.h"
#include "base/core/fd.h"
#include "base/core/result.h"
#include "exchange/runtime/detail/wire.h"

namespace hanse::runtime {

constexpr std::size_t kLastWordsMax = 16 * 1024;

// The last kLastWordsMax bytes of what was written.
class Ring {
 public:
  void add(std::string_view bytes);
  std::string tail(std::size_t size_max) const;

 private:
  std::string bytes_;  // at most twice the limit, trimmed to it then
};

// Reads what is there without waiting; false once the other end closed.
bool drain(int fd, Ring& ring);

class Worker {
 public:
  // The far ends, to be passed to the zygote and closed then.
  struct FarEnds {
    Fd socket, standard_error, stop_page;
  };
  static Result<std::unique_ptr<Worker>> open(std::uint64_t id, FarEnds& far);
  ~Worker();  // kills what still runs
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  std::uint64_t id() const { return id_; }
  int pid() const { return pid_; }
  int socket() const { return socket_.get(); }
  void started(int pid, Fd pidfd);
  bool alive() const;

  void queue(FrameType type, std::initializer_list<ByteView> payload);
  // Sends and receives for at most timeout_ms. True when a frame has arrived whole. Errors: runtime.frame.
  Result<bool> pump(int timeout_ms, std::size_t size_max);
  Frame take();

  void request_stop();
  void kill();
  std::string last_words(std::size_t size_max);

 private:
  explicit Worker(std::uint64_t id) : id_(id) {}
  Status send_some();
  Status receive_some(std::size_t size_max);
  bool whole() const { return have_head_ && in_size_ == in_.size(); }

  std::uint64_t id_;
  int pid_ = -1;
  Fd socket_, standard_error_, pidfd_;
  std::atomic<bool>* stop_ = nullptr;
  Bytes out_;
  std::size_t sent_ = 0;
  std::uint8_t head_[kFrameHeadSize] = {};
  bool have_head_ = false;
  FrameHead frame_head_;
  Bytes in_;
  std::size_t in_size_ = 0;  // received so far, of the head or of in_
  Ring ring_;
};

}  // namespace hanse::runtime
