#include "exchange/runtime/detail/nursery.h"

#include <algorithm>
#include <chrono>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/text.h"
#include "base/plugin/error_wire.h"

namespace hanse::runtime {

namespace {

constexpr int kWaitStepMs = 5;      // how often a waiting call looks at its control
constexpr int kEndedMsMax = 1'000;  // how long to wait for the zygote's word on an ended worker
constexpr std::int64_t kRestNs = 200'000'000;
constexpr std::size_t kPendingMax = 4;  // spawned side by side

}  // namespace

Result<std::unique_ptr<Nursery>> Nursery::start(const PoolOptions& options, Clock& clock) {
  std::unique_ptr<Nursery> nursery(new Nursery(options, clock));
  TRY(nursery->zygote_, ZygoteProcess::start(options));
  nursery->report_ = nursery->zygote_->report();
  nursery->kinds_ = nursery->zygote_->kinds();
  nursery->zygotes_ = 1;
  nursery->wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!nursery->wake_) return fail(Kind::kUnavailable, "runtime.zygote", "eventfd failed");
  nursery->thread_ = std::thread([n = nursery.get()] { n->serve(); });
  return nursery;
}

Nursery::~Nursery() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  if (thread_.joinable()) {
    wake();
    thread_.join();
  }
  warm_.clear();
  pending_.clear();
}

void Nursery::wake() {
  const std::uint64_t one = 1;
  if (write(wake_.get(), &one, sizeof one) < 0) return;  // full means that it will wake anyway
}

std::unique_ptr<Worker> Nursery::pop_alive() {
  while (!warm_.empty()) {
    auto worker = std::move(warm_.front());
    warm_.pop_front();
    if (worker->alive()) return worker;
  }
  return nullptr;
}

Result<std::unique_ptr<Worker>> Nursery::take(const RunControl& control) {
  std::unique_lock lock(mutex_);
  if (queue_.size() >= options_.waiting_max)
    return fail(Kind::kExhausted, "runtime.busy", text("{} calls wait for a worker", options_.waiting_max));
  const auto ticket = ticket_next_++;
  queue_.push_back(ticket);
  std::int64_t starved_since_ns = 0;  // since when there is room to run but no worker
  for (;;) {
    const bool first = queue_.front() == ticket && running_ < options_.running_max;
    if (first) {
      if (auto worker = pop_alive()) {
        queue_.pop_front();
        ++running_;
        out_.insert(worker->id());
        lock.unlock();
        changed_.notify_all();
        return worker;
      }
      if (starved_since_ns == 0) wake();
    }
    const auto now_ns = clock_.mono_ns();
    if (!first)
      starved_since_ns = 0;
    else if (starved_since_ns == 0)
      starved_since_ns = now_ns;
    const bool starved =
        starved_since_ns != 0 && now_ns - starved_since_ns > std::int64_t{options_.spawn_ms_max} * 1'000'000;
    if (starved || control.stop()) {
      std::erase(queue_, ticket);
      if (!starved) return fail(Kind::kUnavailable, "runtime.cancelled", "cancelled while waiting for a worker");
      return fail(Kind::kUnavailable, "runtime.no_worker",
                  text("none came within {} ms; last failure: {}", options_.spawn_ms_max,
                       last_failure_.empty() ? "none" : last_failure_));
    }
    changed_.wait_for(lock, std::chrono::milliseconds(kWaitStepMs));
  }
}

void Nursery::give_back(std::unique_ptr<Worker> worker, Left left) {
  const auto id = worker->id();
  if (left == Left::kUnfinished) worker->kill();
  {
    const std::lock_guard lock(mutex_);
    used_.push_back(std::move(worker));
    --running_;
    out_.erase(id);
    ended_.erase(id);
  }
  changed_.notify_all();
  if (left == Left::kUnfinished) wake();
}

std::string Nursery::how_it_ended(std::uint64_t worker_id) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(kEndedMsMax), [&] { return ended_.contains(worker_id); });
  const auto it = ended_.find(worker_id);
  if (it == ended_.end()) return "";
  if (WIFSIGNALED(it->second)) return text("signal {}", WTERMSIG(it->second));
  return text("exit status {}", WEXITSTATUS(it->second));
}

PoolReport Nursery::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}
std::vector<std::string> Nursery::kinds() const {
  const std::lock_guard lock(mutex_);
  return kinds_;
}
std::size_t Nursery::warm_now() const {
  const std::lock_guard lock(mutex_);
  return warm_.size();
}
std::uint64_t Nursery::spawned() const {
  const std::lock_guard lock(mutex_);
  return spawned_;
}
std::uint64_t Nursery::zygotes() const {
  const std::lock_guard lock(mutex_);
  return zygotes_;
}

std::size_t Nursery::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}
std::size_t Nursery::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void Nursery::refill() {
  if (clock_.mono_ns() < spawn_not_before_ns_) return;
  for (;;) {
    std::size_t wanted = 0;
    {
      const std::lock_guard lock(mutex_);
      wanted = options_.warm > warm_.size() ? options_.warm - warm_.size() : 0;
      // Without warm workers configured, one is made for each call that could run now.
      if (wanted == 0 && warm_.empty() && !queue_.empty() && running_ < options_.running_max) wanted = 1;
    }
    if (pending_.size() >= std::min(wanted, kPendingMax)) return;
    Worker::FarEnds far;
    auto worker = Worker::open(id_next_, far);
    const auto refused = [&](const Error& error) {
      const std::lock_guard lock(mutex_);
      last_failure_ = error.str();
      spawn_not_before_ns_ = clock_.mono_ns() + kRestNs;
    };
    if (!worker) return refused(worker.error());
    const Control order{.type = ControlType::kSpawn,
                        .number = 0,
                        .id = id_next_,
                        .text = {},
                        .fds = {far.socket.get(), far.standard_error.get(), far.stop_page.get()}};
    if (const auto sent = send_control(zygote_->control(), order); !sent) return refused(sent.error());
    pending_.emplace(id_next_++, std::move(*worker));
  }
}

void Nursery::on_control(Control message) {
  Fd pidfd(message.fds.empty() ? -1 : message.fds[0]);
  const auto it = pending_.find(message.id);
  if (message.type == ControlType::kSpawned && it != pending_.end()) {
    it->second->started(message.number, std::move(pidfd));
  } else if (message.type == ControlType::kNotSpawned) {
    pending_.erase(message.id);
    const std::lock_guard lock(mutex_);
    last_failure_ = message.text;
    spawn_not_before_ns_ = clock_.mono_ns() + kRestNs;
  } else if (message.type == ControlType::kExited) {
    {
      const std::lock_guard lock(mutex_);
      if (out_.contains(message.id)) ended_[message.id] = message.number;
      std::erase_if(warm_, [&](const auto& worker) { return worker->id() == message.id; });
    }
    changed_.notify_all();
  }
}

void Nursery::on_pending(std::uint64_t id) {
  auto& worker = pending_.at(id);
  auto arrived = worker->pump(0, plugin::kErrorSizeMax);
  if (arrived && !*arrived) return;
  std::string failure;
  if (!arrived) {
    failure = text("worker ended before it was ready: {}: {}", arrived.error().str(), worker->last_words(512));
  } else if (auto frame = worker->take(); frame.type != FrameType::kReady) {
    auto error = plugin::decode_error(frame.payload);
    failure = error ? error->str() : "worker spoke another protocol";
  }
  {
    const std::lock_guard lock(mutex_);
    if (failure.empty()) {
      ++spawned_;
      warm_.push_back(std::move(worker));
    } else {
      last_failure_ = failure;
      spawn_not_before_ns_ = clock_.mono_ns() + kRestNs;
    }
  }
  pending_.erase(id);
  changed_.notify_all();
}

void Nursery::restart() {
  pending_.clear();
  const auto words = zygote_ ? zygote_->last_words() : std::string();
  zygote_.reset();
  auto fresh = ZygoteProcess::start(options_);
  const std::lock_guard lock(mutex_);
  last_failure_ = fresh ? text("the zygote ended: {}", words) : fresh.error().str();
  spawn_not_before_ns_ = clock_.mono_ns() + kRestNs;
  if (!fresh) return;
  zygote_ = std::move(*fresh);
  report_ = zygote_->report();
  ++zygotes_;
  warm_.clear();  // they died with the old one
}

void Nursery::serve() {
  std::vector<pollfd> watched;
  std::vector<std::uint64_t> ids;
  for (;;) {
    std::vector<std::unique_ptr<Worker>> used;
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
      used.swap(used_);
    }
    used.clear();
    if (!zygote_ && clock_.mono_ns() >= spawn_not_before_ns_) restart();
    if (zygote_) refill();
    watched = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
               {.fd = zygote_ ? zygote_->control() : -1, .events = POLLIN, .revents = 0},
               {.fd = zygote_ ? zygote_->standard_error() : -1, .events = POLLIN, .revents = 0}};
    ids.clear();
    for (const auto& [id, worker] : pending_) {
      // Only once its pid is known: a worker must never be warm without its pidfd.
      watched.push_back({.fd = worker->pid() > 0 ? worker->socket() : -1, .events = POLLIN, .revents = 0});
      ids.push_back(id);
    }
    if (poll(watched.data(), watched.size(), 200) <= 0) continue;
    std::uint64_t count = 0;
    if (watched[0].revents != 0 && read(wake_.get(), &count, sizeof count) < 0) continue;
    if (watched[2].revents != 0) zygote_->drain_standard_error();
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (watched[3 + i].revents != 0) on_pending(ids[i]);
    if (watched[1].revents == 0) continue;
    auto message = receive_control(zygote_->control());
    if (message) {
      on_control(std::move(*message));
    } else {
      restart();
    }
  }
}

}  // namespace hanse::runtime
