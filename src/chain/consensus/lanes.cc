#include "chain/consensus/lanes.h"

#include <algorithm>
#include <queue>
#include <tuple>
#include <utility>

#include "chain/consensus/mutant.h"

namespace hanse::consensus {

Lanes::Lanes(const Power& power, const std::vector<Tip>& cut, std::size_t lane_bytes_max)
    : power_(power), lane_bytes_max_(lane_bytes_max), lanes_(power.count()) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i].cut.lane = static_cast<Index>(i);
  for (const Tip& tip : cut) lanes_[tip.lane].cut = tip;
  for (Lane& lane : lanes_) lane.rooted_tip = lane.cut;
}

// ---- storing -------------------------------------------------------------------------------------------------------

Lanes::Took Lanes::add(const VertexFrame& v) { return admit(v, false); }
Lanes::Took Lanes::add_wanted(const VertexFrame& v) { return admit(v, true); }

Lanes::Took Lanes::admit(const VertexFrame& v, bool wanted) {
  Lane& lane = lanes_[v.vertex.lane];
  const std::uint64_t height = v.vertex.height;
  if (height <= lane.cut.height) return Took::kStale;
  if (height > lane.cut.height + kLaneWindow) return Took::kFar;
  if (held_.contains(v.id)) return Took::kKnown;
  Place& place = lane.places[height];
  if (!place.ids.empty() && !wanted) return Took::kFork;
  const std::size_t size = v.frame->size();
  if (!wanted && lane.bytes + size > lane_bytes_max_ + kVertexBytesMax) return Took::kFull;
  place.ids.push_back(v.id);
  lane.count += 1;
  lane.bytes += size;
  held_.emplace(v.id, Held{.v = v, .rooted = false});
  const Hash32& parent = v.vertex.parents[0];
  const auto below = held_.find(parent);
  const bool on_rooted = below != held_.end() && below->second.rooted && below->second.v.vertex.lane == v.vertex.lane &&
                         below->second.v.vertex.height + 1 == height;
  if (on_rooted || (height == lane.cut.height + 1 && parent == lane.cut.id)) root_from(lane, v.id);
  return Took::kNew;
}

void Lanes::root_from(Lane& lane, const Hash32& id) {
  std::vector<Hash32> open = {id};
  while (!open.empty()) {
    Held& held = held_.at(open.back());
    open.pop_back();
    if (held.rooted) continue;
    held.rooted = true;
    const Tip tip{.lane = held.v.vertex.lane, .height = held.v.vertex.height, .id = held.v.id};
    newly_rooted_.push_back(tip);
    if (tip.height > lane.rooted_tip.height) lane.rooted_tip = tip;
    const auto above = lane.places.find(tip.height + 1);
    if (above == lane.places.end()) continue;
    for (const Hash32& child : above->second.ids)
      if (held_.at(child).v.vertex.parents[0] == tip.id) open.push_back(child);
  }
}

const VertexFrame* Lanes::find(const Hash32& id) const {
  const auto it = held_.find(id);
  return it == held_.end() ? nullptr : &it->second.v;
}

bool Lanes::rooted(const Hash32& id) const {
  const auto it = held_.find(id);
  return it != held_.end() && it->second.rooted;
}

std::vector<Tip> Lanes::take_rooted() { return std::exchange(newly_rooted_, {}); }

// ---- availability --------------------------------------------------------------------------------------------------

bool Lanes::ack(Index from, const Tip& tip) {
  Lane& lane = lanes_[tip.lane];
  if (tip.height <= lane.cut.height) return true;
  if (tip.height > lane.cut.height + kLaneWindow) return false;
  Place& place = lane.places[tip.height];
  auto tally = std::find_if(place.acks.begin(), place.acks.end(), [&](const Tally& t) { return t.id == tip.id; });
  if (!place.spoken.add(from)) return tally != place.acks.end() && tally->voters.contains(from);
  if (tally == place.acks.end())
    tally = place.acks.insert(place.acks.end(), Tally{.id = tip.id, .voters = {}, .power = 0});
  tally->voters.add(from);
  tally->power += power_.of(from);
  return true;
}

const Lanes::Tally* Lanes::tally(const Tip& tip) const {
  const auto& places = lanes_[tip.lane].places;
  const auto place = places.find(tip.height);
  if (place == places.end()) return nullptr;
  const auto it = std::ranges::find(place->second.acks, tip.id, &Tally::id);
  return it == place->second.acks.end() ? nullptr : &*it;
}

std::uint32_t Lanes::acked_power(const Tip& tip) const {
  const Tally* const t = tally(tip);
  return t == nullptr ? 0 : t->power;
}

bool Lanes::acked_by(Index from, const Tip& tip) const {
  const Tally* const t = tally(tip);
  return t != nullptr && t->voters.contains(from);
}

bool Lanes::available(const Tip& tip) const {
  if (mutant(Mutant::kTipUnchecked)) return true;
  if (tip.height <= lanes_[tip.lane].cut.height) return true;
  const auto it = held_.find(tip.id);
  if (it != held_.end()) {
    const Vertex& v = it->second.v.vertex;
    if (v.lane != tip.lane || v.height != tip.height) return false;  // a lie about its place: nobody votes for it
    if (it->second.rooted) return true;
    // All of it is here and stands on another fork than the cut: it never will, and everyone leaves it out.
    if (const Path way = path(tip); !way.missing && !way.descends) return true;
  }
  return acked_power(tip) >= power_.one_honest();
}

std::optional<Tip> Lanes::best_tip(Index index, std::uint32_t power_min) const {
  const Lane& lane = lanes_[index];
  if (power_min == 0) return lane.rooted_tip.height > lane.cut.height ? std::optional(lane.rooted_tip) : std::nullopt;
  for (auto it = lane.places.rbegin(); it != lane.places.rend(); ++it)
    for (const Tally& t : it->second.acks)
      if (t.power >= power_min && rooted(t.id)) return Tip{.lane = index, .height = it->first, .id = t.id};
  return std::nullopt;
}

// ---- the way to the cut --------------------------------------------------------------------------------------------

Lanes::Path Lanes::path(const Tip& tip) const {
  const Lane& lane = lanes_[tip.lane];
  Path out;
  Hash32 id = tip.id;
  for (std::uint64_t height = tip.height; height > lane.cut.height; --height) {
    const VertexFrame* v = find(id);
    if (v == nullptr) {
      out.missing = Tip{.lane = tip.lane, .height = height, .id = id};
      return out;
    }
    out.vertices.push_back(v);
    if (v->vertex.lane != tip.lane || v->vertex.height != height) {
      out.descends = false;
      return out;
    }
    id = v->vertex.parents[0];
  }
  if (id != lane.cut.id && !mutant(Mutant::kForkFollowed)) out.descends = false;
  std::reverse(out.vertices.begin(), out.vertices.end());
  return out;
}

std::optional<Tip> Lanes::missing_below(const Hash32& id) const {
  const VertexFrame* v = find(id);
  if (v == nullptr || rooted(id)) return std::nullopt;
  const Index lane = v->vertex.lane;
  for (;;) {
    const std::uint64_t height = v->vertex.height - 1;
    if (height <= lanes_[lane].cut.height) return std::nullopt;  // stands on another fork than the cut
    const Hash32& parent = v->vertex.parents[0];
    v = find(parent);
    if (v == nullptr) return Tip{.lane = lane, .height = height, .id = parent};
    if (v->vertex.lane != lane || v->vertex.height != height) return std::nullopt;
  }
}

std::vector<Tip> Lanes::cut() const {
  std::vector<Tip> out;
  for (const Lane& lane : lanes_)
    if (lane.cut.height > 0) out.push_back(lane.cut);
  return out;
}

void Lanes::advance(const Tip& tip) {
  Lane& lane = lanes_[tip.lane];
  if (tip.height <= lane.cut.height && !mutant(Mutant::kCutNotMonotone)) return;
  lane.cut = tip;
  while (!lane.places.empty() && lane.places.begin()->first <= tip.height) {
    for (const Hash32& id : lane.places.begin()->second.ids) {
      const auto it = held_.find(id);
      lane.count -= 1;
      lane.bytes -= it->second.v.frame->size();
      held_.erase(it);
    }
    lane.places.erase(lane.places.begin());
  }
  if (lane.rooted_tip.height < tip.height) lane.rooted_tip = tip;
  const auto next = lane.places.find(tip.height + 1);
  if (next == lane.places.end()) return;
  const std::vector<Hash32> ids = next->second.ids;
  for (const Hash32& id : ids)
    if (const Held& held = held_.at(id); !held.rooted && held.v.vertex.parents[0] == tip.id) root_from(lane, id);
}

std::vector<const VertexFrame*> Lanes::all() const {
  std::vector<const VertexFrame*> out;
  for (const Lane& lane : lanes_)
    for (const auto& [height, place] : lane.places)
      for (const Hash32& id : place.ids) out.push_back(&held_.at(id).v);
  return out;
}

// ---- order ---------------------------------------------------------------------------------------------------------

std::vector<VertexFrame> execution_order(std::vector<const VertexFrame*> vertices, Seq seq, std::size_t lanes) {
  std::vector<VertexFrame> out;
  out.reserve(vertices.size());
  if (mutant(Mutant::kOrderByArrival)) {
    std::sort(vertices.begin(), vertices.end(), [](auto* a, auto* b) { return a->frame.get() < b->frame.get(); });
    for (const VertexFrame* v : vertices) out.push_back(*v);
    return out;
  }
  std::unordered_map<Hash32, std::size_t> place;
  for (std::size_t i = 0; i < vertices.size(); ++i) place.emplace(vertices[i]->id, i);
  std::vector<std::size_t> waits(vertices.size(), 0);
  std::vector<std::vector<std::size_t>> children(vertices.size());
  for (std::size_t i = 0; i < vertices.size(); ++i)
    for (const Hash32& parent : vertices[i]->vertex.parents)
      if (const auto it = place.find(parent); it != place.end()) {
        children[it->second].push_back(i);
        waits[i] += 1;
      }
  using Key = std::tuple<std::uint64_t, std::uint64_t, std::size_t>;
  std::priority_queue<Key, std::vector<Key>, std::greater<>> ready;
  const auto key = [&](std::size_t i) {
    const Vertex& v = vertices[i]->vertex;
    return Key{v.height, (v.lane + seq) % lanes, i};
  };
  for (std::size_t i = 0; i < vertices.size(); ++i)
    if (waits[i] == 0) ready.push(key(i));
  while (!ready.empty()) {
    const std::size_t i = std::get<2>(ready.top());
    ready.pop();
    out.push_back(*vertices[i]);
    for (const std::size_t child : children[i])
      if (--waits[child] == 0) ready.push(key(child));
  }
  return out;
}

}  // namespace hanse::consensus
