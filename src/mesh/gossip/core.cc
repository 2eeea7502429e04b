#include <algorithm>
#include <utility>

#include "base/core/check.h"
#include "mesh/gossip/detail/core.h"
#include "mesh/gossip/mutant.h"

namespace hanse::gossip {

namespace {

Class class_of(const Body& body) {
  if (std::holds_alternative<IHave>(body)) return Class::kAnnounce;
  if (std::holds_alternative<Reconcile>(body)) return Class::kReconcile;
  return Class::kControl;
}

Protocol protocol_of(const Bytes& frame) {
  if (frame[0] < static_cast<std::uint8_t>(Type::kGossip)) return Protocol::kMembership;
  return frame[0] == static_cast<std::uint8_t>(Type::kReconcile) ? Protocol::kReconcile : Protocol::kGossip;
}

}  // namespace

Node::Core::Core(const Config& c, const PeerId& id, Keys& k, Random& r, Now now)
    : config(c),
      self(id),
      keys(k),
      random(r),
      membership(id, c.membership, r, now.mono_ns),
      detector(c.detector, r, now.mono_ns),
      broadcast(
          c.broadcast, [this](const PeerId& p) { return scores.of(scores_at_ns, p); }, now.mono_ns),
      next_seq(c.first_seq),
      next_session(r.next_u64()) {
  const auto spread = static_cast<std::uint64_t>(c.reconcile_ms * kMs);
  reconcile_at_ns = now.mono_ns + static_cast<std::int64_t>(r.below(spread) + 1);
  changes_since_ns = now.mono_ns;
  scores_at_ns = now.mono_ns;
  broadcast.set_congested([this](const PeerId& p) {
    const auto it = peers.find(p);
    return it != peers.end() && it->second.outbox.queued_bytes() > config.outbox.queue_bytes / 2;
  });
  membership.set_in_use([this](const PeerId& p) { return broadcast.carries(p); });
}

// Carries what the parts decided from one to the other until nothing is left, then hands out what connections may take.
Effects Node::Core::finish(Now now) {
  scores_at_ns = now.mono_ns;
  settle(now);
  drain(now);
  return std::exchange(effects, {});
}

void Node::Core::settle(Now now) {
  // Each round carries a consequence one part further; they end because views only shrink or fill within a step.
  for (int rounds = 0; rounds < 64 && settle_once(now); ++rounds) {
  }
}

bool Node::Core::settle_once(Now now) {
  bool more = false;
  DetectorOut d = std::exchange(detector_out, {});
  for (Outgoing& o : d.sends) send(now, o.to, o.body);
  for (const PeerId& p : d.failed) membership.failed(now.mono_ns, p, member_out);
  for (const PeerId& p : d.disowned) membership.disowned(now.mono_ns, p, member_out);
  MembershipOut m = std::exchange(member_out, {});
  for (const PeerId& p : m.downs) {
    more = true;
    detector.down(p);
    broadcast.down(p, broadcast_out);
    ++changes;
    effects.notices.push_back({NoticeKind::kDown, p});
  }
  for (const PeerId& p : m.ups) {
    more = true;
    if (!membership.is_active(p)) continue;  // came and went within the step
    detector.up(now.mono_ns, p);
    broadcast.up(p);
    ++changes;
    effects.notices.push_back({NoticeKind::kUp, p});
    const auto& active = membership.active();
    const auto link = std::ranges::find(active, p, &Membership::Active::peer);
    if (broadcast.topics() == 0) continue;
    if (link->outbound) begin_session(now, p, {});
    // On both sides once more, with anybody, for what was too recent for this one.
    reconcile_at_ns = std::min(reconcile_at_ns, now.mono_ns + (config.reconcile_recent_ms + 1'000) * kMs);
  }
  for (Outgoing& o : m.sends) send(now, o.to, o.body);
  if (m.isolated) effects.notices.push_back({NoticeKind::kIsolated, {}});
  BroadcastOut b = std::exchange(broadcast_out, {});
  for (Outgoing& o : b.sends) send(now, o.to, o.body);
  for (const Push& p : b.pushes) push(now, p);
  for (Held& h : b.deliveries)
    if (subscriptions.contains(h->gossip.message.topic)) effects.deliveries.push_back(std::move(h));
  for (const auto& [p, what] : b.deeds) deed(now, p, what);
  return more || !detector_out.failed.empty() || !member_out.downs.empty() || !member_out.ups.empty() ||
         !member_out.sends.empty() || !broadcast_out.sends.empty() || !broadcast_out.pushes.empty();
}

void Node::Core::drain(Now) {
  for (const PeerId& id : dirty) {
    const auto it = peers.find(id);
    if (it == peers.end()) continue;
    for (Frame& f : it->second.outbox.take(config.outbox)) {
      const Protocol protocol = protocol_of(*f);
      effects.sends.push_back({id, protocol, std::move(f)});
    }
  }
  dirty.clear();
}

void Node::Core::send(Now now, const PeerId& to, const Body& body) {
  if (to == self) return;
  enqueue(now, to, class_of(body), std::make_shared<const Bytes>(encode(body)), nullptr);
}

void Node::Core::push(Now now, const Push& p) {
  if (p.to == self) return;
  Peer& to = peer(now.mono_ns, p.to);
  const bool knows = std::ranges::find(to.batches, p.message->batch) != to.batches.end();
  const bool with_signature = !knows || p.way == Push::Way::kAsked || p.way == Push::Way::kFetched;
  if (!knows) {
    if (to.batches.size() >= kKnownBatchesMax) to.batches.pop_front();
    to.batches.push_back(p.message->batch);
  }
  enqueue(now, p.to, Class::kMessage, frame_of(p, with_signature), &p);
}

Frame Node::Core::frame_of(const Push& p, bool with_signature) {
  const bool flood = p.way == Push::Way::kBeside || p.way == Push::Way::kFetched;
  if (last.message == p.message && last.hops == p.hops && last.flood == flood && last.with_signature == with_signature)
    return last.frame;
  Gossip g = p.message->gossip;
  g.flood = flood ? 1 : 0;
  g.hops = p.hops;
  if (!with_signature) g.signature.clear();
  last = {.message = p.message,
          .hops = p.hops,
          .flood = flood,
          .with_signature = with_signature,
          .frame = std::make_shared<const Bytes>(encode(g))};
  return last.frame;
}

void Node::Core::enqueue(Now now, const PeerId& to, Class cls, Frame frame, const Push* message) {
  Peer& p = peer(now.mono_ns, to);
  Outbox::Shed shed;
  const auto outcome = p.outbox.push(config.outbox, cls, std::move(frame), message, shed, counters.shed);
  dirty.insert(to);
  // It does not have what was shed, nor the signatures in it.
  for (const Push& s : shed.messages) std::erase(p.batches, s.message->batch);
  if (!shed.messages.empty()) broadcast.slowed(now.mono_ns, to, shed.messages);
  for (const Frame& f : shed.announcements) {
    auto any = decode(*f);
    check(any.has_value(), "an own announcement decodes");
    broadcast.announce_later(now.mono_ns, to, std::get<IHave>(std::get<Body>(*any)));
  }
  if (outcome == Outbox::Outcome::kTaken) return;
  p.outbox.clear();
  effects.closes.push_back(to);
  membership.failed(now.mono_ns, to, member_out);
}

Node::Core::Peer& Node::Core::peer(std::int64_t now, const PeerId& id) {
  auto it = peers.find(id);
  if (it == peers.end()) {
    if (peers.size() >= kPeersMax) {
      auto oldest = peers.end();
      for (auto p = peers.begin(); p != peers.end(); ++p)
        if (!membership.is_active(p->first) && (oldest == peers.end() || p->second.used_ns < oldest->second.used_ns))
          oldest = p;
      check(oldest != peers.end(), "the active view is smaller than what is known of peers");
      ++counters.peers_evicted;
      effects.closes.push_back(oldest->first);
      peers.erase(oldest);
    }
    it = peers.try_emplace(id).first;
  }
  it->second.used_ns = now;
  return it->second;
}

void Node::Core::deed(Now now, const PeerId& id, Deed what) {
  const bool was_banned = scores.banned(now.mono_ns, id);
  scores.did(now.mono_ns, id, what);
  if (was_banned || !scores.banned(now.mono_ns, id)) return;
  effects.notices.push_back({NoticeKind::kBanned, id});
  effects.closes.push_back(id);
  membership.banned(now.mono_ns, id, member_out);
  peers.erase(id);
}

}  // namespace hanse::gossip
