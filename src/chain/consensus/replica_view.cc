#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "chain/consensus/detail/core.h"

// Changing the view, and when to (consensus.md 5.4 "view change", "pacemaker").

namespace hanse::consensus {

// ---- when ----------------------------------------------------------------------------------------------------------

// Something ought to be ordered and is not yet: a proposal without a decision, or a tip that a quorum acknowledged.
bool Replica::Core::work_waits() const {
  for (const auto& [seq, s] : slots.all())
    if (seq > handed && s.accepted && !s.decided) return true;
  for (Index lane = 0; lane < power.count(); ++lane)
    if (lanes->best_tip(lane, power.quorum())) return true;
  return false;
}

void Replica::Core::watch_progress() {
  if (changing() || silent() || held) return;  // their deadlines are others: see wake(); held, nothing can progress
  if (finishing()) {
    progress_due_ns = empty_due_ns = censor_due_ns = kNever;
    return;
  }
  if (!work_waits()) {
    progress_due_ns = kNever;
  } else if (progress_due_ns == kNever) {
    progress_due_ns = ns() + timeout_ns;
  }
  empty_due_ns = empty_slot_awaited() && handed == done
                     ? std::max(last_slot_ns + config.interval_ms * kNsPerMs, entered_ns) + timeout_ns
                     : kNever;
  censor_due_ns = kNever;
  for (Index lane = 0; lane < power.count(); ++lane) {
    const auto tip = lanes->best_tip(lane, power.quorum());
    std::int64_t& since = unordered_since_ns[lane];
    if (!tip) {
      since = kNever;
      continue;
    }
    if (since == kNever || lanes->cut(lane).height >= unordered_height[lane]) {
      since = ns();
      unordered_height[lane] = tip->height;
    }
    censor_due_ns = std::min(censor_due_ns, since + 4 * timeout_ns);
  }
}

// ---- asking for a view ---------------------------------------------------------------------------------------------

void Replica::Core::start_view_change(View asked) {
  if (silent()) return;
  seal_votes();
  wanted_view = asked;
  ++counters.view_changes;
  ViewChange vc{.epoch = config.epoch,
                .replica = config.self,
                .view = asked,
                .checkpoint = stable,
                .prepared = {},
                .prepares = {},
                .signature = {}};
  for (const auto& [seq, s] : slots.all()) {
    if (seq <= stable.seq || seq > stable.seq + kSlotWindow) continue;
    if (mutant(Mutant::kClaimsForgotten) && seq <= done) continue;
    if (s.prepared) vc.prepared.push_back(*s.prepared);
    vc.prepares.insert(vc.prepares.end(), s.prepares.begin(), s.prepares.end());
  }
  vc.signature = oracle.sign(Oracle::Purpose::kViewChange, view_change_message(vc));
  own_change = std::make_shared<const Bytes>(encode(vc));
  send_after(persist(RecordType::kViewChange, own_change), Type::kViewChange, own_change);
  resend_due_ns = ns() + timeout_ns / 2;
  view_due_ns = kNever;
  progress_due_ns = empty_due_ns = censor_due_ns = unsigned_due_ns = kNever;
}

bool Replica::Core::valid(const ViewChange& vc) {
  if (vc.epoch != config.epoch || vc.replica >= power.count()) return false;
  if (const auto known = changes.find(vc.replica);
      known != changes.end() && known->second.view == vc.view && encode(known->second) == encode(vc))
    return true;
  const auto in_range = [&](const Claim& c) {
    return c.seq > vc.checkpoint.seq && c.seq <= vc.checkpoint.seq + kSlotWindow && c.view < vc.view;
  };
  return std::all_of(vc.prepared.begin(), vc.prepared.end(), in_range) &&
         std::all_of(vc.prepares.begin(), vc.prepares.end(), in_range) &&
         oracle.verify(vc.replica, Oracle::Purpose::kViewChange, view_change_message(vc), vc.signature) &&
         certified_by(vc.checkpoint, power.quorum());
}

void Replica::Core::on_view_change(Index, const ViewChange& vc) {
  if (vc.replica >= power.count() || vc.replica == config.self) return;
  const auto known = changes.find(vc.replica);
  if (vc.view <= view || (known != changes.end() && vc.view < known->second.view)) {
    ++counters.frames_stale;
    return;
  }
  if (known != changes.end() && vc.view == known->second.view) {
    if (view_change_claims(known->second) == view_change_claims(vc) || !valid(vc)) return;
    return asked(vc);
  }
  if (!valid(vc)) {
    ++counters.frames_denied;
    return;
  }
  asked(vc);
  stabilise(vc.checkpoint);
  changes[vc.replica] = vc;
  join_others();
}

// Follows when somebody honest is ahead: to the highest view that power >= A has reached. One loud replica moves
// nobody.
void Replica::Core::join_others() {
  std::vector<std::pair<View, std::uint32_t>> ahead;
  for (const auto& [replica, vc] : changes)
    if (replica != config.self) ahead.emplace_back(vc.view, power.of(replica));
  std::sort(ahead.begin(), ahead.end(), std::greater<>());
  std::uint32_t weight = 0;
  for (const auto& [reached, share] : ahead) {
    weight += share;
    if (weight < power.one_honest() && !mutant(Mutant::kJoinOnOne)) continue;
    if (reached > std::max(view, wanted_view)) start_view_change(reached);
    return;
  }
}

// The own ViewChange is durable, and so on its way.
bool Replica::Core::change_sent() const {
  const auto own = changes.find(config.self);
  return changing() && !silent() && own != changes.end() && own->second.view == wanted_view;
}

std::vector<const ViewChange*> Replica::Core::changes_for(View asked) const {
  std::vector<const ViewChange*> out_set;
  for (const auto& [replica, vc] : changes)
    if (vc.view == asked) out_set.push_back(&vc);
  return out_set;
}

// ---- entering a view -----------------------------------------------------------------------------------------------

void Replica::Core::lead_new_view() {
  const auto set = changes_for(wanted_view);
  std::uint32_t weight = 0, reached = 0;
  for (const ViewChange* vc : set) weight += power.of(vc->replica);
  for (const auto& [replica, vc] : changes)
    if (vc.view >= wanted_view) reached += power.of(replica);
  // The view's time begins when a quorum asks for it or for a later one: else two that wait here and one that waits
  // above would wait for ever.
  if (reached >= power.quorum() && view_due_ns == kNever) view_due_ns = ns() + 2 * timeout_ns;
  if (weight < power.quorum()) return;
  if (power.leader(wanted_view) != config.self || !change_sent()) return;
  const auto decision = decide(power, set);
  if (!decision) return;
  NewView message{.epoch = config.epoch, .view = wanted_view, .view_changes = {}};
  for (const ViewChange* vc : set) message.view_changes.push_back(*vc);
  last_new_view = std::make_shared<const Bytes>(encode(message));
  persist(RecordType::kNewView, last_new_view);
  stabilise(Certificate(decision->stable->checkpoint));
  enter_view(wanted_view, *decision);
  // Behind its claims for the slots it proposes again: the NewView is its vote for them.
  send_after(last_token, Type::kNewView, last_new_view);
}

void Replica::Core::on_new_view(Index from, const NewView& message, const Frame& body) {
  if (message.view <= view || message.view < wanted_view) {
    ++counters.frames_stale;
    return;
  }
  std::vector<const ViewChange*> set;
  bool good = from == power.leader(message.view);
  for (const ViewChange& vc : message.view_changes) {
    good =
        good && vc.view == message.view && (mutant(Mutant::kNewViewTrusted) ? vc.replica < power.count() : valid(vc));
    set.push_back(&vc);
  }
  const auto decision = good ? decide(power, set) : std::nullopt;
  if (!decision) {
    ++counters.frames_denied;
    return;
  }
  for (const ViewChange* vc : set)
    if (vc->replica != config.self) asked(*vc);
  last_new_view = body;
  persist(RecordType::kNewView, body);
  stabilise(decision->stable->checkpoint);
  enter_view(message.view, *decision);
}

void Replica::Core::enter_view(View entered, const Decision& decision) {
  sign_run();
  awaited.clear();
  unsigned_due_ns = kNever;
  view = wanted_view = entered;
  slots.enter_view(view);
  ++counters.new_views;
  counters.extra_candidates += decision.extra;
  out.notices.push_back({.kind = NoticeKind::kNewView, .replica = power.leader(view), .number = view, .text = {}});
  if (const auto own = changes.find(config.self); own != changes.end() && own->second.view == view && !silent())
    out.testimony.push_back(statement_of(own->second));
  progress_due_ns = empty_due_ns = censor_due_ns = view_due_ns = resend_due_ns = kNever;
  std::fill(unordered_since_ns.begin(), unordered_since_ns.end(), kNever);
  entered_ns = ns();
  good_slots = 0;
  next_seq = std::max(stable.seq, handed) + 1;
  for (Index lane = 0; lane < power.count(); ++lane) proposed[lane] = lanes->cut(lane).height;
  const bool leading = power.leader(view) == config.self;
  for (const auto& [seq, digest] : decision.slots) {
    next_seq = std::max(next_seq, seq + 1);
    if (!in_window(seq)) continue;
    SlotState& s = slot(seq);
    accept(s, digest);
    if (const Proposal* body = s.body(digest))
      for (const Tip& tip : body->tips)
        if (tip.lane < power.count()) proposed[tip.lane] = std::max(proposed[tip.lane], tip.height);
    if (!leading) {
      s.now.add(power, Phase::kPrepare, power.leader(view), digest);
      try_prepare(seq, s);
    } else if (!silent() && s.claim_prepare({.seq = seq, .digest = digest, .view = view})) {
      s.prepare_sent = true;
      const Vote vote{.epoch = config.epoch, .view = view, .seq = seq, .digest = digest};
      send_after(persist_prepare(seq, s, digest), Type::kPrepare, std::make_shared<const Bytes>(encode(vote)),
                 Reach::kSelf);
    }
    tally(seq, s);
  }
  for (const auto& [seq, message] : std::exchange(early, {}))
    if (message.view == view) on_pre_prepare(power.leader(view), message);
}

// A replica that gave up this view, or lost its journal, can only vote again in a newer one. When that lasts, the
// others go there together; at most once a minute, as the request proves nothing.
void Replica::Core::courtesy() {
  const bool needed = std::any_of(reports.begin(), reports.end(), [&](const auto& r) {
    return r.second.abstaining == 2 || (r.second.view == view && r.second.wanted_view > view);
  });
  if (!needed || changing() || silent() || finishing()) {
    courtesy_since_ns = kNever;
    return;
  }
  if (courtesy_since_ns == kNever) courtesy_since_ns = ns();
  if (ns() - courtesy_since_ns < kCourtesyMs * kNsPerMs || ns() - entered_ns < kCourtesyGapMs * kNsPerMs) return;
  courtesy_since_ns = kNever;
  start_view_change(view + 1);
}

}  // namespace hanse::consensus
