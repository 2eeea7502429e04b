#include <algorithm>
#include <utility>

#include "mesh/gossip/detail/core.h"

// Reconciliation of the messages that are kept (mesh.md 5.14): with one neighbour in every period, on a new link, and
// when much of the active view changed. A topic of zeros means all topics. Who answers keeps nothing of a session.

namespace hanse::gossip {

namespace {

constexpr std::int64_t kChangesWindowNs = 30 * kSecondNs;

}  // namespace

void Node::Core::begin_session(Now now, const PeerId& to, const TopicId& topic) {
  if (sessions.size() >= kSessionsMax) return;
  const bool busy = std::ranges::any_of(sessions, [&](const auto& s) { return s.second.peer == to; });
  if (busy) return;
  Session s{.peer = to,
            .topic = topic,
            .low = hlc_of(now.wall_ms - config.reconcile_window_ms),
            .high = hlc_of(now.wall_ms - config.reconcile_recent_ms),
            .deadline_ns = now.mono_ns + kSessionNs};
  const std::uint64_t id = ++next_session;
  sessions[id] = s;
  ++counters.sessions;
  send(now, to,
       Reconcile{.topic = topic,
                 .session = id,
                 .low = s.low,
                 .high = s.high,
                 .answer = 0,
                 .body = begin_reconcile(items(topic, s.low, s.high))});
}

void Node::Core::on_reconcile(Now now, const PeerId& from, const Reconcile& m) {
  if (m.answer == 0) {
    if (m.low > m.high || !peer(now.mono_ns, from).reconciles.spend(now.mono_ns)) return;
    const auto step = step_reconcile(items(m.topic, m.low, m.high), ReconcileSide::kAnswers, m.body);
    if (!step) return deed(now, from, Deed::kInvalid);
    Reconcile back = m;
    back.answer = 1;
    back.body = step->bytes;
    return send(now, from, back);
  }
  const auto it = sessions.find(m.session);
  if (it == sessions.end() || it->second.peer != from) return;
  Session& s = it->second;
  const auto finished = [&] {
    ++counters.sessions_done;
    sessions.erase(it);
  };
  if (m.body.empty()) return finished();
  const auto step = step_reconcile(items(s.topic, s.low, s.high), ReconcileSide::kBegan, m.body);
  if (!step) {
    ++counters.sessions_failed;
    sessions.erase(it);
    return deed(now, from, Deed::kInvalid);
  }
  counters.items_have += step->have.size();
  counters.items_needed += step->need.size();
  for (const Item& i : step->have)
    if (Held message = broadcast.find(s.topic, i.id))
      push(now,
           {from, message, static_cast<std::uint8_t>(std::min<int>(message->hops + 1, kHopsMax)), Push::Way::kFetched});
  std::vector<MessageId> ids;
  for (const Item& i : step->need) {
    if (!broadcast.seen(i.id)) ids.push_back(i.id);
    if (ids.size() < kIdsMax) continue;
    send(now, from, Fetch{.topic = s.topic, .ids = std::exchange(ids, {})});
  }
  if (!ids.empty()) send(now, from, Fetch{.topic = s.topic, .ids = std::move(ids)});
  if (step->bytes.empty()) return finished();
  s.deadline_ns = now.mono_ns + kSessionNs;
  send(now, from,
       Reconcile{
           .topic = s.topic, .session = m.session, .low = s.low, .high = s.high, .answer = 0, .body = step->bytes});
}

void Node::Core::tick_sessions(Now now) {
  std::erase_if(sessions, [&](const auto& s) {
    if (s.second.deadline_ns > now.mono_ns) return false;
    ++counters.sessions_failed;
    return true;
  });
  const auto& active = membership.active();
  if (now.mono_ns - changes_since_ns > kChangesWindowNs) {
    changes_since_ns = now.mono_ns;
    changes = 0;
  }
  const bool changed = changes * 10 > active.size() * 2 * 3;  // a change of one neighbour is a down and an up
  if (reconcile_at_ns > now.mono_ns && !changed) return;
  if (changed) changes = 0;
  const auto fifth = static_cast<std::uint64_t>(config.reconcile_ms * kMs / 5);
  reconcile_at_ns = now.mono_ns + config.reconcile_ms * kMs - static_cast<std::int64_t>(fifth) +
                    static_cast<std::int64_t>(random.below(2 * fifth + 1));
  if (active.empty() || broadcast.topics() == 0) return;
  begin_session(now, active[random.below(active.size())].peer, {});
}

SortedItems Node::Core::items(const TopicId& topic, std::uint64_t low, std::uint64_t high) const {
  std::vector<Item> out;
  const auto add = [&](const Kept* kept) {
    if (kept == nullptr) return;
    for (const Held& h : kept->all()) {
      const std::uint64_t at = h->gossip.message.hlc;
      if (at >= low && at < high) out.push_back({.hlc = at, .id = h->id});
    }
  };
  if (!topic.is_zero()) {
    add(broadcast.kept(topic));
  } else {
    for (const TopicId& id : broadcast.topic_ids()) add(broadcast.kept(id));
  }
  return SortedItems(std::move(out));
}

}  // namespace hanse::gossip
