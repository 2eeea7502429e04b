#include "base/core/check.h"
#include "base/core/text.h"
#include "sim/world/detail/world.h"

// One host: carries out what its replica wants, on a disk that forgets what was not synced and a ledger behind it.

namespace hanse::sim::detail {

using consensus::Facts;
using consensus::Record;
using consensus::RecordType;
using consensus::Type;

consensus::Now World::now_of(const Host& h) const {
  return {.mono_ns = now_, .wall_ms = kWallStartMs + now_ / kMs + h.skew_ms};
}

void World::start(Host& h) {
  if (h.damaged) {
    h.journal.clear();
    if (h.watched) safety_.damaged(h.self);
  }
  const Block& newest = *h.chain.back();
  const Block& base = base_of(h);
  consensus::Start start;
  start.executed = newest.seq;
  start.executed_block = newest.seq == 0 ? Hash32{} : newest.hash;
  if (newest.seq != base.seq) start.cut = newest.cut;
  if (!h.certificates.empty()) start.stable = h.certificates.back();
  start.wants_block = newest.wants_block;
  start.abstain = h.damaged;
  start.records = h.journal;
  if (h.damaged) saw(Seen::kAbstains);
  ++h.gen;
  h.token_base = static_cast<std::int64_t>(h.journal.size());
  h.appended = h.durable = 0;
  h.compacted_at = h.journal.size();
  h.release.reset();
  h.syncing = h.ledger_syncing = h.executing = h.flushing = false;
  h.to_execute.clear();
  h.pool.clear();
  h.pool_count = 0;
  h.to_state.clear();
  h.to_check.clear();
  h.accusations.clear();
  h.owed.clear();
  h.accusing = false;
  if (h.watched) accounts_.restarted(h.self);
  h.timer_at = INT64_MAX;
  make_replica(h, std::move(start), base);
  if (failed()) return;
  h.up = true;
  if (h.watched) safety_.restarted(h.self, newest.seq, h.era->epoch);
  wake(h);
  for (HostId peer = 0; peer < hosts_.size(); ++peer)
    if (peer != h.id) reconnect_soon(h.id, peer, h.dice.between(0, 3) * kMs);
}

void World::crash(Host& h) {
  if (!h.up) return;
  saw(Seen::kCrashes);
  count(h.replica->counters(), h.watched);
  if (h.watched) accounts_.restarted(h.self);
  h.owed.clear();
  h.up = false;
  ++h.gen;
  disconnect_all(h.id);
  h.replica.reset();
  // Of what was not synced, a prefix may have reached the disk.
  const std::uint64_t loose = h.appended - h.durable;
  const auto survived = static_cast<std::size_t>(h.dice.below(loose + 1));
  if (h.watched) safety_.crashed(h.self, survived);
  if (survived < loose) saw(Seen::kLostRecords);
  h.journal.resize(h.journal.size() - (loose - survived));
  const auto blocks = static_cast<Seq>(
      h.dice.between(static_cast<std::int64_t>(h.ledger_synced), static_cast<std::int64_t>(h.chain.size() - 1)));
  if (blocks + 1 < h.chain.size()) saw(Seen::kLostBlocks);
  h.chain.resize(blocks + 1);
  std::erase_if(h.certificates, [&](const auto& c) { return c.seq > h.ledger_synced; });
  if (options_.narrate)
    say(text("replica {} crashes: {} records and block {} survive", h.self, h.journal.size(), blocks));
}

// ---- effects -------------------------------------------------------------------------------------------------------

void World::apply(Host& h, const Facts& before, Effects& e) {
  if (!e.records.empty()) store(h, e);
  for (const consensus::Send& s : e.sends) {
    send(h, s, before);
    if (failed()) return;
  }
  for (consensus::Execute& x : e.executes) {
    outcome_.trace = mix(outcome_.trace, mix(h.self, mix(x.seq, load_le<std::uint64_t>(x.digest.data.data()))));
    if (options_.narrate)
      say(text("replica {} commits slot {} = {} with {} vertices", h.self, x.seq,
               x.digest.is_zero() ? "null" : text("{}", x.digest).substr(0, 8), x.vertices.size()));
    if (h.watched) safety_.committed(h.self, x);
    h.to_execute.push_back(std::move(x));
  }
  if (!h.to_execute.empty() && !h.executing) execute_next(h);
  for (const consensus::SignAttest& s : e.signs) {
    const Block* block = s.seq < h.chain.size() ? h.chain[s.seq] : nullptr;
    if (h.watched && (block == nullptr || block->hash != s.block))
      safety_.fail_rule("roots",
                        text("replica {} wants to attest slot {} with a block that is not there", h.self, s.seq));
    push(EventKind::kSigned, now_ + (s.checkpoint ? h.dice.between(2, 20) * kMs : 100 * kUs), h.id, s.seq, h.gen);
  }
  take_statements(h, e);
  for (consensus::Certificate& c : e.certificates) {
    if (h.watched) safety_.certified(h.self, c);
    consensus::Voters signers;
    for (const auto& s : c.signatures) signers.add(s.replica);
    if (signers.power(*h.era->power) >= h.era->power->economic()) saw(Seen::kEconomic);
    if (c.seq % plan_.tuning.checkpoint_every != 0) continue;
    std::erase_if(h.certificates, [&](const auto& old) { return old.seq == c.seq; });
    if (h.certificates.empty() || h.certificates.back().seq < c.seq) h.certificates.push_back(std::move(c));
  }
  serve(h, e);
  for (const consensus::Notice& n : e.notices) {
    if (options_.narrate) say(text("replica {} notices {} {} {}", h.self, static_cast<int>(n.kind), n.number, n.text));
    if (h.watched) safety_.noticed(h.self, n);
    if (n.kind == consensus::NoticeKind::kEvidence && h.watched) saw(Seen::kEvidence);
    if (n.kind == consensus::NoticeKind::kVoting) {
      h.damaged = false;
      saw(Seen::kVotesAgain);
    }
  }
  if (e.released && !e.epoch_ended) {
    h.release = Host::Release{.token = *e.released, .executed = h.facts.executed};
    release(h);
  }
  if (h.watched && h.facts.executed + consensus::kSlotWindow < safety_.agreed() && before.wanted_view == before.view &&
      h.facts.wanted_view > h.facts.view)
    saw(Seen::kViewChangeInCatchUp);
  if (e.epoch_ended) next_epoch(h, *e.epoch_ended);
}

void World::send(Host& h, const consensus::Send& s, const Facts& before) {
  const bool ordering = s.type == Type::kPrePrepare || s.type == Type::kPrepare || s.type == Type::kCommit;
  const std::uint64_t copies = s.to == consensus::kEveryone ? plan_.n - 1u : 1;
  if (ordering && s.body->size() >= 24) {
    const auto seq = load_le<Seq>(s.body->data() + 16);  // all three have it there
    if (seq <= kSlotsSimMax) {
      if (outcome_.ordering_frames.size() <= seq) {
        outcome_.ordering_frames.resize(seq + 64);
        outcome_.ordering_bytes.resize(seq + 64);
      }
      outcome_.ordering_frames[seq] += static_cast<std::uint32_t>(copies);
      outcome_.ordering_bytes[seq] += static_cast<std::uint32_t>(copies * s.body->size());
    }
  }
  outcome_.trace = mix(outcome_.trace, s.body->size() * 64 + static_cast<std::uint64_t>(s.type));
  if (options_.narrate && s.type != Type::kStatus && s.type != Type::kAck && s.type != Type::kVertex) {
    std::string more;
    if (s.type == Type::kPrepare || s.type == Type::kCommit) {
      if (const auto v = consensus::decode_vote(*s.body))
        more = text(" view {} slot {} {}", v->view, v->seq, text("{}", v->digest).substr(0, 8));
    } else if (s.type == Type::kPrePrepare) {
      if (const auto m = consensus::decode_pre_prepare(*s.body))
        more = text(" view {} slot {} {}", m->view, m->proposal.seq,
                    text("{}", consensus::digest_of(m->proposal)).substr(0, 8));
    } else if (s.type == Type::kFetchVertex) {
      more = text(" {}", ByteView(*s.body).first(std::min<std::size_t>(4, s.body->size())));
    } else if (s.type == Type::kFetchSlots) {
      if (const auto f = consensus::decode_fetch_slots(*s.body)) more = text(" from {}", f->first);
    } else if (s.type == Type::kViewChange) {
      if (const auto vc = consensus::decode_view_change(*s.body)) {
        more = text(" of {} for view {} above {}:", vc->replica, vc->view, vc->checkpoint.seq);
        for (const auto& c : vc->prepared)
          more += text(" P({},{},v{})", c.seq, text("{}", c.digest).substr(0, 8), c.view);
        for (const auto& c : vc->prepares)
          more += text(" Q({},{},v{})", c.seq, text("{}", c.digest).substr(0, 8), c.view);
      }
    }
    say(text("replica {}{} sends {} to {}{}", h.self, h.watched ? "" : "(liar)", consensus::type_name(s.type),
             s.to == consensus::kEveryone ? std::string("all") : text("{}", s.to), more));
  }
  if (h.watched) safety_.sent(h.self, s.type, s.body, before, h.facts);
  if (s.to != consensus::kEveryone) {
    const Index to = replica_at(*h.era, s.to);
    if (to >= plan_.n || to == h.self)
      return safety_.fail_rule("validity", text("replica {} sends to {}", h.self, s.to));
    if (h.liar) return h.liar->out(to, s.type, s.body);
    return transmit(h, to, s.type, s.body);
  }
  for (Index to = 0; to < plan_.n; ++to) {
    if (to == h.self) continue;
    if (h.liar) {
      h.liar->out(to, s.type, s.body);
    } else {
      transmit(h, to, s.type, s.body);
    }
  }
}

// ---- disk ----------------------------------------------------------------------------------------------------------

void World::store(Host& h, Effects& e) {
  for (Record& r : e.records) {
    if (h.watched) safety_.appended(h.self, r);
    h.journal.push_back(std::move(r));
  }
  h.appended += e.records.size();
  if (!h.syncing) begin_sync(h);
}

void World::begin_sync(Host& h) {
  h.syncing = true;
  std::int64_t at = now_ + h.dice.log_normal(plan_.tuning.sync_us * kUs) * h.sync_factor;
  if (h.stalled_until > now_) at = std::max(at, h.stalled_until);
  push(EventKind::kSynced, at, h.id, h.appended, h.gen);
}

void World::synced(Host& h, std::uint64_t token) {
  h.syncing = false;
  if (h.watched) safety_.synced(h.self, token - h.durable);
  h.durable = token;
  release(h);
  if (h.durable < h.appended) begin_sync(h);
  step(h, Step::kOther, [&](Replica& r, consensus::Now now) { return r.durable(now, token); });
  if (h.up && !failed() && !h.release && h.journal.size() > h.compacted_at + plan_.tuning.records_max) {
    saw(Seen::kCompactions);
    h.compacted_at = h.journal.size();
    step(h, Step::kOther, [](Replica& r, consensus::Now now) { return r.compact(now); });
  }
}

void World::release(Host& h) {
  if (!h.release || h.release->token > h.durable || h.release->executed > h.ledger_synced) return;
  const std::int64_t gone = h.token_base + static_cast<std::int64_t>(h.release->token) - 1;
  h.release.reset();
  if (gone <= 0) return;
  saw(Seen::kReleases);
  h.journal.erase(h.journal.begin(), h.journal.begin() + gone);
  h.token_base -= gone;
  h.compacted_at = h.journal.size();
}

// ---- ledger --------------------------------------------------------------------------------------------------------

void World::execute_next(Host& h) {
  h.executing = true;
  push(EventKind::kExecuted, now_ + h.dice.log_normal(plan_.tuning.execute_us * kUs), h.id, 0, h.gen);
}

void World::executed(Host& h) {
  const consensus::Execute x = std::move(h.to_execute.front());
  h.to_execute.pop_front();
  h.executing = false;
  const Block* block = app_.execute(h.chain.back(), x);
  h.chain.push_back(block);
  if (h.watched) {
    if (x.seq != h.chain.size() - 1)
      return safety_.fail_rule("prefix",
                               text("replica {} executes slot {} at height {}", h.self, x.seq, h.chain.size() - 1));
    safety_.executed(h.self, x.seq, block->hash);
    answered(*block);
    landed(h, *block);
    if (calm_ && level_ == 0 && all_answered() && all_paid()) level_ = safety_.agreed();
    if (level_ > 0 && core_is_level()) done_ = true;
  }
  if (!h.ledger_syncing) {
    h.ledger_syncing = true;
    push(EventKind::kLedgerSynced, now_ + h.dice.between(5, 150) * kMs, h.id, x.seq, h.gen);
  }
  if (!h.to_execute.empty()) execute_next(h);
  step(h, Step::kOther, [&](Replica& r, consensus::Now now) {
    return r.executed(now,
                      {.seq = x.seq, .block = block->hash, .wants_block = block->wants_block, .epoch_due = block->due});
  });
}

void World::serve(Host& h, const Effects& e) {
  const auto reply = [&](Index place, Type type, const Frame& body) {
    const Index to = replica_at(*h.era, place);
    if (to >= plan_.n) return safety_.fail_rule("validity", text("replica {} serves {}", h.self, place));
    if (h.liar) {
      h.liar->out(to, type, body);
    } else {
      transmit(h, to, type, body);
    }
  };
  for (const consensus::ServeVertex& s : e.serve_vertices) {
    Hash32 id = s.id;
    std::size_t bytes = 0;
    for (std::size_t n = 0; n < s.vertices_max && bytes < s.bytes_max; ++n) {
      const Frame frame = app_.vertex(id);
      if (!frame) break;
      const auto v = consensus::decode_vertex(frame);
      const auto& cut = h.chain.back()->cut;
      const bool earlier = v && v->vertex.epoch < h.chain.back()->epoch;
      const bool have = v && (earlier || std::ranges::any_of(cut, [&](const consensus::Tip& t) {
                                return t.lane == v->vertex.lane && t.height >= v->vertex.height;
                              }));
      if (!have) break;
      reply(s.to, Type::kVertex, frame);
      if (v->vertex.height <= s.above + 1) break;
      bytes += frame->size();
      id = v->vertex.parents[0];
    }
  }
  for (const consensus::ServeSlots& s : e.serve_slots) {
    if (s.last - s.first >= consensus::kSlotsPerFetchMax && h.watched)
      safety_.fail_rule("bounds", text("replica {} serves slots {} to {}", h.self, s.first, s.last));
    for (Seq seq = s.first; seq <= s.last && seq < h.chain.size(); ++seq) {
      if (s.vertices)
        for (const Frame& v : h.chain[seq]->vertices) reply(s.to, Type::kVertex, v);
      reply(s.to, Type::kSlot, consensus::slot_frame(seq, h.chain[seq]->proposal));
    }
  }
  for (const consensus::ServeHandover& s : e.serve_handovers) {
    const auto next = static_cast<std::size_t>(s.epoch + 1 - kEpoch);
    if (s.epoch < kEpoch || next >= eras_.size()) continue;
    const auto known = std::ranges::find(h.certificates, eras_[next]->base, &consensus::Certificate::seq);
    if (known == h.certificates.end()) continue;
    saw(Seen::kHandovers);
    reply(s.to, Type::kHandover,
          std::make_shared<const Bytes>(encode(consensus::Handover{.epoch = s.epoch, .certificate = *known})));
  }
  for (const consensus::ServeProposal& s : e.serve_proposals)
    if (s.seq < h.chain.size() && h.chain[s.seq]->digest == s.digest && h.chain[s.seq]->proposal)
      reply(s.to, Type::kProposal, std::make_shared<const Bytes>(encode(*h.chain[s.seq]->proposal)));
}

// ---- time ----------------------------------------------------------------------------------------------------------

void World::wake(Host& h) {
  if (!h.up) return;
  const std::int64_t at = std::max(h.replica->wake_ns(), now_);
  if (at >= h.timer_at) return;
  h.timer_at = at;
  push(EventKind::kTimer, at, h.id, 0, h.gen);
}

void World::timer(Host& h) {
  const std::int64_t planned = h.timer_at;
  h.timer_at = INT64_MAX;
  if (planned != now_ && planned < now_) h.timer_hits = 0;
  if (h.replica->wake_ns() > now_) return wake(h);
  step(h, Step::kTick, [](Replica& r, consensus::Now now) { return r.tick(now); });
  h.timer_hits = h.up && h.replica->wake_ns() <= now_ ? h.timer_hits + 1 : 0;
  if (h.timer_hits > 100) safety_.fail_rule("timer", text("replica {}: tick() leaves its alarm where it was", h.self));
}

}  // namespace hanse::sim::detail
