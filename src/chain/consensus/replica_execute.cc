#include <algorithm>

#include "base/core/text.h"
#include "chain/consensus/detail/core.h"

// From decided slots to executed blocks, their attests, and checkpoints (consensus.md 5.4 "economic finality", 5.6).

namespace hanse::consensus {

// ---- cuts ----------------------------------------------------------------------------------------------------------

void Replica::Core::hand_over() {
  while (!held && handed < done + config.slots_ahead_max && execution_bytes < config.execution_bytes_max &&
         settled(handed + 1)) {
    SlotState* s = slots.find(handed + 1);
    if (s == nullptr || !s->decided || !hand_over_one(handed + 1, *s)) return;
    s->handed = true;
    ++handed;
    last_slot_ns = ns();
    progress_due_ns = kNever;
    // While votes decide them here, slots that others executed already are no reason to fetch any.
    if (s->told.empty() && !bodies_missing()) catch_up_due_ns = kNever;
    if (++good_slots >= kTimeoutShrinkSlots && !changing()) {
      good_slots = 0;
      timeout_ns = std::max(timeout_ns / 2, config.timeout_ms * kNsPerMs);
    }
    if (next_seq <= handed) next_seq = handed + 1;
  }
}

bool Replica::Core::hand_over_one(Seq seq, SlotState& s) {
  Execute e{.seq = seq,
            .digest = *s.decided,
            .proposal = {},
            .vertices = {},
            .ignored = {},
            .cut = {},
            .epoch_end = seq == end_seq};
  if (!e.digest.is_zero()) {
    const Proposal* body = s.body(e.digest);
    if (body == nullptr) return false;  // catch_up() asks for it
    std::vector<const VertexFrame*> fresh;
    std::vector<Tip> tips;
    bool complete = true;
    for (const Tip& tip : body->tips) {
      if (tip.lane >= power.count()) continue;
      if (tip.height <= lanes->cut(tip.lane).height && !mutant(Mutant::kCutNotMonotone)) continue;
      if (tip.height > lanes->cut(tip.lane).height + kLaneWindow)
        continue;  // nobody honest voted for it: see try_prepare
      auto path = lanes->path(tip);
      if (path.missing) {
        want(*path.missing);
        complete = false;
        continue;
      }
      if (!path.descends) {
        ++counters.evidence;
        out.notices.push_back(
            {.kind = NoticeKind::kEvidence,
             .replica = tip.lane,
             .number = seq,
             .text = text("lane {} forked: the tip at {} does not stand on the cut", tip.lane, tip.height)});
        for (const VertexFrame* v : path.vertices) e.ignored.push_back(*v);
        continue;
      }
      fresh.insert(fresh.end(), path.vertices.begin(), path.vertices.end());
      tips.push_back(tip);
    }
    if (!complete) return false;
    e.vertices = execution_order(std::move(fresh), seq, power.count());
    e.proposal = *body;
    for (const Tip& tip : tips) lanes->advance(tip);
    // A first start, it seemed: its folder was emptied.
    if (!follows() && own_tip.height == 0 && lanes->cut(config.self).height > 0 && !abstaining) distrust_journal();
  }
  e.cut = lanes->cut();
  counters.vertices_ordered += e.vertices.size();
  execution_bytes += e.bytes();
  in_execution.push_back(e);
  out.executes.push_back(std::move(e));
  forget();
  return true;
}

// What the cut has overtaken.
void Replica::Core::forget() {
  std::erase_if(unrooted, [&](const auto& u) { return lanes->find(u.first) == nullptr; });
  if (loose.size() < kLooseMax / 2 && loose_bytes < kLooseBytesMax / 2) return;
  for (auto it = loose.begin(); it != loose.end();) {
    if (it->second.vertex.height <= lanes->cut(it->second.vertex.lane).height) {
      loose_bytes -= it->second.frame->size();
      it = loose.erase(it);
    } else {
      ++it;
    }
  }
}

void Replica::Core::executed_slot(const Reached& reached) {
  const Seq seq = reached.seq;
  const Hash32& block = reached.block;
  if (seq != done + 1 || in_execution.empty()) {
    halt(text("found slot {} executed, expected {}", seq, done + 1));
    return;
  }
  execution_bytes -= in_execution.front().bytes();
  in_execution.pop_front();
  done = seq;
  done_block = block;
  wants_block = reached.wants_block;
  settle_end(seq, reached.epoch_due);
  slot(seq).block = block;
  if (seq % config.attest_every == 0) {
    sign_run();
    sign_attest(seq, block);
  }
  if (seq % config.checkpoint_every == 0) seal_votes();
  idle_at_ns = ns() + config.idle_attest_ms * kNsPerMs;
  collect(seq);
  slots.forget_through(std::min(stable.seq, done));
}

// ---- attests -------------------------------------------------------------------------------------------------------

void Replica::Core::sign_attest(Seq seq, const Hash32& block) {
  if (silent() || seq <= attested || seq + kSlotWindow <= stable.seq) return;
  attested = seq;
  signing[seq] = block;
  out.signs.push_back(
      {.epoch = config.epoch, .seq = seq, .block = block, .checkpoint = seq % config.checkpoint_every == 0});
}

void Replica::Core::attest_when_idle() {
  idle_at_ns = kNever;
  if (in_execution.empty()) sign_attest(done, done_block);
}

void Replica::Core::on_attest(Index from, const Attest& attest) {
  if (attest.seq + kSlotWindow <= stable.seq || attest.seq == 0) {
    ++counters.frames_stale;
    return;
  }
  const auto good = [&] {
    return oracle.verify(from, Oracle::Purpose::kAttest, attest_message(attest), attest.signature);
  };
  const auto known = attests.find(attest.seq);
  if (known != attests.end())
    if (const auto mine = known->second.by.find(from); mine != known->second.by.end()) {
      if (mine->second.block == attest.block || !good()) return;
      if (from != config.self && accused_attests.emplace(attest.seq, from).second)
        accuse(evidence_of(statement_of(from, mine->second), statement_of(from, attest)));
      return;
    }
  if (!good()) {
    ++counters.frames_denied;
    return;
  }
  store_attest(attest, from);
  collect(attest.seq);
}

void Replica::Core::store_attest(const Attest& attest, Index from) {
  attests[attest.seq].by[from] = attest;
  std::set<Seq>& seqs = attests_of[from];
  seqs.insert(attest.seq);
  while (seqs.size() > kAttestSlotsMax) {
    const auto oldest = attests.find(*seqs.begin());
    if (oldest != attests.end()) {
      oldest->second.by.erase(from);
      if (oldest->second.by.empty()) attests.erase(oldest);
    }
    seqs.erase(seqs.begin());
  }
}

void Replica::Core::collect(Seq seq) {
  const auto it = attests.find(seq);
  if (it == attests.end()) return;
  const SlotState* s = slots.find(seq);
  const auto mine = s != nullptr ? s->block : (seq == done ? std::optional(done_block) : std::nullopt);
  std::map<Hash32, std::uint32_t> weights;
  for (const auto& [replica, attest] : it->second.by) weights[attest.block] += power.of(replica);
  if (mine && weights.size() > 1) show_odd_attests(seq, *mine);
  for (const auto& [block, weight] : weights) {
    if (mine && *mine != block && weight >= power.one_honest())
      return halt(text("found block {} at slot {}, but power {} attests {}", *mine, seq, weight, block));
    const bool own_only = mutant(Mutant::kReleaseBeforeStable) && it->second.by.contains(config.self);
    if ((weight < power.quorum() && !own_only) || weight <= it->second.reported) continue;
    Certificate certificate{.seq = seq, .block = block, .signatures = {}};
    for (const auto& [replica, attest] : it->second.by)
      if (attest.block == block) certificate.signatures.push_back({.replica = replica, .signature = attest.signature});
    if (it->second.reported == 0) ++counters.certificates;
    it->second.reported = weight;
    certified = std::max(certified, seq);
    if (weight >= power.quorum()) out.certificates.push_back(certificate);
    if (seq % config.checkpoint_every == 0 && seq > stable.seq) stabilise(certificate);
  }
}

// ---- checkpoints ---------------------------------------------------------------------------------------------------

bool Replica::Core::certified_by(const Certificate& certificate, std::uint32_t power_min) {
  if (certificate.seq <= config.base)
    return certificate.seq == config.base && certificate.block == config.base_block && certificate.signatures.empty();
  if (certificate.seq == stable.seq && certificate.block == stable.block) return true;
  const auto known = attests.find(certificate.seq);
  const Bytes message =
      attest_message({.epoch = config.epoch, .seq = certificate.seq, .block = certificate.block, .signature = {}});
  Voters signers;
  for (const auto& s : certificate.signatures) {
    if (s.replica >= power.count() || !signers.add(s.replica)) return false;
    if (known != attests.end())
      if (const auto had = known->second.by.find(s.replica);
          had != known->second.by.end() && had->second.block == certificate.block)
        continue;  // checked when it came
    if (!oracle.verify(s.replica, Oracle::Purpose::kAttest, message, s.signature)) return false;
  }
  return signers.power(power) >= power_min;
}

void Replica::Core::stabilise(const Certificate& certificate) {
  if (certificate.seq <= stable.seq) return;
  stable = certificate;
  // The ledger may not hold it yet. A replica that came back with an older one would leave claims beyond the window of
  // that out of its next view change.
  if (!mutant(Mutant::kStableForgotten)) persist(RecordType::kStable, std::make_shared<const Bytes>(encode(stable)));
  ++counters.checkpoints;
  slots.forget_through(std::min(stable.seq, done));
  std::erase_if(own_attests, [&](const auto& a) { return a.first + kSlotWindow <= stable.seq; });
  while (!attests.empty() && attests.begin()->first + kSlotWindow <= stable.seq) {
    for (const auto& [replica, attest] : attests.begin()->second.by) attests_of[replica].erase(attest.seq);
    attests.erase(attests.begin());
  }
  for (auto* set : {&shown_attests, &accused_attests})
    std::erase_if(*set, [&](const auto& a) { return a.first + kSlotWindow <= stable.seq; });
  if (next_seq <= stable.seq) next_seq = stable.seq + 1;
  watch_signatures();
}

// Writes again what is still needed, so that everything before can go.
void Replica::Core::compact() {
  if (compacting || halted || ended) return;
  const std::uint64_t first = last_token + 1;
  const auto write = [&](RecordType type, const auto& record) {
    using detail::encode;
    persist(type, std::make_shared<const Bytes>(encode(record)));
  };
  write(RecordType::kSnapshot,
        detail::SnapshotRecord{.epoch = config.epoch, .view = view, .own_tip = own_tip, .stable = stable});
  if (last_new_view) persist(RecordType::kNewView, last_new_view);
  if (own_change && changing()) persist(RecordType::kViewChange, own_change);
  for (const auto& [seq, s] : slots.all()) {
    if (seq <= stable.seq) continue;
    for (const Claim& claim : s.prepares) write(RecordType::kPrepare, s.prepare_record(config.epoch, claim));
    if (s.prepared) write(RecordType::kPrepared, detail::PreparedRecord{.epoch = config.epoch, .claim = *s.prepared});
  }
  if (!follows() && unsigned_height > lanes->cut(config.self).height)
    persist_height(RecordType::kUnsigned, unsigned_height);
  for (const auto& [seq, attest] : own_attests)
    if (seq > stable.seq) write(RecordType::kAttest, attest);
  for (const Execute& e : in_execution)
    for (const VertexFrame& v : e.vertices) persist(RecordType::kVertex, v.frame);
  for (const VertexFrame* v : lanes->all()) persist(RecordType::kVertex, v->frame);
  persist_height(RecordType::kSnapshotEnd, done);
  compacting.emplace(first, last_token);
}

}  // namespace hanse::consensus
