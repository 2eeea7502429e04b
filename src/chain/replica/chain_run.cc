// A turn: takes what waits, asks the replica, carries out what it answers.
#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "chain/replica/detail/effects.h"
#include "chain/replica/detail/rep.h"
#include "chain/reputation/reputation.h"

namespace hanse::replica {
namespace {

constexpr std::int64_t kTickGapNs = 1'000'000;  // a timer that is due stays due until it helped: not a busy loop

}  // namespace

// One turn, on whichever thread brought something. Gives when the next one is due at the latest.
std::int64_t Chain::Rep::turn(Mail& mail) {
  consensus::Effects all;
  handle(mail, all);
  watch_lag(mail, all);
  cut_batches(all);
  const std::int64_t at_ns = clock->mono_ns();
  if (replica->wake_ns() <= at_ns && ticked_ns + kTickGapNs <= at_ns) {
    ticked_ns = at_ns;
    join(all, replica->tick(now()));
  }
  carry_out(std::move(all));
  if (mail.next_epoch) {
    next_epoch(*std::move(mail.next_epoch));
    consensus::Effects first;
    cut_batches(first);  // what the epoch before did not order
    carry_out(std::move(first));
  }
  publish();
  return std::min(std::max(replica->wake_ns(), ticked_ns + kTickGapNs), batch_due_ns);
}

void Chain::Rep::handle(const Mail& mail, consensus::Effects& all) {
  if (mail.durable != 0) join(all, replica->durable(now(), mail.durable));
  for (const consensus::Reached& e : mail.executed) join(all, replica->executed(now(), e));
  for (const Mail::Attested& a : mail.attested) join(all, replica->attested(now(), a.seq, a.signature));
  for (const consensus::Statement& s : mail.stated) join(all, replica->stated(now(), s));
  for (const Mail::Checked& c : mail.checked) join(all, replica->checked(now(), c.what, c.found));
  for (const PeerNumber peer : mail.ups) {
    ups.insert(peer);
    if (const auto place = places->of(peer)) join(all, replica->peer_up(now(), *place));
  }
  for (const auto* queue : {&mail.votes, &mail.bulk})
    for (const Mail::Frame& f : *queue)
      if (const auto place = places->of(f.from)) join(all, replica->receive(now(), *place, f.type, f.body));
  if (mail.compact) join(all, replica->compact(now()));
}

void Chain::Rep::cut_batches(consensus::Effects& all) {
  batch_due_ns = std::numeric_limits<std::int64_t>::max();
  while (!again.empty() && replica->lane_open()) {
    const consensus::VertexFrame& old = again.front();
    auto cut = replica->submit(now(), old.batch(), old.vertex.tx_count);
    if (!cut) return halt(cut.error());
    join(all, *std::move(cut));
    again.pop_front();
  }
  if (waiting_txs == 0) return;
  while (replica->lane_open() && applier->backlog_bytes() <= kBacklogBytesMax) {
    std::optional<Pool::Batch> batch;
    {
      const std::lock_guard lock(mutex);
      const auto due = pool->due_ns(replica->batch_at_ns());
      if (due && *due > clock->mono_ns()) batch_due_ns = *due;
      if (!due || *due > clock->mono_ns()) return;
      batch = pool->take();
      waiting_txs = pool->count();
      stats.batches += 1;
      stats.batch_txs += batch->count;
    }
    auto cut = replica->submit(now(), batch->bytes, batch->count);
    if (!cut) return halt(cut.error());
    join(all, *std::move(cut));
  }
}

void Chain::Rep::carry_out(consensus::Effects all) {
  if (!all.records.empty()) recorder->record(std::move(all.records));
  if (net)
    for (consensus::Send& send : all.sends) {
      const auto to = send.to == consensus::kEveryone ? std::optional(kNobody) : places->number(send.to);
      if (to) net->send(*to, send.type, send.body);
    }
  for (consensus::Execute& slot : all.executes) applier->execute(std::move(slot), at);
  for (const consensus::SignAttest& sign : all.signs) signer->sign(sign);
  for (consensus::Statement& own : all.states) signer->state(std::move(own));
  for (consensus::CheckStatement& check : all.checks) signer->check(std::move(check), at);
  for (const consensus::Evidence& evidence : all.evidence) signer->bring(reputation::evidence_tx(evidence));
  for (const consensus::Statement& own : all.testimony) signer->bring(reputation::testimony_tx(own));
  for (consensus::Certificate& certificate : all.certificates) applier->certify(std::move(certificate));
  if (server) {
    const auto ask = [this](auto& requests) {
      for (auto& request : requests) {
        const auto to = places->number(request.to);
        if (!to) continue;
        request.to = *to;
        server->ask(request);
      }
    };
    ask(all.serve_vertices);
    ask(all.serve_slots);
    ask(all.serve_proposals);
    ask(all.serve_handovers);
  }
  if (all.epoch_ended) applier->end_epoch(*std::move(all.epoch_ended));
  if (all.released) signer->release(*all.released);
  for (const consensus::Notice& what : all.notices) notice(what);
}

void Chain::Rep::notice(const consensus::Notice& what) {
  switch (what.kind) {
    case consensus::NoticeKind::kHalted: return halt(Error(Kind::kInternal, "ledger.halted", what.text));
    case consensus::NoticeKind::kVoting: {
      // Until it is gone the next start abstains once more, which costs time only.
      Status gone = real_fs().unlink(mark_path());
      if (gone) gone = real_fs().sync_dir(dir);
      if (!gone && gone.error().kind() != Kind::kNotFound) halt(gone.error());
      return;
    }
    case consensus::NoticeKind::kAbstaining: {
      // Before anything else is sent: a restart must not trust this journal either.
      const Status marked = replace_file(real_fs(), mark_path(), as_bytes(what.text));
      if (!marked) return halt(marked.error());
      const std::lock_guard lock(mutex);
      abstain_reason = what.text;
      return;
    }
    case consensus::NoticeKind::kNewView:
    case consensus::NoticeKind::kEvidence: return;  // counted by the replica
  }
}

void Chain::Rep::publish() {
  const consensus::Facts found = replica->facts();
  bool awaited = false;
  {
    const std::lock_guard lock(turn_mutex);
    facts = found;
    counters = all_counters();
    ++turns;
    awaited = std::exchange(asked_turn, false);
  }
  if (awaited) turned.notify_all();
  abstaining = found.abstaining;
  const bool done = found.lane_vertices == 0 && found.pending_slots == 0 && found.committed == found.executed;
  if (done && !settled.exchange(true)) wake_all();
}

}  // namespace hanse::replica
