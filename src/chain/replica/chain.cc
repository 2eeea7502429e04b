#include "chain/replica/chain.h"

#include <algorithm>
#include <chrono>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/logging/log.h"
#include "chain/replica/detail/rep.h"

namespace hanse::replica {

using ledger::Applied;
using ledger::View;

// ---- answers -------------------------------------------------------------------------------------------------------

// On the executor's thread, after the block is in the store.
void Chain::Rep::deliver(Made made) {
  const ledger::Executed& block = made.block;
  std::vector<std::pair<Answer, Result<Applied>>> ready;
  std::vector<std::pair<Answer, Hash32>> known;
  std::int64_t oldest_ns = 0;
  std::optional<ChainStats> shown;
  {
    const std::lock_guard lock(mutex);
    const auto take = [&](const Hash32& id, const auto& use) {
      pool->done(id);
      const auto it = waiting.find(id);
      if (it == waiting.end()) return;
      oldest_ns = oldest_ns == 0 ? it->second.since_ns : std::min(oldest_ns, it->second.since_ns);
      for (Answer& answer : it->second.more) use(std::move(answer));
      use(std::move(it->second.first));
      waiting.erase(it);
    };
    for (std::uint32_t i = 0; i < block.tx_ids.size(); ++i)
      take(block.tx_ids[i], [&](Answer answer) {
        ready.emplace_back(
            std::move(answer),
            Applied{.tx_id = block.tx_ids[i], .height = block.header.height, .index = i, .result = block.results[i]});
      });
    for (const Hash32& id : block.skipped) take(id, [&](Answer answer) { known.emplace_back(std::move(answer), id); });
    for (const Hash32& id : made.left_out)
      take(id, [&](Answer answer) {
        ready.emplace_back(std::move(answer), fail(Kind::kExhausted, "replica.slot_full",
                                                   text("found slot {} full after {} transactions",
                                                        block.header.height.value, block.tx_ids.size())));
      });
    stats.height = block.header.height;
    stats.admitted_ns_last = oldest_ns;
    stats.blocks += 1;
    stats.txs += block.tx_ids.size();
    stats.replayed += settled || !alone() ? 0 : 1;
    stats.bad_batches += made.bad_batches;
    stats.bad_txs += made.bad_txs;
    stats.execute_ns_last = made.execute_ns;
    stats.commit_ns_last = made.commit_ns;
  }
  wake.notify_all();
  if (std::ranges::any_of(block.events, [](const ledger::Event& e) { return e.topic == "stake.changed"; }))
    if (const Status met = meet_members(); !met) halt(met.error());
  for (auto& [answer, result] : ready) answer(std::move(result));
  for (auto& [answer, id] : known) {
    // Applied in an earlier block, between the submitter's look and the pool: the stored answer is the answer.
    const auto stored = [&]() -> Result<Applied> {
      TRY(const View now, ledger->view());
      TRY(auto applied, now.tx_result(id));
      check(applied.has_value(), "a skipped transaction has a stored result");
      return *std::move(applied);
    };
    answer(stored());
  }
  {
    const std::lock_guard lock(mutex);
    const std::int64_t at_ns = clock->mono_ns();
    stats.block_ns_last = at_ns - made.queued_ns;
    if (oldest_ns != 0) stats.finality_ns_last = at_ns - oldest_ns;
    stats.sync_ns_last = recorder->sync_ns_last();
    if (on_block) shown = stats;
  }
  if (shown) on_block(*shown);
}

// Whoever waits for anything looks again.
void Chain::Rep::wake_all() {
  for (std::mutex* each : {&mutex, &turn_mutex}) const std::lock_guard lock(*each);  // not between a look and a sleep
  wake.notify_all();
  wake_certified.notify_all();
  turned.notify_all();
}

void Chain::Rep::answer_all(const Error& error) {
  std::unordered_map<Hash32, Waiting> all;
  {
    const std::lock_guard lock(mutex);
    all.swap(waiting);
  }
  for (auto& [id, w] : all) {
    for (Answer& answer : w.more) answer(std::unexpected(error.clone()));
    w.first(std::unexpected(error.clone()));
  }
}

// From any thread inside: nothing is voted on, executed or accepted from here on.
void Chain::Rep::halt(const Error& why) {
  {
    const std::lock_guard lock(mutex);
    if (halted || stopping) return;
    halted.emplace(Kind::kInternal, "ledger.halted", why.str());
  }
  logging::log_error("this validator has halted", {{"reason", why.str()}});
  over = true;
  inbox->stop();
  wake_all();
  answer_all(*halted);  // set once
}

Status Chain::Rep::refuse_locked() const {
  if (halted) return std::unexpected(halted->clone());
  if (abstaining) return fail(Kind::kUnavailable, "ledger.abstaining", abstain_reason);
  if (at->follows())
    return fail(Kind::kUnavailable, "replica.follower",
                text("found this node's key outside the validator set of epoch {}", at->epoch));
  if (stopping) return fail(Kind::kUnavailable, "ledger.stopped", "the chain is stopping");
  return {};
}

void Chain::Rep::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  over = true;
  wake_all();
  if (net) net->stop();
  if (inbox) inbox->stop();
  if (loop.joinable()) loop.join();
  if (recorder) recorder->stop();
  if (applier) applier->stop();
  if (signer) signer->stop();
  if (syncer) syncer->stop();
  if (snapshots) snapshots->stop();
  if (server) server->stop();
  answer_all(Error(Kind::kUnavailable, "ledger.stopped", "the chain stopped before the transaction's block"));
}

Status Chain::Rep::submit_async(const ledger::Tx& tx, Answer answer) {
  Bytes bytes = ledger::encode_tx(tx);
  const Hash32 id = ledger::tx_id(bytes);
  {
    const std::lock_guard lock(mutex);
    TRY_OK(refuse_locked());
    if (pool->pending(id))
      if (const auto it = waiting.find(id); it != waiting.end()) {
        it->second.more.push_back(std::move(answer));
        return {};
      }
  }
  TRY(const View now, ledger->view());
  TRY(auto before, now.tx_result(id));
  if (before) {
    answer(*std::move(before));
    return {};
  }
  TRY_OK(now.check(tx, clock->wall_ms()));
  const auto payer = ledger->app(tx.app)->payer(tx);
  const std::int64_t since_ns = clock->mono_ns();
  bool due = false;
  {
    const std::lock_guard lock(mutex);
    TRY_OK(refuse_locked());
    if (!pool->pending(id)) {
      const bool short_before = pool->bytes() < kBatchBytesGoal;
      TRY_OK(pool->add(id, std::move(bytes), payer, since_ns));
      waiting_txs = pool->count();
      due = pool->count() == 1 || (short_before && pool->bytes() >= kBatchBytesGoal);
    }
    const auto [it, fresh] = waiting.try_emplace(id, Rep::Waiting{.first = {}, .more = {}, .since_ns = since_ns});
    (fresh ? it->second.first : it->second.more.emplace_back()) = std::move(answer);
  }
  if (due) inbox->kick();
  return {};
}

// ---- the door ------------------------------------------------------------------------------------------------------

Chain::Chain(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Chain::~Chain() = default;
void Chain::stop() { rep_->stop(); }

Status Chain::submit_async(const ledger::Tx& tx, Answer answer) { return rep_->submit_async(tx, std::move(answer)); }

Result<Applied> Chain::submit(const ledger::Tx& tx, std::int64_t deadline_ms) {
  struct Slot {
    std::mutex mutex;
    std::condition_variable done;
    std::optional<Result<Applied>> answer;
  };
  // Shared: after a timeout the answer may still come.
  const auto slot = std::make_shared<Slot>();
  TRY_OK(submit_async(tx, [slot](Result<Applied> answer) {
    {
      const std::lock_guard lock(slot->mutex);
      slot->answer = std::move(answer);
    }
    slot->done.notify_all();
  }));
  std::unique_lock lock(slot->mutex);
  const auto wait = std::chrono::milliseconds(deadline_ms);
  if (deadline_ms <= 0 || !slot->done.wait_for(lock, wait, [&] { return slot->answer.has_value(); }))
    return fail(Kind::kTimeout, "ledger.timeout",
                text("no block within {} ms, the transaction may still be applied", deadline_ms));
  return *std::move(slot->answer);
}

const light::Genesis& Chain::genesis() const { return rep_->ledger->genesis(); }
const NetworkId& Chain::network() const { return rep_->ledger->network(); }
consensus::Index Chain::self() const { return rep_->seats()->self; }
light::ValidatorSet Chain::validators() const { return rep_->seats()->set; }
AccountId Chain::validator_id(consensus::Index place) const {
  const auto seats = rep_->seats();
  return place < seats->ids.size() ? seats->ids[place] : AccountId{};
}
Result<View> Chain::view() const { return rep_->ledger->view(); }
Result<View> Chain::proof_view(light::Grade grade) const { return rep_->ledger->proof_view(grade); }
std::optional<ledger::Certified> Chain::certified(light::Grade grade) const { return rep_->ledger->certified(grade); }

Height Chain::height() const {
  const std::lock_guard lock(rep_->mutex);
  return rep_->stats.height;
}

Height Chain::wait_above(Height height, std::int64_t timeout_ms) const {
  std::unique_lock lock(rep_->mutex);
  rep_->wake.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                      [&] { return rep_->stats.height > height || rep_->stopping || rep_->halted; });
  return rep_->stats.height;
}

Result<View> Chain::wait_certified(Height height, std::int64_t timeout_ms, light::Grade grade) const {
  std::optional<View> found;
  const auto reached = [&] {
    auto view = rep_->ledger->proof_view(grade);
    if (view && view->height() >= height) found.emplace(*std::move(view));
    return found.has_value();
  };
  std::unique_lock lock(rep_->mutex);
  rep_->wake_certified.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                [&] { return reached() || rep_->stopping || rep_->halted; });
  if (found) return *std::move(found);
  return fail(Kind::kUnavailable, "ledger.uncertified",
              text("found no {} certificate at or above block {} within {} ms, the newest block is {}",
                   light::grade_name(grade), height.value, timeout_ms, rep_->stats.height.value));
}

Net::Peer Chain::peer(consensus::Index index) const {
  const auto seats = rep_->seats();
  if (!rep_->net || index >= seats->numbers.size() || index == seats->self || seats->numbers[index] == kNobody)
    return {};
  return rep_->net->peer(seats->numbers[index]);
}
std::uint16_t Chain::port() const { return rep_->net ? rep_->net->port() : 0; }
Status Chain::set_peer_address(consensus::Index peer, std::string_view address) {
  const auto seats = rep_->seats();
  if (rep_->net && peer < seats->numbers.size()) return rep_->net->set_address(seats->numbers[peer], address);
  return fail(Kind::kInvalid, "replica.network", "found no network whose address could be set");
}

ChainStats Chain::stats() const {
  const Rep& r = *rep_;
  ChainStats out;
  {
    const std::lock_guard lock(r.mutex);
    out = r.stats;
    out.pool_count = r.pool->count();
    out.pool_bytes = r.pool->bytes();
  }
  {
    const std::lock_guard lock(r.turn_mutex);
    out.facts = r.facts;
    out.consensus = r.counters;
  }
  out.abstaining = r.abstaining;
  if (r.recorder) {
    out.syncs = r.recorder->syncs();
    out.records = r.recorder->records();
    out.record_bytes = r.recorder->bytes();
    out.frames_dropped = r.inbox->dropped();
    out.backlog_bytes = r.applier->backlog_bytes();
  }
  if (r.syncer) {
    out.sync = r.syncer->stats();
    const Snapshots::Stats given = r.snapshots->stats();
    out.sync_phase = r.sync_phase_shown;
    out.fetch_ns_last = r.fetch_ns_last;
    out.snapshot_answers = given.answered;
    out.snapshot_bytes = given.bytes;
  }
  if (r.server) {
    const Server::Stats served = r.server->stats();
    out.served = served.answered;
    out.serve_refused = served.refused + served.failed;
  }
  return out;
}

consensus::Facts Chain::facts() const {
  const std::lock_guard lock(rep_->turn_mutex);
  return rep_->facts;
}

Result<light::ValidatorSet> Chain::valset(std::uint64_t epoch) const { return rep_->ledger->valset(epoch); }

Status Chain::responds(std::int64_t within_ms) const {
  const Rep& r = *rep_;
  const auto halted = [&r]() -> Status {
    const std::lock_guard lock(r.mutex);
    return r.halted ? Status(std::unexpected(r.halted->clone())) : Status();
  };
  TRY_OK(halted());
  if (!r.inbox || r.over) return {};  // abstaining alone, or on its way out
  std::unique_lock lock(r.turn_mutex);
  const std::uint64_t turn = r.turns;
  r.asked_turn = true;
  lock.unlock();
  r.inbox->kick();
  lock.lock();
  const bool turned =
      r.turned.wait_for(lock, std::chrono::milliseconds(within_ms), [&] { return r.turns != turn || r.over; });
  lock.unlock();
  TRY_OK(halted());
  if (turned) return {};
  return fail(Kind::kUnavailable, "replica.stuck", text("found no turn of the replica within {} ms", within_ms));
}

Status Chain::audit() const { return rep_->ledger->audit(); }
Status Chain::checkpoint(const std::string& path) const { return rep_->ledger->checkpoint(path); }

Status Chain::health() const {
  {
    const std::lock_guard lock(rep_->mutex);
    TRY_OK(rep_->refuse_locked());
  }
  return rep_->ledger->health();
}

}  // namespace hanse::replica
