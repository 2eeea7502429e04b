#include "mesh/portmap/portmap.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/core/text.h"
#include "base/core/thread_name.h"

namespace hanse::portmap {

class PortMapper::Core {
 public:
  Core(PortMapperOptions given, Routers from)
      : options(std::move(given)),
        clock(options.clock != nullptr ? *options.clock : system_clock()),
        routers(std::move(from)),
        stop_fd(::eventfd(0, EFD_CLOEXEC)),
        lease(clock.mono_ns()) {}
  ~Core() { ::close(stop_fd); }

  void run() {
    name_thread("hanse-portmap");
    std::unique_lock lock(mutex);
    while (!stopping) {
      const std::int64_t wait_ns = lease.due_ns() - clock.mono_ns();
      if (wait_ns > 0) {
        changed.wait_for(lock, std::chrono::nanoseconds(wait_ns));
        continue;
      }
      lock.unlock();
      Result<Mapping> got = ask();
      lock.lock();
      take(std::move(got), lock);
    }
    const std::optional<Mapping> held = lease.mapping();
    lock.unlock();
    Status done = held ? release(*held) : Status();
    lock.lock();
    released = std::move(done);
    ended = true;
    changed.notify_all();
  }

  Result<Mapping> ask() {
    std::optional<Error> worst;  // a refusal says more than silence
    for (std::size_t i = 0; i < routers.size(); ++i) {
      auto got = routers[i]->map(options.wanted, {clock.mono_ns() + options.attempt_ms * 1'000'000, stop_fd});
      if (got) {
        std::rotate(routers.begin(), routers.begin() + static_cast<std::ptrdiff_t>(i),
                    routers.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        return got;
      }
      if (!worst || worst->kind() == Kind::kUnavailable) worst = std::move(got).error();
      if (stop_asked()) break;
    }
    return std::unexpected(*std::move(worst));
  }

  bool stop_asked() {
    const std::lock_guard lock(mutex);
    return stopping;
  }

  void take(Result<Mapping> got, std::unique_lock<std::mutex>& lock) {
    const std::optional<Mapping> before = lease.mapping();
    const std::int64_t now = clock.mono_ns();
    if (got) {
      lease.granted(*got, now);
      failure.reset();
    } else {
      lease.failed(now);
      failure = std::move(got).error();
    }
    const std::optional<Mapping> after = lease.mapping();
    const auto place = [](const std::optional<Mapping>& m) {
      return m ? std::optional(std::tuple(m->protocol, m->ip, m->port)) : std::nullopt;
    };
    if (stopping || !options.on_change || place(before) == place(after)) return;
    telling = true;
    lock.unlock();
    options.on_change(after);
    lock.lock();
    telling = false;
    changed.notify_all();
  }

  Status release(const Mapping& held) {
    for (const auto& router : routers)
      if (router->protocol() == held.protocol)
        return router->release(options.wanted, held, {clock.mono_ns() + options.stop_ms * 1'000'000, -1});
    return {};
  }

  PortMapperOptions options;
  Clock& clock;
  Routers routers;  // of the thread
  int stop_fd;
  std::thread thread;

  std::mutex mutex;
  std::condition_variable changed;
  Lease lease;  // under mutex from here on
  std::optional<Error> failure;
  bool stopping = false, telling = false, ended = false;
  Status released;
};

PortMapper::PortMapper(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Result<std::unique_ptr<PortMapper>> PortMapper::start(PortMapperOptions options, Routers routers) {
  if (options.wanted.port == 0 || options.wanted.lifetime_s == 0 || options.wanted.lifetime_s > kLifetimeMaxS ||
      routers.empty())
    return fail(Kind::kInvalid, "portmap.options",
                text("found port {}, lifetime {} s and {} protocols, expected a port, 1 to {} s and at least one",
                     options.wanted.port, options.wanted.lifetime_s, routers.size(), kLifetimeMaxS));
  auto core = std::make_shared<Core>(std::move(options), std::move(routers));
  core->thread = std::thread([core] { core->run(); });
  return std::unique_ptr<PortMapper>(new PortMapper(std::move(core)));
}

PortMapper::~PortMapper() { (void)stop(); }

Status PortMapper::stop() {
  std::unique_lock lock(core_->mutex);
  if (core_->thread.joinable()) {
    core_->stopping = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(core_->stop_fd, &one, sizeof one);  // a poll of the thread ends
    core_->changed.notify_all();
    core_->changed.wait(lock, [&] { return !core_->telling; });
    const auto most = std::chrono::milliseconds(core_->options.stop_ms);
    if (core_->changed.wait_for(lock, most, [&] { return core_->ended; })) {
      lock.unlock();
      core_->thread.join();
      lock.lock();
    } else {
      core_->released = fail(
          Kind::kTimeout, "portmap.deadline",
          text("found no answer of the router in {} ms; the mapping ends with its lifetime", core_->options.stop_ms));
      core_->thread.detach();
    }
  }
  if (!core_->released) return std::unexpected(core_->released.error().clone());
  return {};
}

std::optional<Mapping> PortMapper::mapping() const {
  const std::lock_guard lock(core_->mutex);
  return core_->stopping ? std::nullopt : core_->lease.mapping();
}

std::uint64_t PortMapper::renewals() const {
  const std::lock_guard lock(core_->mutex);
  return core_->lease.renewals();
}

std::optional<Error> PortMapper::failure() const {
  const std::lock_guard lock(core_->mutex);
  return core_->failure ? std::optional(core_->failure->clone()) : std::nullopt;
}

}  // namespace hanse::portmap
