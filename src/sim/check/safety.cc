#include "sim/check/safety.h"

#include <algorithm>

#include "base/core/text.h"
#include "chain/consensus/view_change.h"
#include "sim/check/choice.h"
#include "sim/check/mix.h"

namespace hanse::sim {

using consensus::Digest;
using consensus::Execute;
using consensus::Facts;
using consensus::Frame;
using consensus::Index;
using consensus::Record;
using consensus::RecordType;
using consensus::Seq;
using consensus::Tip;
using consensus::Type;
using consensus::View;
using consensus::ViewChange;
using consensus::Vote;

namespace {

constexpr Seq kSeqMax = 1 << 20;  // claims of Byzantine replicas about farther slots are not counted
enum Phase : std::uint8_t { kPrepares, kCommits, kTold };
enum Key : std::uint64_t { kKeyPrepare = 1, kKeyCommit, kKeyFrame };

std::uint64_t word(const Hash32& h) { return load_le<std::uint64_t>(h.data.data()); }
std::uint64_t vote_key(Key key, View view, Seq seq, const Digest& digest) {
  return mix(mix(mix(key, view), seq), word(digest));
}
std::uint64_t frame_key(ByteView body) { return mix(kKeyFrame, mix_bytes(body)); }

}  // namespace

struct Safety::Tally {
  View view = 0;
  std::uint64_t digest = 0;
  std::uint8_t phase = 0;
  std::uint32_t weight = 0;
  consensus::Voters voters;
};

// What a slot was given by one honest replica: its votes, and what arrived for it.
struct SlotView {
  struct Sent {
    View view = 0;
    Hash32 digest;
    bool prepare = false, commit = false;  // a commit may stand on others' prepares alone
  };
  std::vector<Sent> sent;
};

struct Safety::Host {
  std::unordered_set<std::uint64_t> durable;
  struct Pending {
    std::uint64_t key = 0;
    RecordType type = RecordType::kSnapshot;
    Vote vote;  // of Prepare and Prepared records
  };
  std::vector<Pending> pending;
  std::vector<std::vector<Tally>> tallies;  // by slot
  std::vector<SlotView> votes;              // by slot
  std::vector<Hash32> lane;                 // own vertices by height, as sent
  std::unordered_map<Seq, Hash32> attested;
  std::unordered_map<View, Frame> new_views;                                            // delivered, not checked
  View promised = 0;                                                                    // the highest view asked for
  std::unordered_set<std::uint64_t> vertices;                                           // held, or once held
  std::unordered_map<std::uint64_t, std::pair<consensus::Voters, std::uint32_t>> acks;  // of a tip: who, and power
  std::unordered_map<std::uint64_t, Hash32> choices;  // (view, seq) -> what a view change decided
  Seq handed = 0, executed = 0, stable = 0;           // stable: the highest ever

  std::vector<Tally>& slot_tallies(Seq seq) {
    if (tallies.size() <= seq) tallies.resize(seq + 64);
    return tallies[seq];
  }
  SlotView& slot_votes(Seq seq) {
    if (votes.size() <= seq) votes.resize(seq + 64);
    return votes[seq];
  }
};

struct Safety::Agreed {
  Digest digest;
  std::uint64_t order = 0;  // of the vertices
  std::vector<Tip> cut;
  std::optional<Hash32> block;
};

Safety::Safety(SafetyConfig config) : config_(std::move(config)) {
  for (std::size_t i = 0; i < config_.power->count(); ++i) hosts_.push_back(std::make_unique<Host>());
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
    case RecordType::kPrepare:  // both begin with a claim: slot, digest, view
    case RecordType::kPrepared:
      if (p.size() < 48) break;
      entry.vote = {.epoch = config_.epoch,
                    .view = load_le<std::uint64_t>(&p[40]),
                    .seq = load_le<std::uint64_t>(&p[0]),
                    .digest = {}};
      Hash32::from(ByteView(p).subspan(8, 32), entry.vote.digest);
      entry.key = vote_key(record.type == RecordType::kPrepare ? kKeyPrepare : kKeyCommit, entry.vote.view,
                           entry.vote.seq, entry.vote.digest);
      break;
    case RecordType::kVertex:
      if (p.size() < 10 || load_le<Index>(&p[8]) != self) break;
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
        if (vc->view > view_max_ + 1)
          fail_rule("join",
                    text("replica {} asks for view {}, but no honest replica was above {}", self, vc->view, view_max_));
        view_max_ = std::max(view_max_, vc->view);
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
    if (p.type == RecordType::kPrepare && p.key != 0) {
      count(self, self, kPrepares, p.vote);
      count(self, config_.power->leader(p.vote.view), kPrepares, p.vote);
    }
    if (p.type == RecordType::kPrepared && p.key != 0) count(self, self, kCommits, p.vote);
  }
  h.pending.erase(h.pending.begin(), h.pending.begin() + static_cast<std::ptrdiff_t>(records));
}

void Safety::crashed(Index self, std::size_t survived) {
  synced(self, survived);
  hosts_[self]->pending.clear();
}

void Safety::damaged(Index self) { hosts_[self]->lane.clear(); }

void Safety::restarted(Index self, Seq executed) {
  Host& h = *hosts_[self];
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
  std::vector<Tally>& tallies = hosts_[self]->slot_tallies(vote.seq);
  const std::uint64_t digest = word(vote.digest);
  const auto same = [&](const Tally& t) { return t.phase == phase && t.view == vote.view && t.digest == digest; };
  auto it = std::ranges::find_if(tallies, same);
  if (it == tallies.end()) {
    tallies.push_back({.view = vote.view, .digest = digest, .phase = phase, .weight = 0, .voters = {}});
    it = std::prev(tallies.end());
  }
  if (it->voters.add(from)) it->weight += config_.power->of(from);
}

// A NewView is its leader's Prepare for every slot that it decides.
void Safety::count_new_view(Index self, const Frame& body) {
  const auto message = consensus::decode_new_view(*body);
  if (!message || message->epoch != config_.epoch) return;
  std::vector<const ViewChange*> set;
  for (const ViewChange& vc : message->view_changes)
    if (vc.replica < config_.power->count()) set.push_back(&vc);
  const auto decision = consensus::decide(*config_.power, set);
  if (!decision) return;
  for (const auto& [seq, digest] : decision->slots)
    count(self, config_.power->leader(message->view), kPrepares,
          {.epoch = config_.epoch, .view = message->view, .seq = seq, .digest = digest});
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
  if (!ack) return;
  for (const auto& run : ack->runs)
    for (std::size_t i = 0; i < run.ids.size(); ++i) {
      auto& [voters, power] = h.acks[mix(mix(run.lane, run.first_height + i), word(run.ids[i]))];
      if (voters.add(from)) power += config_.power->of(from);
    }
}

void Safety::check_tips(Index self, const Vote& vote) {
  const Host& h = *hosts_[self];
  const auto tips = proposals_.find(word(vote.digest));
  if (tips == proposals_.end() || agreed_.size() >= vote.seq) return;
  ++checks_;
  for (const Tip& t : tips->second) {
    if (t.lane >= config_.power->count() || h.vertices.contains(word(t.id))) continue;
    const auto acks = h.acks.find(mix(mix(t.lane, t.height), word(t.id)));
    if (acks != h.acks.end() && acks->second.second >= config_.power->one_honest()) continue;
    if (!agreed_.empty()) {
      const auto& cut = agreed_.back().cut;
      const auto at = std::ranges::find(cut, t.lane, &Tip::lane);
      if (at != cut.end() && at->height >= t.height) continue;
    }
    fail_rule("available", text("replica {} prepares slot {} with a tip of lane {} at {} that it does not hold", self,
                                vote.seq, t.lane, t.height));
  }
}

void Safety::delivered(Index self, Index from, Type type, const Frame& body) {
  switch (type) {
    case Type::kVertex:
    case Type::kAck: return heard_of(self, from, type, body);
    case Type::kPrepare:
    case Type::kCommit: {
      const auto vote = consensus::decode_vote(*body);
      if (vote && vote->epoch == config_.epoch) count(self, from, type == Type::kPrepare ? kPrepares : kCommits, *vote);
      return;
    }
    case Type::kPrePrepare: {
      const auto message = consensus::decode_pre_prepare(*body);
      if (!message || from != config_.power->leader(message->view) || message->proposal.epoch != config_.epoch) return;
      count(self, from, kPrepares,
            {.epoch = config_.epoch,
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
      count(self, from, kTold, {.epoch = config_.epoch, .view = 0, .seq = slot->seq, .digest = digest});
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
  return std::ranges::any_of(h.tallies[seq], [&](const Tally& t) {
    if (t.digest != word(digest)) return false;
    switch (t.phase) {
      case kPrepares: return t.weight >= consensus::kPowerTotal;
      case kCommits: return t.weight >= config_.power->quorum();
      default: return t.weight >= config_.power->one_honest();
    }
  });
}

// ---- what leaves ---------------------------------------------------------------------------------------------------

void Safety::sent(Index self, Type type, const Frame& body, const Facts& before, const Facts& after) {
  const bool own_lane = type == Type::kVertex && body->size() >= 10 && load_le<Index>(body->data() + 8) == self;
  const bool vote = type == Type::kPrePrepare || type == Type::kPrepare || type == Type::kCommit ||
                    type == Type::kAttest || type == Type::kViewChange;
  if (before.abstaining && after.abstaining && vote)
    fail_rule("abstain", text("replica {} sent {} while abstaining", self, consensus::type_name(type)));
  if (type == Type::kAck) heard_of(self, self, type, body);
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
      if (vc && vc->replica == self && kept(h, frame_key(*body), "a view change", self)) sent_view_change(self, *vc);
      return;
    }
    case Type::kNewView: return count_new_view(self, body);
    default: return;
  }
}

void Safety::sent_vote(Index self, Type type, const Vote& vote, const Facts& after) {
  Host& h = *hosts_[self];
  const bool commit = type == Type::kCommit;
  const auto name = consensus::type_name(type);
  if (vote.seq == 0 || vote.seq > kSeqMax || vote.seq > agreed() + 4 * consensus::kSlotWindow)
    return fail_rule("window", text("replica {} sent {} for slot {}, {} are agreed", self, name, vote.seq, agreed()));
  if (!kept(h, vote_key(commit ? kKeyCommit : kKeyPrepare, vote.view, vote.seq, vote.digest), name, self)) return;
  // A certificate may be lost in a crash and the votes above it sent again.
  h.stable = std::max(h.stable, after.stable);
  if (vote.seq > h.stable + consensus::kSlotWindow)
    fail_rule("window",
              text("replica {} sent {} for slot {} above the window of {}", self, name, vote.seq, after.stable));
  if (vote.view < h.promised)
    fail_rule("memory",
              text("replica {} sent {} in view {} after asking for view {}", self, name, vote.view, h.promised));
  count(self, self, commit ? kCommits : kPrepares, vote);
  if (type == Type::kPrepare) check_tips(self, vote);
  if (const auto choice = h.choices.find(mix(vote.view, vote.seq));
      choice != h.choices.end() && choice->second != vote.digest)
    fail_rule("choice", text("replica {} votes in slot {} view {} for another digest than the view change decided",
                             self, vote.seq, vote.view));
  if (commit) {
    const std::uint32_t got = weight(h, kPrepares, vote.view, vote.seq, vote.digest);
    if (got < config_.power->quorum())
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

// ---- execution -----------------------------------------------------------------------------------------------------

void Safety::check_slot(const Execute& e) {
  if (e.digest.is_zero() != !e.proposal)
    return fail_rule("validity", text("slot {}: a null digest stands for an empty slot and for nothing else", e.seq));
  if (e.proposal &&
      (e.proposal->seq != e.seq || e.proposal->epoch != config_.epoch || consensus::digest_of(*e.proposal) != e.digest))
    return fail_rule("validity", text("slot {} is executed with a proposal of slot {}", e.seq, e.proposal->seq));
  std::vector<Tip> cut(config_.power->count());
  for (std::size_t i = 0; i < cut.size(); ++i) cut[i].lane = static_cast<Index>(i);
  if (!agreed_.empty())
    for (const Tip& t : agreed_.back().cut) cut[t.lane] = t;
  for (const consensus::VertexFrame& v : e.vertices) {
    if (v.vertex.lane >= cut.size())
      return fail_rule("lane", text("slot {}: lane {} is nobody's", e.seq, v.vertex.lane));
    Tip& t = cut[v.vertex.lane];
    const bool follows =
        v.vertex.height == t.height + 1 && v.vertex.parents[0] == t.id && v.vertex.epoch == config_.epoch;
    if (!follows)
      return fail_rule("lane", text("slot {}: vertex {} of lane {} does not stand on the cut at {}", e.seq,
                                    v.vertex.height, t.lane, t.height));
    t.height = v.vertex.height;
    t.id = v.id;
    if (config_.honest[t.lane] && !honest_vertices_.contains(v.id))
      return fail_rule("validity", text("slot {}: lane {} never wrote its vertex {}", e.seq, t.lane, t.height));
  }
  std::erase_if(cut, [](const Tip& t) { return t.height == 0; });
  if (cut != e.cut) fail_rule("cut", text("slot {}: the cut is not what its vertices make of the cut before", e.seq));
  if (e.proposal)
    for (const Tip& t : e.proposal->tips) {
      const auto at = std::ranges::find(cut, t.lane, &Tip::lane);
      if (config_.honest[t.lane] && (at == cut.end() || at->height < t.height))
        fail_rule("cut",
                  text("slot {}: lane {} was proposed up to {} and not executed so far", e.seq, t.lane, t.height));
    }
}

void Safety::committed(Index self, const Execute& e) {
  Host& h = *hosts_[self];
  ++checks_;
  if (e.seq != h.handed + 1)
    return fail_rule("prefix", text("replica {} executes slot {} after {}", self, e.seq, h.handed));
  h.handed = e.seq;
  if (!justified(h, e.seq, e.digest))
    fail_rule("quorum", text("replica {} executes slot {} without power Q of commits", self, e.seq));
  std::uint64_t order = e.seq;
  for (const auto& v : e.vertices) order = mix(order, word(v.id));
  if (e.seq > agreed_.size() + 1)
    return fail_rule("prefix", text("replica {} executes slot {}, {} are agreed", self, e.seq, agreed_.size()));
  if (e.seq == agreed_.size() + 1) {
    check_slot(e);
    agreed_.push_back({.digest = e.digest, .order = order, .cut = e.cut, .block = {}});
    return;
  }
  const Agreed& a = agreed_[e.seq - 1];
  if (a.digest != e.digest)
    return fail_rule("agreement",
                     text("replica {} executes {} in slot {}, which was {}", self, e.digest, e.seq, a.digest));
  if (a.order != order || a.cut != e.cut)
    fail_rule("agreement", text("replica {} executes other vertices in slot {}", self, e.seq));
}

void Safety::executed(Index self, Seq seq, const Hash32& block) {
  hosts_[self]->executed = seq;
  ++checks_;
  if (seq == 0 || seq > agreed_.size()) return fail_rule("prefix", text("replica {} executed slot {}", self, seq));
  std::optional<Hash32>& known = agreed_[seq - 1].block;
  if (!known) known = block;
  if (*known != block) fail_rule("roots", text("replica {} has another state after slot {}", self, seq));
}

void Safety::certified(Index self, const consensus::Certificate& c) {
  ++checks_;
  const Bytes message =
      consensus::attest_message({.epoch = config_.epoch, .seq = c.seq, .block = c.block, .signature = {}});
  consensus::Voters signers;
  for (const auto& s : c.signatures)
    if (s.replica >= config_.power->count() || !signers.add(s.replica) ||
        !config_.verifier->verify(s.replica, consensus::Purpose::kAttest, message, s.signature))
      return fail_rule("finality", text("replica {} certifies slot {} with a bad signature", self, c.seq));
  if (signers.power(*config_.power) < config_.power->quorum())
    return fail_rule("finality", text("replica {} certifies slot {} with too little power", self, c.seq));
  const Hash32* known = block(c.seq);
  if (known == nullptr || *known != c.block)
    fail_rule("finality", text("replica {} certifies slot {}, which is not final with that block", self, c.seq));
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
  if (after.view == before.view || before.abstaining || config_.power->leader(after.view) == self) return;
  const auto it = h.new_views.find(after.view);
  const auto message = it == h.new_views.end() ? Result<consensus::NewView>(consensus::NewView{})
                                               : consensus::decode_new_view(*it->second);
  std::uint32_t power = 0;
  consensus::Voters senders;
  if (message)
    for (const ViewChange& vc : message->view_changes)
      if (vc.replica < config_.power->count() && vc.view == after.view && vc.epoch == config_.epoch &&
          senders.add(vc.replica) &&
          config_.verifier->verify(vc.replica, consensus::Purpose::kViewChange, view_change_message(vc), vc.signature))
        power += config_.power->of(vc.replica);
  if (power >= config_.power->quorum()) return entered(self, *message);
  fail_rule("new_view", text("replica {} entered view {} on view changes of power {}", self, after.view, power));
}

void Safety::entered(Index self, const consensus::NewView& message) {
  Host& h = *hosts_[self];
  const bool known = std::ranges::all_of(message.view_changes,
                                         [&](const ViewChange& vc) { return vc.replica < config_.power->count(); });
  const auto choices = known ? choose(*config_.power, message.view_changes) : std::nullopt;
  if (!choices)
    return fail_rule("choice",
                     text("replica {} entered view {}, whose view changes decide nothing", self, message.view));
  for (const auto& [seq, digest] : *choices) h.choices[mix(message.view, seq)] = digest;
}

void Safety::noticed(Index self, const consensus::Notice& notice) {
  if (notice.kind == consensus::NoticeKind::kHalted)
    fail_rule("halt", text("replica {} halted: {}", self, notice.text));
  if (notice.kind == consensus::NoticeKind::kEvidence && notice.replica < config_.honest.size() &&
      config_.honest[notice.replica])
    fail_rule("evidence", text("replica {} accuses honest replica {}: {}", self, notice.replica, notice.text));
}

}  // namespace hanse::sim
