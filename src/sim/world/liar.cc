#include "sim/world/detail/liar.h"

#include <algorithm>

#include "sim/world/detail/world.h"

namespace hanse::sim::detail {

using consensus::Claim;
using consensus::Digest;
using consensus::Proposal;
using consensus::Type;
using consensus::View;
using consensus::ViewChange;
using consensus::Vote;

namespace {

constexpr std::size_t kOldMax = 96, kOverheardMax = 256, kSignedMax = 32;

Frame frame_of(Bytes bytes) { return std::make_shared<const Bytes>(std::move(bytes)); }

Hash32 invented(Dice& dice) {
  Hash32 h;
  for (std::size_t i = 0; i < 4; ++i) store_le(h.data.data() + 8 * i, dice.next());
  return h;
}

}  // namespace

Liar::Liar(World& world, Host& host, std::uint32_t lies, Dice dice)
    : world_(world), host_(host), lies_(lies), dice_(dice) {}

bool Liar::other_face(Index to) const { return (world_.lie_mask_ >> (to % 64) & 1) != 0; }

bool Liar::own_vertex(Type type, const Frame& body) const {
  return type == Type::kVertex && body->size() >= 10 && load_le<Index>(body->data() + 8) == host_.place;
}

void Liar::emit(Index to, Type type, const Frame& body) { world_.transmit(host_, to, type, body); }
void Liar::emit_all(Type type, const Frame& body) {
  for (Index to = 0; to < world_.plan_.n; ++to)
    if (to != host_.self) emit(to, type, body);
}

// Of a lane of the epoch before nothing is left; old frames are kept, to be sent again.
void Liar::enter() {
  forks_.clear();
  faces_.clear();
  view_ = 0;
}

void Liar::out(Index to, Type type, const Frame& body) {
  if (old_.size() < kOldMax) {
    old_.push_back({type, body});
  } else if (dice_.chance(500)) {
    old_[dice_.below(kOldMax)] = {type, body};
  }
  if (lies(Lie::kSilent) && (other_face(to) || dice_.chance(500)) && dice_.chance(8'000))
    return world_.saw(Seen::kLies);
  Frame other;
  switch (type) {
    case Type::kPrePrepare:
      if ((lies(Lie::kEquivocate) && other_face(to)) || lies(Lie::kBadTips) || lies(Lie::kForkLane))
        other = other_proposal(body);
      break;
    case Type::kPrepare:
    case Type::kCommit:
      if (lies(Lie::kEquivocate) && other_face(to)) other = other_vote(body);
      break;
    case Type::kVertex:
      if (lies(Lie::kWithhold) && other_face(to)) return world_.saw(Seen::kLies);
      if (lies(Lie::kForkLane) && other_face(to) && own_vertex(type, body)) other = other_vertex(body);
      break;
    case Type::kViewChange:
      if (lies(Lie::kForgeClaims) && (other_face(to) || dice_.chance(3'000))) other = other_claims(body);
      break;
    case Type::kNewView:
      if (lies(Lie::kNewViews) && (other_face(to) || dice_.chance(3'000))) other = other_new_view(body);
      break;
    case Type::kAttest:
      if (lies(Lie::kAttest) && other_face(to)) other = other_attest(body);
      break;
    case Type::kStatement:
      if (other_face(to)) other = other_statement(body);
      break;
    case Type::kSlot:
      if (lies(Lie::kFalseSlots)) other = other_slot(body);
      break;
    default: break;
  }
  if (!other) return emit(to, type, body);
  world_.saw(Seen::kLies);
  emit(to, type, other);
}

void Liar::in(Index from, Type type, const Frame& body) {
  if (type == Type::kFetchVertex && !forks_.empty()) {
    const auto fetch = consensus::decode_fetch_vertex(*body);
    for (const auto& [height, fork] : forks_)
      if (fetch && fork.id == fetch->id) return emit(from, Type::kVertex, fork.frame);
    return;
  }
  if (type == Type::kStatement || type == Type::kAttest) return overhear(from, type, body);
  Claim c;
  if (type == Type::kPrePrepare) {
    const auto m = consensus::decode_pre_prepare(*body);
    if (!m) return;
    c = {.seq = m->proposal.seq, .digest = consensus::digest_of(m->proposal), .view = m->view};
  } else if (type == Type::kPrepare || type == Type::kCommit) {
    const auto v = consensus::decode_vote(*body);
    if (!v) return;
    c = {.seq = v->seq, .digest = v->digest, .view = v->view};
  } else {
    return;
  }
  view_ = std::max(view_, c.view);
  if (overheard_.size() < kOverheardMax) {
    overheard_.push_back(c);
  } else {
    overheard_[dice_.below(kOverheardMax)] = c;
  }
  if (lies(Lie::kVoteAll)) vote_for(c.view, c.seq, c.digest, Face::kBoth);
}

// ---- lies about proposals and votes --------------------------------------------------------------------------------

void Liar::spoil(Proposal& p) {
  switch (dice_.below(5)) {
    case 0:  // a tip that does not exist
      for (auto& tip : p.tips)
        if (dice_.chance(5'000)) {
          tip.id = invented(dice_);
          tip.height += dice_.below(3);
        }
      return;
    case 1:  // back to a lower one
      for (auto& tip : p.tips)
        if (tip.height > 1) tip.height -= 1 + dice_.below(static_cast<std::uint64_t>(tip.height - 1));
      return;
    case 2:  // a tip without a vertex behind it, in a lane that did not move
      for (Index lane = 0; lane < host_.era->members.size(); ++lane)
        if (std::ranges::find(p.tips, lane, &consensus::Tip::lane) == p.tips.end()) {
          p.tips.push_back({.lane = lane, .height = 1 + dice_.below(40), .id = invented(dice_)});
          break;
        }
      std::ranges::sort(p.tips, {}, &consensus::Tip::lane);
      return;
    case 3:  // above the window
      p.seq += consensus::kSlotWindow + dice_.below(8);
      return;
    default:  // an old cut
      if (host_.chain.size() > 2) p.tips = host_.chain[dice_.below(host_.chain.size() - 1) + 1]->cut;
      return;
  }
}

Frame Liar::other_proposal(const Frame& body) {
  auto m = consensus::decode_pre_prepare(*body);
  if (!m) return nullptr;
  const std::uint64_t key = mix(m->view, m->proposal.seq);
  if (const auto it = faces_.find(key); it != faces_.end()) return it->second.frame;
  if (lies(Lie::kBadTips) && !lies(Lie::kEquivocate) && dice_.chance(7'000)) return nullptr;
  Proposal& p = m->proposal;
  const Digest first = consensus::digest_of(p);
  const Seq seq = p.seq;
  bool forked = false;
  for (auto& tip : p.tips)
    if (tip.lane == host_.place)
      if (const auto fork = forks_.find(tip.height); fork != forks_.end()) {
        tip.id = fork->second.id;
        forked = true;
      }
  if (!forked && !lies(Lie::kBadTips) && !lies(Lie::kEquivocate)) return nullptr;
  if (lies(Lie::kBadTips)) {
    spoil(p);
  } else if (forked && !lies(Lie::kEquivocate)) {
    // The other chain, to everybody.
  } else if (p.tips.size() > 1 && dice_.chance(5'000)) {
    p.tips.pop_back();
  } else {
    p.time_ms += 1;
  }
  Double d{.frame = frame_of(encode(*m)), .id = consensus::digest_of(p)};
  const Frame out = d.frame;
  const Digest second = d.id;
  faces_[key] = std::move(d);
  if (p.seq != seq) return out;
  for (const auto& h : world_.hosts_)
    if (h->liar && h->up && h->liar->lies(Lie::kVoteAll)) {
      h->liar->vote_for(m->view, seq, second, Face::kSecond);
      h->liar->vote_for(m->view, seq, first, Face::kFirst);
    }
  return out;
}

Frame Liar::other_vote(const Frame& body) {
  auto v = consensus::decode_vote(*body);
  if (!v) return nullptr;
  const auto it = faces_.find(mix(v->view, v->seq));
  if (it == faces_.end()) return nullptr;
  v->digest = it->second.id;
  return frame_of(encode(*v));
}

void Liar::vote_for(View view, Seq seq, const Digest& digest, Face face) {
  const std::uint64_t key = mix(mix(view, seq), mix(load_le<std::uint64_t>(digest.data.data()), 0));
  if (!voted_.insert(key).second) return;
  world_.saw(Seen::kLies);
  const Frame vote = frame_of(encode(Vote{.epoch = host_.era->epoch, .view = view, .seq = seq, .digest = digest}));
  for (Index to = 0; to < world_.plan_.n; ++to) {
    if (to == host_.self || (face == Face::kSecond && !other_face(to)) || (face == Face::kFirst && other_face(to)))
      continue;
    emit(to, Type::kPrepare, vote);
    emit(to, Type::kCommit, vote);
  }
}

Frame Liar::other_vertex(const Frame& body) {
  const auto v = consensus::decode_vertex(body);
  if (!v) return nullptr;
  if (const auto it = forks_.find(v->vertex.height); it != forks_.end()) return it->second.frame;
  consensus::Vertex other = v->vertex;
  if (const auto below = forks_.find(other.height - 1); below != forks_.end()) {
    other.parents[0] = below->second.id;
  } else if (!dice_.chance(2'000)) {
    return nullptr;  // no fork yet
  }
  Bytes batch = to_bytes(v->batch());
  batch.push_back(1);
  const consensus::VertexFrame made = consensus::make_vertex(std::move(other), batch);
  forks_[v->vertex.height] = {.frame = made.frame, .id = made.id};
  // It stands behind both chains.
  const consensus::Ack ack{.epoch = host_.era->epoch,
                           .runs = {{.lane = host_.place, .first_height = v->vertex.height, .ids = {made.id}}}};
  const Frame said = frame_of(encode(ack));
  for (Index to = 0; to < world_.plan_.n; ++to)
    if (to != host_.self && other_face(to)) emit(to, Type::kAck, said);
  return made.frame;
}

// What it signs after the fact fits what it told this peer.
Frame Liar::other_statement(const Frame& body) {
  auto s = consensus::decode_statement(*body);
  if (!s || s->replica != host_.place || s->epoch != host_.era->epoch) return nullptr;
  bool differs = false;
  for (std::size_t i = 0; i < s->ids.size(); ++i) {
    if (s->ids[i].is_zero()) continue;
    const auto& doubles = s->purpose == consensus::Purpose::kVertex ? forks_ : faces_;
    std::uint64_t key = s->first + i;
    if (s->purpose == consensus::Purpose::kVotes) key /= 2;
    if (s->purpose != consensus::Purpose::kVertex) key = mix(s->view, key);
    const auto it = doubles.find(key);
    if (it == doubles.end()) continue;
    differs = differs || it->second.id != s->ids[i];
    s->ids[i] = it->second.id;
  }
  if (!differs) return nullptr;
  s->signature = host_.oracle->sign(s->purpose, statement_message(*s));
  return frame_of(encode(*s));
}

// Evidence against somebody honest, made of what it really signed.
void Liar::overhear(Index from, Type type, const Frame& body) {
  std::optional<consensus::Statement> s;
  if (type == Type::kStatement) {
    if (auto said = consensus::decode_statement(*body)) s = *std::move(said);
  } else if (const auto attest = consensus::decode_attest(*body)) {
    s = consensus::statement_of(world_.place_in(*host_.era, from), *attest);
  }
  if (!s) return;
  if (signed_.size() < kSignedMax) {
    signed_.push_back(*std::move(s));
  } else {
    signed_[dice_.below(kSignedMax)] = *std::move(s);
  }
}

void Liar::false_evidence() {
  if (signed_.size() < 2 || host_.pool.size() > kPoolBytesMax) return;
  consensus::Statement a = signed_[dice_.below(signed_.size())];
  consensus::Statement b = signed_[dice_.below(signed_.size())];
  switch (dice_.below(4)) {
    case 0: break;  // as they are, whatever they are
    case 1:         // made to exclude each other
      b = a;
      b.ids[0] = invented(dice_);
      break;
    case 2:  // moved to one place
      b.purpose = a.purpose;
      b.replica = a.replica;
      b.epoch = a.epoch;
      b.view = a.view;
      b.first = a.first;
      break;
    default:  // signed, by somebody else
      b = a;
      b.ids[0] = invented(dice_);
      b.signature = host_.oracle->sign(b.purpose, statement_message(b));
      break;
  }
  if (dice_.chance(5'000)) return emit_all(Type::kStatement, frame_of(encode(b)));
  encode_evidence_tx(host_.pool, consensus::evidence_of(std::move(a), std::move(b)));
  ++host_.pool_count;
}

// ---- lies about the past -------------------------------------------------------------------------------------------

void Liar::forge_claims(ViewChange& vc) {
  switch (dice_.below(5)) {
    case 0: vc.prepared.clear(); break;
    case 1:
      if (!vc.prepared.empty())
        vc.prepared.erase(vc.prepared.begin() + static_cast<std::ptrdiff_t>(dice_.below(vc.prepared.size())));
      vc.prepares.clear();
      break;
    case 2: {  // stale
      for (Claim& c : vc.prepared) c.view -= std::min<View>(c.view, dice_.below(3));
      break;
    }
    default: {  // invented, or somebody else's
      for (int i = 0; i < 3; ++i) {
        Claim c{.seq = vc.checkpoint.seq + 1 + dice_.below(6), .digest = invented(dice_), .view = vc.view - 1};
        if (!overheard_.empty() && dice_.chance(7'000)) c = overheard_[dice_.below(overheard_.size())];
        if (c.seq <= vc.checkpoint.seq) continue;
        if (dice_.chance(4'000)) c.view = vc.view - 1;
        const auto at = std::ranges::find(vc.prepared, c.seq, &Claim::seq);
        if (at != vc.prepared.end()) {
          *at = c;
        } else {
          vc.prepared.push_back(c);
        }
        std::erase_if(vc.prepares, [&](const Claim& q) { return q.seq == c.seq && q.digest == c.digest; });
        vc.prepares.push_back(c);
      }
      break;
    }
  }
  std::ranges::sort(vc.prepared, {}, &Claim::seq);
  std::ranges::sort(
      vc.prepares, [](const Claim& a, const Claim& b) { return a.seq != b.seq ? a.seq < b.seq : a.digest < b.digest; });
  vc.signature = host_.oracle->sign(consensus::Purpose::kViewChange, view_change_message(vc));
}

Frame Liar::other_claims(const Frame& body) {
  auto vc = consensus::decode_view_change(*body);
  if (!vc || vc->replica != host_.place || vc->view == 0) return nullptr;
  forge_claims(*vc);
  return frame_of(encode(*vc));
}

Frame Liar::other_new_view(const Frame& body) {
  auto m = consensus::decode_new_view(*body);
  if (!m || m->view == 0) return nullptr;
  switch (dice_.below(3)) {
    case 0:  // its own view change says something else
      for (ViewChange& vc : m->view_changes)
        if (vc.replica == host_.place) forge_claims(vc);
      break;
    case 1:
      if (!m->view_changes.empty())
        m->view_changes.erase(m->view_changes.begin() +
                              static_cast<std::ptrdiff_t>(dice_.below(m->view_changes.size())));
      break;
    default:  // others' words, twisted
      for (ViewChange& vc : m->view_changes)
        if (vc.replica != host_.place && dice_.chance(5'000)) {
          const Bytes signature = vc.signature;
          forge_claims(vc);
          vc.signature = signature;
        }
      break;
  }
  return frame_of(encode(*m));
}

Frame Liar::other_attest(const Frame& body) {
  auto attest = consensus::decode_attest(*body);
  if (!attest) return nullptr;
  attest->block.data[0] ^= 1;
  attest->signature = host_.oracle->sign(consensus::Purpose::kAttest, attest_message(*attest));
  return frame_of(encode(*attest));
}

Frame Liar::other_slot(const Frame& body) {
  auto slot = consensus::decode_slot(*body);
  if (!slot) return nullptr;
  if (slot->null || dice_.chance(3'000)) {
    slot->null = !slot->null;
    slot->proposal = {
        .epoch = host_.era->epoch, .seq = slot->seq, .leader = host_.place, .time_ms = kWallStartMs, .tips = {}};
  } else {
    slot->proposal.time_ms += 7;
  }
  return consensus::slot_frame(slot->seq, slot->null ? std::nullopt : std::optional(slot->proposal));
}

// ---- on its own ----------------------------------------------------------------------------------------------------

void Liar::act() {
  if (dice_.chance(300)) world_.lie_mask_ = dice_.next();
  if (lies(Lie::kHugeView) && dice_.chance(1'000)) huge_view();
  if (lies(Lie::kReplay) && dice_.chance(4'000)) replay();
  if (lies(Lie::kGarbage) && dice_.chance(2'000)) garbage();
  if (lies(Lie::kFalseSlots) && dice_.chance(3'000)) false_words();
}

void Liar::huge_view() {
  ViewChange vc{.epoch = host_.era->epoch,
                .replica = host_.place,
                .view = dice_.chance(5'000) ? View{1} << 40 : view_ + 2 + dice_.below(9),
                .checkpoint = {},
                .prepared = {},
                .prepares = {},
                .signature = {}};
  vc.signature = host_.oracle->sign(consensus::Purpose::kViewChange, view_change_message(vc));
  world_.saw(Seen::kLies);
  emit_all(Type::kViewChange, frame_of(encode(vc)));
}

void Liar::replay() {
  if (old_.empty()) return;
  const Old old = old_[dice_.below(old_.size())];
  Bytes bytes = *old.body;
  const bool stamped = old.type <= Type::kStatus;
  const std::size_t at = old.type == Type::kPrePrepare ? 8 : 0;
  if (stamped && bytes.size() >= at + 8 && dice_.chance(6'000))
    store_le<std::uint64_t>(&bytes[at], host_.era->epoch - 1);
  world_.saw(Seen::kLies);
  emit_all(old.type, frame_of(std::move(bytes)));
}

void Liar::garbage() {
  const auto to = static_cast<Index>(dice_.below(world_.plan_.n));
  if (to == host_.self) return;
  const auto type = static_cast<Type>(dice_.chance(9'000) ? 1 + dice_.below(consensus::kTypeCount - 1) : 77);
  Bytes bytes(dice_.chance(3'000)
                  ? consensus::frame_bytes_max(static_cast<std::uint8_t>(Type::kPrepare)) + 1 + dice_.below(9'000)
                  : dice_.below(200));
  for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(dice_.next());
  world_.saw(Seen::kLies);
  emit(to, type, frame_of(std::move(bytes)));
}

void Liar::false_words() {
  world_.saw(Seen::kLies);
  const Seq seq = host_.chain.size() + dice_.below(5);
  switch (dice_.below(5)) {
    case 4: return false_evidence();
    case 0:
      emit_all(Type::kStatus, frame_of(encode(consensus::StatusReport{.epoch = host_.era->epoch,
                                                                      .view = View{1} << 50,
                                                                      .wanted_view = View{1} << 51,
                                                                      .stable = Seq{1} << 40,
                                                                      .executed = Seq{1} << 41,
                                                                      .abstaining = 0})));
      return;
    case 1:
      emit_all(
          Type::kSlot,
          consensus::slot_frame(
              seq, Proposal{.epoch = host_.era->epoch, .seq = seq, .leader = 0, .time_ms = kWallStartMs, .tips = {}}));
      return;
    case 2:
      emit_all(Type::kAck,
               frame_of(encode(consensus::Ack{.epoch = host_.era->epoch,
                                              .runs = {{.lane = static_cast<Index>(dice_.below(world_.plan_.n)),
                                                        .first_height = 1 + dice_.below(200),
                                                        .ids = {invented(dice_), invented(dice_)}}}})));
      return;
    default:
      emit_all(Type::kFetchSlots, frame_of(encode(consensus::FetchSlots{.first = dice_.next() >> dice_.below(64)})));
      emit_all(Type::kFetchVertex, frame_of(encode(consensus::FetchVertex{.id = invented(dice_)})));
      return;
  }
}

}  // namespace hanse::sim::detail
