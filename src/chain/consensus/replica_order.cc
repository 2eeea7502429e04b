#include <algorithm>

#include "base/core/text.h"
#include "chain/consensus/detail/core.h"

// Proposals and votes: the normal case (consensus.md 5.4).

namespace hanse::consensus {

SlotState& Replica::Core::slot(Seq seq) {
  SlotState& s = slots.at(seq);
  s.now.view = view;
  s.next.view = view + 1;
  return s;
}

// ---- leading -------------------------------------------------------------------------------------------------------

// Tips that no proposal of this view has yet; nothing when there are none.
std::optional<std::vector<Tip>> Replica::Core::new_tips() const {
  std::vector<Tip> tips;
  for (Index lane = 0; lane < power.count(); ++lane) {
    const bool trusted = lane == config.self || next_seq >= strict_until[lane];
    const auto tip = lanes->best_tip(lane, trusted ? 0 : power.quorum());
    if (tip && tip->height > std::max(proposed[lane], lanes->cut(lane).height)) tips.push_back(*tip);
  }
  if (tips.empty()) return std::nullopt;
  return tips;
}

// An application waits for time to pass, or a replica for the next checkpoint.
bool Replica::Core::empty_slot_awaited() const {
  if (finishing()) return false;
  return wants_block || hurried() ||
         std::any_of(reports.begin(), reports.end(), [](const auto& r) { return r.second.abstaining == 1; });
}

bool Replica::Core::needs_empty_slot() const {
  if (changing() || silent() || power.leader(view) != config.self || next_seq != handed + 1 || !in_window(next_seq) ||
      !settled(next_seq))
    return false;
  return empty_slot_awaited();
}

// A slot costs everybody the same syncs and messages whatever it carries. So while one is on its way the next waits for
// more tips, until that one is decided or kOverlapNs have passed: short rounds are taken one by one, long ones overlap;
// and while several lanes have something to say, none follows another sooner than kPaceNs. So it is while execution
// lags: what would only wait there waits for company here.
void Replica::Core::propose() {
  paced_until_ns = kNever;
  if (power.leader(view) != config.self || changing() || silent()) return;
  while (in_window(next_seq) && settled(next_seq) && next_seq <= handed + config.slots_in_flight_max) {
    auto tips = new_tips();
    if (!tips) {
      if (!needs_empty_slot() || empty_slot_ns() > ns()) return;
      tips.emplace();
    }
    const bool hurry = next_seq == handed + 1 && !execution_lags();
    const std::int64_t from_ns = hurry ? paced_ns : std::max(round_ns + kOverlapNs, paced_ns);
    if (ns() < from_ns) {
      paced_until_ns = from_ns;
      return;
    }
    for (const Tip& tip : *tips) proposed[tip.lane] = tip.height;
    PrePrepare message{.view = view,
                       .proposal = {.epoch = config.epoch,
                                    .seq = next_seq,
                                    .leader = config.self,
                                    .time_ms = std::max<std::int64_t>(now.wall_ms, 0),
                                    .epoch_end = next_seq == end_seq,
                                    .tips = std::move(*tips)}};
    const Digest digest = digest_of(message.proposal);
    SlotState& s = slot(next_seq);
    s.add_body(digest, message.proposal);
    accept(s, digest);
    s.prepare_sent = true;
    s.claim_prepare({.seq = next_seq, .digest = digest, .view = view});
    last_slot_ns = ns();
    note_round(message.proposal);
    const std::uint64_t token = persist_prepare(next_seq, s, digest);
    send_after(token, Type::kPrePrepare, std::make_shared<const Bytes>(encode(message)));
    if (mutant(Mutant::kSignedBeforeDurable)) {
      sign_later({.epoch = config.epoch, .view = view, .seq = next_seq, .digest = digest});
      sign_run();
    }
    ++next_seq;
  }
}

// ---- following -----------------------------------------------------------------------------------------------------

void Replica::Core::on_pre_prepare(Index from, const PrePrepare& message) {
  const Proposal& p = message.proposal;
  if (other_epoch(p)) return;
  if (message.view > view) return keep_early(from, message);
  if (message.view < view || (changing() && !mutant(Mutant::kViewUnchecked))) {
    ++counters.frames_stale;
    return;
  }
  if (from != power.leader(view) || p.leader != from || p.time_ms > now.wall_ms + config.drift_ms ||
      (!p.tips.empty() && p.tips.back().lane >= power.count()) ||
      (p.epoch_end && p.seq % config.checkpoint_every != 0)) {
    ++counters.frames_denied;
    return;
  }
  if (!in_window(p.seq) && !(mutant(Mutant::kWindowUnchecked) && p.seq > stable.seq)) {
    ++(p.seq > stable.seq ? counters.frames_far : counters.frames_stale);
    return;
  }
  const Digest digest = digest_of(p);
  SlotState& s = slot(p.seq);
  if (s.accepted) {
    if (*s.accepted == digest) return s.add_body(digest, p);
    ++counters.evidence;
    out.notices.push_back({.kind = NoticeKind::kEvidence,
                           .replica = from,
                           .number = p.seq,
                           .text = text("two proposals for slot {} in view {}", p.seq, view)});
    return hearsay(proposal_at(view, p.seq), digest);
  }
  s.add_body(digest, p);
  accept(s, digest);
  note_round(p);
  await_signature(p.seq, digest);
  if (const auto other = s.now.other_than(digest)) hearsay(proposal_at(view, p.seq), *other);
  s.now.add(power, Phase::kPrepare, from, digest);
  try_prepare(p.seq, s);
  tally(p.seq, s);
}

// A NewView is long, and the proposals behind it are not: they may be here first, and are not sent again for long.
void Replica::Core::keep_early(Index from, const PrePrepare& message) {
  const Seq seq = message.proposal.seq;
  if (message.view != std::max(view + 1, wanted_view) || !in_window(seq)) {
    ++counters.frames_far;
    return;
  }
  if (from != power.leader(message.view)) {
    ++counters.frames_denied;
    return;
  }
  if (!early.empty() && early.begin()->second.view != message.view) early.clear();
  if (!early.emplace(seq, message).second) ++counters.frames_far;
}

void Replica::Core::accept(SlotState& s, const Digest& digest) {
  s.accepted = digest;
  s.accepted_ns = ns();
}

void Replica::Core::note_round(const Proposal& proposal) {
  round_ns = ns();
  paced_ns = proposal.tips.size() >= kPacedLanesMin ? ns() + kPaceNs : ns();
}

bool Replica::Core::all_available(const Proposal& proposal) const {
  return std::all_of(proposal.tips.begin(), proposal.tips.end(), [&](const Tip& t) { return lanes->available(t); });
}

std::uint64_t Replica::Core::persist_prepare(Seq seq, const SlotState& s, const Digest& digest) {
  const Claim claim{.seq = seq, .digest = digest, .view = view};
  return persist(RecordType::kPrepare, std::make_shared<const Bytes>(encode(s.prepare_record(config.epoch, claim))));
}

void Replica::Core::try_prepare(Seq seq, SlotState& s) {
  if (silent() || (changing() && !mutant(Mutant::kViewUnchecked)) || s.prepare_sent || !s.accepted) return;
  if (!settled(seq)) return;
  const Digest digest = *s.accepted;
  if (!digest.is_zero()) {
    const Proposal* body = s.body(digest);
    if (body == nullptr) return;  // catch_up() asks for it
    if (!fits_epoch(seq, *body)) return;
    if (!all_available(*body)) {
      const bool late = s.accepted_ns + config.fetch_ms * kNsPerMs <= ns();
      for (const Tip& tip : body->tips) {
        if (lanes->available(tip)) continue;
        if (late) strict_until[tip.lane] = seq + kStrictSlots;
        if (tip.height <= lanes->cut(tip.lane).height + kLaneWindow) want(tip);
      }
      return;
    }
  }
  if (!s.claim_prepare({.seq = seq, .digest = digest, .view = view})) return;
  s.prepare_sent = true;
  const std::uint64_t token = mutant(Mutant::kPrepareNotPersisted) ? 0 : persist_prepare(seq, s, digest);
  const Vote vote{.epoch = config.epoch, .view = view, .seq = seq, .digest = digest};
  // A leader's vote is its PrePrepare or NewView.
  send_after(token, Type::kPrepare, std::make_shared<const Bytes>(encode(vote)),
             power.leader(view) == config.self ? Reach::kSelf : Reach::kEverybody);
}

// ---- votes ---------------------------------------------------------------------------------------------------------

void Replica::Core::on_vote(Index from, Phase phase, const Vote& vote) {
  if (!in_window(vote.seq) && !(mutant(Mutant::kWindowUnchecked) && vote.seq > stable.seq)) {
    ++(vote.seq > stable.seq ? counters.frames_far : counters.frames_stale);
    return;
  }
  if (vote.view != view && vote.view != view + 1) {
    ++(vote.view > view ? counters.frames_far : counters.frames_stale);
    return;
  }
  if (phase == Phase::kPrepare && from == power.leader(vote.view)) {
    ++counters.frames_denied;  // its proposal is its vote
    return;
  }
  hearsay(vote_at(from, phase, vote), vote_id(vote.digest));
  SlotState& s = slot(vote.seq);
  (vote.view == view ? s.now : s.next).add(power, phase, from, vote.digest);
  if (vote.view == view && s.accepted && *s.accepted != vote.digest) hearsay(proposal_at(view, vote.seq), vote.digest);
  tally(vote.seq, s);
}

void Replica::Core::vote_from_self(const Vote& vote, Phase phase) {
  if (vote.view != view || vote.seq <= stable.seq) return;
  SlotState& s = slot(vote.seq);
  s.now.add(power, phase, config.self, vote.digest);
  tally(vote.seq, s);
}

bool Replica::Core::reaches(const Ballot& ballot, Phase phase, const Digest& digest) const {
  std::uint32_t weight = ballot.weight(phase, digest);
  if (mutant(Mutant::kQuorumByHeads)) return 3 * ballot.heads(phase, digest) > 2 * (power.count() - 1);
  if (mutant(Mutant::kQuorumOneLess)) return weight >= kPowerTotal / 2;
  if (mutant(Mutant::kLeaderTwice) && phase == Phase::kPrepare) weight += power.of(power.leader(ballot.view));
  return weight >= power.quorum();
}

void Replica::Core::tally(Seq seq, SlotState& s) {
  if (s.accepted) {
    const Digest digest = *s.accepted;
    if (!s.commit_sent && !silent() && !changing() && reaches(s.now, Phase::kPrepare, digest)) {
      s.commit_sent = true;
      s.prepared = Claim{.seq = seq, .digest = digest, .view = view};
      const std::uint64_t token = persist(RecordType::kPrepared,
                                          std::make_shared<const Bytes>(detail::encode(
                                              detail::PreparedRecord{.epoch = config.epoch, .claim = *s.prepared})),
                                          patience(kPreparedPatienceNs));
      const Vote vote{.epoch = config.epoch, .view = view, .seq = seq, .digest = digest};
      send_after(mutant(Mutant::kCommitBeforeDurable) ? 0 : token, Type::kCommit,
                 std::make_shared<const Bytes>(encode(vote)));
    }
    const std::uint32_t everyone = mutant(Mutant::kExpressByQuorum) ? power.quorum() : kPowerTotal;
    if (!s.decided && s.now.weight(Phase::kPrepare, digest) >= everyone) {
      ++counters.slots_express;
      decide_slot(seq, s, digest);
    }
  }
  // Commit from power >= Q needs nothing else: enough honest replicas were prepared.
  for (const Ballot* ballot : {&s.now, &s.next})
    if (const auto digest = ballot->reaching(Phase::kCommit, power.one_honest()))
      if (reaches(*ballot, Phase::kCommit, *digest)) decide_slot(seq, s, *digest);
}

void Replica::Core::decide_slot(Seq seq, SlotState& s, const Digest& digest) {
  if (s.decided) {
    if (*s.decided != digest) halt(text("found two decisions for slot {}; expected one: quorums did not overlap", seq));
    return;
  }
  s.decided = digest;
  ++counters.slots_committed;
  if (digest.is_zero()) ++counters.slots_null;
}

// Not only what the peer has not executed: it may have to prepare a slot again for somebody who is behind it.
void Replica::Core::resend_votes(Index to) {
  if (changing() || silent()) return;
  const std::int64_t heard_lately = ns() - 10 * config.status_ms * kNsPerMs;
  Seq above = done;
  for (const auto& [peer, at_ns] : answered_ns)
    if (at_ns >= heard_lately && reports.contains(peer)) above = std::min(above, reports[peer].executed);
  for (const auto& [seq, s] : slots.all()) {
    if (seq <= std::max(above, stable.seq) || !s.accepted) continue;
    const Proposal* body = s.body(*s.accepted);
    const Vote vote{.epoch = config.epoch, .view = view, .seq = seq, .digest = *s.accepted};
    if (s.now.voted(Phase::kPrepare, config.self)) {
      if (power.leader(view) != config.self) {
        send(to, Type::kPrepare, std::make_shared<const Bytes>(encode(vote)));
      } else if (body != nullptr && body->leader == config.self) {
        send(to, Type::kPrePrepare, std::make_shared<const Bytes>(encode(PrePrepare{.view = view, .proposal = *body})));
      }
    }
    if (s.now.voted(Phase::kCommit, config.self)) send(to, Type::kCommit, std::make_shared<const Bytes>(encode(vote)));
  }
}

}  // namespace hanse::consensus
