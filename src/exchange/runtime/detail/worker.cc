#include "exchange/runtime/detail/worker.h"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::runtime {

namespace {

std::unexpected<Error> failed(std::string_view what) {
  return fail(Kind::kUnavailable, "runtime.spawn", text("{}: errno {}", what, errno));
}

}  // namespace

void Ring::add(std::string_view bytes) {
  if (bytes.size() > kLastWordsMax) bytes.remove_prefix(bytes.size() - kLastWordsMax);
  bytes_ += bytes;
  if (bytes_.size() > 2 * kLastWordsMax) bytes_.erase(0, bytes_.size() - kLastWordsMax);
}
std::string Ring::tail(std::size_t size_max) const {
  const std::size_t size = std::min({size_max, bytes_.size(), kLastWordsMax});
  return bytes_.substr(bytes_.size() - size);
}

bool drain(int fd, Ring& ring) {
  char buffer[4096];
  // A writer that never stops must not hold the reader: as many turns as fill the ring.
  for (std::size_t turn = 0; turn <= kLastWordsMax / sizeof buffer; ++turn) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    ring.add({buffer, static_cast<std::size_t>(n)});
  }
  return true;
}

Result<std::unique_ptr<Worker>> Worker::open(std::uint64_t id, FarEnds& far) {
  std::unique_ptr<Worker> worker(new Worker(id));
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return failed("socketpair");
  worker->socket_ = Fd(pair[0]);
  far.socket = Fd(pair[1]);
  if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0) return failed("pipe");
  worker->standard_error_ = Fd(pair[0]);
  far.standard_error = Fd(pair[1]);
  far.stop_page = Fd(memfd_create("hanse-stop", MFD_CLOEXEC));
  if (!far.stop_page || ftruncate(far.stop_page.get(), 4096) != 0) return failed("memfd");
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, far.stop_page.get(), 0);
  if (page == MAP_FAILED) return failed("mmap");
  worker->stop_ = new (page) std::atomic<bool>(false);
  if (fcntl(worker->socket_.get(), F_SETFL, O_NONBLOCK) != 0) return failed("fcntl");
  return worker;
}

Worker::~Worker() {
  kill();
  if (stop_ != nullptr) munmap(stop_, 4096);
}

void Worker::started(int pid, Fd pidfd) {
  pid_ = pid;
  pidfd_ = std::move(pidfd);
}

bool Worker::alive() const {
  pollfd exited{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  return pidfd_ && poll(&exited, 1, 0) == 0;
}

void Worker::queue(FrameType type, std::initializer_list<ByteView> payload) {
  std::size_t size = 0;
  for (const auto part : payload) size += part.size();
  out_.resize(kFrameHeadSize);
  out_.reserve(kFrameHeadSize + size);
  write_frame_head(out_.data(), {.type = type, .size = size});
  for (const auto part : payload) append(out_, part);
  sent_ = 0;
}

Status Worker::send_some() {
  while (sent_ < out_.size()) {
    const ssize_t n = send(socket_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (n < 0) return fail(Kind::kCorrupt, "runtime.frame", text("send: errno {}", errno));
    sent_ += static_cast<std::size_t>(n);
  }
  out_ = Bytes();
  sent_ = 0;
  return {};
}

Status Worker::receive_some(std::size_t size_max) {
  while (!whole()) {
    const auto into = have_head_ ? ByteSpan(in_) : ByteSpan(head_);
    const ssize_t n = recv(socket_.get(), into.data() + in_size_, into.size() - in_size_, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (n < 0) return fail(Kind::kCorrupt, "runtime.frame", text("recv: errno {}", errno));
    if (n == 0) return fail(Kind::kCorrupt, "runtime.frame", "the worker closed its socket");
    in_size_ += static_cast<std::size_t>(n);
    if (!have_head_ && in_size_ == kFrameHeadSize) {
      TRY(frame_head_, read_frame_head(head_, size_max));
      have_head_ = true;
      in_.resize(frame_head_.size);
      in_size_ = 0;
    }
  }
  return {};
}

Result<bool> Worker::pump(int timeout_ms, std::size_t size_max) {
  TRY_OK(send_some());
  const short writing = out_.empty() ? 0 : POLLOUT;
  pollfd watched[2] = {{.fd = socket_.get(), .events = static_cast<short>(POLLIN | writing), .revents = 0},
                       {.fd = standard_error_.get(), .events = POLLIN, .revents = 0}};
  if (poll(watched, 2, timeout_ms) <= 0) return false;
  // A closed pipe stays readable for ever; without it there is nothing left to listen to.
  if (watched[1].revents != 0 && !drain(standard_error_.get(), ring_)) standard_error_.reset();
  TRY_OK(send_some());
  if (watched[0].revents != 0) TRY_OK(receive_some(size_max));
  return whole();
}

Frame Worker::take() {
  Frame frame{.type = frame_head_.type, .payload = std::move(in_)};
  in_ = Bytes();
  have_head_ = false;
  in_size_ = 0;
  return frame;
}

void Worker::request_stop() { stop_->store(true, std::memory_order_relaxed); }

void Worker::kill() {
  if (pidfd_) syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

std::string Worker::last_words(std::size_t size_max) {
  if (standard_error_) drain(standard_error_.get(), ring_);
  return ring_.tail(size_max);
}

}  // namespace hanse::runtime
