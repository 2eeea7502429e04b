#include "node/roles/provider.h"

#include <chrono>

#include "base/exec/backoff.h"
#include "exchange/market/view.h"

namespace hanse::roles {
namespace {

constexpr int kOfferStepsMax = 64;
constexpr int kJobPagesMax = 32;

bool awaits_payload(const Status& status) { return !status && status.error().id() == "flow.awaits_payload"; }

bool may_pass(Kind kind) {
  return kind == Kind::kUnavailable || kind == Kind::kTimeout || kind == Kind::kExhausted || kind == Kind::kInternal;
}

}  // namespace

Provider::Provider(Ports ports, const NetworkId& network, ProviderOptions options, JobWork work)
    : ports_(ports), network_(network), options_(std::move(options)), work_(std::move(work)) {}

Provider::~Provider() { stop(); }

void Provider::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

Status Provider::run() {
  TRY(threads_, exec::ThreadPool::create({.threads = options_.parallel, .queue_max = kProviderQueueMax}));
  exec::Backoff backoff(ports_.random, {.first_ms = 100, .most_ms = 5'000});
  Status outcome;
  while (!stopping()) {
    const Status ended = session();
    const bool stood = standing_.exchange(false);
    if (stood) backoff.reset();
    if (ended) continue;  // only time for another look
    if (ended.error().id() == "roles.other_network") {
      outcome = std::unexpected(ended.error().clone());
      break;
    }
    if (stopping()) break;
    ports_.report.failed(Level::kWarn, "provider waits to try again", ended.error());
    ++counters_.reconnects;
    if (wait_stop_ms(backoff.next_ms())) break;
  }
  drain();
  return outcome;
}

Status Provider::session() {
  TRY(const auto info, ports_.client.info());
  if (info.network != network_)
    return fail(Kind::kConflict, "roles.other_network",
                text("found a node of network {}, expected {}", info.network, network_));
  TRY_OK(settle_offer(info.height));
  TRY_OK(resume());
  standing_ = true;
  return watch(info.height);
}

Status Provider::settle_offer(Height now) {
  for (int i = 0; i < kOfferStepsMax && !stopping(); ++i) {
    std::optional<market::Provider> known;
    auto record = ports_.client.query(market::kMarketApp, "provider", ports_.caller.account().view());
    if (record) {
      TRY(known, market::decode_provider(*record));
    } else if (record.error().kind() != Kind::kNotFound) {
      return std::unexpected(std::move(record.error()));
    }
    TRY(const Bytes answer,
        ports_.client.query(market::kMarketApp, "asks",
                            market::encode_query(market::AsksQuery{
                                .provider = ports_.caller.account(), .after_provider = {}, .after_ask = {}})));
    TRY(const auto asks, market::decode_asks(answer));
    TRY(const Bytes key, known_key());
    const OfferStep step = next_step(options_.offer, known, asks, now, key);
    switch (step.what) {
      case OfferStep::What::kDone: return {};
      case OfferStep::What::kWait:
        ports_.report.say(Level::kInfo, "provider keeps its old terms until its jobs end", {{"jobs", known->used}});
        return {};
      case OfferStep::What::kRegister: {
        TRY_OK(ports_.caller.call(market::Method::kProviderRegister, step.provider));
        ports_.report.say(Level::kInfo, "provider registered",
                          {{"bond_added_ut", step.provider.bond.value}, {"capacity", step.provider.capacity}});
        break;
      }
      case OfferStep::What::kWithdraw: {
        TRY_OK(ports_.caller.call(market::Method::kAskWithdraw, step.withdraw));
        break;
      }
      case OfferStep::What::kKey: {
        TRY_OK(ports_.caller.call(market::Method::kProviderKey, step.key));
        ports_.report.say(Level::kInfo, step.key.key.empty() ? "no more private jobs" : "private jobs are taken", {});
        break;
      }
      case OfferStep::What::kPost: {
        TRY_OK(ports_.caller.call(market::Method::kAskPost, step.ask));
        ports_.report.say(Level::kInfo, "ask posted",
                          {{"base_price_ut", step.ask.base_price.value}, {"valid_until", step.ask.valid_until.value}});
        break;
      }
    }
  }
  return {};
}

// Empty when there is none.
Result<Bytes> Provider::known_key() {
  auto key = ports_.client.query(market::kMarketApp, "provider_key", ports_.caller.account().view());
  if (!key && key.error().kind() == Kind::kNotFound) return Bytes{};
  return key;
}

Status Provider::resume() {
  market::JobsQuery query{
      .by = market::JobsBy::kProvider, .account = ports_.caller.account(), .after_height = {}, .after_job = {}};
  for (int page = 0; page < kJobPagesMax; ++page) {
    TRY(const Bytes answer, ports_.client.query(market::kMarketApp, "jobs", market::encode_query(query)));
    TRY(const auto jobs, market::decode_jobs(answer));
    for (const auto& job : jobs)
      if (job.state == market::JobState::kMatched || job.state == market::JobState::kStarted) take(job.bid.job_id);
    if (jobs.size() < query.limit) break;
    query.after_height = jobs.back().submitted;
    query.after_job = jobs.back().bid.job_id;
  }
  return {};
}

Status Provider::watch(Height from) {
  const std::int64_t until_ns = ports_.clock.mono_ns() + options_.recheck_ms * 1'000'000;
  const auto go_on = [&] { return !stopping() && !recheck_soon_.exchange(false) && ports_.clock.mono_ns() < until_ns; };
  return ports_.client.watch(
      from, "market.",
      [&](const client::LedgerEvent& e) {
        if (e.event.topic != market::topic_name(market::Topic::kMatched) &&
            e.event.topic != market::topic_name(market::Topic::kPayload))
          return go_on();
        const auto event = market::decode_event(e.event.topic, e.event.data);
        if (!event) {
          ports_.report.failed(Level::kError, "event of the node is not readable", event.error());
        } else if (event->provider == ports_.caller.account()) {
          take(event->job_id);
        }
        return go_on();
      },
      go_on);
}

void Provider::take(const JobId& id) {
  const auto job = std::make_shared<ActiveJob>();
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = active_.find(id); it != active_.end()) it->second->again = true;
    if (stopping_ || active_.size() >= kProviderQueueMax || !active_.emplace(id, job).second) return;
    awaiting_.erase(id);
  }
  const Status posted = threads_->post([this, id, job] { work_on(id, *job); });
  if (!posted) {
    ports_.report.failed(Level::kError, "job has no thread", posted.error());
    const std::lock_guard lock(mutex_);
    active_.erase(id);
  }
}

void Provider::work_on(const JobId& id, ActiveJob& job) {
  const Status done = attempt(id, job);
  std::unique_lock lock(mutex_);
  active_.erase(id);
  if (awaits_payload(done)) {
    if (stopping_ || job.again) {
      changed_.notify_all();
      lock.unlock();
      return stopping_ ? give_back(id, done.error()) : take(id);
    }
    if (awaiting_.size() < kProviderQueueMax) awaiting_.insert(id);
  } else if (done) {
    attempts_.erase(id);
  } else {
    recheck_soon_ = true;  // the ledger says whether it is still ours
  }
  changed_.notify_all();
}

Status Provider::attempt(const JobId& id, ActiveJob& job) {
  {
    const std::lock_guard lock(mutex_);
    job.begun = !stopping_;
  }
  if (!job.begun) {
    give_back(id, Error(Kind::kUnavailable, "roles.stopping", "the provider stops before it began"));
    return {};
  }
  ++counters_.taken;
  ++counters_.running;
  const std::int64_t start_ns = ports_.clock.mono_ns();
  const Status status = work_(id, job.control);
  --counters_.running;
  if (awaits_payload(status)) return std::unexpected(status.error().clone());
  if (status) {
    ++counters_.finished;
    ports_.report.say(Level::kInfo, "job done", {{"job", id}, {"ms", (ports_.clock.mono_ns() - start_ns) / 1'000'000}});
    return {};
  }
  ++counters_.failed;
  ports_.report.say(Level::kWarn, "job failed", {{"job", id}, {"error", status.error().str()}});
  bool last = !may_pass(status.error().kind()) || job.control.stop();
  {
    const std::lock_guard lock(mutex_);
    if (attempts_.size() > kProviderQueueMax) attempts_.clear();
    last = ++attempts_[id] >= kJobAttemptsMax || last;
    if (last) attempts_.erase(id);
  }
  if (!last) return std::unexpected(status.error().clone());
  give_back(id, status.error());
  return {};
}

void Provider::give_back(const JobId& id, const Error& why) {
  const auto done = ports_.caller.call(market::Method::kJobCancel, market::JobCancel{.id = id});
  if (done) {
    ++counters_.given_back;
    ports_.report.say(Level::kWarn, "job given back", {{"job", id}, {"why", why.id()}});
  } else {
    ports_.report.say(Level::kWarn, "job not given back", {{"job", id}, {"error", done.error().str()}});
  }
}

void Provider::withdraw_asks() {
  const auto answer =
      ports_.client.query(market::kMarketApp, "asks",
                          market::encode_query(market::AsksQuery{
                              .provider = ports_.caller.account(), .after_provider = {}, .after_ask = {}}));
  if (!answer) return ports_.report.failed(Level::kWarn, "asks stay: the node does not answer", answer.error());
  const auto asks = market::decode_asks(*answer);
  if (!asks) return ports_.report.failed(Level::kError, "asks are not readable", asks.error());
  for (const auto& ask : *asks)
    if (auto done = ports_.caller.call(market::Method::kAskWithdraw, market::AskWithdraw{.id = ask.id}); !done)
      return ports_.report.failed(Level::kWarn, "ask stays", done.error());
}

void Provider::decline_awaited() {
  std::set<JobId> awaited;
  {
    const std::lock_guard lock(mutex_);
    awaited.swap(awaiting_);
  }
  for (const JobId& id : awaited)
    give_back(id, Error(Kind::kUnavailable, "roles.stopping", "the provider stops before the payload came"));
}

void Provider::drain() {
  stop();
  withdraw_asks();
  decline_awaited();
  {
    std::unique_lock lock(mutex_);
    const auto empty = [this] { return active_.empty(); };
    if (!changed_.wait_for(lock, std::chrono::milliseconds(options_.drain_ms), empty))
      for (auto& [id, job] : active_) job->control.request_stop();
  }
  threads_->drain();
}

bool Provider::wait_stop_ms(std::int64_t ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_.load(); });
}

}  // namespace hanse::roles
