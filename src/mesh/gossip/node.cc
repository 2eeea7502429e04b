#include <algorithm>

#include "base/core/text.h"
#include "mesh/gossip/detail/core.h"

namespace hanse::gossip {

Result<std::unique_ptr<Node>> Node::create(const Config& config, const PeerId& self, Keys& keys, Random& random,
                                           Now now) {
  const MembershipConfig& m = config.membership;
  const bool views = m.active >= 1 && m.active <= m.active_max && m.active_max <= 64 && m.passive <= m.passive_max &&
                     m.passive_max <= 1'024 && m.outbound_min < m.active_max && m.joins_per_s >= 1;
  if (!views)
    return fail(Kind::kInvalid, "gossip.config",
                text("found views of {} to {} and {} to {}, expected 1 to 64 and at most 1024", m.active, m.active_max,
                     m.passive, m.passive_max));
  const std::int64_t shortest = std::min({m.shuffle_ms, m.redial_ms, m.neighbor_timeout_ms, config.detector.probe_ms,
                                          config.detector.ack_ms, config.broadcast.graft_ms_min, config.reconcile_ms});
  if (shortest < 1) return fail(Kind::kInvalid, "gossip.config", text("found a period of {} ms, expected 1", shortest));
  return std::unique_ptr<Node>(new Node(std::make_unique<Core>(config, self, keys, random, now)));
}

Node::Node(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Node::~Node() = default;

Effects Node::join(Now now, const PeerId& contact) {
  core_->membership.join(now.mono_ns, contact, core_->member_out);
  return core_->finish(now);
}

Effects Node::receive(Now now, const PeerId& from, ByteView frame) {
  Core& c = *core_;
  ++c.counters.frames;
  if (from == c.self) return {};
  if (c.scores.banned(now.mono_ns, from)) {
    ++c.counters.frames_banned;
    c.effects.closes.push_back(from);
    return c.finish(now);
  }
  auto any = decode(frame);
  if (!any) {
    ++c.counters.frames_malformed;
    c.deed(now, from, Deed::kInvalid);
    return c.finish(now);
  }
  c.peer(now.mono_ns, from);
  c.scores.seen(now.mono_ns, from);
  c.detector.heard(now.mono_ns, from);
  if (auto* gossip = std::get_if<Gossip>(&*any)) {
    if (c.ignored(now, from))
      ++c.counters.frames_ignored;
    else
      c.on_gossip(now, from, std::move(*gossip));
    return c.finish(now);
  }
  const Body& body = std::get<Body>(*any);
  const auto type = static_cast<Type>(frame[0]);
  if (type <= Type::kShuffleReply) {
    c.membership.receive(now.mono_ns, from, body, c.member_out);
  } else if (type <= Type::kPingAnswer) {
    c.detector.receive(now.mono_ns, from, body, c.membership.is_active(from), c.detector_out);
  } else if (c.ignored(now, from)) {
    ++c.counters.frames_ignored;
  } else if (const auto* reconcile = std::get_if<Reconcile>(&body)) {
    c.on_reconcile(now, from, *reconcile);
  } else {
    const auto* ihave = std::get_if<IHave>(&body);
    const auto n = static_cast<std::int64_t>(ihave == nullptr ? 0 : ihave->messages.size());
    if (n > 0 && !c.peer(now.mono_ns, from).announced.spend(now.mono_ns, n)) {
      ++c.counters.announcements_over_budget;
      c.deed(now, from, Deed::kBehaviour);
    } else {
      c.broadcast.receive(now.mono_ns, from, body, c.broadcast_out);
    }
  }
  return c.finish(now);
}

Effects Node::connected(Now now, const PeerId& peer, std::uint64_t address_group) {
  if (peer != core_->self) core_->membership.set_group(peer, address_group);
  return core_->finish(now);
}

Effects Node::disconnected(Now now, const PeerId& peer) {
  core_->peers.erase(peer);
  std::erase_if(core_->sessions, [&](const auto& s) { return s.second.peer == peer; });
  core_->membership.failed(now.mono_ns, peer, core_->member_out);
  return core_->finish(now);
}

Effects Node::sent(Now now, const PeerId& peer, std::size_t bytes) {
  if (const auto it = core_->peers.find(peer); it != core_->peers.end()) {
    it->second.outbox.sent(bytes);
    core_->dirty.insert(peer);
  }
  return core_->finish(now);
}

Effects Node::key_known(Now now, const PeerId& origin) {
  std::vector<Core::Parked> ready;
  for (Core::Parked& p : core_->parked)
    if (p.gossip.batch.origin == origin) ready.push_back(std::move(p));
  std::erase_if(core_->parked, [&](const Core::Parked& p) { return p.gossip.batch.origin == origin; });
  for (Core::Parked& p : ready) core_->on_gossip(now, p.from, std::move(p.gossip));
  return core_->finish(now);
}

Effects Node::tick(Now now) {
  Core& c = *core_;
  c.scores_at_ns = now.mono_ns;
  c.seal_due(now);
  c.check_queued(now);
  c.detector.tick(now.mono_ns, c.detector_out);
  c.settle(now);
  c.membership.tick(now.mono_ns, c.member_out);
  c.broadcast.set_graft_ns(std::max(c.config.broadcast.graft_ms_min * kMs, 3 * c.detector.rtt_p90_ns()));
  c.broadcast.tick(now.mono_ns, c.broadcast_out);
  c.tick_sessions(now);
  return c.finish(now);
}

Result<Effects> Node::publish(Now now, const TopicId& topic, ByteView payload) {
  Core& c = *core_;
  if (topic.is_zero() || payload.size() > kPayloadBytesMax)
    return fail(Kind::kInvalid, "gossip.payload",
                text("found {} bytes for topic {}, expected at most {} and a topic that is not zero", payload.size(),
                     topic, kPayloadBytesMax));
  if (c.unsealed.empty()) c.seal_at_ns = now.mono_ns + c.config.batch_ms * kMs;
  c.unsealed.push_back({.topic = topic,
                        .origin = c.self,
                        .seq = c.next_seq++,
                        .hlc = c.hlc.next(now.wall_ms),
                        .payload = to_bytes(payload)});
  ++c.counters.messages_published;
  c.seal_due(now);
  return c.finish(now);
}

Status Node::subscribe(const TopicId& topic) {
  if (core_->subscriptions.size() >= kSubscriptionsMax && !core_->subscriptions.contains(topic))
    return fail(Kind::kExhausted, "gossip.subscriptions",
                text("found {} topics subscribed, expected at most {}", kSubscriptionsMax, kSubscriptionsMax));
  core_->subscriptions.insert(topic);
  return {};
}

void Node::unsubscribe(const TopicId& topic) { core_->subscriptions.erase(topic); }

void Node::learn(const PeerId& peer) { core_->membership.learn(peer); }

std::int64_t Node::wake_ns() const {
  const Core& c = *core_;
  std::int64_t at = std::min({c.membership.wake_ns(), c.detector.wake_ns(), c.broadcast.wake_ns(), c.seal_at_ns,
                              c.checks_at_ns, c.reconcile_at_ns});
  for (const auto& [id, s] : c.sessions) at = std::min(at, s.deadline_ns);
  return at;
}

const PeerId& Node::self() const { return core_->self; }
const Membership& Node::membership() const { return core_->membership; }
const Detector& Node::detector() const { return core_->detector; }
const Broadcast& Node::broadcast() const { return core_->broadcast; }
const Counters& Node::counters() const { return core_->counters; }
std::int64_t Node::score(Now now, const PeerId& peer) const { return core_->scores.of(now.mono_ns, peer); }
std::size_t Node::peers() const { return core_->peers.size(); }

}  // namespace hanse::gossip
