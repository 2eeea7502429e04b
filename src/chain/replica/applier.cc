#include "chain/replica/applier.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/core/thread_name.h"
#include "chain/consensus/cut.h"
#include "chain/replica/dag.h"

namespace hanse::replica {
namespace {}  // namespace

Applier::Applier(ledger::Ledger& ledger, Clock& clock, Options options, Callbacks callbacks)
    : ledger_(ledger), clock_(clock), options_(std::move(options)), callbacks_(std::move(callbacks)), thread_([this] {
        loop();
      }) {}

Applier::~Applier() { stop(); }

void Applier::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Applier::put(Work work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void Applier::execute(consensus::Execute slot, std::shared_ptr<const Seats> seats) {
  backlog_bytes_ += slot.bytes();
  put(Slot{.execute = std::move(slot), .seats = std::move(seats), .queued_ns = clock_.mono_ns()});
}

void Applier::end_epoch(consensus::EpochEnd end) { put(std::move(end)); }

void Applier::certify(consensus::Certificate certificate) { put(std::move(certificate)); }

void Applier::run(std::function<Status()> work) { put(std::move(work)); }

void Applier::loop() {
  name_thread("applier");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    Work work = std::move(queue_.front());
    queue_.pop_front();
    const bool last = std::ranges::none_of(queue_, [](const Work& w) { return std::holds_alternative<Slot>(w); });
    lock.unlock();
    Status done;
    if (Slot* slot = std::get_if<Slot>(&work)) {
      done = make(*slot, last);
      backlog_bytes_ -= slot->execute.bytes();
    } else if (const auto* other = std::get_if<std::function<Status()>>(&work)) {
      done = (*other)();
    } else if (auto* certificate = std::get_if<consensus::Certificate>(&work)) {
      done = keep(std::move(*certificate));
    } else {
      done = finish(std::get<consensus::EpochEnd>(std::move(work)));
    }
    if (!done) return callbacks_.failed(done.error());
    lock.lock();
  }
}

// `last`: nothing follows yet, so this block may be attested for want of a later one.
Status Applier::make(Slot& slot, bool last) {
  const consensus::Execute& e = slot.execute;
  Flat flat =
      flatten(e.vertices, [this](std::uint8_t app) { return ledger_.app(app) != nullptr; }, options_.slot_txs_max);
  ledger::Cut cut{.height = Height{e.seq},
                  .time_ms = ledger_.tip().header.time_ms + 1,
                  .leader = {},
                  .txs = std::move(flat.txs),
                  .epoch = slot.seats->epoch,
                  .id = consensus::cut_id(e.digest, e.cut),
                  .epoch_end = e.epoch_end,
                  .tx_ids = std::move(flat.tx_ids),
                  .places = std::move(flat.places),
                  .sources = std::move(flat.sources)};
  if (e.proposal) {
    cut.time_ms = std::max(cut.time_ms, e.proposal->time_ms);
    if (e.proposal->leader < slot.seats->ids.size()) cut.leader = slot.seats->ids[e.proposal->leader];
  }
  const std::int64_t started = clock_.mono_ns();
  if (options_.check_determinism) TRY_OK(ledger_.check_determinism(cut));
  Made made{.block = {},
            .left_out = std::move(flat.left_out),
            .bad_batches = flat.bad_batches,
            .bad_txs = flat.bad_txs,
            .queued_ns = slot.queued_ns};
  TRY(made.block, with_context(ledger_.execute(cut), text("execute slot {}", e.seq)));
  const std::int64_t executed = clock_.mono_ns();
  kv::Batch batch;
  put_slot(batch, e, cut.time_ms, callbacks_.journal_seq());
  const bool checkpoint = e.seq % options_.checkpoint_every == 0;
  if (checkpoint && made.block.epoch_due) put_epoch_due(batch, e.seq);
  if (e.epoch_end) put_epoch_end(batch, slot.seats->epoch, e.seq);
  const bool provable = last || e.seq % options_.attest_every == 0;
  TRY_OK(
      with_context(ledger_.commit(made.block, provable ? ledger::Keep::kForProof : ledger::Keep::kNo, std::move(batch)),
                   text("commit slot {}", e.seq)));
  made.execute_ns = executed - started;
  made.commit_ns = clock_.mono_ns() - executed;
  const consensus::Reached reached{.seq = e.seq,
                                   .block = light::header_hash(made.block.header),
                                   .wants_block = made.block.wants_block,
                                   .epoch_due = made.block.epoch_due};
  callbacks_.made(std::move(made));
  callbacks_.executed(reached);
  const auto early = early_.find(e.seq);
  if (early == early_.end()) return {};
  return keep(std::move(early_.extract(early).mapped()));
}

// Who votes in the next epoch must never come back as somebody who does not know that this one ended.
Status Applier::finish(consensus::EpochEnd end) {
  TRY_OK(keep(end.certificate));
  TRY_OK(ledger_.sync());
  const light::BlockHeader& tip = ledger_.tip().header;
  callbacks_.ended({.epoch = ledger_.epoch(),
                    .set = ledger_.next_set(),
                    .base = tip.height.value,
                    .base_block = light::header_hash(tip),
                    .wants_block = ledger_.wants_block(),
                    .end = std::move(end)});
  return {};
}

// Others may be ahead: a certificate waits for its block. Of too many the newest are kept.
Status Applier::keep(consensus::Certificate certificate) {
  if (Height{certificate.seq} > ledger_.tip().header.height) {
    early_[certificate.seq] = std::move(certificate);
    if (early_.size() > kEarlyMax) early_.erase(early_.begin());
    return {};
  }
  light::Certificate attests;
  for (const auto& s : certificate.signatures)
    attests.attests.push_back({.validator = s.replica, .signature = s.signature});
  TRY_OK(with_context(ledger_.certify(Height{certificate.seq}, std::move(attests)),
                      text("keep the certificate of slot {}", certificate.seq)));
  callbacks_.certified();
  return {};
}

}  // namespace hanse::replica
