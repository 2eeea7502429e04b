#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"
#include "sim/check/mix.h"
#include "sim/fleet/detail/world.h"

namespace hanse::sim::fleet {
namespace {

constexpr std::uint16_t kPort = 12'000;
constexpr std::string_view kTopic = "fleet";
constexpr std::uint32_t kNarrowOf = 8, kNarrowMtu = 1'280;  // one pair in so many has a link for small packets
constexpr unsigned kTurnsMax = 10'000;                      // of a node at one instant: more is a loop

Bytes filled(std::uint64_t what, std::size_t head, std::size_t size) {
  Bytes out(std::max(head, size), 0);
  for (std::size_t at = head; at < out.size(); ++at)
    out[at] = static_cast<std::uint8_t>(mix(what, at / 8) >> (8 * (at % 8)));
  return out;
}

}  // namespace

class World::Ear final : public overlay::Listener {
 public:
  Ear(World& world, Host host) : world_(world), host_(host) {}
  void take(const overlay::Delivery& message) override { world_.on_published(host_, message); }

 private:
  World& world_;
  Host host_;
};

World::World(const FleetPlan& plan, const Climate& climate)
    : plan_(plan), climate_(climate), dice_(plan.seed, "fleet"), clock_(1'800'000'000'000) {
  dice_.fill(network_.span());
  hosts_.reserve(plan.n);
}
World::~World() = default;

// ---- deeds ---------------------------------------------------------------------------------------------------------

// A network (/16) of its own each: what holds for many nodes behind one address is not the subject here.
transport::Address World::address(Host h) const {
  transport::Address out{.port = kPort};
  out.ip[10] = out.ip[11] = 0xff;
  out.ip[12] = static_cast<std::uint8_t>(11 + h / 256);
  out.ip[13] = static_cast<std::uint8_t>(h % 256);
  out.ip[15] = 1;
  return out;
}

Host World::add(std::span<const Host> contacts) {
  const auto h = static_cast<Host>(hosts_.size());
  HostState& host = hosts_.emplace_back();
  FixedBytes<32> seed;
  dice_.fill(seed.span());
  dice_.fill(host.secret.span());
  auto key = crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa65, seed.view());
  hanse::check(key.has_value(), "32 bytes are a key");
  host.key = std::make_unique<crypto::SecretKey>(std::move(*key));
  host.id = crypto::account_id(host.key->public_key());
  by_id_[host.id] = h;
  start(h, contacts);
  return h;
}

void World::start(Host h, std::span<const Host> contacts) {
  HostState& host = hosts_[h];
  host.random = std::make_unique<SeededRandom>(mix(plan_.seed, h), text("life {}", ++host.lives));
  overlay::OverlayOptions with;
  with.network = network_;
  with.key = host.key.get();
  with.clock = &clock_;
  with.random = host.random.get();
  if (climate_.directory)
    with.directory = [this](const PeerId& peer) -> std::optional<transport::Address> {
      const auto at = by_id_.find(peer);
      if (at == by_id_.end()) return std::nullopt;
      return address(at->second);
    };
  for (const Host c : contacts) with.known.push_back({hosts_[c].id, {address(c)}});
  reach::ReachOptions o;
  o.endpoint.network = network_;
  o.endpoint.key = host.key.get();
  o.endpoint.secret = host.secret;
  o.endpoint.protocols = overlay::protocols(with);
  o.endpoint.protocols.push_back(
      {.id = kTalkProtocol, .frame_bytes_max = kTalkBytesMax, .priority = transport::Priority::kDirect});
  o.endpoint.hello.caps = overlay::caps(with);
  o.known = with.known;
  o.random = host.random.get();
  auto reach = reach::Reach::create(std::move(o));
  hanse::check(reach.has_value(), "the simulator's options are sound");
  host.reach = std::move(*reach);
  auto overlay = overlay::Overlay::create(*host.reach, with, now_);
  hanse::check(overlay.has_value(), "the simulator's options are sound");
  host.overlay = std::move(*overlay);
  host.ear = std::make_shared<Ear>(*this, h);
  hanse::check((*host.overlay->topics())->subscribe(kTopic, host.ear).has_value(), "one topic");
  host.up = true;
  host.born_ns = now_;
  transport::Address local = address(h);
  local.port = 0;
  const reach::Ports ports{.own_v4 = kPort,
                           .open = [](bool) -> Result<std::uint16_t> {
                             return hanse::fail(hanse::Kind::kExhausted, "transport.limit",
                                                "found no further sockets here");
                           },
                           .close = [](std::uint16_t) {}};
  host.reach->start(ports, {local}, now_);
  turn(h);
}

void World::crash(Host h) {
  HostState& host = hosts_[h];
  host.up = false;
  host.overlay.reset();
  host.reach.reset();
  host.ear.reset();
  host.peers.clear();
  host.streams.clear();
  host.delivered.clear();
  host.wake_ns = INT64_MAX;
}

void World::restart(Host h, std::span<const Host> contacts) { start(h, contacts); }

void World::hole(Host a, Host b, bool swallows) {
  for (wire::Link* link : {channel(a, b).link.get(), channel(b, a).link.get()}) {
    wire::LinkOptions options = link->options();
    options.down = swallows;
    link->set(options);
  }
}

void World::want(Host from, Host to, overlay::Places places) {
  // Refused when it looks for too many already: its caller asks again.
  (void)hosts_[from].overlay->want(hosts_[to].id, std::move(places), now_);
  turn(from);
}

Bytes World::talk_body(Host from, Host to, std::uint64_t number, std::size_t size) {
  Bytes out = filled(mix(std::uint64_t{from} << 32 | to, number), 24, size);
  store_be(out.data(), number);
  store_be(out.data() + 16, static_cast<std::uint64_t>(out.size()));
  return out;
}

Bytes World::published_body(Host origin, std::uint64_t number, std::size_t size) {
  Bytes out = filled(mix(origin, number), 8, size);
  store_be(out.data(), number);
  return out;
}

bool World::talk(Host from, Host to, std::size_t bytes) {
  Talk& talk = talks_[{from, to}];
  Bytes body = talk_body(from, to, talk.sent, bytes);
  store_be(body.data() + 8, static_cast<std::uint64_t>(now_));
  if (!hosts_[from].reach->send(hosts_[to].id, kTalkProtocol, 1, std::make_shared<const Bytes>(std::move(body)), now_))
    return false;
  ++talk.sent;
  talk.heard.push_back(false);
  turn(from);
  return true;
}

void World::publish(Host origin, std::size_t bytes) {
  Published p{.origin = origin, .at_ns = now_};
  for (Host h = 0; h < hosts_.size(); ++h) p.expected += h != origin && hosts_[h].up ? 1 : 0;
  const Bytes payload = published_body(origin, published_.size(), bytes);
  published_.push_back(p);
  hanse::check((*hosts_[origin].overlay->topics())->publish(kTopic, payload, now_).has_value(), "within its limits");
  turn(origin);
}

void World::at(std::int64_t when_ns, std::function<void()> what) {
  deeds_[order_ + 1] = std::move(what);
  push(std::max(when_ns, now_), Kind::kDeed, order_ + 1);
}

// ---- events --------------------------------------------------------------------------------------------------------

void World::run_until(std::int64_t at_ns) {
  const auto go = [this](std::int64_t to) {
    if (to <= now_) return;
    clock_.advance_ns(to - now_);
    now_ = to;
  };
  while (!queue_.empty() && queue_.top().at <= at_ns && !failed()) {
    const Event e = queue_.top();
    queue_.pop();
    go(e.at);
    handle(e);
  }
  go(at_ns);
}

bool World::run_for(std::int64_t most_ns, std::int64_t step_ns, const std::function<bool()>& done) {
  for (const std::int64_t end = now_ + most_ns; !done(); run_for(step_ns))
    if (now_ >= end || failed()) return false;
  return true;
}

void World::handle(const Event& e) {
  if (e.kind == Kind::kWake) return wake(static_cast<Host>(e.who));
  if (e.kind == Kind::kDeed) return deeds_.extract(e.who).mapped()();
  Channel& c = channels_.at(e.who);
  if (c.armed_ns != e.at) return;
  c.armed_ns = INT64_MAX;
  arrive(c);
  arm(e.who, c);
}

void World::arrive(Channel& c) {
  HostState& host = hosts_[c.to];
  bool any = false;
  while (const auto datagram = c.link->receive(now_)) {
    if (!host.up) continue;
    any = true;
    ++outcome_.datagrams;
    bytes_in_ += datagram->size();
    hash(static_cast<std::uint64_t>(c.from) << 32 | c.to, datagram->size());
    host.reach->receive({.local = address(c.to), .remote = address(c.from)}, *datagram, 0, now_);
  }
  if (any) turn(c.to);
}

void World::wake(Host h) {
  HostState& host = hosts_[h];
  if (!host.up || host.wake_ns > now_) return;
  host.wake_ns = INT64_MAX;
  if (host.turned_ns != now_) host.turns = 0;
  host.turned_ns = now_;
  if (++host.turns > kTurnsMax) return fail("spin", text("host {} wants to be woken at once, again and again", h));
  if (host.reach->next_deadline_ns() <= now_) host.reach->on_deadline(now_);
  turn(h);
}

// As Sockets turns a machine (mesh/transport/sockets.cc).
void World::turn(Host h) {
  HostState& host = hosts_[h];
  deliver(h);
  for (bool sent = true; sent && host.up;) {
    sent = false;
    for (; host.reach->transmit(batch_, now_); sent = true) send(h, batch_);
    deliver(h);
  }
  arm(h);
}

void World::deliver(Host h) {
  HostState& host = hosts_[h];
  host.reach->deliver(now_);
  reach::PeerEvent event;
  while (host.reach->next_event(event)) {
    observe(h, event);
    host.overlay->handle(event, now_);
    if (event.type == reach::PeerEvent::Type::kFrame) host.reach->consumed(std::move(event));
  }
  host.overlay->pump(now_);
}

void World::send(Host from, const transport::Batch& batch) {
  const auto to = host_at(batch.path.remote);
  for (std::size_t at = 0; at < batch.size; at += batch.segment) {
    const ByteView bytes = ByteView(batch.buffer).subspan(at, std::min(batch.segment, batch.size - at));
    bytes_out_ += bytes.size();
    if (!to) continue;
    Channel& c = channel(from, *to);
    c.link->send(now_, to_bytes(bytes));
  }
  if (to) arm(std::uint64_t{from} << 32 | *to, channel(from, *to));
}

World::Channel& World::channel(Host from, Host to) {
  const std::uint64_t key = std::uint64_t{from} << 32 | to;
  Channel& c = channels_[key];
  if (c.link != nullptr) return c;
  c.from = from, c.to = to;
  wire::LinkOptions options = climate_.link;
  const std::uint64_t pair = std::uint64_t{std::min(from, to)} << 32 | std::max(from, to);
  const auto span = static_cast<std::uint64_t>((climate_.delay_ms_max - climate_.delay_ms_min) * 1'000 + 1);
  const std::uint64_t drawn = mix(mix(plan_.seed, pair), 1);
  options.delay_ns = climate_.delay_ms_min * kMs + static_cast<std::int64_t>(drawn % span) * 1'000;
  if (drawn % kNarrowOf == 0) options.mtu = kNarrowMtu;
  c.link = std::make_unique<wire::Link>(options, mix(plan_.seed, key), "fleet link");
  return c;
}

void World::arm(std::uint64_t key, Channel& c) {
  const std::int64_t at = c.link->next_ns().value_or(INT64_MAX);
  if (at >= c.armed_ns) return;
  c.armed_ns = at;
  push(at, Kind::kArrive, key);
}

void World::arm(Host h) {
  HostState& host = hosts_[h];
  const std::int64_t at = std::max(std::min(host.reach->next_deadline_ns(), host.overlay->next_ns()), now_);
  if (at >= host.wake_ns) return;
  host.wake_ns = at;
  push(at, Kind::kWake, h);
}

// ---- what is seen --------------------------------------------------------------------------------------------------

Host World::draw_up() {
  for (;;) {
    const auto h = static_cast<Host>(draw(hosts_.size()));
    if (hosts_[h].up) return h;
  }
}

std::size_t World::neighbours(Host h) const { return (*hosts_[h].overlay->topics())->counts().neighbours; }

std::vector<Host> World::peers(Host h) const {
  std::vector<Host> out;
  for (const PeerId& peer : hosts_[h].peers) out.push_back(by_id_.at(peer));
  return out;
}

std::size_t World::sides() const {
  std::size_t out = 0;
  for (const HostState& host : hosts_) out += host.up ? host.reach->endpoint().connections() : 0;
  return out;
}

std::optional<Host> World::host_at(const transport::Address& a) const {
  const Host h = (Host{a.ip[12]} - 11) * 256 + a.ip[13];
  if (h >= hosts_.size() || address(h) != a) return std::nullopt;
  return h;
}

void World::progress(std::string_view what) {
  if (plan_.progress) plan_.progress(text("{} s of virtual time: {}", now_ / kSecond, what));
}

void World::hash(std::uint64_t a, std::uint64_t b) {
  outcome_.trace = mix(outcome_.trace, mix(static_cast<std::uint64_t>(now_), mix(a, b)));
}

void World::fail(std::string rule, std::string what) {
  if (!outcome_.failure) outcome_.failure = MeshFailure{std::move(rule), text("at {} ms: {}", now_ / kMs, what)};
}

}  // namespace hanse::sim::fleet
