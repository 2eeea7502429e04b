#include "base/exec/loop.h"

#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::exec {
namespace {

std::unexpected<Error> system_error(std::string_view call) {
  return fail(Kind::kInternal, "exec.system", text("{}: {}", call, std::strerror(errno)));
}

}  // namespace

Result<std::unique_ptr<Loop>> Loop::create(Clock& clock) {
  std::unique_ptr<Loop> loop(new Loop(clock));
  loop->epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (loop->epoll_ < 0) return system_error("epoll_create1");
  loop->wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (loop->wake_ < 0) return system_error("eventfd");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = loop->wake_;
  if (::epoll_ctl(loop->epoll_, EPOLL_CTL_ADD, loop->wake_, &event) != 0) return system_error("epoll_ctl");
  return loop;
}

Loop::~Loop() {
  if (wake_ >= 0) ::close(wake_);
  if (epoll_ >= 0) ::close(epoll_);
}

Status Loop::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(Kind::kUnavailable, "exec.stopped", "the loop takes no more tasks");
    if (posted_.size() >= kPostedMax)
      return fail(Kind::kExhausted, "exec.full", text("found {} tasks waiting, the most there may be", posted_.size()));
    posted_.push_back(std::move(task));
  }
  wake();
  return {};
}

Result<TimerId> Loop::after(std::int64_t delay_ns, Task task) {
  if (timers_.size() >= kTimersMax)
    return fail(Kind::kExhausted, "exec.full", text("found {} timers, the most there may be", timers_.size()));
  const TimerId id{.at_ns = clock_.mono_ns() + (delay_ns > 0 ? delay_ns : 0), .order = ++timer_order_};
  timers_.emplace(id, std::move(task));
  return id;
}

bool Loop::cancel(TimerId id) { return timers_.erase(id) != 0; }

Status Loop::watch(int fd, Interest interest, OnReady on_ready) {
  if (watches_.size() >= kWatchesMax && !watches_.contains(fd))
    return fail(Kind::kExhausted, "exec.full", text("found {} descriptors, the most there may be", watches_.size()));
  epoll_event event{};
  event.events = (interest.read ? EPOLLIN : 0u) | (interest.write ? EPOLLOUT : 0u);
  event.data.fd = fd;
  const int op = watches_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_, op, fd, &event) != 0) return system_error("epoll_ctl");
  watches_[fd] = std::make_shared<OnReady>(std::move(on_ready));
  return {};
}

void Loop::unwatch(int fd) {
  if (watches_.erase(fd) != 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

Status Loop::run() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ && posted_.empty()) return {};
    }
    TRY_OK(turn(true));
  }
}

Status Loop::run_ready() { return turn(false); }

void Loop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
}

Status Loop::turn(bool may_wait) {
  epoll_event events[32];
  const int n = ::epoll_wait(epoll_, events, 32, wait_ms(may_wait));
  if (n < 0 && errno != EINTR) return system_error("epoll_wait");
  for (int i = 0; i < n; ++i) {
    const int fd = events[i].data.fd;
    const std::uint32_t bits = events[i].events;
    if (fd == wake_) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
      continue;
    }
    const auto it = watches_.find(fd);
    if (it == watches_.end()) continue;  // unwatched by a handler of this same turn
    const auto handler = it->second;
    (*handler)({.readable = (bits & EPOLLIN) != 0,
                .writable = (bits & EPOLLOUT) != 0,
                .closed = (bits & (EPOLLERR | EPOLLHUP)) != 0});
  }
  run_timers();
  run_posted();
  return {};
}

void Loop::run_posted() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

void Loop::run_timers() {
  // Only those due now: a timer that sets itself again with no delay waits for the next turn.
  const std::int64_t now = clock_.mono_ns();
  const std::uint64_t newest = timer_order_;
  while (!timers_.empty() && timers_.begin()->first.at_ns <= now && timers_.begin()->first.order <= newest) {
    auto node = timers_.extract(timers_.begin());
    node.mapped()();
  }
}

int Loop::wait_ms(bool may_wait) const {
  if (!may_wait) return 0;
  if (timers_.empty()) return -1;
  const std::int64_t left_ns = timers_.begin()->first.at_ns - clock_.mono_ns();
  if (left_ns <= 0) return 0;
  const std::int64_t ms = (left_ns + 999'999) / 1'000'000;  // rounded up: never early, and no spinning before it
  return ms > 60'000 ? 60'000 : static_cast<int>(ms);
}

void Loop::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = ::write(wake_, &one, sizeof one);  // a full counter wakes as well
}

}  // namespace hanse::exec
