#include "exchange/router/mix.h"

#include <algorithm>

namespace hanse::router {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr double kNsPerS = 1e9;
constexpr std::uint8_t kFlashLayers = 2;

}  // namespace

Mix::Mix(MixConfig config, KeyRing& ring, Random& random, Now now)
    : config_(config),
      ring_(ring),
      random_(random),
      rate_(config.rate_window_ns),
      loop_ns_(next_event_ns(now.mono_ns, config.loops_per_s, random)) {}

void Mix::directory(Directory directory) {
  directories_.insert_or_assign(directory.epoch, std::move(directory));
  while (directories_.size() > 2) directories_.erase(directories_.begin());
}

bool Mix::accepting(Now now) const {
  return held_.size() < config_.held_max && (!full_epoch_ || ring_.epoch_of(now.wall_ms) > *full_epoch_);
}

bool Mix::takes(const Head& head) const {
  if (head.layers == 1) return true;
  const auto found = directories_.find(head.epoch);
  const MixNode* self = found == directories_.end() ? nullptr : found->second.find(config_.node);
  if (self == nullptr || !self->stratum) return false;
  return head.layers == kFlashLayers || head.layers == kLayersMax - *self->stratum;
}

// Flash is two layers without a delay, at any mix; all else is held, each layer by its own stratum.
bool Mix::lane_fits(const Head& head, const Routing& routing) const {
  if (head.layers == 1) return true;
  if (routing.delay_ms == 0) return head.layers == kFlashLayers;
  const MixNode* self = directories_.at(head.epoch).find(config_.node);
  return head.layers == kLayersMax - *self->stratum;
}

// The counter of why a cell is not taken; null when it is, and `opened` has its layer.
std::uint64_t* Mix::refusal(Now now, const NodeId& from, ByteView cell, std::optional<Opened>& opened) {
  if (!accepting(now)) return &counters_.refused_full;
  const auto head = read_head(config_.geometry, cell);
  if (!head) return &counters_.refused_cell;
  if (!takes(*head)) return &counters_.refused_layer;
  const auto key = ring_.at(head->epoch);
  if (!key) return &counters_.refused_epoch;
  if (!token(from, now)) return &counters_.refused_rate;
  auto layer = open_layer(config_.geometry, cell, {config_.node, key->secret});
  if (!layer) return &counters_.rejected;
  if (const Status fresh = key->seen.add(layer->tag); !fresh) {
    if (fresh.error().kind() == Kind::kConflict) return &counters_.replays;
    full_epoch_ = head->epoch;
    return &counters_.refused_full;
  }
  if (layer->routing.expiry_epoch < ring_.epoch_of(now.wall_ms)) return &counters_.expired;
  if (layer->routing.delay_ms > config_.delay_ms_max) return &counters_.refused_delay;
  if (!lane_fits(*head, layer->routing)) return &counters_.refused_lane;
  opened = std::move(*layer);
  return nullptr;
}

MixEffects Mix::receive(Now now, const NodeId& from, Bytes cell) {
  MixEffects out;
  ++counters_.received;
  std::optional<Opened> opened;
  if (std::uint64_t* counter = refusal(now, from, cell, opened)) {
    ++*counter;
    return out;
  }
  peel(config_.geometry, *opened, cell);
  if (opened->head.layers == 1) {
    keep(*opened, cell, out);
  } else {
    pass_on(now, *opened, std::move(cell), out);
  }
  return out;
}

void Mix::pass_on(Now now, const Opened& opened, Bytes cell, MixEffects& out) {
  const Routing& routing = opened.routing;
  if (routing.delay_ms == 0) {
    ++counters_.flash;
    push(now, routing.next, Lane::kFlash, std::move(cell), out);
    return;
  }
  ++counters_.deep;
  meter_.arrived();
  rate_.arrived(now.mono_ns);
  held_.emplace(now.mono_ns + routing.delay_ms * kNsPerMs, CellSend{routing.next, std::move(cell)});
}

void Mix::keep(const Opened& opened, ByteView cell, MixEffects& out) {
  const Routing& routing = opened.routing;
  const ByteView payload = payload_of(config_.geometry, cell);
  if (routing.command == Command::kDrop) {
    ++counters_.cover;
  } else if (routing.command == Command::kDeliver && loops_.waits(routing.target)) {
    if (!decode_message(config_.geometry, payload)) return;  // altered on its way: it counts as lost
    loops_.back(routing.target);
    ++counters_.loops_back;
  } else {
    ++counters_.delivered;
    out.deliveries.push_back({routing.command, routing.target, to_bytes(payload)});
  }
}

Mix::Peer* Mix::peer(const NodeId& node, Now now) {
  const auto found = peers_.find(node);
  if (found != peers_.end()) return &found->second;
  if (peers_.size() >= kMixPeersMax) return nullptr;
  return &peers_.emplace(node, Peer{static_cast<double>(config_.peer_burst), now.mono_ns, 0, {}, {}}).first->second;
}

bool Mix::token(const NodeId& from, Now now) {
  Peer* p = peer(from, now);
  if (p == nullptr) return false;
  const double more = static_cast<double>(now.mono_ns - p->filled_ns) / kNsPerS * config_.peer_cells_per_s;
  p->tokens = std::min(static_cast<double>(config_.peer_burst), p->tokens + more);
  p->filled_ns = now.mono_ns;
  if (p->tokens < 1) return false;
  p->tokens -= 1;
  return true;
}

void Mix::push(Now now, const NodeId& to, Lane lane, Bytes cell, MixEffects& out) {
  Peer* p = peer(to, now);
  if (p == nullptr) {
    ++counters_.outbox_full;
    return;
  }
  auto& queue = lane == Lane::kFlash ? p->flash : p->deep;
  if (queue.size() >= config_.outbox_max) {
    ++counters_.outbox_full;
    return;
  }
  queue.push_back(std::move(cell));
  drain(to, *p, out);
}

void Mix::drain(const NodeId& to, Peer& p, MixEffects& out) {
  while (p.in_flight < config_.in_flight_max && !(p.flash.empty() && p.deep.empty())) {
    auto& queue = p.flash.empty() ? p.deep : p.flash;
    out.sends.push_back({to, std::move(queue.front())});
    queue.pop_front();
    ++p.in_flight;
  }
}

MixEffects Mix::sent(Now, const NodeId& to) {
  MixEffects out;
  const auto found = peers_.find(to);
  if (found == peers_.end()) return out;
  found->second.in_flight -= std::min<std::size_t>(1, found->second.in_flight);
  drain(to, found->second, out);
  return out;
}

MixEffects Mix::tick(Now now) {
  MixEffects out;
  while (!held_.empty() && held_.begin()->first <= now.mono_ns) {
    CellSend leaving = std::move(held_.begin()->second);
    held_.erase(held_.begin());
    meter_.departed();
    push(now, leaving.to, Lane::kDeep, std::move(leaving.cell), out);
  }
  for (std::size_t i = 0; i < kLoopsPerTick && loop_ns_ <= now.mono_ns; ++i) {
    send_loop(now, out);
    loop_ns_ = next_event_ns(loop_ns_, config_.loops_per_s, random_);
  }
  // After a long pause those that were missed are not made up for.
  if (loop_ns_ <= now.mono_ns) loop_ns_ = next_event_ns(now.mono_ns, config_.loops_per_s, random_);
  loops_.tick(now.mono_ns);
  return out;
}

void Mix::send_loop(Now now, MixEffects& out) {
  const auto found = directories_.find(ring_.epoch_of(now.wall_ms));
  if (found == directories_.end()) return;
  Destination self{.receiver = config_.node, .command = Command::kDeliver, .target = {}};
  random_.fill(self.target.span());
  const auto path = deep_path(found->second, self, config_.wanted, Hides::kCover, random_);
  if (!path) return;
  Message message;
  random_.fill(message.id.span());
  auto payload = encode_message(config_.geometry, message, random_);
  if (!payload) return;
  auto cell = seal_cell(config_.geometry, *path, std::move(*payload), random_);
  if (!cell) return;
  std::int64_t deadline_ms = config_.loop_slack_ms;
  for (const Hop& hop : path->hops) deadline_ms += hop.delay_ms;
  loops_.sent(self.target, now.mono_ns + deadline_ms * kNsPerMs);
  ++counters_.loops_sent;
  push(now, path->hops.front().node, Lane::kDeep, std::move(*cell), out);
}

void Mix::gone(const NodeId& node) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  counters_.lost += found->second.flash.size() + found->second.deep.size();
  peers_.erase(found);
}

std::int64_t Mix::wake_ns() const { return held_.empty() ? loop_ns_ : std::min(loop_ns_, held_.begin()->first); }

}  // namespace hanse::router
