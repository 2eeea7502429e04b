#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"
#include "sim/check/mix.h"
#include "sim/mesh/detail/net.h"

namespace hanse::sim::mesh {

Bytes Tokens::token(const PeerId& origin, const gossip::BatchId& batch) const {
  Bytes out;
  const std::uint64_t a = mix(mix(secret_, mix_bytes(origin.view())), mix_bytes(batch.view()));
  append_be(out, a);
  append_be(out, mix(a, secret_));
  return out;
}

Net::Net(const MeshPlan& plan, const gossip::Config& config, const Links& links)
    : plan_(plan), config_(config), links_(links), dice_(plan.seed, "mesh world"), secret_(dice_.next_u64()) {
  dice_.fill(topic_.span());
  hosts_.reserve(plan.n);
  begin_part("");
}

void Net::begin_part(std::string name) {
  outcome_.parts.emplace_back();
  outcome_.parts.back().name = std::move(name);
}

// ---- deeds ---------------------------------------------------------------------------------------------------------

void Net::add(Host contact) {
  const auto h = static_cast<Host>(hosts_.size());
  HostState& host = hosts_.emplace_back();
  dice_.fill(host.id.span());
  store_be(host.id.data.data() + 28, h);  // so that a host is found by its id; order stays by chance
  host.skew_ms = static_cast<std::int64_t>(draw(101)) - 50;
  host.keys = std::make_unique<Tokens>(secret_, host.id);
  host.random = std::make_unique<SeededRandom>(mix(plan_.seed, h), "mesh node");
  auto node = gossip::Node::create(config_, host.id, *host.keys, *host.random, now_of(h));
  hanse::check(node.has_value(), "the simulator's configuration is sound");
  host.node = std::move(*node);
  hanse::check(host.node->subscribe(topic_).has_value(), "one topic");
  if (h != contact) apply(h, host.node->join(now_of(h), hosts_[contact].id));
  arm(h);
}

void Net::publish(Host origin, std::size_t payload_bytes) {
  Bytes payload(std::max<std::size_t>(payload_bytes, 8), 0);
  store_be(payload.data(), payloads_++);
  Published p{.origin = origin, .at_ns = now_, .part = outcome_.parts.size() - 1};
  for (Host h = 0; h < hosts_.size(); ++h) p.expected += h != origin && hosts_[h].up && !hosts_[h].lies ? 1 : 0;
  in_order_.push_back(&published_.emplace(payload, p).first->second);
  auto effects = hosts_[origin].node->publish(now_of(origin), topic_, payload);
  hanse::check(effects.has_value(), "a payload within its limits");
  apply(origin, std::move(*effects));
  arm(origin);
}

void Net::crash(Host h) {
  hosts_[h].up = false;
  for (Host o = 0; o < hosts_.size(); ++o)
    if (hosts_[o].up && hosts_[o].node->membership().is_active(hosts_[h].id)) tell_down(o, h);
}

void Net::part(std::function<int(Host)> side) { side_ = std::move(side); }
void Net::heal() { side_ = nullptr; }

void Net::inject(Host from, Host to, Frame frame) {
  push({.at = now_ + delay(from, to), .kind = Kind::kFrame, .host = to, .from = from, .frame = std::move(frame)});
}

Host Net::draw_up() {
  for (;;) {
    const auto h = static_cast<Host>(draw(hosts_.size()));
    if (hosts_[h].up) return h;
  }
}

std::optional<Host> Net::host_of(const PeerId& id) const {
  const auto h = load_be<std::uint32_t>(id.data.data() + 28);
  if (h >= hosts_.size() || hosts_[h].id != id) return std::nullopt;
  return h;
}

gossip::Now Net::now_of(Host h) const {
  return {.mono_ns = now_, .wall_ms = 1'800'000'000'000 + now_ / kMs + hosts_[h].skew_ms};
}

// ---- events --------------------------------------------------------------------------------------------------------

void Net::push(Event e) {
  e.order = ++order_;
  queue_.push(std::move(e));
}

void Net::run_until(std::int64_t at_ns) {
  while (!queue_.empty() && queue_.top().at <= at_ns && !failed()) {
    const Event e = queue_.top();
    queue_.pop();
    now_ = std::max(now_, e.at);
    handle(e);
  }
  now_ = std::max(now_, at_ns);
}

void Net::handle(const Event& e) {
  HostState& host = hosts_[e.host];
  if (e.kind == Kind::kFrame && !host.up) return tell_down(e.from, e.host);
  if (!host.up) return;
  ++outcome_.events;
  outcome_.trace = mix(outcome_.trace, mix(static_cast<std::uint64_t>(e.at), static_cast<std::uint64_t>(e.kind)));
  outcome_.trace = mix(outcome_.trace, static_cast<std::uint64_t>(e.host) << 32 | e.from);
  switch (e.kind) {
    case Kind::kFrame:
      outcome_.trace = mix(outcome_.trace, mix_bytes(*e.frame));
      if ((*e.frame)[0] == static_cast<std::uint8_t>(gossip::Type::kGossip)) {
        const auto any = gossip::decode(*e.frame);
        if (any)
          if (const auto it = published_.find(std::get<gossip::Gossip>(*any).message.payload); it != published_.end())
            ++it->second.copies;
      }
      apply(e.host, host.node->receive(now_of(e.host), hosts_[e.from].id, *e.frame));
      break;
    case Kind::kWake:
      if (host.wake_ns != e.at) return;
      host.wake_ns = INT64_MAX;
      if (host.node->wake_ns() <= now_) apply(e.host, host.node->tick(now_of(e.host)));
      break;
    case Kind::kSent: apply(e.host, host.node->sent(now_of(e.host), hosts_[e.from].id, e.bytes)); break;
    case Kind::kDown:
      way(e.host, e.from).down_told = false;
      apply(e.host, host.node->disconnected(now_of(e.host), hosts_[e.from].id));
      break;
  }
  arm(e.host);
  if (++steps_ % 256 == 0) check_views(e.host);
}

void Net::arm(Host h) {
  HostState& host = hosts_[h];
  const std::int64_t at = std::max(host.node->wake_ns(), now_);
  if (at >= host.wake_ns) return;
  host.wake_ns = at;
  push({.at = at, .kind = Kind::kWake, .host = h});
}

void Net::apply(Host h, gossip::Effects effects) {
  for (const gossip::Held& m : effects.deliveries) delivered(h, m);
  // A line without a limit has sent everything at once.
  while (!effects.sends.empty()) {
    std::map<Host, std::size_t> sent;
    for (const gossip::SendFrame& s : effects.sends) {
      std::int64_t at = now_;
      transmit(h, s, at);
      const auto to = host_of(s.to);
      if (!to) continue;  // a name that a liar made up
      if (at == now_)
        sent[*to] += s.frame->size();
      else
        push({.at = at, .kind = Kind::kSent, .host = h, .from = *to, .bytes = s.frame->size()});
    }
    effects.sends.clear();
    for (const auto& [to, bytes] : sent) {
      gossip::Effects more = hosts_[h].node->sent(now_of(h), hosts_[to].id, bytes);
      for (gossip::SendFrame& s : more.sends) effects.sends.push_back(std::move(s));
    }
  }
  for (const PeerId& peer : effects.closes)
    if (const auto to = host_of(peer)) tell_down(*to, h);
}

void Net::transmit(Host from, const gossip::SendFrame& s, std::int64_t& sent_at) {
  const auto found = host_of(s.to);
  if (!found) return;
  const Host to = *found;
  Way& w = way(from, to);
  const auto thin =
      std::min(rate_.contains(from) ? rate_[from] : INT64_MAX, rate_.contains(to) ? rate_[to] : INT64_MAX);
  if (thin != INT64_MAX) {
    w.free_at = std::max(w.free_at, now_) + static_cast<std::int64_t>(s.frame->size()) * kSecond / thin;
    sent_at = w.free_at;
  }
  if (side_ && side_(from) != side_(to)) return;
  const auto chance = [&](std::uint64_t of_10000) { return of_10000 != 0 && draw(10'000) < of_10000; };
  if (chance(links_.loss)) return;
  std::int64_t at = sent_at + delay(from, to);
  if (!chance(links_.reorder)) {
    at = std::max(at, w.last_arrival + 1);
    w.last_arrival = at;
  }
  if (chance(links_.repeat))
    push({.at = at + static_cast<std::int64_t>(draw(100)) * kMs,
          .kind = Kind::kFrame,
          .host = to,
          .from = from,
          .frame = s.frame});
  push({.at = at, .kind = Kind::kFrame, .host = to, .from = from, .frame = s.frame});
}

std::int64_t Net::delay(Host a, Host b) {
  const std::uint64_t pair = static_cast<std::uint64_t>(std::min(a, b)) << 32 | std::max(a, b);
  const auto span = static_cast<std::uint64_t>((links_.delay_ms_max - links_.delay_ms_min) * 1'000 + 1);
  const auto us = links_.delay_ms_min * 1'000 + static_cast<std::int64_t>(mix(secret_, pair) % span);
  const auto jitter = links_.jitter_us > 0 ? draw(static_cast<std::uint64_t>(links_.jitter_us)) : 0;
  return (us + static_cast<std::int64_t>(jitter)) * 1'000;
}

void Net::tell_down(Host at, Host about) {
  Way& w = way(at, about);
  if (w.down_told || !hosts_[at].up) return;
  w.down_told = true;
  push({.at = now_ + links_.detect_ms * kMs, .kind = Kind::kDown, .host = at, .from = about});
}

void Net::delivered(Host h, const gossip::Held& message) {
  const auto it = published_.find(message->gossip.message.payload);
  if (it == published_.end() || hosts_[it->second.origin].id != message->gossip.message.origin)
    return fail("I6", text("host {} delivered a message that nobody published", h));
  if (!hosts_[h].delivered.insert(message->id).second)
    return fail("I6", text("host {} delivered message {} twice", h, message->gossip.message.seq));
  Published& p = it->second;
  if (h == p.origin || hosts_[h].lies) return;
  ++p.delivered;
  p.last_ns = std::max(p.last_ns, now_ - p.at_ns);
  p.last_hops = std::max<std::uint64_t>(p.last_hops, message->hops);
}

void Net::fail(std::string rule, std::string what) {
  if (!outcome_.failure) outcome_.failure = MeshFailure{std::move(rule), text("at {} ms: {}", now_ / kMs, what)};
}

}  // namespace hanse::sim::mesh
