#include "base/core/text.h"
#include "sim/world/detail/world.h"

// Connections keep their order and lose everything in flight when they break; then both sides hear peer_up.

namespace hanse::sim::detail {

using consensus::Type;

HostId World::route(const Host& from, Index to) const {
  const bool second = twin_of_[to] != 0 && (from.id >= plan_.n || (twin_mask_[to] >> (from.self % 64) & 1) != 0);
  return second ? twin_of_[to] : static_cast<HostId>(to);
}

bool World::may_connect(HostId a, HostId b) const {
  const Host &x = *hosts_[a], &y = *hosts_[b];
  const auto& l = links_[a * hosts_.size() + b];
  return a != b && x.self != y.self && x.up && y.up && l.blocked == 0 && route(x, y.self) == b && route(y, x.self) == a;
}

void World::transmit(Host& from, Index to, Type type, const Frame& body) {
  const HostId id = route(from, to);
  Link& l = link(from.id, id);
  if (!l.up || l.muted > 0) return;
  Dice& dice = l.dice;
  if (breaks_ + slow_breaks_ > 0 && dice.chance(static_cast<std::uint64_t>(breaks_ + slow_breaks_))) {
    saw(Seen::kBreaks);
    disconnect(from.id, id);
    reconnect_soon(from.id, id, dice.between(1, 50) * kMs);
    return;
  }
  std::int64_t delay =
      dice.log_normal(plan_.tuning.delay_us * kUs) * slow_net_ * std::max(from.slowness, host(id).slowness);
  if (spikes_ > 0 && dice.chance(static_cast<std::uint64_t>(spikes_))) delay += spike_ms_ * kMs;
  std::int64_t at = now_ + delay;
  const bool overtakes = reorder_ > 0 && dice.chance(static_cast<std::uint64_t>(reorder_));
  if (!overtakes) {
    at = std::max(at, l.last_arrival + 1);
    l.last_arrival = at;
  }
  Frame sent = body;
  if (corrupt_ > 0 && dice.chance(static_cast<std::uint64_t>(corrupt_))) {
    sent = damaged(body, dice);
    saw(Seen::kCorruptFrames);
  }
  const Event e{.at = at,
                .arg = 0,
                .gen = l.gen,
                .host = id,
                .from = from.id,
                .kind = EventKind::kDeliver,
                .type = static_cast<std::uint8_t>(type)};
  if (duplicate_ > 0 && dice.chance(static_cast<std::uint64_t>(duplicate_))) {
    Event again = e;
    again.at += dice.between(0, 200) * kMs;
    queue_.push(again, sent);
  }
  queue_.push(e, std::move(sent));
}

// Authenticated channels let no changed frame pass as another valid one: what arrives damaged is malformed.
Frame World::damaged(const Frame& body, Dice& dice) const {
  Bytes bytes = *body;
  if (dice.chance(5'000) && !bytes.empty()) {
    bytes.pop_back();
  } else {
    bytes.push_back(static_cast<std::uint8_t>(dice.next()));
  }
  return std::make_shared<const Bytes>(std::move(bytes));
}

void World::deliver(const Event& e, const Frame& frame) {
  Host& h = host(e.host);
  if (link(e.from, e.host).gen != e.gen || !h.up) return;
  const Index from = place_in(*h.era, host(e.from).self);
  const auto type = static_cast<Type>(e.type);
  if (frame->size() > consensus::frame_bytes_max(e.type)) {
    saw(Seen::kOversized);
    if (h.dice.chance(5'000)) {  // what the channel does; else the replica must cope
      disconnect(e.from, e.host);
      return reconnect_soon(e.from, e.host, 50 * kMs);
    }
  }
  if (h.liar) h.liar->in(host(e.from).self, type, frame);
  const bool stamped = type == Type::kAck || type == Type::kPrepare || type == Type::kCommit || type == Type::kAttest ||
                       type == Type::kViewChange || type == Type::kNewView || type == Type::kStatus ||
                       type == Type::kVertex || type == Type::kHandover || type == Type::kFetchStatement;
  const std::size_t at = type == Type::kPrePrepare ? 8 : 0;
  const bool foreign =
      (stamped || at == 8) && frame->size() >= at + 8 && load_le<std::uint64_t>(frame->data() + at) != h.era->epoch;
  if (h.watched && !foreign) safety_.delivered(h.self, from, type, frame);
  accounts_.at(now_);
  if (h.watched && !foreign) accounts_.delivered(h.self, from, type, frame, h.facts);
  const auto refused = [&] {
    const consensus::Counters& c = h.replica->counters();
    return c.frames_stale + c.frames_malformed + c.frames_other_epoch + c.frames_dropped + c.frames_denied +
           c.frames_far;
  };
  const std::uint64_t before = foreign ? refused() : 0;
  const Era* era = h.era;
  step(h, Step::kOther, [&](Replica& r, consensus::Now now) { return r.receive(now, from, e.type, frame); });
  if (!foreign || era != h.era) return;
  saw(Seen::kOtherEpochs);
  if (h.watched && !h.facts.halted && from < h.era->members.size() && !h.facts.ended && refused() == before)
    safety_.fail_rule("epoch", text("replica {} took {} of another epoch", h.self, consensus::type_name(type)));
}

void World::disconnect(HostId a, HostId b) {
  for (Link* l : {&link(a, b), &link(b, a)}) {
    l->up = false;
    ++l->gen;
    l->last_arrival = 0;
  }
}

void World::disconnect_all(HostId a) {
  for (HostId b = 0; b < hosts_.size(); ++b)
    if (b != a) disconnect(a, b);
}

void World::reconnect_soon(HostId a, HostId b, std::int64_t after_ns) {
  Event e{.at = now_ + after_ns, .host = a, .from = b, .kind = EventKind::kConnect};
  queue_.push(e);
}

void World::connect(HostId a, HostId b) {
  if (link(a, b).up || !may_connect(a, b)) return;
  link(a, b).up = link(b, a).up = true;
  const auto meet = [&](Host& h, const Host& peer) {
    step(h, Step::kOther, [&](Replica& r, consensus::Now now) { return r.peer_up(now, place_in(*h.era, peer.self)); });
  };
  meet(host(a), host(b));
  meet(host(b), host(a));
}

void World::block(HostId a, HostId b, int by) {
  link(a, b).blocked += by;
  link(b, a).blocked += by;
  if (by > 0) {
    disconnect(a, b);
  } else if (link(a, b).blocked == 0) {
    reconnect_soon(a, b, 5 * kMs);
  }
}

void World::mute(HostId from, HostId to, int by) {
  Link& l = link(from, to);
  l.muted += by;
  if (by > 0 || l.muted > 0) return;
  disconnect(from, to);  // a connection with a hole in it does not live
  reconnect_soon(from, to, 5 * kMs);
}

}  // namespace hanse::sim::detail
