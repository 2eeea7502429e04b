#include <algorithm>

#include "base/core/text.h"
#include "chain/consensus/detail/core.h"

// What was missed: status reports, slots and proposals from others, and the way back after a lost journal
// (consensus.md 5.6 "abstain mode", 5.8).

namespace hanse::consensus {

// ---- status --------------------------------------------------------------------------------------------------------

void Replica::Core::send_status(Index to) {
  const std::uint8_t waits = !abstaining ? 0 : (abstain_bound > 0 && stable.seq >= abstain_bound ? 2 : 1);
  const StatusReport status{.epoch = config.epoch,
                            .view = view,
                            .wanted_view = wanted_view,
                            .stable = stable.seq,
                            .executed = done,
                            .abstaining = waits};
  send(to, Type::kStatus, std::make_shared<const Bytes>(encode(status)));
}

void Replica::Core::on_status(Index from, const StatusReport& status) {
  const auto before = reports.find(from);
  const bool first = before == reports.end();
  const bool stuck = first || before->second.executed == status.executed;
  const bool leapt = !first && before->second.executed + kSlotWindow < status.executed;
  reports[from] = status;
  if (silent()) return;
  if (leapt) give_back(from);  // what it could not place before, it can now
  // It came into this epoch after us: what we wrote meanwhile it dropped.
  if (first && config.base > 0) give_back(from);
  if (answered_ns.contains(from) && ns() - answered_ns[from] < config.status_ms * kNsPerMs / 2) return;
  answered_ns[from] = ns();
  if (status.abstaining != 0) give_back(from);
  if (status.view < view && power.leader(view) == config.self && last_new_view)
    send(from, Type::kNewView, last_new_view);
  if (status.wanted_view > view && power.leader(status.wanted_view) == from)
    for (const ViewChange* vc : changes_for(status.wanted_view))
      if (vc->replica != from) send(from, Type::kViewChange, std::make_shared<const Bytes>(encode(*vc)));
  if (status.view == view && stuck) resend_votes(from);
  if (stuck || status.stable < stable.seq)
    for (const auto& [seq, attest] : own_attests)
      if (seq > status.stable && attests.contains(seq) && attests[seq].by.contains(config.self))
        send(from, Type::kAttest, std::make_shared<const Bytes>(encode(attest)));
}

// A channel is new: whatever was under way on the old one is lost.
// One of those who say so is honest.
Seq Replica::Core::reported() const {
  std::vector<std::pair<Seq, std::uint32_t>> said;
  for (const auto& [peer, report] : reports) said.emplace_back(report.executed, power.of(peer));
  std::ranges::sort(said, std::greater());
  std::uint32_t sum = 0;
  for (const auto& [executed, weight] : said)
    if ((sum += weight) >= power.one_honest()) return executed;
  return 0;
}

void Replica::Core::peer_up(Index peer) {
  reports.erase(peer);
  answered_ns.erase(peer);
  send_status(peer);
  if (silent()) return;
  if (change_sent()) send(peer, Type::kViewChange, own_change);
  give_back(peer);
}

// Own vertices, the peer's own ones (it may have lost them), and what we hold of the others.
void Replica::Core::give_back(Index peer) {
  Ack ack{.epoch = config.epoch, .runs = {}};
  std::size_t hashes = 0;
  for (const VertexFrame* v : lanes->all()) {
    const Vertex& x = v->vertex;
    if (!lanes->rooted(v->id)) continue;
    const bool waits =
        std::any_of(deferred.begin(), deferred.end(), [&](const Deferred& d) { return d.body == v->frame; }) ||
        std::any_of(to_ack.begin(), to_ack.end(), [&](const auto& a) { return a.second.id == v->id; });
    if (waits) continue;
    if (x.lane == config.self || x.lane == peer) send(peer, Type::kVertex, v->frame);
    if (x.lane == config.self || hashes == kAckHashesMax || ack.runs.size() == kReplicasMax) continue;
    const bool follows = !ack.runs.empty() && ack.runs.back().lane == x.lane &&
                         ack.runs.back().first_height + ack.runs.back().ids.size() == x.height;
    if (!follows) ack.runs.push_back({.lane = x.lane, .first_height = x.height, .ids = {}});
    ack.runs.back().ids.push_back(v->id);
    ++hashes;
  }
  if (!ack.runs.empty()) send(peer, Type::kAck, std::make_shared<const Bytes>(encode(ack)));
}

// ---- fetching ------------------------------------------------------------------------------------------------------

bool Replica::Core::body_missing(const SlotState& s) const {
  return (s.accepted && !s.accepted->is_zero() && s.body(*s.accepted) == nullptr) ||
         (s.decided && !s.handed && !s.decided->is_zero() && s.body(*s.decided) == nullptr);
}

bool Replica::Core::bodies_missing() const {
  return std::any_of(slots.all().begin(), slots.all().end(),
                     [&](const auto& entry) { return body_missing(entry.second); });
}

bool Replica::Core::behind() const {
  if (held || finishing()) return false;
  const SlotState* next = slots.find(handed + 1);
  if (next != nullptr && next->decided) return false;
  return stable.seq > handed ||
         std::any_of(reports.begin(), reports.end(), [&](const auto& r) { return r.second.executed > handed; });
}

void Replica::Core::catch_up() {
  const bool missing = bodies_missing();
  if (!missing && !behind()) {
    catch_up_due_ns = kNever;
    catch_up_wait_ms = 0;
    return;
  }
  if (catch_up_due_ns == kNever) catch_up_due_ns = ns() + config.fetch_ms * kNsPerMs;
  if (catch_up_due_ns > ns()) return;
  // Twice as long while no answer helps, so that a slow link is not filled with answers to questions asked before.
  catch_up_wait_ms = std::min(std::max(2 * catch_up_wait_ms, 5 * config.fetch_ms), 5 * config.status_ms);
  catch_up_due_ns = ns() + catch_up_wait_ms * kNsPerMs;
  const auto next_peer = [&] {
    do catch_up_peer = static_cast<Index>((catch_up_peer + 1) % power.count());
    while (catch_up_peer == config.self);
    return catch_up_peer;
  };
  if (missing)
    for (const auto& [seq, s] : slots.all()) {
      if (!body_missing(s)) continue;
      const Digest digest =
          s.decided && !s.decided->is_zero() && s.body(*s.decided) == nullptr ? *s.decided : *s.accepted;
      ++counters.fetches;
      send(next_peer(), Type::kFetchProposal,
           std::make_shared<const Bytes>(encode(FetchProposal{.seq = seq, .digest = digest})));
    }
  if (!behind()) return;
  const Index full = next_peer();
  fetched_to = handed + kSlotsPerFetchMax;
  for (Index peer = 0; peer < power.count(); ++peer) {
    if (peer == config.self) continue;
    ++counters.fetches;
    const FetchSlots fetch{.first = handed + 1, .vertices = static_cast<std::uint8_t>(peer == full ? 1 : 0)};
    send(peer, Type::kFetchSlots, std::make_shared<const Bytes>(encode(fetch)));
  }
}

void Replica::Core::on_slot(Index from, const Slot& told) {
  if (told.seq <= handed || told.seq > handed + kCatchUpWindow || beyond_end(told.seq)) {
    ++(told.seq <= handed ? counters.frames_stale : counters.frames_far);
    return;
  }
  if (!told.null && told.proposal.epoch != config.epoch) {
    ++counters.frames_other_epoch;
    return;
  }
  const Digest digest = told.null ? Digest{} : digest_of(told.proposal);
  SlotState& s = slot(told.seq);
  if (s.decided && s.decided != digest) return;
  if (!s.told.emplace(from, digest).second) return;
  if (!told.null) s.add_body(digest, told.proposal);
  std::uint32_t weight = 0;
  for (const auto& [replica, said] : s.told)
    if (said == digest) weight += power.of(replica);
  if (weight < power.one_honest() || s.decided) return;
  ++counters.slots_caught_up;
  answers_come();
  decide_slot(told.seq, s, digest);
  if (told.seq == fetched_to) catch_up_due_ns = ns();
}

void Replica::Core::on_fetch_slots(Index from, const FetchSlots& fetch) {
  if (fetch.first == 0 || fetch.first > done) return;
  out.serve_slots.push_back({.to = from,
                             .first = fetch.first,
                             .last = std::min(done, fetch.first + kSlotsPerFetchMax - 1),
                             .vertices = fetch.vertices == 1});
}

void Replica::Core::on_fetch_proposal(Index from, const FetchProposal& fetch) {
  const SlotState* s = slots.find(fetch.seq);
  if (const Proposal* body = s != nullptr ? s->body(fetch.digest) : nullptr)
    return send(from, Type::kProposal, std::make_shared<const Bytes>(encode(*body)));
  if (fetch.seq <= done) out.serve_proposals.push_back({.to = from, .seq = fetch.seq, .digest = fetch.digest});
}

void Replica::Core::on_proposal(const Proposal& proposal) {
  SlotState* s = slots.find(proposal.seq);
  const Digest digest = digest_of(proposal);
  if (s == nullptr || (s->accepted != digest && s->decided != digest)) {
    ++counters.frames_stale;
    return;
  }
  if (s->body(digest) == nullptr) answers_come();
  s->add_body(digest, proposal);
  catch_up_wait_ms = 0;  // it helped: what is missing next is asked for soon
  catch_up_due_ns = std::min(catch_up_due_ns, ns() + config.fetch_ms * kNsPerMs);
}

// The next question need not wait as long as one that nobody answered.
void Replica::Core::answers_come() {
  catch_up_wait_ms = 0;
  catch_up_due_ns = std::min(catch_up_due_ns, ns() + 5 * config.fetch_ms * kNsPerMs);
}

// ---- after a lost journal ------------------------------------------------------------------------------------------

// Nothing may be voted on that could have been voted on before the loss: every such slot must lie below a stable
// checkpoint, every such view below the current one.
void Replica::Core::stop_abstaining() {
  std::uint32_t heard = 0;
  Seq highest = done;
  std::vector<std::pair<View, std::uint32_t>> views;
  for (const auto& [peer, report] : reports) {
    heard += power.of(peer);
    highest = std::max(highest, report.executed);
    views.emplace_back(std::max(report.view, report.wanted_view), power.of(peer));
  }
  if (!abstain_heard) {
    if (heard < power.quorum()) return;
    abstain_heard = true;
    // My checkpoint then was attested by power >= Q; an honest one of them is among these reports. That holds for the
    // last block of an epoch too, so a bound found in an earlier epoch covers what was voted on in this one; the view
    // is this epoch's.
    if (abstain_bound == 0) abstain_bound = highest + kSlotWindow;
    std::sort(views.begin(), views.end(), std::greater<>());
    std::uint32_t weight = 0;
    for (const auto& [reported, share] : views) {
      weight += share;
      if (weight < power.one_honest()) continue;
      abstain_view = reported;
      break;
    }
  }
  if (!abstain_heard || stable.seq < abstain_bound || view <= abstain_view || done < stable.seq) return;
  abstaining = false;
  if (!follows()) recover_lane();
  out.notices.push_back({.kind = NoticeKind::kVoting, .replica = config.self, .number = view, .text = {}});
}

void Replica::Core::recover_lane() {
  // Before the loss the lane was written up to a window above the cut of then, and signed where it is signed.
  unsigned_height = lanes->cut(config.self).height + kLaneWindow;
  persist_height(RecordType::kUnsigned, unsigned_height);
  own_tip = lanes->best_tip(config.self, 0).value_or(lanes->cut(config.self));
  // What the others still hold of the own lane and gave back: its heights must not be written a second time.
  for (auto it = loose.begin(); it != loose.end();) {
    const VertexFrame v = it->second;
    if (v.vertex.lane == config.self && v.vertex.height == own_tip.height + 1 && v.vertex.parents[0] == own_tip.id) {
      want({.lane = config.self, .height = v.vertex.height, .id = v.id});
      own_tip = {.lane = config.self, .height = v.vertex.height, .id = v.id};
      it = loose.begin();
    } else {
      ++it;
    }
  }
}

}  // namespace hanse::consensus
