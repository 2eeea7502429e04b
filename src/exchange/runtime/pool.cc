#include "exchange/runtime/pool.h"

#include <algorithm>

#include <unistd.h>

#include "base/core/text.h"
#include "base/plugin/error_wire.h"
#include "exchange/runtime/call.h"
#include "exchange/runtime/detail/nursery.h"
#include "exchange/runtime/detail/prepared_store.h"

namespace hanse::runtime {

namespace {

constexpr int kTickMs = 5;  // how often a running call looks at its control
constexpr std::size_t kAnswerMax = std::max(kOutcomeSizeMax, kPreparedSizeMax);
constexpr int kAttemptsMax = 3;  // workers tried when they die before they have the call
constexpr std::uint64_t kPageBytes = 64 * 1024;
constexpr std::uint64_t kCopiesOfRequest = 6;  // frame, call, request, and what the kind makes of its inputs

std::int64_t ms_to_ns(std::uint64_t ms) { return static_cast<std::int64_t>(ms) * 1'000'000; }

enum class End : std::uint8_t { kDone, kTimeout, kCancelled };

// What came of one call to one worker.
struct Answer {
  End end = End::kDone;
  Bytes payload;
};

RunOutcome unfinished(RunStatus status, std::string_view detail) {
  return {.status = status, .outputs = {}, .gas = 0, .detail = std::string(detail), .kernel_class = {}};
}

Status within_limits(const RunOutcome& outcome, const gxf::Limits& limits) {
  std::uint64_t size = 0;
  for (const auto& output : outcome.outputs) size += output.size();
  if (size > limits.out_bytes)
    return fail(Kind::kCorrupt, "runtime.frame",
                text("found {} bytes of output, the request allows {}", size, limits.out_bytes));
  if (outcome.gas > limits.gas)
    return fail(Kind::kCorrupt, "runtime.frame", text("found {} gas, the request allows {}", outcome.gas, limits.gas));
  if (outcome.status != RunStatus::kOk && !outcome.outputs.empty())
    return fail(Kind::kCorrupt, "runtime.frame", text("found outputs with status {}", run_status_name(outcome.status)));
  return {};
}

}  // namespace

struct Pool::Impl {
  Impl(PoolOptions o, Clock& c) : options(std::move(o)), clock(c), prepared(options.prepared_bytes_max) {}

  PoolOptions options;
  Clock& clock;
  PreparedStore prepared;
  std::unique_ptr<Nursery> nursery;
  std::vector<std::string> kinds;
  std::uint8_t level = 0;
  const std::uint64_t processors = static_cast<std::uint64_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  std::atomic<std::uint64_t> runs{0}, crashes{0}, timeouts{0}, cancelled{0}, hits{0}, misses{0};

  // One call being answered by one worker.
  struct Exchange {
    Worker& worker;
    const RunControl& control;
    bool preparing = false;
    bool taken = false;  // the worker has the call
    std::int64_t deadline_ns = 0;
    std::int64_t kill_ns = 0;  // not 0: asked to stop
    End end = End::kDone;
  };

  Status admit(const RunRequest& request, std::uint8_t isolation) const;
  Result<Answer> call(CallOp op, const RunRequest& request, ByteView claimed, const RunControl& control);
  Result<Answer> exchange(Exchange& x, const RunRequest& request, const Hash32& key);
  CallOrder order_of(CallOp op, const RunRequest& request, std::size_t call_size, bool prepare) const;
  Error crashed(Worker& worker, std::string_view why);
  // True when the call is over because the time to end well has passed too.
  bool out_of_time(Exchange& x) const;
};

Status Pool::Impl::admit(const RunRequest& request, std::uint8_t isolation) const {
  TRY_OK(require_isolation(isolation, level));
  if (request.kind.size() > kKindNameMax || std::ranges::find(kinds, request.kind) == kinds.end())
    return fail(Kind::kUnsupported, "runtime.no_kind", text("no plug-in runs {}", request.kind));
  return {};
}

CallOrder Pool::Impl::order_of(CallOp op, const RunRequest& request, std::size_t call_size, bool prepare) const {
  CallOrder order{.kind = request.kind};
  order.prepare = prepare;
  order.data_max = options.memory_overhead_bytes + kPageBytes * request.limits.mem_pages + kCopiesOfRequest * call_size;
  const std::uint64_t wall_ms = request.limits.wall_ms + (prepare ? options.prepare_ms_max : 0) + options.grace_ms;
  order.cpu_s_max = static_cast<std::uint32_t>(std::min<std::uint64_t>(wall_ms * processors / 1000 + 2, 1u << 30));
  if (op == CallOp::kCheck) order.prepare = false;
  return order;
}

Error Pool::Impl::crashed(Worker& worker, std::string_view why) {
  crashes.fetch_add(1, std::memory_order_relaxed);
  worker.kill();
  const auto ended = nursery->how_it_ended(worker.id());
  auto words = worker.last_words(512);
  while (!words.empty() && words.back() == '\n') words.pop_back();
  Error error(Kind::kUnavailable, "runtime.worker_crashed",
              text("{}; worker ended by {}", why, ended.empty() ? "nobody knows what" : ended));
  if (words.empty()) return error;
  return std::move(error).with(text("last words: {}", words));
}

bool Pool::Impl::out_of_time(Exchange& x) const {
  const auto now_ns = clock.mono_ns();
  if (x.kill_ns != 0) return now_ns > x.kill_ns;
  if (now_ns > x.deadline_ns) {
    x.end = End::kTimeout;
  } else if (x.control.stop()) {
    x.end = End::kCancelled;
  } else {
    return false;
  }
  x.worker.request_stop();
  x.kill_ns = now_ns + ms_to_ns(options.grace_ms);
  return false;
}

Result<Answer> Pool::Impl::exchange(Exchange& x, const RunRequest& request, const Hash32& key) {
  while (!out_of_time(x)) {
    const auto left_ns = (x.kill_ns != 0 ? x.kill_ns : x.deadline_ns) - clock.mono_ns();
    const auto wait_ms = static_cast<int>(std::clamp<std::int64_t>(left_ns / 1'000'000 + 1, 1, kTickMs));
    auto arrived = x.worker.pump(wait_ms, kAnswerMax);
    // A worker that ends while it is being stopped did what it was asked for.
    if (!arrived && x.kill_ns != 0) break;
    if (!arrived) return std::unexpected(crashed(x.worker, arrived.error().message()));
    if (!*arrived) continue;
    auto frame = x.worker.take();
    if (x.kill_ns != 0) break;
    if (!x.taken && frame.type == FrameType::kTaken) {
      x.taken = true;
      continue;
    }
    if (x.taken && x.preparing && frame.type == FrameType::kPrepared) {
      prepared.put(key, std::move(frame.payload));
      x.preparing = false;
      x.deadline_ns = clock.mono_ns() + ms_to_ns(request.limits.wall_ms);
      continue;
    }
    if (frame.type == FrameType::kFailed) {
      auto error = plugin::decode_error(frame.payload);
      if (error) return std::unexpected(std::move(*error));
      return std::unexpected(crashed(x.worker, "answered an error that cannot be read"));
    }
    if (frame.type != FrameType::kDone || x.preparing || !x.taken)
      return std::unexpected(
          crashed(x.worker, text("answered with a frame of type {}", static_cast<unsigned>(frame.type))));
    return Answer{.end = End::kDone, .payload = std::move(frame.payload)};
  }
  if (x.preparing && x.end == End::kTimeout)
    return fail(Kind::kTimeout, "runtime.prepare_timeout", text("preparing took over {} ms", options.prepare_ms_max));
  (x.end == End::kTimeout ? timeouts : cancelled).fetch_add(1, std::memory_order_relaxed);
  return Answer{.end = x.end, .payload = {}};
}

Result<Answer> Pool::Impl::call(CallOp op, const RunRequest& request, ByteView claimed, const RunControl& control) {
  runs.fetch_add(1, std::memory_order_relaxed);
  const auto encoded = encode_request(request);
  if (encoded.size() > kRequestSizeMax || claimed.size() > kOutcomeSizeMax)
    return fail(Kind::kExhausted, "runtime.request_too_large",
                text("found {} bytes, expected at most {}", std::max(encoded.size(), claimed.size()), kRequestSizeMax));
  Hash32 key;
  std::shared_ptr<const Bytes> ready;
  const bool may_prepare = op != CallOp::kCheck && !request.artifact.empty();
  if (may_prepare) {
    key = PreparedStore::key(request);
    ready = prepared.find(key);
    (ready ? hits : misses).fetch_add(1, std::memory_order_relaxed);
  }
  const bool preparing = may_prepare && !ready;
  const auto body = encode_call(
      {.op = op, .request = encoded, .prepared = ready ? ByteView(*ready) : ByteView{}, .claimed = claimed});
  const auto order = encode_order(order_of(op, request, body.size(), preparing));
  for (int attempt = 1;; ++attempt) {
    auto got = nursery->take(control);
    if (!got && got.error().id() == "runtime.cancelled") {
      cancelled.fetch_add(1, std::memory_order_relaxed);
      return Answer{.end = End::kCancelled, .payload = {}};
    }
    TRY(auto worker, std::move(got));
    worker->queue(FrameType::kCall, {order, body});
    Exchange x{.worker = *worker, .control = control, .preparing = preparing};
    x.deadline_ns = clock.mono_ns() + ms_to_ns(preparing ? options.prepare_ms_max : request.limits.wall_ms);
    auto answer = exchange(x, request, key);
    if (answer && answer->end == End::kDone && op == CallOp::kRun) {
      auto outcome = decode_outcome(answer->payload);
      auto fits =
          outcome ? within_limits(*outcome, request.limits) : Status(std::unexpected(std::move(outcome).error()));
      if (!fits)
        answer =
            std::unexpected(crashed(*worker, text("answered an outcome that cannot be: {}", fits.error().message())));
    }
    const bool answered = answer && answer->end == End::kDone;
    nursery->give_back(std::move(worker), answered ? Nursery::Left::kAnswered : Nursery::Left::kUnfinished);
    // A worker that died before it had the call died of something else: nothing of the job has run.
    const bool untouched = !answer && !x.taken && answer.error().id() == "runtime.worker_crashed";
    if (!untouched || attempt == kAttemptsMax) return answer;
  }
}

Result<std::unique_ptr<Pool>> Pool::start(PoolOptions options, Clock& clock) {
  auto impl = std::make_unique<Impl>(std::move(options), clock);
  TRY(impl->nursery, Nursery::start(impl->options, clock));
  impl->kinds = impl->nursery->kinds();
  impl->level = impl->nursery->report().isolation.level;
  return std::unique_ptr<Pool>(new Pool(std::move(impl)));
}

Pool::Pool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pool::~Pool() = default;

Result<RunOutcome> Pool::run(const RunRequest& request, std::uint8_t isolation, RunControl& control) {
  TRY_OK(impl_->admit(request, isolation));
  TRY(const auto answer, impl_->call(CallOp::kRun, request, {}, control));
  if (answer.end == End::kTimeout) return unfinished(RunStatus::kTimeout, "wall_ms passed");
  if (answer.end == End::kCancelled) return unfinished(RunStatus::kCancelled, "cancelled");
  return decode_outcome(answer.payload);
}

Status Pool::verify(const RunRequest& request, const RunOutcome& claimed, std::uint8_t isolation, RunControl& control) {
  TRY_OK(impl_->admit(request, isolation));
  TRY(const auto answer, impl_->call(CallOp::kVerify, request, encode_outcome(claimed), control));
  if (answer.end == End::kDone) return {};
  return fail(Kind::kTimeout, "runtime.verify_unfinished",
              answer.end == End::kTimeout ? "wall_ms passed" : "cancelled");
}

Status Pool::check(const RunRequest& request, RunControl& control) {
  TRY_OK(impl_->admit(request, 0));
  TRY(const auto answer, impl_->call(CallOp::kCheck, request, {}, control));
  if (answer.end == End::kDone) return {};
  return fail(Kind::kTimeout, "runtime.verify_unfinished",
              answer.end == End::kTimeout ? "wall_ms passed" : "cancelled");
}

std::vector<std::string> Pool::kinds() const { return impl_->kinds; }
std::uint8_t Pool::level() const { return impl_->level; }
PoolReport Pool::report() const { return impl_->nursery->report(); }
std::size_t Pool::warm_now() const { return impl_->nursery->warm_now(); }

PoolCounters Pool::counters() const {
  return {.runs = impl_->runs,
          .crashes = impl_->crashes,
          .timeouts = impl_->timeouts,
          .cancelled = impl_->cancelled,
          .spawned = impl_->nursery->spawned(),
          .prepared_hits = impl_->hits,
          .prepared_misses = impl_->misses,
          .zygotes = impl_->nursery->zygotes(),
          .running = impl_->nursery->running(),
          .waiting = impl_->nursery->waiting()};
}

}  // namespace hanse::runtime
