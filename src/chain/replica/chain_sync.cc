// When the chain lags: stop executing, fetch a state, go on from there (consensus.md 5.8 "Sync").
#include "base/core/text.h"
#include "chain/replica/dag.h"
#include "chain/replica/detail/effects.h"
#include "chain/replica/detail/rep.h"
#include "chain/stake/stake.h"

namespace hanse::replica {
namespace {

constexpr std::int64_t kSyncPauseNs = 10'000'000'000;  // after nobody had a state of use

consensus::Certificate certificate_of(const sync::Head& head) {
  consensus::Certificate out{
      .seq = head.header.height.value, .block = light::header_hash(head.header), .signatures = {}};
  for (const light::Attest& attest : head.certificate.attests)
    out.signatures.push_back({.replica = attest.validator, .signature = attest.signature});
  return out;
}

}  // namespace

void Chain::Rep::start_sync(const Options& options, const consensus::Config& config) {
  // Where sets change, a state does not say whether its epoch is about to end: there slots and handovers lead on. So
  // places here are those of the genesis set, and the numbers of peers are the same.
  if (!net || ledger->genesis().apps.contains(stake::kStakeApp)) return;
  snapshots = std::make_unique<Snapshots>(
      *ledger, *net, *clock,
      Snapshots::Options{.every = options.snapshot_every, .bytes_per_s = options.snapshot_bytes_per_s});
  snapshots->made(ledger->tip().header.height);
  sync::Config core;
  core.self = at->self;
  for (const light::Validator& validator : at->set.validators) core.power_bp.push_back(validator.power_bp);
  core.trusted = light::trust(ledger->genesis());
  core.epoch = config.epoch;
  core.lag_min = config.checkpoint_every;
  core.bytes_per_s = options.sync_bytes_per_s;
  core.first_id = random->next_u64() >> 1;
  sync_lag = options.sync_lag;
  syncer = std::make_unique<Syncer>(*ledger, *net, *clock, std::move(core),
                                    Syncer::Callbacks{.complete = [this](sync::Head head) { install(std::move(head)); },
                                                      .gave_up = [this] { inbox->sync_over(); },
                                                      .failed = [this](const Error& why) { halt(why); }});
  // One that was cut off goes on at once, before slots move the ledger away from where it began.
  const auto begun = Syncer::begun(*ledger);
  if (begun && *begun) sync_wanted = true;
}

void Chain::Rep::watch_lag(const Mail& mail, consensus::Effects& all) {
  if (!syncer) return;
  switch (sync_phase) {
    case SyncPhase::kNone: {
      const consensus::Facts& f = facts;  // of the turn before
      const bool lags = f.reported > f.executed + sync_lag && sync_again_ns <= clock->mono_ns();
      if (!lags && !sync_wanted) return;
      sync_wanted = false;
      show_sync(SyncPhase::kHolding);
      sync_began_ns = clock->mono_ns();
      return join(all, replica->hold(now()));
    }
    case SyncPhase::kHolding: {
      const consensus::Facts f = replica->facts();
      if (f.committed != f.executed) return;
      const auto view = ledger->view();
      if (!view || view->height().value != f.executed) return;  // the executor is about to say more
      show_sync(SyncPhase::kFetching);
      return syncer->begin(view->height(), light::header_hash(view->header()));
    }
    case SyncPhase::kFetching:
      if (mail.installed) {
        show_sync(SyncPhase::kNone);
        fetch_ns_last = clock->mono_ns() - sync_began_ns;
        return join(all, replica->installed(now(), *mail.installed));
      }
      if (!mail.sync_over) return;
      show_sync(SyncPhase::kNone);
      sync_again_ns = clock->mono_ns() + kSyncPauseNs;
      return join(all, replica->resume(now()));
  }
}

void Chain::Rep::show_sync(SyncPhase phase) {
  sync_phase = phase;
  sync_phase_shown = static_cast<std::uint8_t>(phase);
}

// On the Syncer's thread; the change itself on the executor's, which owns the ledger.
void Chain::Rep::install(sync::Head head) {
  applier->run([this, head = std::move(head)]() -> Status {
    kv::Batch extra;
    put_cut(extra, head.header.height.value, head.cut, recorder->durable_seq());
    TRY_OK(with_context(
        ledger::Installer(*ledger).finish(
            {.header = head.header, .certificate = head.certificate, .handovers = head.handovers}, std::move(extra)),
        text("install the state of block {}", head.header.height.value)));
    {
      const std::lock_guard lock(mutex);
      stats.height = head.header.height;
      ++stats.synced;
    }
    answer_applied();
    wake.notify_all();
    inbox->installed({.certificate = certificate_of(head), .cut = head.cut, .wants_block = false});
    return {};
  });
}

// Whoever waits for a transaction that was applied below the fetched state learns that it was.
void Chain::Rep::answer_applied() {
  std::vector<Hash32> ids;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [id, w] : waiting) ids.push_back(id);
  }
  const auto view = ledger->view();
  if (!view) return;
  for (const Hash32& id : ids) {
    auto applied = view->tx_result(id);
    if (applied && !*applied) continue;
    decltype(waiting)::node_type w;
    {
      const std::lock_guard lock(mutex);
      pool->done(id);
      waiting_txs = pool->count();
      w = waiting.extract(id);
    }
    if (w.empty()) continue;
    const auto outcome = [&]() -> Result<ledger::Applied> {
      if (!applied) return std::unexpected(applied.error().clone());
      return **applied;
    };
    for (Answer& answer : w.mapped().more) answer(outcome());
    w.mapped().first(outcome());
  }
}

}  // namespace hanse::replica
