#include <algorithm>

#include "base/core/text.h"
#include "chain/consensus/detail/core.h"

// Vertices and acks: the data plane (consensus.md 5.3).

namespace hanse::consensus {
namespace {

Tip tip_of(const VertexFrame& v) { return {.lane = v.vertex.lane, .height = v.vertex.height, .id = v.id}; }

}  // namespace

void Replica::Core::on_vertex(Index from, const Frame& body) {
  auto decoded = decode_vertex(body);
  if (!decoded || decoded->vertex.lane >= power.count()) {
    ++counters.frames_malformed;
    return;
  }
  const VertexFrame& v = *decoded;
  if (other_epoch(v.vertex)) return;
  if (wanted.contains(v.id)) return keep_vertex(v, true);
  if (v.vertex.lane == from) {
    lanes->ack(from, {.lane = from, .height = v.vertex.height, .id = v.id});  // sent, so stored
    return keep_vertex(v, false);
  }
  // Not its author's channel and not asked for: kept aside, unsigned as it is, until something names its id.
  if (v.vertex.height <= lanes->cut(v.vertex.lane).height || loose.contains(v.id)) return;
  if (loose.size() >= kLooseMax || loose_bytes + body->size() > kLooseBytesMax) {
    ++counters.frames_dropped;
    return;
  }
  loose_bytes += body->size();
  loose.emplace(v.id, v);
}

void Replica::Core::keep_vertex(const VertexFrame& v, bool was_wanted) {
  switch (was_wanted ? lanes->add_wanted(v) : lanes->add(v)) {
    case Lanes::Took::kNew: break;
    case Lanes::Took::kFork: ++counters.vertices_forked; return hearsay(vertex_at(tip_of(v)), v.id);
    case Lanes::Took::kKnown: {
      wanted.erase(v.id);
      // Its author asks for the Ack again.
      const bool waits =
          unrooted.contains(v.id) || std::ranges::any_of(to_ack, [&](const auto& a) { return a.second.id == v.id; });
      if (!waits && v.vertex.lane != config.self && lanes->rooted(v.id)) to_ack.emplace_back(0, tip_of(v));
      return;
    }
    case Lanes::Took::kStale:
      ++counters.frames_stale;
      wanted.erase(v.id);
      return;
    case Lanes::Took::kFar:
    case Lanes::Took::kFull: ++counters.frames_far; return;
  }
  wanted.erase(v.id);
  ++counters.vertices_stored;
  hearsay(vertex_at(tip_of(v)), v.id);
  unrooted[v.id] = persist(RecordType::kVertex, v.frame, kVertexPatienceNs);
  if (const auto gap = lanes->missing_below(v.id)) want(*gap);
}

// Rooted vertices whose record is durable are acknowledged, in one frame for all that became so together.
void Replica::Core::acknowledge() {
  for (const Tip& tip : lanes->take_rooted()) {
    const auto it = unrooted.find(tip.id);
    if (it == unrooted.end()) continue;
    to_ack.emplace_back(it->second, tip);
    unrooted.erase(it);
  }
  if (silent()) to_ack.clear();
  if (to_ack.empty()) return;
  std::map<Index, std::vector<Tip>> ready;
  for (auto it = to_ack.begin(); it != to_ack.end();) {
    if (it->first > durable_token) {
      ++it;
      continue;
    }
    if (it->second.height > lanes->cut(it->second.lane).height) ready[it->second.lane].push_back(it->second);
    it = to_ack.erase(it);
  }
  Ack ack{.epoch = config.epoch, .runs = {}};
  for (auto& [lane, tips] : ready) {
    std::sort(tips.begin(), tips.end(), [](const Tip& a, const Tip& b) { return a.height < b.height; });
    for (const Tip& tip : tips) {
      const bool follows = !ack.runs.empty() && ack.runs.back().lane == lane &&
                           ack.runs.back().first_height + ack.runs.back().ids.size() == tip.height;
      if (!follows) ack.runs.push_back({.lane = lane, .first_height = tip.height, .ids = {}});
      ack.runs.back().ids.push_back(tip.id);
    }
  }
  if (ack.runs.empty()) return;
  if (ack.runs.size() > kReplicasMax) ack.runs.resize(kReplicasMax);
  send_after(0, Type::kAck, std::make_shared<const Bytes>(encode(ack)));
}

void Replica::Core::on_ack(Index from, const Ack& ack) {
  for (const auto& run : ack.runs) {
    if (run.lane >= power.count()) {
      ++counters.frames_malformed;
      return;
    }
    for (std::size_t i = 0; i < run.ids.size(); ++i) {
      const Tip tip{.lane = run.lane, .height = run.first_height + i, .id = run.ids[i]};
      if (!lanes->ack(from, tip)) ++counters.frames_far;
      if (tip.height > lanes->cut(tip.lane).height && tip.height <= lanes->cut(tip.lane).height + kLaneWindow)
        hearsay(vertex_at(tip), tip.id);
    }
  }
}

// ---- what is missing -----------------------------------------------------------------------------------------------

void Replica::Core::want(const Tip& tip) {
  if (lanes->find(tip.id) != nullptr) return;
  if (const auto it = loose.find(tip.id); it != loose.end()) {
    const VertexFrame v = std::move(it->second);
    loose_bytes -= v.frame->size();
    loose.erase(it);
    return keep_vertex(v, true);
  }
  if (wanted.contains(tip.id)) return;
  // Names that nobody has a vertex for must not keep others of their lane from being asked for.
  std::size_t of_lane = 0;
  auto longest = wanted.end();
  for (auto it = wanted.begin(); it != wanted.end(); ++it) {
    if (it->second.tip.lane != tip.lane) continue;
    ++of_lane;
    if (longest == wanted.end() || it->second.asked > longest->second.asked) longest = it;
  }
  if (of_lane >= kWantedLaneMax) wanted.erase(longest);
  // The author first: it has it by definition, and the frame may be on its way.
  wanted[tip.id] = {.tip = tip, .due_ns = ns() + config.fetch_ms * kNsPerMs, .next_peer = tip.lane, .asked = 0};
}

void Replica::Core::ask_for_wanted() {
  for (auto it = wanted.begin(); it != wanted.end();) {
    Wanted& w = it->second;
    if (w.tip.height <= lanes->cut(w.tip.lane).height || w.asked >= kWantedRounds * power.count()) {
      it = wanted.erase(it);
      continue;
    }
    if (w.due_ns <= ns()) {
      if (w.next_peer == config.self) w.next_peer = static_cast<Index>((w.next_peer + 1) % power.count());
      if (w.next_peer != config.self) {
        ++counters.fetches;
        const FetchVertex fetch{.id = it->first, .above = lanes->cut(w.tip.lane).height};
        send(w.next_peer, Type::kFetchVertex, std::make_shared<const Bytes>(encode(fetch)));
      }
      w.next_peer = static_cast<Index>((w.next_peer + 1) % power.count());
      const auto round = static_cast<std::uint32_t>(w.asked / power.count());
      w.due_ns = ns() + (config.fetch_ms * kNsPerMs << round);
      ++w.asked;
    }
    ++it;
  }
}

// The vertex and those below it in its lane, each a round trip less for who lacks a chain of them.
void Replica::Core::on_fetch_vertex(Index from, const FetchVertex& fetch) {
  ServeVertex left{.to = from, .id = fetch.id, .above = fetch.above, .vertices_max = kVerticesPerFetchMax};
  const auto give = [&](const VertexFrame& v) {  // false: that was the last
    send(from, Type::kVertex, v.frame);
    left.id = v.vertex.parents[0];
    left.vertices_max -= 1;
    const bool more = v.frame->size() < left.bytes_max && left.vertices_max > 0 && v.vertex.height > fetch.above + 1;
    left.bytes_max -= std::min(left.bytes_max, v.frame->size());
    return more;
  };
  while (const VertexFrame* v = lanes->find(left.id))
    if (!give(*v)) return;
  // In order of execution a vertex stands behind the one below it.
  for (auto e = in_execution.rbegin(); e != in_execution.rend(); ++e)
    for (auto v = e->vertices.rbegin(); v != e->vertices.rend(); ++v)
      if (v->id == left.id && !give(*v)) return;
  out.serve_vertices.push_back(left);
}

// ---- the own lane --------------------------------------------------------------------------------------------------

// So that the vertex is with the leader when it proposes next, and no second one before. Quiet, or late: at once.
std::int64_t Replica::Core::batch_at() const {
  const std::int64_t lead_ns = power.leader(view) == config.self ? 0 : kBatchLeadNs;
  const std::int64_t meant_ns = paced_ns - lead_ns;
  if (batch_ns < meant_ns) return meant_ns;
  if (lanes->count(config.self) == 0) return ns();
  return std::max(batch_ns, meant_ns) + (execution_lags() ? kOverlapNs : kPaceNs);
}

bool Replica::Core::lane_open() const {
  return !silent() && lanes->count(config.self) < kLaneWindow && lanes->bytes(config.self) < config.lane_bytes_max;
}

// Who had no room for a vertex, or lost it, gets it from nobody else as long as no proposal names it. So when the own
// lane stands still, its lowest vertices go once more to whoever has not acknowledged them.
void Replica::Core::repeat_lane() {
  const std::uint64_t cut = lanes->cut(config.self).height;
  const bool stands = lanes->count(config.self) > 0 && cut == lane_cut_seen;
  lane_cut_seen = cut;
  if (!stands || silent()) return;
  std::vector<const VertexFrame*> own;
  for (const VertexFrame* v : lanes->all())
    if (v->vertex.lane == config.self && v->vertex.height <= own_tip.height) own.push_back(v);
  std::ranges::sort(own, {}, [](const VertexFrame* v) { return v->vertex.height; });
  // Those whose record is not durable yet are the last ones.
  const auto waits = [&](const VertexFrame* v) {
    return std::ranges::any_of(deferred, [&](const Deferred& d) { return d.body == v->frame; });
  };
  while (!own.empty() && waits(own.back())) own.pop_back();
  for (Index peer = 0; peer < power.count(); ++peer) {
    std::size_t left = kVerticesPerFetchMax, bytes = 0;
    for (const VertexFrame* v : own) {
      if (peer == config.self || left == 0 || bytes >= kVertexFetchBytesMax) break;
      if (lanes->acked_by(peer, tip_of(*v))) continue;
      send(peer, Type::kVertex, v->frame);
      --left;
      bytes += v->frame->size();
    }
  }
}

Status Replica::Core::submit(ByteView batch, std::uint32_t tx_count) {
  if (halted) return fail(Kind::kInternal, "consensus.halted", "this replica stopped");
  if (abstaining)
    return fail(Kind::kUnavailable, "consensus.abstaining",
                text("found no trusted journal; voting begins above slot {}", abstain_bound));
  if (follows() || ended)
    return fail(Kind::kUnavailable, "consensus.not_validator",
                text("found no lane to write in epoch {}: {}", config.epoch,
                     ended ? "it ended" : "this key is not in its set"));
  if (batch.empty() || batch.size() > kBatchBytesMax || tx_count == 0)
    return fail(Kind::kInvalid, "consensus.batch",
                text("found a batch of {} transactions in {} bytes, expected at least 1 in at most {}", tx_count,
                     batch.size(), kBatchBytesMax));
  if (!lane_open())
    return fail(Kind::kExhausted, "consensus.lane_full",
                text("found {} vertices of {} bytes not ordered, expected fewer than {} of {}",
                     lanes->count(config.self), lanes->bytes(config.self), kLaneWindow, config.lane_bytes_max));
  Vertex vertex{.epoch = config.epoch,
                .lane = config.self,
                .height = own_tip.height + 1,
                .parents = {own_tip.id},
                .batch_root = {},
                .batch_len = 0,
                .tx_count = tx_count};
  for (Index lane = 0; lane < power.count(); ++lane)
    if (lane != config.self)
      if (const auto tip = lanes->best_tip(lane, 0)) vertex.parents.push_back(tip->id);
  const VertexFrame v = make_vertex(std::move(vertex), batch);
  batch_ns = ns();
  own_tip = {.lane = config.self, .height = v.vertex.height, .id = v.id};
  lanes->add_wanted(v);
  ++counters.vertices_stored;
  const std::uint64_t token = persist(RecordType::kVertex, v.frame);
  send_after(token, Type::kVertex, v.frame);  // peers take it for the author's Ack
  if (own_tip.height % kVertexSignedEvery == 0 && own_tip.height > unsigned_height && power.count() > 1)
    marks.emplace_back(token, own_tip);
  if (mutant(Mutant::kSignedBeforeDurable)) sign_marks();
  return {};
}

}  // namespace hanse::consensus
