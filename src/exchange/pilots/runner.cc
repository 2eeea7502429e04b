#include "exchange/pilots/runner.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <poll.h>
#include <sys/socket.h>
#include <thread>

#include "base/core/text.h"
#include "base/core/thread_name.h"
#include "base/plugin/error_wire.h"
#include "exchange/pilots/detail/link.h"
#include "exchange/runtime/isolation.h"

namespace hanse::pilots {
namespace {

using runtime::RunOutcome;
using runtime::RunStatus;

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::size_t kUnsentMax = 1u << 20;  // to a pilot, before it is given another call
constexpr std::int64_t kLookMs = 20;          // how often a call looks whether it should stop
constexpr int kPauseMs = 100;                 // before the next try to accept
constexpr int kGoodbyeTurns = 20;             // of 100 ms, for the words of a refusal to go out

struct Call {
  std::uint64_t id = 0;
  Bytes request;  // encoded
  std::uint8_t isolation = 0;
  gxf::Limits limits;
  std::uint32_t attempts = 0;
  std::int64_t deadline_ns = 0;  // of the pilot that has it
  std::int64_t queued_ns = 0;    // when it last began to wait for one
  bool stop = false, stop_sent = false;
  std::optional<Result<RunOutcome>> result;
  std::condition_variable done;
};
using CallPtr = std::shared_ptr<Call>;  // shared by the caller, who may leave early, and a connection

struct Pilot {
  std::string name;
  std::uint32_t slots = 1;
  std::map<std::uint64_t, CallPtr> calls;
  std::int64_t idle_since_ns = 0;
  bool retiring = false, cut = false, end_sent = false;
  int wake_fd = -1;
};

struct Connection {
  std::thread thread;
  std::atomic<bool> let_in{false}, over{false};
  Fd wake;
};

// A pilot cannot be believed to have kept to them.
Status within_limits(const RunOutcome& outcome, const gxf::Limits& limits) {
  std::uint64_t size = 0;
  for (const Bytes& one : outcome.outputs) size += one.size();
  if (size > limits.out_bytes || outcome.gas > limits.gas)
    return fail(Kind::kCorrupt, "pilots.bad_frame",
                text("found {} bytes of output and {} gas, the request allows {} and {}", size, outcome.gas,
                     limits.out_bytes, limits.gas));
  return {};
}

RunOutcome cancelled() {
  RunOutcome out;
  out.status = RunStatus::kCancelled;
  return out;
}

bool same(ByteView a, ByteView b) {  // in constant time
  std::uint8_t differ = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) differ |= static_cast<std::uint8_t>(a[i] ^ b[i]);
  return differ == 0;
}

}  // namespace

struct PilotRunner::Impl {
  Impl(RunnerOptions o, Random& r, Clock& c) : options(std::move(o)), random(r), clock(c) {}
  ~Impl();

  Status begin();
  void accept_all();
  void serve(Connection& connection, Fd socket);
  Result<std::shared_ptr<Pilot>> meet(Connection& connection, Link& link);
  Result<std::shared_ptr<Pilot>> let_in(const Hello& hello, int wake_fd);
  Status converse(Pilot& pilot, Link& link, int wake_fd);
  Status give(Pilot& pilot, Link& link);
  Status watch(Pilot& pilot, Link& link);
  Status hear(Pilot& pilot, const Frame& frame);
  void lose(Pilot& pilot, const Error& why);
  void refuse(Link& link, const Error& why, int wake_fd);
  void finish(Call& call, Result<RunOutcome> result);
  void wake_all();

  const RunnerOptions options;
  Random& random;
  Clock& clock;
  std::shared_ptr<Credentials> credentials;
  AccountId pin;
  std::string address;
  Fd listener, listener_wake;
  std::thread listener_thread;
  std::vector<std::unique_ptr<Connection>> connections;  // the listener's thread

  mutable std::mutex mutex;
  bool ending = false;
  std::size_t callers = 0;  // inside run()
  std::condition_variable caller_left;
  std::map<std::string, Hash32> tickets;
  std::map<std::string, std::shared_ptr<Pilot>> pilots;  // shared with the thread of its connection
  std::deque<CallPtr> queue;
  std::uint64_t call_next = 1;
  std::size_t running = 0;
  RunnerCounters counters;
};

Status PilotRunner::Impl::begin() {
  const auto key = crypto::SecretKey::generate(crypto::SigAlg::kMlDsa65, random);
  pin = crypto::account_id(key.public_key());
  TRY(credentials, Credentials::daemon(key));
  TRY(listener, listen_on(options.listen));
  TRY(const std::string bound, local_address(listener.get()));
  address = options.address.empty() ? bound : options.address;
  if (address.ends_with(":0")) address = address.substr(0, address.rfind(':')) + bound.substr(bound.rfind(':'));
  TRY(listener_wake, make_wake());
  listener_thread = std::thread([this] { accept_all(); });
  return {};
}

PilotRunner::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    ending = true;
    for (auto& call : std::exchange(queue, {}))
      finish(*call, fail(Kind::kUnavailable, "runtime.cancelled", "the provider ends"));
    wake_all();
  }
  if (listener_wake) wake(listener_wake.get());
  if (listener_thread.joinable()) listener_thread.join();
  std::unique_lock lock(mutex);
  caller_left.wait(lock, [this] { return callers == 0; });
}

void PilotRunner::Impl::accept_all() {
  name_thread("pilots");
  for (;;) {
    pollfd all[2] = {{.fd = listener.get(), .events = POLLIN, .revents = 0},
                     {.fd = listener_wake.get(), .events = POLLIN, .revents = 0}};
    (void)::poll(all, 2, 1'000);
    if (all[1].revents != 0) clear_wake(listener_wake.get());
    {
      const std::lock_guard lock(mutex);
      if (ending) break;
    }
    std::erase_if(connections, [](const auto& one) {
      if (one->over) one->thread.join();
      return one->over.load();
    });
    if ((all[0].revents & POLLIN) == 0) continue;
    Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket && errno != EAGAIN) (void)::poll(all + 1, 1, kPauseMs);  // without descriptors it would not rest
    const auto others = std::ranges::count_if(connections, [](const auto& one) { return !one->let_in; });
    if (!socket || static_cast<std::size_t>(others) >= kHandshakesMax) continue;
    auto made = std::make_unique<Connection>();
    auto wake_fd = make_wake();
    if (!wake_fd) continue;
    made->wake = std::move(*wake_fd);
    Connection& one = *made;
    connections.push_back(std::move(made));
    one.thread = std::thread([this, &one, socket = std::move(socket)]() mutable {
      serve(one, std::move(socket));
      one.over = true;
      wake(listener_wake.get());
    });
  }
  for (auto& one : connections) {
    wake(one->wake.get());
    one->thread.join();
  }
}

void PilotRunner::Impl::serve(Connection& connection, Fd socket) {
  name_thread("pilot");
  ignore_sigpipe();
  auto link = Link::open(credentials, std::move(socket), clock);
  if (!link) return;
  auto met = meet(connection, **link);
  if (!met) {
    {
      const std::lock_guard lock(mutex);
      ++counters.refused;
    }
    return refuse(**link, met.error(), connection.wake.get());
  }
  connection.let_in = true;
  const auto& pilot = *met;
  const Status ended = converse(*pilot, **link, connection.wake.get());
  const std::lock_guard lock(mutex);
  pilots.erase(pilot->name);
  if (!ended) lose(*pilot, ended.error());
}

// The hello, in time, and what is thought of it.
Result<std::shared_ptr<Pilot>> PilotRunner::Impl::meet(Connection& connection, Link& link) {
  const std::int64_t deadline_ns = clock.mono_ns() + options.hello_ms_max * kNsPerMs;
  for (;;) {
    TRY_OK(link.turn(connection.wake.get(), 100));
    if (const auto frame = link.take()) {
      if (frame->head.type != FrameType::kHello)
        return fail(Kind::kCorrupt, "pilots.bad_frame", "the first frame is no hello");
      TRY(const Hello hello, decode_hello(frame->payload));
      TRY(auto pilot, let_in(hello, connection.wake.get()));
      link.set_frame_max(kFrameSizeMax);
      link.send(FrameType::kWelcome, 0);
      return pilot;
    }
    const std::lock_guard lock(mutex);
    if (ending || clock.mono_ns() > deadline_ns)
      return fail(Kind::kUnavailable, "pilots.closed", "no hello came in time");
  }
}

Result<std::shared_ptr<Pilot>> PilotRunner::Impl::let_in(const Hello& hello, int wake_fd) {
  const std::lock_guard lock(mutex);
  const auto ticket = tickets.find(hello.name);
  if (ticket == tickets.end() || !same(ticket->second.view(), hello.secret.view()))
    return fail(Kind::kDenied, "pilots.bad_ticket", "found no ticket of this name and secret, or one shown before");
  tickets.erase(ticket);  // whatever comes of it
  if (hello.version != kVersion)
    return fail(Kind::kUnsupported, "pilots.version", text("found version {}, expected {}", hello.version, kVersion));
  if (hello.isolation < options.isolation)
    return fail(Kind::kUnsupported, "pilots.isolation",
                text("found isolation {}, this provider offers {}", hello.isolation, options.isolation));
  for (const auto& kind : options.kinds)
    if (std::ranges::find(hello.kinds, kind) == hello.kinds.end())
      return fail(Kind::kUnsupported, "pilots.kinds", text("found no kind {} among those of the pilot", kind));
  if (pilots.size() >= kPilotsMax)
    return fail(Kind::kExhausted, "pilots.full", text("{} pilots are connected already", kPilotsMax));
  auto pilot = std::make_shared<Pilot>();
  pilot->name = hello.name;
  pilot->slots = hello.slots;
  pilot->idle_since_ns = clock.mono_ns();
  pilot->wake_fd = wake_fd;
  pilots.emplace(hello.name, pilot);
  ++counters.let_in;
  return pilot;
}

void PilotRunner::Impl::refuse(Link& link, const Error& why, int wake_fd) {
  if (why.id() == "pilots.tls" || why.id() == "pilots.closed") return;
  link.send(FrameType::kRefused, 0, plugin::encode_error(why));
  for (int i = 0; i < kGoodbyeTurns; ++i) {  // until it has gone: then the pilot closes
    if (!link.turn(wake_fd, 100)) return;
    (void)link.take();
  }
}

Status PilotRunner::Impl::converse(Pilot& pilot, Link& link, int wake_fd) {
  std::int64_t ping_ns = 0;
  for (;;) {
    {
      const std::lock_guard lock(mutex);
      if (ending) return fail(Kind::kUnavailable, "runtime.cancelled", "the provider ends");
      if (pilot.cut) return fail(Kind::kUnavailable, "pilots.closed", "it was given up");
      TRY_OK(give(pilot, link));
      TRY_OK(watch(pilot, link));
    }
    const std::int64_t now_ns = clock.mono_ns();
    if (now_ns - link.heard_ns() > kSilentMsMax * kNsPerMs)
      return fail(Kind::kTimeout, "pilots.closed", text("nothing came for {} ms", kSilentMsMax));
    if (now_ns >= ping_ns) {
      link.send(FrameType::kPing, 0);
      ping_ns = now_ns + kPingMs * kNsPerMs;
    }
    const Status moved = link.turn(wake_fd, static_cast<int>(kPingMs / 2));
    while (const auto frame = link.take()) TRY_OK(hear(pilot, *frame));
    if (!moved) {
      const std::lock_guard lock(mutex);
      if (pilot.end_sent && pilot.calls.empty()) return {};
      return std::unexpected(moved.error().clone());
    }
  }
}

// Under the mutex, as the next: calls for free slots, and the end.
Status PilotRunner::Impl::give(Pilot& pilot, Link& link) {
  while (!pilot.retiring && !queue.empty() && pilot.calls.size() < pilot.slots && link.unsent() < kUnsentMax) {
    const CallPtr call = queue.front();
    queue.pop_front();
    ++call->attempts;
    ++running;
    call->deadline_ns = clock.mono_ns() + (call->limits.wall_ms + options.overhead_ms_max) * kNsPerMs;
    pilot.calls.emplace(call->id, call);
    link.send(FrameType::kRun, call->id, {&call->isolation, 1}, call->request);
  }
  if (!pilot.calls.empty()) pilot.idle_since_ns = clock.mono_ns();
  if (pilot.retiring && pilot.calls.empty() && !std::exchange(pilot.end_sent, true)) {
    link.send(FrameType::kEnd, 0);
  }
  return {};
}

// Stops that were asked for, and calls that take too long.
Status PilotRunner::Impl::watch(Pilot& pilot, Link& link) {
  const std::int64_t now_ns = clock.mono_ns();
  for (auto& [id, call] : pilot.calls) {
    if (call->stop && !std::exchange(call->stop_sent, true)) {
      link.send(FrameType::kStop, id);
      call->deadline_ns = now_ns + options.cancel_ms_max * kNsPerMs;
    }
    if (now_ns > call->deadline_ns)
      return fail(Kind::kTimeout, "pilots.closed", text("call {} took longer than it may", id));
  }
  return {};
}

Status PilotRunner::Impl::hear(Pilot& pilot, const Frame& frame) {
  if (frame.head.type == FrameType::kPing) return {};
  if (frame.head.type != FrameType::kDone && frame.head.type != FrameType::kFailed)
    return fail(Kind::kCorrupt, "pilots.bad_frame",
                text("found type {} from a pilot", static_cast<unsigned>(frame.head.type)));
  const auto find = [&]() -> CallPtr {
    const std::lock_guard lock(mutex);
    const auto at = pilot.calls.find(frame.head.call);
    return at == pilot.calls.end() ? nullptr : at->second;
  };
  const CallPtr call = find();
  if (call == nullptr)
    return fail(Kind::kCorrupt, "pilots.bad_frame",
                text("an answer to call {}, which it does not have", frame.head.call));
  Result<RunOutcome> result = RunOutcome();
  if (frame.head.type == FrameType::kDone) {
    TRY(RunOutcome outcome, runtime::decode_outcome(frame.payload));
    TRY_OK(within_limits(outcome, call->limits));
    result = std::move(outcome);
  } else {
    TRY(Error error, plugin::decode_error(frame.payload));
    result = std::unexpected(std::move(error));
  }
  const std::lock_guard lock(mutex);
  pilot.calls.erase(frame.head.call);
  --running;
  pilot.idle_since_ns = clock.mono_ns();
  finish(*call, std::move(result));
  return {};
}

// Under the mutex. The queue may grow beyond its limit by what was taken from it.
void PilotRunner::Impl::lose(Pilot& pilot, const Error& why) {
  ++counters.lost;
  for (auto& [id, call] : std::exchange(pilot.calls, {})) {
    --running;
    if (call->result || call->stop) {
      finish(*call, cancelled());
    } else if (ending) {
      finish(*call, std::unexpected(why.clone()));
    } else if (call->attempts >= options.attempts_max) {
      finish(*call, fail(Kind::kUnavailable, "runtime.worker_crashed",
                         text("{} pilots were lost with it, the last: {}", call->attempts, why.message())));
    } else {
      ++counters.given_again;
      call->queued_ns = clock.mono_ns();
      queue.push_front(call);
    }
  }
  wake_all();
}

void PilotRunner::Impl::finish(Call& call, Result<RunOutcome> result) {
  if (!call.result) call.result.emplace(std::move(result));
  call.done.notify_all();
}

void PilotRunner::Impl::wake_all() {
  for (const auto& [name, pilot] : pilots) wake(pilot->wake_fd);
}

PilotRunner::PilotRunner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PilotRunner::~PilotRunner() = default;

Result<std::unique_ptr<PilotRunner>> PilotRunner::start(RunnerOptions options, Random& random, Clock& clock) {
  auto impl = std::make_unique<Impl>(std::move(options), random, clock);
  TRY_OK(impl->begin());
  return std::unique_ptr<PilotRunner>(new PilotRunner(std::move(impl)));
}

Result<RunOutcome> PilotRunner::run(const runtime::RunRequest& request, std::uint8_t isolation,
                                    runtime::RunControl& control) {
  Impl& i = *impl_;
  TRY_OK(runtime::require_isolation(isolation, i.options.isolation));
  const auto call = std::make_shared<Call>();
  call->request = runtime::encode_request(request);
  call->isolation = isolation;
  call->limits = request.limits;
  if (call->request.size() > runtime::kRequestSizeMax)
    return fail(Kind::kExhausted, "runtime.request_too_large",
                text("found {} bytes, at most {}", call->request.size(), runtime::kRequestSizeMax));
  std::unique_lock lock(i.mutex);
  if (i.ending) return fail(Kind::kUnavailable, "runtime.cancelled", "the provider ends");
  if (i.queue.size() >= i.options.queue_max)
    return fail(Kind::kExhausted, "runtime.busy", text("{} calls wait for a pilot already", i.queue.size()));
  call->id = i.call_next++;
  call->queued_ns = i.clock.mono_ns();
  i.queue.push_back(call);
  ++i.callers;
  i.wake_all();
  std::int64_t stopped_ns = 0;
  while (!call->result) {
    call->done.wait_for(lock, std::chrono::milliseconds(kLookMs));
    if (call->result) break;
    const std::int64_t now_ns = i.clock.mono_ns();
    const auto at = std::ranges::find(i.queue, call);
    if (control.stop() && !std::exchange(call->stop, true)) {
      stopped_ns = now_ns;
      i.wake_all();
    }
    if (call->stop && (at != i.queue.end() || now_ns - stopped_ns > i.options.cancel_ms_max * kNsPerMs))
      i.finish(*call, cancelled());
    else if (at != i.queue.end() && now_ns - call->queued_ns > i.options.wait_ms_max * kNsPerMs)
      i.finish(*call, fail(Kind::kUnavailable, "runtime.no_worker",
                           text("no pilot took the call within {} ms", i.options.wait_ms_max)));
    if (call->result) std::erase(i.queue, call);
  }
  if (--i.callers == 0) i.caller_left.notify_all();
  return std::move(*call->result);
}

std::vector<std::string> PilotRunner::kinds() const { return impl_->options.kinds; }

Result<std::string> PilotRunner::issue(const std::string& name) {
  if (!is_pilot_name(name)) return fail(Kind::kInvalid, "pilots.bad_ticket", text("found '{}' as a name", name));
  Hash32 secret;
  impl_->random.fill(secret.span());
  const std::lock_guard lock(impl_->mutex);
  if (impl_->pilots.contains(name))
    return fail(Kind::kInvalid, "pilots.bad_ticket", text("found '{}' connected, expected another name", name));
  if (impl_->tickets.size() >= kPilotsMax)
    return fail(Kind::kExhausted, "pilots.full", text("{} tickets are out already", kPilotsMax));
  impl_->tickets.insert_or_assign(name, secret);
  return write_ticket({.address = impl_->address, .name = name, .pin = impl_->pin, .secret = secret});
}

void PilotRunner::withdraw(const std::string& name) {
  const std::lock_guard lock(impl_->mutex);
  impl_->tickets.erase(name);
  if (const auto at = impl_->pilots.find(name); at != impl_->pilots.end()) {
    at->second->cut = true;
    wake(at->second->wake_fd);
  }
}

void PilotRunner::retire(const std::string& name) {
  const std::lock_guard lock(impl_->mutex);
  if (const auto at = impl_->pilots.find(name); at != impl_->pilots.end()) {
    at->second->retiring = true;
    wake(at->second->wake_fd);
  }
}

RunnerSnapshot PilotRunner::snapshot() const {
  const std::lock_guard lock(impl_->mutex);
  RunnerSnapshot out{.queued = impl_->queue.size(), .running = impl_->running, .pilots = {}};
  const std::int64_t now_ns = impl_->clock.mono_ns();
  for (const auto& [name, pilot] : impl_->pilots)
    out.pilots.push_back(
        {.name = name,
         .idle_ms = pilot->calls.empty() ? std::max<std::int64_t>((now_ns - pilot->idle_since_ns) / kNsPerMs, 1) : 0});
  return out;
}

RunnerCounters PilotRunner::counters() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->counters;
}

}  // namespace hanse::pilots
