#include <algorithm>

#include "base/core/text.h"
#include "chain/consensus/detail/core.h"

// From the ledger and the journal back to where this replica was (consensus.md 5.6).

namespace hanse::consensus {

Status Replica::Core::start(Start from) {
  for (const Tip& tip : from.cut)
    if (tip.lane >= power.count())
      return fail(Kind::kInvalid, "consensus.config",
                  text("found lane {} in the cut, expected below {}", tip.lane, power.count()));
  lanes.emplace(power, from.cut, config.lane_bytes_max);
  proposed.assign(power.count(), 0);
  strict_until.assign(power.count(), 0);
  unordered_since_ns.assign(power.count(), kNever);
  unordered_height.assign(power.count(), 0);
  timeout_ns = config.timeout_ms * kNsPerMs;
  handed = done = from.executed;
  end_seq = from.epoch_end;
  due = from.epoch_due;
  last_token = from.token;
  abstain_bound = from.abstain_bound;
  done_block = from.executed_block;
  wants_block = from.wants_block;
  stable = std::move(from.stable);
  if (stable.seq <= config.base) stable = {.seq = config.base, .block = config.base_block, .signatures = {}};
  abstaining = from.abstain;
  if (!follows()) own_tip = lanes->cut(config.self);
  entered_ns = last_slot_ns = status_due_ns = ns();
  if (!abstaining)
    for (const Record& record : from.records) TRY_OK(restore(record));
  resume();
  return {};
}

// Records in the order they were written; a snapshot repeats what the ones before it said.
Status Replica::Core::restore(const Record& record) {
  const auto bad = [&](const Error& e) {
    return fail(Kind::kCorrupt, "consensus.record",
                text("record of type {}: {}", static_cast<int>(record.type), e.message()));
  };
  switch (record.type) {
    case RecordType::kVertex: {
      auto v = decode_vertex(record.payload);
      if (!v) return bad(v.error());
      if (v->vertex.epoch != config.epoch) return {};  // a lane that was closed
      if (v->vertex.lane >= power.count()) break;
      if (v->vertex.lane == config.self && v->vertex.height > own_tip.height)
        own_tip = {.lane = config.self, .height = v->vertex.height, .id = v->id};
      lanes->add_wanted(*v);
      return {};
    }
    case RecordType::kPrepare: {
      TRY(const auto r, detail::decode_prepare_record(*record.payload));
      if (r.epoch != config.epoch || r.claim.seq <= stable.seq) return {};
      SlotState& s = slot(r.claim.seq);
      s.claim_prepare(r.claim);
      if (r.proposal) s.add_body(r.claim.digest, *r.proposal);
      return {};
    }
    case RecordType::kPrepared: {
      TRY(const auto r, detail::decode_prepared_record(*record.payload));
      const Claim& claim = r.claim;
      if (r.epoch != config.epoch || claim.seq <= stable.seq || mutant(Mutant::kPreparedLostOnRestart)) return {};
      SlotState& s = slot(claim.seq);
      if (!s.prepared || s.prepared->view <= claim.view) s.prepared = claim;
      return {};
    }
    case RecordType::kViewChange: {
      auto vc = decode_view_change(*record.payload);
      if (!vc) return bad(vc.error());
      if (vc->epoch != config.epoch || vc->view <= view) return {};
      wanted_view = std::max(wanted_view, vc->view);
      own_change = record.payload;
      changes[config.self] = *std::move(vc);
      return {};
    }
    case RecordType::kNewView: {
      auto m = decode_new_view(*record.payload);
      if (!m) return bad(m.error());
      if (m->epoch != config.epoch || m->view <= view) return {};
      view = m->view;
      wanted_view = std::max(wanted_view, view);
      last_new_view = record.payload;
      std::vector<const ViewChange*> set;
      for (const ViewChange& vc : m->view_changes) set.push_back(&vc);
      slots.enter_view(view);
      if (const auto decision = decide(power, set))
        for (const auto& [seq, digest] : decision->slots) accept(slot(seq), digest);
      return {};
    }
    case RecordType::kAttest: {
      auto attest = decode_attest(*record.payload);
      if (!attest) return bad(attest.error());
      if (attest->epoch != config.epoch) return {};
      attested = std::max(attested, attest->seq);
      store_attest(*attest, config.self);
      own_attests[attest->seq] = *std::move(attest);
      return {};
    }
    case RecordType::kUnsigned:
      if (record.payload->size() != sizeof unsigned_height) break;
      unsigned_height = std::max(unsigned_height, load_le<std::uint64_t>(record.payload->data()));
      return {};
    case RecordType::kSnapshotEnd:
      if (record.payload->size() == sizeof(Seq)) return {};  // for the driver: what it may release
      break;
    case RecordType::kStable: {
      auto certificate = decode_certificate(*record.payload);
      if (!certificate) return bad(certificate.error());
      // Of an earlier epoch it lies at or below the base, of a later one this replica knows nothing yet.
      if (certificate->seq > stable.seq && certified_by(*certificate, power.quorum())) stable = *std::move(certificate);
      return {};
    }
    case RecordType::kSnapshot: {
      TRY(auto snapshot, detail::decode_snapshot(*record.payload));
      if (snapshot.epoch != config.epoch) return {};
      if (snapshot.own_tip.height > own_tip.height) own_tip = snapshot.own_tip;
      view = std::max(view, snapshot.view);
      wanted_view = std::max(wanted_view, view);
      if (snapshot.stable.seq > stable.seq) stable = std::move(snapshot.stable);
      return {};
    }
  }
  return fail(Kind::kCorrupt, "consensus.record", text("found a record of type {}", static_cast<int>(record.type)));
}

// Votes of the current view count and can be sent again; what was executed needs no more than its claims.
void Replica::Core::resume() {
  slots.forget_through(std::min(stable.seq, done));
  for (auto& [seq, s] : slots.all()) {
    s.now.view = view;
    s.next.view = view + 1;
    for (const Claim& claim : s.prepares)
      if (claim.view == view) {
        accept(s, claim.digest);
        s.prepare_sent = true;
        s.now.add(power, Phase::kPrepare, config.self, claim.digest);
        seal_later(Phase::kPrepare, {.epoch = config.epoch, .view = view, .seq = seq, .digest = claim.digest});
      }
    if (s.prepared && s.prepared->view == view) {
      accept(s, s.prepared->digest);
      s.commit_sent = true;
      s.now.add(power, Phase::kCommit, config.self, s.prepared->digest);
      seal_later(Phase::kCommit, {.epoch = config.epoch, .view = view, .seq = seq, .digest = s.prepared->digest});
    }
    if (seq <= done) s.handed = true;
    if (s.accepted && power.leader(view) != config.self)
      s.now.add(power, Phase::kPrepare, power.leader(view), *s.accepted);
    next_seq = std::max(next_seq, seq + 1);
  }
  next_seq = std::max({next_seq, done + 1, stable.seq + 1});
  for (Index lane = 0; lane < power.count(); ++lane) proposed[lane] = lanes->cut(lane).height;
  for (const auto& [seq, s] : slots.all())
    if (s.accepted && seq > done)
      if (const Proposal* body = s.body(*s.accepted))
        for (const Tip& tip : body->tips)
          if (tip.lane < power.count()) proposed[tip.lane] = std::max(proposed[tip.lane], tip.height);
  // What is stored is durable: acknowledge it again.
  for (const Tip& tip : lanes->take_rooted())
    if (tip.lane != config.self) {
      to_ack.emplace_back(0, tip);
    } else {
      lanes->ack(config.self, tip);
    }
  for (const VertexFrame* v : lanes->all())
    if (!lanes->rooted(v->id)) unrooted[v->id] = 0;
  if (changing()) resend_due_ns = ns();
  // What was proposed in this view and not signed yet, as far as anybody remembers.
  if (power.leader(view) == config.self)
    for (const auto& [seq, s] : slots.all())
      if (s.accepted && !s.accepted->is_zero())
        sign_later({.epoch = config.epoch, .view = view, .seq = seq, .digest = *s.accepted});
  if (wants_block) last_slot_ns = ns();
  for (auto& [seq, s] : slots.all()) tally(seq, s);
}

}  // namespace hanse::consensus
