#include "node/roles/auditor.h"

#include <algorithm>
#include <chrono>

#include "base/core/text.h"
#include "base/exec/backoff.h"
#include "exchange/market/view.h"

namespace hanse::roles {

Auditor::Auditor(Ports ports, const NetworkId& network, std::int64_t recheck_ms, Judge judge)
    : ports_(ports), network_(network), recheck_ms_(recheck_ms), judge_(std::move(judge)) {}

void Auditor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  control_.request_stop();
  changed_.notify_all();
}

bool Auditor::wait_ms(std::int64_t ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_.load(); });
}

Status Auditor::run() {
  exec::Backoff backoff(ports_.random, {.first_ms = 100, .most_ms = 5'000});
  while (!stopping_) {
    Status looked = look();
    if (stopping_) return {};
    if (looked) {
      backoff.reset();
    } else if (looked.error().id() == "roles.other_network" || looked.error().id() == "market.not_auditor") {
      return looked;
    } else {
      ports_.report.failed(Level::kWarn, "auditor waits to try again", looked.error());
    }
    if (wait_ms(looked ? recheck_ms_ : backoff.next_ms())) return {};
  }
  return {};
}

Status Auditor::look() {
  TRY(const auto info, ports_.client.info());
  if (info.network != network_)
    return fail(Kind::kConflict, "roles.other_network",
                text("found a node of network {}, expected {}", info.network, network_));
  TRY(std::vector<Open> jobs, open_jobs());
  // Nobody's many audits put off one that ends before them.
  std::ranges::sort(jobs, {}, [](const Open& open) { return open.job.deadline; });
  for (const Open& open : jobs) {
    if (stopping_) return {};
    TRY_OK(take(open));
  }
  return {};
}

// The audits that are still to be judged here; what is known of others is forgotten.
Result<std::vector<Auditor::Open>> Auditor::open_jobs() {
  std::vector<Open> out;
  std::map<JobId, int> open;
  Bytes after;
  while (open.size() < kOpenMax && !stopping_) {
    TRY(const Bytes answer, ports_.client.query(market::kMarketApp, "audits", after));
    TRY(const std::vector<market::Audit> page, market::decode_audits(answer));
    for (const market::Audit& audit : page) {
      const bool judged = std::ranges::find(audit.verdicts, ports_.caller.account(), &market::Verdict::validator) !=
                          audit.verdicts.end();
      const int attempts = open[audit.id] = attempts_[audit.id];
      if (judged || attempts >= kAttemptsMax) continue;
      TRY(const Bytes record, ports_.client.query(market::kMarketApp, "job", audit.id.view()));
      TRY(market::Job job, market::decode_job(record));
      if (job.state == market::JobState::kAudited) out.push_back({.job = std::move(job), .witness = audit.witness});
    }
    if (page.size() < market::kPageMax) break;
    after = to_bytes(page.back().id.view());
  }
  attempts_ = std::move(open);
  return out;
}

Status Auditor::take(const Open& open) {
  const market::Job& job = open.job;
  int& attempts = attempts_[job.bid.job_id];
  ++attempts;
  auto holds = judge_(job, open.witness, control_);
  if (stopping_) return {};
  if (!holds) {
    ++counters_.failed;
    ports_.report.failed(Level::kWarn, "a receipt could not be judged", holds.error());
    return {};
  }
  if (!*holds) {
    ++counters_.unsure;
    attempts = kAttemptsMax;
    ports_.report.say(Level::kInfo, "a receipt depends on its machine: no verdict", {{"job", job.bid.job_id}});
    return {};
  }
  return say(job, **holds);
}

Status Auditor::say(const market::Job& job, bool holds) {
  const auto said = ports_.caller.call(
      market::Method::kJobVerdict,
      market::JobVerdict{.id = job.bid.job_id, .receipt_hash = job.result->receipt_hash, .holds = holds});
  ++(holds ? counters_.held : counters_.refuted);
  ports_.report.say(holds ? Level::kInfo : Level::kWarn, holds ? "a receipt holds" : "a receipt is false",
                    {{"job", job.bid.job_id}, {"provider", job.provider}});
  if (said || said.error().id() == "market.job_state" || said.error().id() == "market.verdict_twice") return {};
  return std::unexpected(said.error().clone());
}

}  // namespace hanse::roles
