#include <algorithm>
#include <utility>

#include "mesh/gossip/detail/core.h"
#include "mesh/gossip/mutant.h"

// From a frame to a delivery: nothing is delivered or sent on before its signature is good.

namespace hanse::gossip {

void Node::Core::on_gossip(Now now, const PeerId& from, Gossip gossip) {
  const MessageId id = message_id(gossip.message);
  const Arrival arrival{.from = from, .flood = gossip.flood != 0, .hops = gossip.hops};
  if (broadcast.repeated(now.mono_ns, arrival, gossip.message.topic, id, broadcast_out)) return;
  if (hlc_ms(gossip.message.hlc) > now.wall_ms + kHlcAheadMs) {
    ++counters.messages_early;
    return;
  }
  const BatchId batch = batch_id(gossip.batch);
  Peer& p = peer(now.mono_ns, from);
  const Bytes* known = batches.find(batch);
  if (known == nullptr && gossip.signature.empty()) {
    ++counters.signatures_fetched;
    send(now, from, Fetch{.topic = gossip.message.topic, .ids = {id}});
    return;
  }
  if (known == nullptr && !p.checks.spend(now.mono_ns)) {
    if (p.unchecked.size() >= kChecksQueued) {
      ++counters.checks_shed;  // not seen: it may come again, by another way or announced
      return;
    }
    ++counters.checks_queued;
    p.unchecked.push_back(std::move(gossip));
    checks_at_ns = std::min(checks_at_ns, p.checks.ready_ns(now.mono_ns));
    return;
  }
  verify(now, from, std::move(gossip), id, batch);
}

void Node::Core::verify(Now now, const PeerId& from, Gossip gossip, const MessageId& id, const BatchId& batch) {
  const bool believed = mutant(Mutant::kUncheckedForwarded);
  if (!path_holds(gossip, id) && !believed) return invalid(now, from);
  if (const Bytes* known = batches.find(batch); known != nullptr) {
    gossip.signature = *known;
    return believe(now, from, std::move(gossip), id, batch);
  }
  ++counters.signatures_checked;
  const Verdict verdict = believed ? Verdict::kGood : keys.verify(gossip.batch.origin, batch, gossip.signature);
  if (verdict == Verdict::kBad) return invalid(now, from);
  if (verdict == Verdict::kNoKey) {
    effects.keys_wanted.push_back(gossip.batch.origin);
    if (parked.size() >= kParkedMax) {
      ++counters.parked_shed;
      parked.pop_front();
    }
    parked.push_back({from, std::move(gossip)});
    return;
  }
  batches.add(batch, gossip.signature);
  believe(now, from, std::move(gossip), id, batch);
}

void Node::Core::believe(Now now, const PeerId& from, Gossip gossip, const MessageId& id, const BatchId& batch) {
  if (const auto it = peers.find(from); it != peers.end()) {
    auto& known = it->second.batches;
    if (std::ranges::find(known, batch) == known.end()) {
      if (known.size() >= kKnownBatchesMax) known.pop_front();
      known.push_back(batch);
    }
  }
  hlc.observe(gossip.message.hlc, now.wall_ms);
  const Arrival arrival{.from = from, .flood = gossip.flood != 0, .hops = gossip.hops};
  gossip.flood = gossip.hops = 0;
  auto stored = std::make_shared<const Stored>(
      Stored{.gossip = std::move(gossip), .id = id, .batch = batch, .at_ns = now.mono_ns, .hops = arrival.hops});
  broadcast.accept(now.mono_ns, arrival, std::move(stored), broadcast_out);
}

void Node::Core::invalid(Now now, const PeerId& from) {
  ++counters.messages_invalid;
  deed(now, from, Deed::kInvalid);
}

void Node::Core::check_queued(Now now) {
  if (checks_at_ns > now.mono_ns) return;
  checks_at_ns = INT64_MAX;
  std::vector<PeerId> ids;  // a bad message may take its peer out of the map
  for (const auto& [id, p] : peers)
    if (!p.unchecked.empty()) ids.push_back(id);
  for (const PeerId& id : ids) {
    for (auto it = peers.find(id); it != peers.end() && !it->second.unchecked.empty(); it = peers.find(id)) {
      Peer& p = it->second;
      if (!p.checks.spend(now.mono_ns)) {
        checks_at_ns = std::min(checks_at_ns, p.checks.ready_ns(now.mono_ns));
        break;
      }
      Gossip gossip = std::move(p.unchecked.front());
      p.unchecked.pop_front();
      const MessageId message = message_id(gossip.message);
      if (broadcast.seen(message)) continue;
      verify(now, id, std::move(gossip), message, batch_id(gossip.batch));
    }
  }
}

void Node::Core::seal_due(Now now) {
  if (unsealed.empty() || (seal_at_ns > now.mono_ns && unsealed.size() < kBatchMessagesMax)) return;
  ++counters.batches_signed;
  for (Held& h : seal(now.mono_ns, std::exchange(unsealed, {}), keys)) {
    batches.add(h->batch, h->gossip.signature);
    if (subscriptions.contains(h->gossip.message.topic)) effects.deliveries.push_back(h);
    broadcast.publish(now.mono_ns, std::move(h), membership.sample_passive(kFloodPassive), broadcast_out);
  }
  seal_at_ns = INT64_MAX;
}

}  // namespace hanse::gossip
