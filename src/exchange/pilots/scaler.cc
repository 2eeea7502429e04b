#include "exchange/pilots/scaler.h"

#include <chrono>

#include "base/core/text.h"
#include "base/core/thread_name.h"
#include "base/logging/log.h"
#include "base/telemetry/metrics.h"

namespace hanse::pilots {
namespace {

constexpr std::int64_t kLookMs = 200;

}  // namespace

Scaler::Scaler(PilotRunner& runner, Cluster& cluster, ControllerLimits limits, Clock& clock)
    : runner_(runner), cluster_(cluster), limits_(std::move(limits)), clock_(clock), thread_([this] { run(); }) {}

Scaler::~Scaler() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Scaler::run() {
  name_thread("scaler");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    happen(Seen{runner_.snapshot()});
    show();
    lock.lock();
    wake_.wait_for(lock, std::chrono::milliseconds(kLookMs), [this] { return stopping_; });
  }
  lock.unlock();
  happen(Ending{});
}

void Scaler::happen(const Event& event) {
  for (const Effect& effect : step(state_, limits_, event, now_ms())) carry_out(effect);
}

void Scaler::carry_out(const Effect& effect) {
  if (const auto* start = std::get_if<Start>(&effect)) {
    auto ticket = runner_.issue(start->name);
    auto id = ticket ? cluster_.start(start->name, *ticket) : std::unexpected(std::move(ticket).error());
    if (id) {
      logging::log_info("pilot started", {{"pilot", start->name}, {"id", *id}});
      return happen(Started{start->name, *id});
    }
    logging::log_warn("pilot not started", {{"pilot", start->name}, {"error", id.error().str()}});
    happen(StartFailed{start->name});
  } else if (const auto* cancel = std::get_if<Cancel>(&effect)) {
    runner_.withdraw(cancel->name);
    if (cancel->id.empty() || (state_.ending && away_)) return;
    const Status done = cluster_.cancel(cancel->id);
    away_ = !done;
    logging::log_info("pilot cancelled", {{"pilot", cancel->name}, {"id", cancel->id}});
    if (!done) logging::log_warn("pilot not cancelled", {{"id", cancel->id}, {"error", done.error().str()}});
  } else if (const auto* let_go = std::get_if<LetGo>(&effect)) {
    runner_.retire(let_go->name);
  } else {
    const std::int64_t asked_ms = now_ms();
    auto jobs = cluster_.list();
    if (jobs) return happen(ListedNow{asked_ms, std::move(*jobs)});
    logging::log_warn("pilots not listed", {{"error", jobs.error().str()}});
    happen(ListFailed{});
  }
}

void Scaler::show() {
  using telemetry::Metric;
  auto& registry = telemetry::registry();
  const auto snapshot = runner_.snapshot();
  registry.gauge(Metric::kPilotsWanted).set(state_.wanted);
  registry.gauge(Metric::kPilotsConnected).set(static_cast<std::int64_t>(snapshot.pilots.size()));
  registry.gauge(Metric::kPilotsQueue).set(static_cast<std::int64_t>(snapshot.queued));
  const auto total = [&](std::string_view what, std::uint64_t now) {
    registry.counter(Metric::kPilots, {what}).raise_to(now);
  };
  total("started", state_.started);
  total("failed", state_.failed);
  total("lost", state_.lost);
  total("orphan", state_.orphans);
}

}  // namespace hanse::pilots
