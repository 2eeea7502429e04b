#include "sim/check/safety.h"

#include <algorithm>

#include "base/core/text.h"
#include "chain/consensus/view_change.h"
#include "sim/check/choice.h"
#include "sim/check/detail/safety_state.h"

namespace hanse::sim {

Safety::Safety(SafetyConfig config) : config_(std::move(config)) {
  for (std::size_t i = 0; i < config_.honest.size(); ++i) hosts_.push_back(std::make_unique<Host>());
}

void Safety::begin_epoch(SafetyEpoch epoch) {
  Era era{.of = std::move(epoch), .places = std::vector<Index>(hosts_.size(), consensus::kFollower)};
  for (std::size_t place = 0; place < era.of.members.size(); ++place)
    era.places[era.of.members[place]] = static_cast<Index>(place);
  if (eras_.empty()) {
    first_epoch_ = era.of.epoch;
    for (const auto& h : hosts_) h->epoch = first_epoch_;
  }
  eras_.push_back(std::move(era));
}

void Safety::entered_epoch(Index self, std::uint64_t epoch) {
  Host& h = *hosts_[self];
  h.epoch = epoch;
  h.promised = 0;
  h.lane.clear();
  h.new_views.clear();
  h.stable = std::max(h.stable, era_of(epoch).of.base);
}

const Safety::Era& Safety::era_of(std::uint64_t epoch) const {
  return eras_[static_cast<std::size_t>(epoch - first_epoch_)];
}
bool Safety::knows(std::uint64_t epoch) const { return epoch >= first_epoch_ && epoch - first_epoch_ < eras_.size(); }

bool Safety::honest_at(const Era& era, Index place) const {
  return place < era.of.members.size() && config_.honest[era.of.members[place]];
}

const std::vector<Tip>& Safety::cut_after(Seq seq) const {
  static const std::vector<Tip> kNothing;
  const bool fresh = seq == 0 || std::ranges::any_of(eras_, [&](const Era& era) { return era.end == seq; });
  return fresh ? kNothing : agreed_[seq - 1].cut;
}
Safety::~Safety() = default;

void Safety::fail_rule(std::string_view rule, std::string what) {
  if (!failure_) failure_ = Failure{.rule = std::string(rule), .what = std::move(what)};
}

consensus::Seq Safety::agreed() const { return agreed_.size(); }

const Hash32* Safety::block(Seq seq) const {
  if (seq == 0 || seq > agreed_.size() || !agreed_[seq - 1].block) return nullptr;
  return &*agreed_[seq - 1].block;
}

// ---- the journal ---------------------------------------------------------------------------------------------------

void Safety::appended(Index self, const Record& record) {
  Host& h = *hosts_[self];
  const Bytes& p = *record.payload;
  Host::Pending entry{.key = 0, .type = record.type, .vote = {}};
  switch (record.type) {
    case RecordType::kPrepare:  // both begin with the epoch and a claim: slot, digest, view
    case RecordType::kPrepared:
      if (p.size() < 56) break;
      entry.vote = {.epoch = load_le<std::uint64_t>(&p[0]),
                    .view = load_le<std::uint64_t>(&p[48]),
                    .seq = load_le<std::uint64_t>(&p[8]),
                    .digest = {}};
      Hash32::from(ByteView(p).subspan(16, 32), entry.vote.digest);
      entry.key = vote_key(record.type == RecordType::kPrepare ? kKeyPrepare : kKeyCommit, entry.vote.view,
                           entry.vote.seq, entry.vote.digest);
      break;
    case RecordType::kVertex:
      if (p.size() < 10 || load_le<Index>(&p[8]) != era_of(h.epoch).places[self]) break;
      entry.key = frame_key(p);
      if (const auto v = consensus::decode_vertex(record.payload)) {
        honest_vertices_.insert(v->id);
        h.vertices.insert(word(v->id));
      }
      break;
    case RecordType::kViewChange:
      entry.key = frame_key(p);
      if (const auto vc = consensus::decode_view_change(p)) {
        ++checks_;
        View& view_max = eras_[static_cast<std::size_t>(h.epoch - first_epoch_)].view_max;
        if (vc->view > view_max + 1)
          fail_rule("join",
                    text("replica {} asks for view {}, but no honest replica was above {}", self, vc->view, view_max));
        view_max = std::max(view_max, vc->view);
      }
      break;
    case RecordType::kAttest: entry.key = frame_key(p); break;
    default: break;
  }
  h.pending.push_back(std::move(entry));
}

void Safety::synced(Index self, std::size_t records) {
  Host& h = *hosts_[self];
  records = std::min(records, h.pending.size());
  for (std::size_t i = 0; i < records; ++i) {
    const Host::Pending& p = h.pending[i];
    if (p.key != 0) h.durable.insert(p.key);
    // Own votes count from here on, also when a crash kept them from leaving. Who prepares heard the leader.
    if (p.key == 0 || !knows(p.vote.epoch)) continue;
    const Era& era = era_of(p.vote.epoch);
    if (p.type == RecordType::kPrepare) {
      count(self, era.places[self], kPrepares, p.vote);
      count(self, era.leader(p.vote.view), kPrepares, p.vote);
    }
    if (p.type == RecordType::kPrepared) count(self, era.places[self], kCommits, p.vote);
  }
  h.pending.erase(h.pending.begin(), h.pending.begin() + static_cast<std::ptrdiff_t>(records));
}

void Safety::crashed(Index self, std::size_t survived) {
  synced(self, survived);
  hosts_[self]->pending.clear();
}

void Safety::damaged(Index self) { hosts_[self]->lane.clear(); }

void Safety::restarted(Index self, Seq executed, std::uint64_t epoch) {
  Host& h = *hosts_[self];
  if (h.epoch != epoch) entered_epoch(self, epoch);
  h.handed = h.executed = executed;
  h.new_views.clear();
}

bool Safety::kept(const Host& h, std::uint64_t key, std::string_view what, Index self) {
  ++checks_;
  if (h.durable.contains(key)) return true;
  fail_rule("journal", text("replica {} sent {} before its record was durable", self, what));
  return false;
}

// ---- what arrives --------------------------------------------------------------------------------------------------

Hash32 Safety::proposal_digest(const Frame& body, const consensus::PrePrepare& message) {
  Cached& c = digests_[(reinterpret_cast<std::uintptr_t>(body.get()) >> 5) % digests_.size()];
  if (c.frame != body) {
    c = {.frame = body, .digest = consensus::digest_of(message.proposal)};
    proposals_.emplace(word(c.digest), message.proposal.tips);
  }
  return c.digest;
}

void Safety::count(Index self, Index from, std::uint8_t phase, const Vote& vote) {
  if (vote.seq == 0 || vote.seq > kSeqMax || vote.seq > agreed() + 4 * consensus::kSlotWindow) return;
  if (!knows(vote.epoch) || from >= era_of(vote.epoch).of.members.size()) return;
  std::vector<Tally>& tallies = hosts_[self]->slot_tallies(vote.seq);
  const std::uint64_t digest = word(vote.digest);
  const auto same = [&](const Tally& t) { return t.phase == phase && t.view == vote.view && t.digest == digest; };
  auto it = std::ranges::find_if(tallies, same);
  if (it == tallies.end()) {
    tallies.push_back({.view = vote.view, .digest = digest, .phase = phase, .weight = 0, .voters = {}});
    it = std::prev(tallies.end());
  }
  if (it->voters.add(from)) it->weight += era_of(vote.epoch).of.power->of(from);
}

// A NewView is its leader's Prepare for every slot that it decides.
void Safety::count_new_view(Index self, const Frame& body) {
  const auto message = consensus::decode_new_view(*body);
  const Era& era = era_of(hosts_[self]->epoch);
  if (!message || message->epoch != era.of.epoch) return;
  std::vector<const ViewChange*> set;
  for (const ViewChange& vc : message->view_changes)
    if (vc.replica < era.of.power->count()) set.push_back(&vc);
  const auto decision = consensus::decide(*era.of.power, set);
  if (!decision) return;
  for (const auto& [seq, digest] : decision->slots)
    count(self, era.leader(message->view), kPrepares,
          {.epoch = era.of.epoch, .view = message->view, .seq = seq, .digest = digest});
}

void Safety::heard_of(Index self, Index from, Type type, const Frame& body) {
  Host& h = *hosts_[self];
  if (type == Type::kVertex) {
    Cached& c = vertex_ids_[(reinterpret_cast<std::uintptr_t>(body.get()) >> 5) % vertex_ids_.size()];
    if (c.frame != body) {
      const auto v = consensus::decode_vertex(body);
      c = {.frame = body, .digest = v ? v->id : Hash32{}};
    }
    if (!c.digest.is_zero()) h.vertices.insert(word(c.digest));
    return;
  }
  const auto ack = consensus::decode_ack(*body);
  if (!ack || from >= era_of(h.epoch).of.members.size()) return;
  for (const auto& run : ack->runs)
    for (std::size_t i = 0; i < run.ids.size(); ++i) {
      auto& [voters, power] = h.acks[mix(mix(run.lane, run.first_height + i), word(run.ids[i]))];
      if (voters.add(from)) power += era_of(h.epoch).of.power->of(from);
    }
}

void Safety::check_tips(Index self, const Vote& vote) {
  const Host& h = *hosts_[self];
  const auto tips = proposals_.find(word(vote.digest));
  if (tips == proposals_.end() || agreed_.size() >= vote.seq) return;
  ++checks_;
  const consensus::Power& power = *era_of(vote.epoch).of.power;
  for (const Tip& t : tips->second) {
    if (t.lane >= power.count() || h.vertices.contains(word(t.id))) continue;
    const auto acks = h.acks.find(mix(mix(t.lane, t.height), word(t.id)));
    if (acks != h.acks.end() && acks->second.second >= power.one_honest()) continue;
    if (!agreed_.empty()) {
      const auto& cut = cut_after(agreed_.size());
      const auto at = std::ranges::find(cut, t.lane, &Tip::lane);
      if (at != cut.end() && at->height >= t.height) continue;
    }
    fail_rule("available", text("replica {} prepares slot {} with a tip of lane {} at {} that it does not hold", self,
                                vote.seq, t.lane, t.height));
  }
}

void Safety::delivered(Index self, Index from, Type type, const Frame& body) {
  const Era& era = era_of(hosts_[self]->epoch);
  switch (type) {
    case Type::kVertex:
    case Type::kAck: return heard_of(self, from, type, body);
    case Type::kPrepare:
    case Type::kCommit: {
      const auto vote = consensus::decode_vote(*body);
      if (vote && vote->epoch == era.of.epoch) count(self, from, type == Type::kPrepare ? kPrepares : kCommits, *vote);
      return;
    }
    case Type::kPrePrepare: {
      const auto message = consensus::decode_pre_prepare(*body);
      if (!message || from != era.leader(message->view) || message->proposal.epoch != era.of.epoch) return;
      count(self, from, kPrepares,
            {.epoch = era.of.epoch,
             .view = message->view,
             .seq = message->proposal.seq,
             .digest = proposal_digest(body, *message)});
      return;
    }
    case Type::kNewView:
      count_new_view(self, body);
      if (const auto message = consensus::decode_new_view(*body)) {
        auto& known = hosts_[self]->new_views;
        if (known.size() < 64) known[message->view] = body;
      }
      return;
    case Type::kSlot: {
      const auto slot = consensus::decode_slot(*body);
      if (!slot) return;
      const Digest digest = slot->null ? Digest{} : consensus::digest_of(slot->proposal);
      // Apart by epoch: a place is another replica's in the next one, and slots are told before one gets there.
      count(self, from, kTold, {.epoch = era.of.epoch, .view = era.of.epoch, .seq = slot->seq, .digest = digest});
      return;
    }
    default: return;
  }
}

std::uint32_t Safety::weight(const Host& h, std::uint8_t phase, View view, Seq seq, const Hash32& digest) const {
  if (h.tallies.size() <= seq) return 0;
  for (const Tally& t : h.tallies[seq])
    if (t.phase == phase && t.view == view && t.digest == word(digest)) return t.weight;
  return 0;
}

bool Safety::justified(const Host& h, Seq seq, const Hash32& digest) const {
  if (h.tallies.size() <= seq) return false;
  const consensus::Power& power = *era_of(h.epoch).of.power;
  return std::ranges::any_of(h.tallies[seq], [&](const Tally& t) {
    if (t.digest != word(digest)) return false;
    switch (t.phase) {
      case kPrepares: return t.weight >= consensus::kPowerTotal;
      case kCommits: return t.weight >= power.quorum();
      default: return t.weight >= power.one_honest();
    }
  });
}

// ---- what leaves ---------------------------------------------------------------------------------------------------

void Safety::sent(Index self, Type type, const Frame& body, const Facts& before, const Facts& after) {
  const Era& era = era_of(hosts_[self]->epoch);
  const bool own_lane = type == Type::kVertex && body->size() >= 10 &&
                        load_le<std::uint64_t>(body->data()) == era.of.epoch &&
                        load_le<Index>(body->data() + 8) == era.places[self];
  const bool vote = type == Type::kPrePrepare || type == Type::kPrepare || type == Type::kCommit ||
                    type == Type::kAttest || type == Type::kViewChange;
  if (before.abstaining && after.abstaining && vote)
    fail_rule("abstain", text("replica {} sent {} while abstaining", self, consensus::type_name(type)));
  if (type == Type::kAck) heard_of(self, era.places[self], type, body);
  if (own_lane) return sent_vertex(self, body);
  sent_frame(self, type, body, after);
}

void Safety::sent_vertex(Index self, const Frame& body) {
  Host& h = *hosts_[self];
  if (!kept(h, frame_key(*body), "a vertex", self)) return;
  const auto v = consensus::decode_vertex(body);
  if (!v) return fail_rule("validity", text("replica {} sent a vertex that cannot be read", self));
  const std::uint64_t height = v->vertex.height;
  if (height > kSeqMax) return;
  if (h.lane.size() <= height) h.lane.resize(height + 64);
  if (h.lane[height].is_zero()) h.lane[height] = v->id;
  if (h.lane[height] != v->id)
    fail_rule("equivocation", text("replica {} sent two vertices at height {}", self, height));
}

void Safety::sent_frame(Index self, Type type, const Frame& body, const Facts& after) {
  Host& h = *hosts_[self];
  switch (type) {
    case Type::kPrePrepare: {
      const auto m = consensus::decode_pre_prepare(*body);
      if (!m) return fail_rule("validity", text("replica {} sent a proposal that cannot be read", self));
      return sent_vote(
          self, type,
          {.epoch = m->proposal.epoch, .view = m->view, .seq = m->proposal.seq, .digest = proposal_digest(body, *m)},
          after);
    }
    case Type::kPrepare:
    case Type::kCommit:
      if (const auto vote = consensus::decode_vote(*body)) return sent_vote(self, type, *vote, after);
      return fail_rule("validity", text("replica {} sent a vote that cannot be read", self));
    case Type::kAttest: {
      const auto attest = consensus::decode_attest(*body);
      if (!attest || !kept(h, frame_key(*body), "an attest", self)) return;
      const auto [it, fresh] = h.attested.emplace(attest->seq, attest->block);
      if (!fresh && it->second != attest->block)
        fail_rule("equivocation", text("replica {} attests two blocks at slot {}", self, attest->seq));
      if (const Hash32* known = block(attest->seq); known != nullptr && *known != attest->block)
        fail_rule("roots", text("replica {} attests another block at slot {}", self, attest->seq));
      return;
    }
    case Type::kViewChange: {
      const auto vc = consensus::decode_view_change(*body);
      if (vc && vc->replica == era_of(h.epoch).places[self] && kept(h, frame_key(*body), "a view change", self))
        sent_view_change(self, *vc);
      return;
    }
    case Type::kNewView: return count_new_view(self, body);
    default: return;
  }
}

void Safety::sent_vote(Index self, Type type, const Vote& vote, const Facts& after) {
  Host& h = *hosts_[self];
  const Era& era = era_of(h.epoch);
  const bool commit = type == Type::kCommit;
  const auto name = consensus::type_name(type);
  if (vote.seq == 0 || vote.seq > kSeqMax || vote.seq > agreed() + 4 * consensus::kSlotWindow)
    return fail_rule("window", text("replica {} sent {} for slot {}, {} are agreed", self, name, vote.seq, agreed()));
  if (vote.epoch != era.of.epoch || (commit && era.end != 0 && vote.seq > era.end))
    return fail_rule("epoch", text("replica {} sent {} for slot {} of epoch {}, it is in epoch {}", self, name,
                                   vote.seq, vote.epoch, era.of.epoch));
  if (!kept(h, vote_key(commit ? kKeyCommit : kKeyPrepare, vote.view, vote.seq, vote.digest), name, self)) return;
  // A certificate may be lost in a crash and the votes above it sent again.
  h.stable = std::max(h.stable, after.stable);
  if (vote.seq > h.stable + consensus::kSlotWindow)
    fail_rule("window",
              text("replica {} sent {} for slot {} above the window of {}", self, name, vote.seq, after.stable));
  if (vote.view < h.promised)
    fail_rule("memory",
              text("replica {} sent {} in view {} after asking for view {}", self, name, vote.view, h.promised));
  count(self, era.places[self], commit ? kCommits : kPrepares, vote);
  if (type == Type::kPrepare) check_tips(self, vote);
  if (const auto choice = h.choices.find(mix(vote.view, vote.seq));
      choice != h.choices.end() && choice->second != vote.digest)
    fail_rule("choice", text("replica {} votes in slot {} view {} for another digest than the view change decided",
                             self, vote.seq, vote.view));
  if (commit) {
    const std::uint32_t got = weight(h, kPrepares, vote.view, vote.seq, vote.digest);
    if (got < era.of.power->quorum())
      fail_rule("quorum",
                text("replica {} commits slot {} view {} with prepares of power {}", self, vote.seq, vote.view, got));
    const auto [it, fresh] = prepared_.emplace(mix(vote.view, vote.seq), vote.digest);
    if (!fresh && it->second != vote.digest)
      fail_rule("prepared", text("two digests were prepared for slot {} in view {}", vote.seq, vote.view));
  }
  SlotView& votes = h.slot_votes(vote.seq);
  for (SlotView::Sent& s : votes.sent) {
    if (s.view != vote.view) continue;
    if (s.digest != vote.digest)
      return fail_rule("equivocation",
                       text("replica {} voted for two digests in slot {} view {}", self, vote.seq, vote.view));
    (commit ? s.commit : s.prepare) = true;
    return;
  }
  votes.sent.push_back({.view = vote.view, .digest = vote.digest, .prepare = !commit, .commit = commit});
}

void Safety::sent_view_change(Index self, const ViewChange& vc) {
  Host& h = *hosts_[self];
  h.promised = std::max(h.promised, vc.view);
  ++checks_;
  for (Seq seq = vc.checkpoint.seq + 1; seq < h.votes.size(); ++seq)
    for (const SlotView::Sent& s : h.votes[seq].sent) {
      if (s.view >= vc.view) continue;  // a later view's: this is an old frame again
      const auto claims = [&](const std::vector<consensus::Claim>& list, bool same_digest) {
        return std::ranges::any_of(list, [&](const consensus::Claim& c) {
          return c.seq == seq && c.view >= s.view && (!same_digest || c.digest == s.digest);
        });
      };
      if (s.prepare && !claims(vc.prepares, true))
        return fail_rule("memory", text("replica {} asks for view {} and conceals its prepare of slot {} view {}", self,
                                        vc.view, seq, s.view));
      if (s.commit && !claims(vc.prepared, false))
        return fail_rule("memory", text("replica {} asks for view {} and conceals its commit of slot {} view {}", self,
                                        vc.view, seq, s.view));
    }
}

void Safety::stepped(Index self, const Facts& before, const Facts& after, Step step) {
  Host& h = *hosts_[self];
  ++checks_;
  h.stable = std::max(h.stable, after.stable);
  if (after.pending_slots > 2 * consensus::kSlotWindow || after.lane_vertices > consensus::kLaneWindow ||
      after.lane_bytes > config_.lane_bytes_max + consensus::kVertexBytesMax)
    fail_rule("bounds", text("replica {} holds {} slots, {} vertices, {} bytes", self, after.pending_slots,
                             after.lane_vertices, after.lane_bytes));
  if (after.executed > after.committed || after.executed < before.executed || after.stable < before.stable ||
      after.view < before.view || after.certified < before.certified)
    fail_rule("finality", text("replica {} went back: executed {} of {}, stable {}, view {}", self, after.executed,
                               after.committed, after.stable, after.view));
  const bool gave_up = step == Step::kTick && before.wanted_view > before.view && after.view == before.view &&
                       after.wanted_view == before.wanted_view + 1;
  if (gave_up && after.timeout_ms < std::min(2 * before.timeout_ms, config_.timeout_ms_max))
    fail_rule("pacemaker", text("replica {} gave up view {} after {} ms and gives the next {} ms", self,
                                before.wanted_view, before.timeout_ms, after.timeout_ms));
  const Era& era = era_of(h.epoch);
  if (after.view == before.view || before.abstaining || era.leader(after.view) == era.places[self]) return;
  const auto it = h.new_views.find(after.view);
  const auto message = it == h.new_views.end() ? Result<consensus::NewView>(consensus::NewView{})
                                               : consensus::decode_new_view(*it->second);
  std::uint32_t power = 0;
  consensus::Voters senders;
  if (message)
    for (const ViewChange& vc : message->view_changes)
      if (vc.replica < era.of.power->count() && vc.view == after.view && vc.epoch == era.of.epoch &&
          senders.add(vc.replica) &&
          era.of.verifier->verify(vc.replica, consensus::Purpose::kViewChange, view_change_message(vc), vc.signature))
        power += era.of.power->of(vc.replica);
  if (power >= era.of.power->quorum()) return entered(self, *message);
  fail_rule("new_view", text("replica {} entered view {} on view changes of power {}", self, after.view, power));
}

void Safety::entered(Index self, const consensus::NewView& message) {
  Host& h = *hosts_[self];
  const consensus::Power& power = *era_of(h.epoch).of.power;
  const bool known =
      std::ranges::all_of(message.view_changes, [&](const ViewChange& vc) { return vc.replica < power.count(); });
  const auto choices = known ? choose(power, message.view_changes) : std::nullopt;
  if (!choices)
    return fail_rule("choice",
                     text("replica {} entered view {}, whose view changes decide nothing", self, message.view));
  for (const auto& [seq, digest] : *choices) h.choices[mix(message.view, seq)] = digest;
}

void Safety::noticed(Index self, const consensus::Notice& notice) {
  if (notice.kind == consensus::NoticeKind::kHalted)
    fail_rule("halt", text("replica {} halted: {}", self, notice.text));
  if (notice.kind == consensus::NoticeKind::kEvidence && honest_at(era_of(hosts_[self]->epoch), notice.replica))
    fail_rule("evidence", text("replica {} accuses honest replica {}: {}", self, notice.replica, notice.text));
}

}  // namespace hanse::sim
