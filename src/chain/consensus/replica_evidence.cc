#include <utility>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/consensus/detail/core.h"

// Signed statements, seals of votes, and evidence (consensus.md 5.2, 5.3 "forks", 5.4 "accountability"). Nothing here
// is waited for by a vote: what is signed is signed after it left, and what is verified is verified on the driver's
// signing thread.

namespace hanse::consensus {
namespace {

Hash32 name_of(const Statement& s) { return crypto::blake3("hanse/statement-name/1", {encode(s)}); }

}  // namespace

Fact Replica::Core::proposal_at(View of, Seq seq) const {
  return {.purpose = Purpose::kProposals, .replica = power.leader(of), .epoch = config.epoch, .view = of, .place = seq};
}

Fact Replica::Core::vertex_at(const Tip& tip) const {
  return {.purpose = Purpose::kVertex, .replica = tip.lane, .epoch = config.epoch, .view = 0, .place = tip.height};
}

Fact Replica::Core::vote_at(Index from, Phase phase, const Vote& vote) const {
  return {.purpose = Purpose::kVotes,
          .replica = from,
          .epoch = config.epoch,
          .view = vote.view,
          .place = vote_place(vote.seq, phase)};
}

// ---- own statements ------------------------------------------------------------------------------------------------

// Only of what is durable: a crash must not make another proposal possible after this one was signed. One signature
// covers what was proposed until the next slot that is attested by its number.
void Replica::Core::sign_later(const Vote& proposal) {
  if (power.count() == 1) return;
  const bool follows =
      unsigned_run.view == proposal.view && unsigned_run.first + unsigned_run.ids.size() == proposal.seq;
  if (!unsigned_run.ids.empty() && (!follows || unsigned_run.ids.size() == kStatementIdsMax)) sign_run();
  if (unsigned_run.ids.empty())
    unsigned_run = {.purpose = Purpose::kProposals,
                    .replica = config.self,
                    .epoch = config.epoch,
                    .view = proposal.view,
                    .first = proposal.seq,
                    .ids = {},
                    .signature = {}};
  unsigned_run.ids.push_back(proposal.digest);
}

void Replica::Core::sign_run() {
  if (!unsigned_run.ids.empty()) out.states.push_back(std::exchange(unsigned_run, {}));
}

void Replica::Core::sign_marks() {
  const auto safe = [&] { return marks.front().first <= durable_token || mutant(Mutant::kSignedBeforeDurable); };
  for (; !marks.empty() && safe(); marks.pop_front()) {
    const Tip& tip = marks.front().second;
    out.states.push_back({.purpose = Purpose::kVertex,
                          .replica = config.self,
                          .epoch = config.epoch,
                          .view = 0,
                          .first = tip.height,
                          .ids = {tip.id},
                          .signature = {}});
  }
}

// Votes are not signed when they leave. The seal that follows makes their sender answer for them.
void Replica::Core::seal_later(Phase phase, const Vote& vote) {
  if (power.count() == 1) return;
  if (unsealed.size() == kStatementIdsMax) seal_votes();
  unsealed.emplace(std::pair(vote.view, vote_place(vote.seq, phase)), vote_id(vote.digest));
}

void Replica::Core::seal_votes() {
  for (auto it = unsealed.begin(); it != unsealed.end();) {
    const auto [of, first] = it->first;
    Statement seal{.purpose = Purpose::kVotes,
                   .replica = config.self,
                   .epoch = config.epoch,
                   .view = of,
                   .first = first,
                   .ids = {},
                   .signature = {}};
    for (; it != unsealed.end() && it->first.first == of && it->first.second - first < kStatementIdsMax; ++it) {
      seal.ids.resize(it->first.second - first + 1);
      seal.ids.back() = it->second;
    }
    out.states.push_back(std::move(seal));
  }
  unsealed.clear();
}

void Replica::Core::stated(Statement statement) {
  if (statement.epoch != config.epoch) return;
  ++counters.statements_sent;
  send(kEveryone, Type::kStatement, std::make_shared<const Bytes>(encode(statement)));
  (void)witness.add(std::make_shared<const Statement>(std::move(statement)));
}

// ---- statements of others ------------------------------------------------------------------------------------------

void Replica::Core::on_statement(Index from, const Statement& s) {
  if (s.replica >= power.count()) {
    ++counters.frames_malformed;
    return;
  }
  if (s.replica == config.self) return;
  bool near = false;
  switch (s.purpose) {
    case Purpose::kAttest:
      return on_attest(s.replica, {.epoch = s.epoch, .seq = s.first, .block = s.ids[0], .signature = s.signature});
    case Purpose::kViewChange: break;  // travels whole
    case Purpose::kProposals:
      near = s.replica == power.leader(s.view) && s.view <= view + 1 && s.first + kSlotWindow > stable.seq &&
             s.first + s.ids.size() <= stable.seq + 2 * kSlotWindow;
      break;
    case Purpose::kVotes:
      near = s.view <= view + 1 && s.first / 2 + kSlotWindow > stable.seq &&
             (s.first + s.ids.size()) / 2 <= stable.seq + 2 * kSlotWindow;
      break;
    case Purpose::kVertex: {
      const std::uint64_t cut = lanes->cut(s.replica).height;
      near = s.first + kLaneWindow > cut && s.first <= cut + kLaneWindow;
      break;
    }
  }
  if (!near) {
    ++counters.frames_far;
    return;
  }
  const Hash32 name = name_of(s);
  if (witness.known(s) || in_check.contains(name)) return;
  std::size_t& waiting = checking[from];
  if (waiting >= kChecksMax) {
    ++counters.frames_dropped;
    return;
  }
  ++waiting;
  in_check.insert(name);
  out.checks.push_back({.from = from, .statement = s});
}

void Replica::Core::checked(const CheckStatement& what, Signature found) {
  if (what.statement.epoch != config.epoch) return;  // asked for by the replica of the epoch before
  std::size_t& waiting = checking[what.from];
  if (waiting > 0) --waiting;
  in_check.erase(name_of(what.statement));
  if (found == Signature::kBad && !mutant(Mutant::kStatementUnchecked)) {
    ++counters.frames_denied;  // not attributable: anybody can write another's name on garbage
    return;
  }
  const Statement& s = what.statement;
  ++counters.statements_received;
  heard(std::make_shared<const Statement>(s));
  if (s.purpose == Purpose::kVotes)
    if (const auto change = changes.find(s.replica); change != changes.end()) judge_claims(change->second);
  if (s.purpose != Purpose::kProposals || s.view != view || s.epoch != config.epoch) return;
  for (std::size_t i = 0; i < s.ids.size(); ++i)
    if (const auto it = awaited.find(s.first + i); it != awaited.end() && it->second == s.ids[i]) awaited.erase(it);
  if (!signature_overdue()) {
    unsigned_due_ns = kNever;
  } else if (unsigned_due_ns != kNever && unsigned_asked != 0 && unsigned_asked != awaited.begin()->first) {
    ask_for_signature();
  }
}

void Replica::Core::heard(const Witness::Said& said) {
  const Witness::Heard found = witness.add(said);
  if (found.evidence) accuse(*found.evidence);
  if (found.show) show(*found.show);
}

void Replica::Core::asked(const ViewChange& vc) {
  heard(std::make_shared<const Statement>(statement_of(vc)));
  judge_claims(vc);
}

void Replica::Core::judge_claims(const ViewChange& vc) {
  if (const auto evidence = witness.concealed(vc)) accuse(*evidence);
}

void Replica::Core::hearsay(const Fact& place, const Hash32& id) {
  if (power.count() == 1 || (place.purpose == Purpose::kVertex && place.place % kVertexSignedEvery != 0)) return;
  if (const Witness::Said doubted = witness.hearsay(place, id)) show(*doubted);
}

void Replica::Core::accuse(const Evidence& evidence) {
  const auto fact = contradiction(evidence);
  if (!fact || fact->replica == config.self) return;
  ++counters.evidence;
  if (!mutant(Mutant::kEvidenceDropped)) out.evidence.push_back(evidence);
  out.notices.push_back({.kind = NoticeKind::kEvidence,
                         .replica = fact->replica,
                         .number = fact->place,
                         .text = evidence.claims.empty() ? text("two signed statements of {} at {} in view {}",
                                                                purpose_name(fact->purpose), fact->place, fact->view)
                                                         : text("the view change {} conceals votes", fact->view)});
}

// To everybody, as somebody was told something else. A rate: hearsay costs its teller little.
void Replica::Core::show(const Statement& statement) {
  if (shows_left == 0 || silent()) return;
  --shows_left;
  ++counters.statements_shown;
  send(kEveryone, Type::kStatement, std::make_shared<const Bytes>(encode(statement)));
}

// Attests of another block than the one that was executed here.
void Replica::Core::show_odd_attests(Seq seq, const Hash32& mine) {
  for (const auto& [replica, attest] : attests[seq].by)
    if (attest.block != mine && replica != config.self && shown_attests.emplace(seq, replica).second)
      show(statement_of(replica, attest));
}

// ---- the leader's signature ----------------------------------------------------------------------------------------

void Replica::Core::await_signature(Seq seq, const Digest& digest) {
  const Fact place = proposal_at(view, seq);
  if (!witness.said(place, digest)) awaited[seq] = digest;
  hearsay(place, digest);
}

// At a stable checkpoint everything below should be signed. What is not has half a timeout to come by itself, then it
// is asked for, and the leader is given a timeout more.
void Replica::Core::watch_signatures() {
  if (unsigned_due_ns != kNever || !signature_overdue() || changing() || silent()) return;
  unsigned_asked = 0;
  unsigned_due_ns = ns() + timeout_ns / 2;
}

void Replica::Core::ask_for_signature() {
  unsigned_asked = awaited.begin()->first;
  send(kEveryone, Type::kFetchStatement,
       std::make_shared<const Bytes>(
           encode(FetchStatement{.epoch = config.epoch, .view = view, .seq = unsigned_asked})));
}

void Replica::Core::on_fetch_statement(Index from, const FetchStatement& fetch) {
  const Fact place = proposal_at(fetch.view, fetch.seq);
  if (const Witness::Said said = witness.at(place))
    return send(from, Type::kStatement, std::make_shared<const Bytes>(encode(*said)));
  if (place.replica == config.self && unsigned_run.view == fetch.view) sign_run();
}

void Replica::Core::give_up_unsigned() {
  unsigned_due_ns = kNever;
  if (!signature_overdue() || changing() || silent()) return;
  if (unsigned_asked == 0) {
    unsigned_due_ns = ns() + timeout_ns;
    return ask_for_signature();
  }
  ++counters.signatures_missed;
  awaited.clear();
  start_view_change(view + 1);
}

}  // namespace hanse::consensus
