#include "mesh/gossip/broadcast.h"

#include <algorithm>

#include "mesh/gossip/mutant.h"

namespace hanse::gossip {

namespace {

constexpr std::size_t kAskedMax = 64;
constexpr std::int64_t kCongestedNs = 100 * kMs;

std::uint8_t one_more(std::uint8_t hops) {
  return std::min<std::uint8_t>(kHopsMax, static_cast<std::uint8_t>(hops + 1));
}

}  // namespace

Broadcast::Broadcast(const BroadcastConfig& config, std::function<std::int64_t(const PeerId&)> worth,
                     std::int64_t now_ns)
    : config_(config), worth_(std::move(worth)), seen_(config.store.seen_ms) {
  graft_ns_ = config_.graft_ms_min * kMs;
  opportunistic_at_ns_ = now_ns + config_.opportunistic_ms * kMs;
  expire_at_ns_ = now_ns + config_.store.kept_ms * kMs / 4;
}

void Broadcast::up(const PeerId& peer) {
  if (std::ranges::find(peers_, peer) != peers_.end()) return;
  peers_.push_back(peer);
  for (auto& [id, t] : topics_) t.links.push_back({.peer = peer});
}

void Broadcast::down(const PeerId& peer, BroadcastOut& out) {
  std::erase(peers_, peer);
  for (auto& [id, t] : topics_) {
    if (std::erase_if(t.links, [&](const Link& l) { return l.peer == peer; }) == 0) continue;
    // Whose last eager link went is out of the tree: it need not wait for an announcement to find out.
    if (std::ranges::any_of(t.links, &Link::eager)) continue;
    if (Link* l = best_lazy(t)) {
      l->eager = true;
      out.sends.push_back({l->peer, Graft{.topic = id, .ids = {}}});
    }
  }
  for (auto& [id, m] : missing_) std::erase_if(m.announcers, [&](const Announcer& a) { return a.peer == peer; });
}

void Broadcast::publish(std::int64_t now, Held message, const std::vector<PeerId>& passive, BroadcastOut& out) {
  Topic& t = topic(now, message->gossip.message.topic);
  seen_.add(now, message->id, {});
  t.kept.add(config_.store, message);
  for (Link& l : t.links)
    out.pushes.push_back({l.peer, message, 1, l.eager && may_be_eager(l) ? Push::Way::kTree : Push::Way::kBeside});
  for (std::size_t i = 0; i < passive.size() && i < kFloodPassive; ++i)
    out.pushes.push_back({passive[i], message, 1, Push::Way::kBeside});
}

bool Broadcast::repeated(std::int64_t now, const Arrival& arrival, const TopicId& topic_id, const MessageId& id,
                         BroadcastOut& out) {
  SeenEntry* entry = seen_.find(id);
  if (entry == nullptr || mutant(Mutant::kDeliveredTwice)) return false;
  ++counters_.duplicates;
  const auto it = topics_.find(topic_id);
  if (arrival.flood || it == topics_.end()) return true;
  Link* l = link(it->second, arrival.from);
  if (entry->flooded && !mutant(Mutant::kFloodShapesTree)) {  // now the tree has it
    entry->flooded = false;
    if (l != nullptr && may_be_eager(*l)) l->eager = true;
    if (const Held message = it->second.kept.find(id))
      push_eager(now, it->second, arrival.from, message, one_more(arrival.hops), out);
    return true;
  }
  if (l == nullptr) return true;
  l->eager = false;
  ++counters_.prunes_sent;
  out.sends.push_back({arrival.from, Prune{.topic = topic_id}});
  return true;
}

void Broadcast::accept(std::int64_t now, const Arrival& arrival, Held message, BroadcastOut& out) {
  Topic& t = topic(now, message->gossip.message.topic);
  const bool flood = arrival.flood && !mutant(Mutant::kFloodShapesTree);
  seen_.add(now, message->id, {.flooded = flood});
  t.kept.add(config_.store, message);
  ++counters_.delivered;
  out.deliveries.push_back(message);
  out.deeds.emplace_back(arrival.from, Deed::kFirstDelivery);
  const auto missing = missing_.find(message->id);
  if (flood) {
    if (missing != missing_.end()) missing_.erase(missing);
    beside_.push_back({now + 2 * graft_ns_, message->gossip.message.topic, message->id});
    if (beside_.size() > kMissingMax) pass_on_flooded(beside_.front().at_ns, out);
    return;
  }
  if (Link* l = link(t, arrival.from); l != nullptr && may_be_eager(*l)) l->eager = true;
  push_eager(now, t, arrival.from, message, one_more(arrival.hops), out);
  if (missing == missing_.end()) return;
  optimise(t, arrival, missing->second, out);  // after the push: who announced it has it
  missing_.erase(missing);
}

// The tree did not bring these: this node begins to spread them.
void Broadcast::pass_on_flooded(std::int64_t now, BroadcastOut& out) {
  for (; !beside_.empty() && beside_.front().at_ns <= now; beside_.pop_front()) {
    const Beside& b = beside_.front();
    SeenEntry* entry = seen_.find(b.id);
    if (entry == nullptr || !entry->flooded) continue;
    entry->flooded = false;
    const auto it = topics_.find(b.topic);
    if (it == topics_.end()) continue;
    if (const Held message = it->second.kept.find(b.id))
      push_eager(now, it->second, {}, message, one_more(message->hops), out);
  }
}

void Broadcast::receive(std::int64_t now, const PeerId& from, const Body& body, BroadcastOut& out) {
  if (const auto* m = std::get_if<IHave>(&body)) {
    announced(now, from, *m);
  } else if (const auto* graft = std::get_if<Graft>(&body)) {
    grafted(now, from, *graft, out);
  } else if (const auto* prune = std::get_if<Prune>(&body)) {
    if (const auto it = topics_.find(prune->topic); it != topics_.end())
      if (Link* l = link(it->second, from)) l->eager = false;
  } else if (const auto* fetch = std::get_if<Fetch>(&body)) {
    for (const MessageId& id : fetch->ids) {
      if (const Held message = find(fetch->topic, id))
        out.pushes.push_back({from, message, one_more(message->hops), Push::Way::kFetched});
      else
        ++counters_.not_kept;
    }
  }
}

// What could not be sent is announced instead, and the neighbour only gets ids until it asks for more.
void Broadcast::slowed(std::int64_t now, const PeerId& peer, const std::vector<Push>& shed) {
  for (const Push& p : shed) {
    const auto it = topics_.find(p.message->gossip.message.topic);
    if (it == topics_.end()) continue;
    Link* l = link(it->second, peer);
    if (l == nullptr) continue;
    l->eager = false;
    l->slow = true;
    if (!mutant(Mutant::kShedSilently)) announce(now, *l, p.message->id, p.hops);
  }
}

void Broadcast::announce_later(std::int64_t now, const PeerId& peer, const IHave& shed) {
  const auto it = topics_.find(shed.topic);
  if (it == topics_.end()) return;
  Link* l = link(it->second, peer);
  if (l == nullptr) return;
  for (const Announced& a : shed.messages) announce(now, *l, a.id, a.hops);
}

void Broadcast::tick(std::int64_t now, BroadcastOut& out) {
  if (flush_at_ns_ <= now) {
    flush_at_ns_ = INT64_MAX;
    for (auto& [id, t] : topics_)
      for (Link& l : t.links) flush(now, id, l, out);
  }
  pass_on_flooded(now, out);
  std::map<std::pair<PeerId, TopicId>, std::vector<MessageId>> grafts;
  while (!timers_.empty() && timers_.top().at_ns <= now) {
    const Timer due = timers_.top();
    timers_.pop();
    const auto it = missing_.find(due.id);
    if (it == missing_.end() || it->second.deadline_ns != due.at_ns) continue;
    ask(now, due.id, it->second, grafts, out);
    if (!it->second.waits) missing_.erase(it);
  }
  for (auto& [to, ids] : grafts) {
    ++counters_.grafts_sent;
    out.sends.push_back({to.first, Graft{.topic = to.second, .ids = std::move(ids)}});
  }
  if (opportunistic_at_ns_ <= now) {
    opportunistic_at_ns_ = now + config_.opportunistic_ms * kMs;
    graft_opportunistically(out);
  }
  if (expire_at_ns_ <= now) {
    expire_at_ns_ = now + config_.store.kept_ms * kMs / 4;
    for (auto& [id, t] : topics_) t.kept.expire(config_.store, now);
  }
}

std::int64_t Broadcast::wake_ns() const {
  std::int64_t at = std::min({flush_at_ns_, opportunistic_at_ns_, expire_at_ns_});
  if (!timers_.empty()) at = std::min(at, timers_.top().at_ns);
  if (!beside_.empty()) at = std::min(at, beside_.front().at_ns);
  return at;
}

const Kept* Broadcast::kept(const TopicId& id) const {
  const auto it = topics_.find(id);
  return it == topics_.end() ? nullptr : &it->second.kept;
}

Held Broadcast::find(const TopicId& topic_id, const MessageId& id) const {
  if (topic_id.is_zero()) {
    for (const auto& [each, t] : topics_)
      if (Held message = t.kept.find(id)) return message;
    return nullptr;
  }
  const Kept* k = kept(topic_id);
  return k == nullptr ? nullptr : k->find(id);
}

std::vector<TopicId> Broadcast::topic_ids() const {
  std::vector<TopicId> out;
  for (const auto& [id, t] : topics_) out.push_back(id);
  return out;
}

std::size_t Broadcast::eager(const TopicId& id) const {
  const auto it = topics_.find(id);
  return it == topics_.end() ? 0 : static_cast<std::size_t>(std::ranges::count(it->second.links, true, &Link::eager));
}

bool Broadcast::carries(const PeerId& peer) const {
  return std::ranges::any_of(topics_, [&](const auto& t) {
    return std::ranges::any_of(t.second.links, [&](const Link& l) { return l.peer == peer && l.eager; });
  });
}

Broadcast::Topic& Broadcast::topic(std::int64_t now, const TopicId& id) {
  auto it = topics_.find(id);
  if (it == topics_.end()) {
    if (topics_.size() >= kTopicsMax)
      topics_.erase(std::ranges::min_element(topics_, {}, [](const auto& t) { return t.second.used_ns; }));
    it = topics_.emplace(id, Topic{}).first;
    for (const PeerId& peer : peers_) it->second.links.push_back({.peer = peer});
  }
  it->second.used_ns = now;
  return it->second;
}

Broadcast::Link* Broadcast::link(Topic& t, const PeerId& peer) {
  const auto it = std::ranges::find(t.links, peer, &Link::peer);
  return it == t.links.end() ? nullptr : &*it;
}

bool Broadcast::may_be_eager(const Link& l) const { return !l.slow && worth_(l.peer) >= 0; }

void Broadcast::push_eager(std::int64_t now, Topic& t, const PeerId& except, const Held& message, std::uint8_t hops,
                           BroadcastOut& out) {
  for (Link& l : t.links) {
    if (l.peer == except) continue;
    if (l.eager && may_be_eager(l))
      out.pushes.push_back({l.peer, message, hops, Push::Way::kTree});
    else
      announce(now, l, message->id, hops);
  }
}

void Broadcast::announce(std::int64_t now, Link& l, const MessageId& id, std::uint8_t hops) {
  if (l.announce.size() >= kAnnounceMax) {
    ++counters_.announcements_dropped;
    l.announce.erase(l.announce.begin());
  }
  l.announce.push_back({.id = id, .hops = hops});
  // A full frame need not wait; tick() is due now.
  flush_at_ns_ = std::min(flush_at_ns_, l.announce.size() == kIdsMax ? now : now + config_.announce_ms * kMs);
}

void Broadcast::flush(std::int64_t now, const TopicId& id, Link& l, BroadcastOut& out) {
  if (l.announce.empty()) return;
  if (congested_ && congested_(l.peer)) {
    flush_at_ns_ = std::min(flush_at_ns_, now + kCongestedNs);
    return;
  }
  for (std::size_t at = 0; at < l.announce.size(); at += kIdsMax) {
    const auto first = l.announce.begin() + static_cast<std::ptrdiff_t>(at);
    const auto n = static_cast<std::ptrdiff_t>(std::min(kIdsMax, l.announce.size() - at));
    counters_.announced += static_cast<std::uint64_t>(n);
    out.sends.push_back({l.peer, IHave{.topic = id, .messages = {first, first + n}}});
  }
  l.announce.clear();
}

void Broadcast::announced(std::int64_t now, const PeerId& from, const IHave& m) {
  if (std::ranges::find(peers_, from) == peers_.end()) return;
  topic(now, m.topic);
  for (const Announced& a : m.messages) {
    if (seen_.find(a.id) != nullptr) continue;
    auto it = missing_.find(a.id);
    if (it == missing_.end()) {
      if (missing_.size() >= kMissingMax) {
        ++counters_.missing_dropped;
        continue;
      }
      it = missing_.emplace(a.id, Missing{.topic = m.topic}).first;
      wait_until(a.id, it->second, now + graft_ns_);
    }
    if (it->second.announcers.size() < kAnnouncersMax) it->second.announcers.push_back({from, a.hops});
    if (it->second.all.size() < kAnnouncersMax) it->second.all.push_back({from, a.hops});
  }
}

void Broadcast::wait_until(const MessageId& id, Missing& missing, std::int64_t at_ns) {
  missing.deadline_ns = at_ns;
  timers_.push({at_ns, id});
}

// The first announcer that is still a neighbour; the one asked before owes us something.
void Broadcast::ask(std::int64_t now, const MessageId& id, Missing& missing,
                    std::map<std::pair<PeerId, TopicId>, std::vector<MessageId>>& grafts, BroadcastOut& out) {
  if (missing.waits) out.deeds.emplace_back(missing.asked, Deed::kDeficit);
  missing.waits = false;
  if (missing.announcers.empty() || mutant(Mutant::kGraftNever)) return;
  Topic& t = topic(now, missing.topic);
  missing.asked = missing.announcers.front().peer;
  missing.announcers.erase(missing.announcers.begin());
  missing.waits = true;
  if (Link* l = link(t, missing.asked); l != nullptr && may_be_eager(*l)) l->eager = true;
  auto& ids = grafts[{missing.asked, missing.topic}];
  ids.push_back(id);
  if (ids.size() == kIdsMax) {
    ++counters_.grafts_sent;
    out.sends.push_back({missing.asked, Graft{.topic = missing.topic, .ids = std::move(ids)}});
    grafts.erase({missing.asked, missing.topic});
  }
  wait_until(id, missing, now + graft_ns_ / 2);
}

void Broadcast::grafted(std::int64_t now, const PeerId& from, const Graft& m, BroadcastOut& out) {
  Topic& t = topic(now, m.topic);
  ++counters_.grafts_received;
  Link* l = link(t, from);
  if (l == nullptr) return;
  l->slow = false;
  l->eager = true;
  for (const MessageId& id : m.ids) {
    if (std::ranges::find(l->asked, id) != l->asked.end()) out.deeds.emplace_back(from, Deed::kBehaviour);
    if (l->asked.size() >= kAskedMax) l->asked.erase(l->asked.begin());
    l->asked.push_back(id);
  }
  for (const MessageId& id : m.ids) {
    if (const Held message = t.kept.find(id))
      out.pushes.push_back({from, message, one_more(message->hops), Push::Way::kAsked});
    else
      ++counters_.not_kept;
  }
}

// The tree moves to a link that was optimise_hops shorter.
void Broadcast::optimise(Topic& t, const Arrival& arrival, const Missing& missing, BroadcastOut& out) {
  const auto best = std::ranges::min_element(missing.all, {}, &Announcer::hops);
  if (best == missing.all.end() || best->peer == arrival.from) return;
  if (arrival.hops < best->hops + config_.optimise_hops) return;
  Link *shorter = link(t, best->peer), *longer = link(t, arrival.from);
  if (shorter == nullptr || longer == nullptr || !may_be_eager(*shorter)) return;
  shorter->eager = true;
  longer->eager = false;
  ++counters_.optimised;
  out.sends.push_back({best->peer, Graft{.topic = missing.topic, .ids = {}}});
  out.sends.push_back({arrival.from, Prune{.topic = missing.topic}});
}

Broadcast::Link* Broadcast::best_lazy(Topic& t) {
  Link* best = nullptr;
  for (Link& l : t.links)
    if (!l.eager && may_be_eager(l) && (best == nullptr || worth_(l.peer) > worth_(best->peer))) best = &l;
  return best;
}

// Where the lazy neighbours are worth more than the eager ones, the best of them is tried (gossipsub 1.1's rule).
void Broadcast::graft_opportunistically(BroadcastOut& out) {
  for (auto& [id, t] : topics_) {
    std::vector<std::int64_t> eager;
    for (const Link& l : t.links)
      if (l.eager) eager.push_back(worth_(l.peer));
    Link* best = best_lazy(t);
    if (best == nullptr || worth_(best->peer) <= 0) continue;
    std::ranges::sort(eager);
    if (!eager.empty() && eager[eager.size() / 2] >= 0) continue;
    best->eager = true;
    out.sends.push_back({best->peer, Graft{.topic = id, .ids = {}}});
  }
}

}  // namespace hanse::gossip
