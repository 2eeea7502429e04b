#include <algorithm>

#include "base/core/text.h"
#include "sim/check/mix.h"
#include "sim/fleet/detail/world.h"

// What must hold, told from outside a node; and the figures.

namespace hanse::sim::fleet {
namespace {

constexpr std::int64_t kQuietNs = 45 * kSecond;  // longer than a connection lives without an answer
constexpr std::int64_t kStepNs = 500 * kMs, kReconcileNs = 75 * kSecond;

}  // namespace

void World::observe(Host h, const reach::PeerEvent& event) {
  using Type = reach::PeerEvent::Type;
  HostState& host = hosts_[h];
  const Host other = by_id_.at(event.peer);
  hash(std::uint64_t{h} << 32 | other, static_cast<std::uint64_t>(event.type) + 1);
  switch (event.type) {
    case Type::kUp:
      ++ups_;
      if (!host.peers.insert(event.peer).second) fail("I2", text("host {} is told twice that {} is up", h, other));
      break;
    case Type::kDown:
      ++downs_;
      fallen.emplace(h, other);
      if (host.peers.erase(event.peer) == 0) fail("I2", text("host {} is told twice that {} is down", h, other));
      break;
    case Type::kMoved: ++moves_; break;
    case Type::kFailed: ++failed_dials_; break;
    case Type::kFrame:
      if (!host.peers.contains(event.peer)) fail("I2", text("host {} hears host {}, which is not up", h, other));
      if (event.protocol == kTalkProtocol) on_talk(h, event);
      break;
    default: break;
  }
}

void World::on_talk(Host h, const reach::PeerEvent& event) {
  const Host from = by_id_.at(event.peer);
  Talk& talk = talks_[{from, h}];
  const Bytes& body = event.body;
  const std::uint64_t number = body.size() < 24 ? UINT64_MAX : load_be<std::uint64_t>(body.data());
  if (number >= talk.sent)
    return fail("I3", text("host {} has a frame of {} bytes of host {} that was not sent", h, body.size(), from));
  Bytes sent = talk_body(from, h, number, body.size());
  std::copy_n(body.begin() + 8, 8, sent.begin() + 8);  // the time
  if (sent != body) return fail("I3", text("host {} has frame {} of host {} with other bytes", h, number, from));
  if (talk.heard[number]) return fail("I2", text("host {} has frame {} of host {} twice", h, number, from));
  talk.heard[number] = true;
  const auto [last, first] = hosts_[h].streams.try_emplace({event.connection, event.stream}, number);
  if (!first && last->second + 1 != number)
    fail("I3", text("host {} has frame {} of host {} behind frame {} on one stream", h, number, from, last->second));
  last->second = number;
  talk_tally_.delays_ns.push_back(now_ - static_cast<std::int64_t>(load_be<std::uint64_t>(body.data() + 8)));
}

void World::on_published(Host h, const overlay::Delivery& message) {
  const Bytes& payload = message.payload;
  const std::uint64_t number = payload.size() < 8 ? UINT64_MAX : load_be<std::uint64_t>(payload.data());
  if (number >= published_.size()) return fail("I6", text("host {} has a message that nobody published", h));
  Published& p = published_[number];
  Bytes sent = published_body(p.origin, number, payload.size());
  if (sent != payload || message.origin != hosts_[p.origin].id)
    return fail("I6", text("host {} has message {} with other bytes, or from somebody else", h, number));
  if (!hosts_[h].delivered.insert(number).second) return fail("I6", text("host {} has message {} twice", h, number));
  hash(h, number);
  if (h == p.origin) return;
  ++p.delivered;
  publish_tally_.delays_ns.push_back(now_ - p.at_ns);
}

std::set<std::pair<Host, Host>> World::one_sided() const {
  std::set<std::pair<Host, Host>> out;
  for (Host h = 0; h < hosts_.size(); ++h) {
    if (!hosts_[h].up) continue;
    for (const PeerId& peer : hosts_[h].peers)
      if (const Host other = by_id_.at(peer); !hosts_[other].up || !hosts_[other].peers.contains(hosts_[h].id))
        out.emplace(h, other);
  }
  return out;
}

// Dials and farewells are under way at any time, so what is asked is whether it settles.
void World::check_pairs() {
  std::set<Host> open;
  for (Host h = 0; h < hosts_.size(); ++h)
    if (hosts_[h].up) open.insert(h);
  std::set<std::pair<Host, Host>> alone = one_sided(), disputed = alone;
  bool first = true;
  run_for(kQuietNs, kStepNs, [&] {
    std::erase_if(open,
                  [&](Host h) { return hosts_[h].reach->endpoint().connections() == hosts_[h].reach->links().size(); });
    const auto now_alone = one_sided(), now_disputed = disputes();
    std::erase_if(alone, [&](const auto& pair) { return !now_alone.contains(pair); });
    if (std::exchange(first, false)) disputed = now_disputed;
    std::erase_if(disputed, [&](const auto& pair) { return !now_disputed.contains(pair); });
    return open.empty() && alone.empty() && disputed.empty();
  });
  for (const Host h : open)
    fail("I2", text("host {} has {} connections with {} peers", h, hosts_[h].reach->endpoint().connections(),
                    hosts_[h].reach->links().size()));
  for (const auto& [h, other] : alone) fail("I2", text("host {} has host {} as a peer, that one does not", h, other));
  for (const auto& [h, other] : disputed) fail("I2", text("hosts {} and {} do not mean the same connection", h, other));
}

void World::check_raced(const Pairs& pairs) {
  const Pairs disputed = disputes();
  for (const auto& [a, b] : pairs) {
    if (!connected(a, b) || !connected(b, a) || fallen.contains({a, b}) || fallen.contains({b, a}))
      fail("I2", text("hosts {} and {} dialed each other at once and lost the connection", a, b));
    if (disputed.contains({std::min(a, b), std::max(a, b)}))
      fail("I2", text("hosts {} and {} dialed each other at once and do not mean the same connection", a, b));
  }
}

// Pairs of which both ends say that they dialed, or that the other did.
std::set<std::pair<Host, Host>> World::disputes() const {
  std::map<std::pair<Host, Host>, bool> inbound;
  std::set<std::pair<Host, Host>> out;
  for (Host h = 0; h < hosts_.size(); ++h) {
    if (!hosts_[h].up) continue;
    for (const reach::LinkFacts& link : hosts_[h].reach->links()) {
      const Host other = by_id_.at(link.peer);
      const auto [at, fresh] = inbound.try_emplace({std::min(h, other), std::max(h, other)}, link.inbound);
      if (!fresh && at->second == link.inbound) out.insert(at->first);
    }
  }
  return out;
}

// Nodes that came back begin with nothing: they have no more than the others, and what was published since they
// settled.
std::optional<std::string> World::unequal() const {
  const HostState* first = nullptr;
  Host first_host = 0;
  for (Host h = 0; h < hosts_.size(); ++h) {
    const HostState& host = hosts_[h];
    if (!host.up || host.lives > 1) continue;
    if (first == nullptr) first = &host, first_host = h;
    if (host.delivered != first->delivered)
      return text("host {} has {} messages, host {} {} or others", h, host.delivered.size(), first_host,
                  first->delivered.size());
  }
  for (Host h = 0; h < hosts_.size() && first != nullptr; ++h) {
    const HostState& host = hosts_[h];
    if (!host.up || host.lives == 1) continue;
    for (std::uint64_t m = 0; m < published_.size(); ++m) {
      const bool has = host.delivered.contains(m), others = first->delivered.contains(m);
      if ((has && !others) || (!has && others && published_[m].at_ns > host.born_ns + kSettleNs))
        return text("host {}, which came back, {} message {}, unlike the others", h, has ? "has" : "has not", m);
    }
  }
  return std::nullopt;
}

void World::check_sets() {
  std::optional<std::string> found;
  if (run_for(kReconcileNs, kSecond, [&] { return !(found = unequal()); }) || failed()) return;
  fail("I6", *found);
}

World::Tally World::talked() const {
  Tally out = talk_tally_;
  for (const auto& [pair, talk] : talks_) {
    out.sent += talk.sent;
    out.lost += static_cast<std::uint64_t>(std::ranges::count(talk.heard, false));
  }
  return out;
}

World::Tally World::take_published() {
  Tally out = std::exchange(publish_tally_, {});
  for (; published_taken_ < published_.size(); ++published_taken_) {
    const Published& p = published_[published_taken_];
    out.sent += p.expected;
    out.lost += p.expected - std::min(p.expected, p.delivered);
  }
  return out;
}

void World::figure(FleetFigure figure) {
  if (figure.missed() && !figure.of_machine)
    fail("T10", text("{} {:.3f} {}, at most {:.3f}", figure.name, figure.found, figure.unit, *figure.most));
  outcome_.figures.push_back(std::move(figure));
}

FleetOutcome World::finish() {
  std::map<std::string, std::uint64_t> sums{{"ups", ups_},
                                            {"downs", downs_},
                                            {"moved", moves_},
                                            {"failed_dials", failed_dials_},
                                            {"bytes", bytes_out_},
                                            {"talked", talked().sent},
                                            {"published", published_.size()}};
  for (const auto& [key, c] : channels_) {
    const wire::LinkCounts& counts = c.link->counts();
    sums["wire_lost"] += counts.lost;
    sums["wire_late"] += counts.late;
    sums["wire_twice"] += counts.twice;
    sums["wire_too_big"] += counts.too_big;
    sums["wire_queue_full"] += counts.queue_full;
    sums["wire_swallowed"] += counts.down;
  }
  for (const HostState& host : hosts_) {
    if (!host.up) continue;
    const overlay::TopicCounts topics = (*host.overlay->topics())->counts();
    const overlay::FinderCounts finder = host.overlay->finder();
    sums["neighbours"] += topics.neighbours;
    sums["peers"] += host.peers.size();
    sums["signatures_checked"] += topics.gossip.signatures_checked;
    sums["gossip_frames"] += topics.gossip.frames;
    sums["parked_shed"] += topics.gossip.parked_shed;
    sums["checks_shed"] += topics.gossip.checks_shed;
    sums["items_needed"] += topics.gossip.items_needed;
    sums["malformed"] += topics.gossip.frames_malformed;
    sums["invalid"] += topics.gossip.messages_invalid;
    sums["lookups"] += finder.lookups;
    sums["lookups_found"] += finder.found;
    sums["table"] += finder.table;
  }
  outcome_.counters.assign(sums.begin(), sums.end());
  outcome_.virtual_ms = now_ / kMs;
  outcome_.n = hosts_.size();
  return std::move(outcome_);
}

}  // namespace hanse::sim::fleet
