#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/core/text.h"
#include "sim/fleet/detail/world.h"

namespace hanse::sim {

namespace {

using namespace fleet;  // NOLINT: the parts of this room

constexpr std::size_t kMessageBytes = 256;
constexpr std::size_t kPeerFew = 4;  // that a node has before it counts as joined

// One packet in 500 is lost, some come late or twice; 50 Mbit/s, 256 KiB of which may wait; packets of Ethernet.
Climate fair() {
  return {.link = {.jitter_ns = 500'000,
                   .loss_ppm = 2'000,
                   .burst_milli = 2'000,
                   .late_ppm = 2'000,
                   .twice_ppm = 1'000,
                   .rate_bps = 50'000'000,
                   .mtu = 1'472}};
}

double resident_kb() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t whole = 0, resident = 0;
  in >> whole >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e3;
}

double percentile_ms(std::vector<std::int64_t>& delays_ns, std::size_t percent) {
  if (delays_ns.empty()) return 0;
  const auto at = delays_ns.begin() + static_cast<std::ptrdiff_t>((delays_ns.size() - 1) * percent / 100);
  std::ranges::nth_element(delays_ns, at);
  return static_cast<double>(*at) / 1e6;
}

// Nodes come one after the other, each by two that are there, until all have neighbours.
void build(World& w, std::size_t n, std::int64_t every_ms) {
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<Host> contacts;
    if (i > 0) contacts.push_back(static_cast<Host>(w.draw(i)));
    if (i > 1) contacts.push_back(static_cast<Host>((contacts[0] + 1 + w.draw(i - 1)) % i));
    w.add(contacts);
    w.run_for(every_ms * kMs);
    if (i % 50 == 49) w.progress(text("{} of {} nodes", i + 1, n));
  }
  const auto joined = [&] {
    for (Host h = 0; h < w.hosts(); ++h)
      if (w.up(h) && w.neighbours(h) < std::min(kPeerFew, n - 1)) return false;
    return true;
  };
  if (!w.run_for(120 * kSecond, kSecond, joined)) w.fail("join", "nodes are left without neighbours");
  w.progress("all have neighbours");
  w.run_for(10 * kSecond);
}

constexpr std::size_t kPublishers = 10;

std::vector<Host> draw_publishers(World& w) {
  std::set<Host> out;
  while (out.size() < kPublishers) out.insert(w.draw_up());
  return {out.begin(), out.end()};
}

void publish_round(World& w, const std::vector<Host>& publishers) {
  for (const Host h : publishers) {
    if (w.failed()) return;
    w.publish(h, kMessageBytes);
    w.run_for(500 * kMs);
  }
  w.run_for(2 * kSecond);
}

void tell_delays(World& w, std::string_view what, World::Tally tally, std::optional<double> p95_most) {
  w.figure({.name = text("{} delay p50", what), .unit = "ms", .found = percentile_ms(tally.delays_ns, 50)});
  w.figure({.name = text("{} delay p95", what),
            .unit = "ms",
            .found = percentile_ms(tally.delays_ns, 95),
            .most = p95_most});
  w.figure({.name = text("{} delay most", what), .unit = "ms", .found = percentile_ms(tally.delays_ns, 100)});
  w.figure({.name = text("{} lost", what),
            .unit = text("of {}", tally.sent),
            .found = static_cast<double>(tally.lost),
            .most = 0});
}

void tell_memory(World& w, double before_kb) {
  const double grown = resident_kb() - before_kb;
  w.figure({.name = "connection sides", .unit = "", .found = static_cast<double>(w.sides())});
  w.figure({.name = "memory a side, nodes included",
            .unit = "KB",
            .found = grown / static_cast<double>(std::max<std::size_t>(w.sides(), 1)),
            .of_machine = true});
}

// ---- agents --------------------------------------------------------------------------------------------------------

constexpr std::int64_t kPerSecond = 10;
constexpr std::size_t kContacts = 8;  // that a node dials, and as many dial it

struct Talker {
  World& w;
  Host self;
  std::vector<Host> with;
  std::int64_t end_ns = 0;
  std::size_t unsent = 0;
  void say() {
    if (w.now() >= end_ns) return;
    unsent += w.talk(self, with[w.draw(with.size())], kMessageBytes) ? 0 : 1;
    w.at(w.now() + kSecond / kPerSecond, [this] { say(); });
  }
};

// Each dials some others, whose ids are all it knows of them.
std::vector<Talker> meet(World& w) {
  std::vector<Talker> out;
  for (Host h = 0; h < w.hosts(); ++h) {
    Talker& t = out.emplace_back(Talker{.w = w, .self = h, .with = {}});
    while (t.with.size() < kContacts) {
      const auto other = static_cast<Host>(w.draw(w.hosts()));
      if (other == h || std::ranges::find(t.with, other) != t.with.end()) continue;
      t.with.push_back(other);
      w.want(h, other);
    }
    w.run_for(200 * kMs);
  }
  std::size_t missing = 0;
  const auto met = [&] {
    missing = 0;
    for (const Talker& t : out)
      for (const Host other : t.with) missing += w.connected(t.self, other) && w.connected(other, t.self) ? 0 : 1;
    return missing == 0;
  };
  if (!w.run_for(120 * kSecond, kSecond, met)) w.fail("meet", text("{} pairs of nodes are not connected", missing));
  w.progress("all have met");
  return out;
}

void agents(World& w, const FleetPlan& plan, double rss_before) {
  build(w, plan.n, 200);
  const std::vector<Host> publishers = draw_publishers(w);
  publish_round(w, publishers);  // every node asks for their keys
  tell_delays(w, "first published message", w.take_published(), {});
  std::vector<Talker> talkers = meet(w);
  const auto n = static_cast<double>(plan.n);
  const World::Meter begun = w.meter();
  const std::int64_t end_ns = w.now() + plan.talk_s * kSecond;
  for (Talker& t : talkers) {
    t.end_ns = end_ns;
    w.at(w.now() + static_cast<std::int64_t>(w.draw(kSecond / kPerSecond)), [&t] { t.say(); });
  }
  for (std::int64_t second = 0; second < plan.talk_s && !w.failed(); ++second) {
    w.publish(publishers[static_cast<std::size_t>(second) % kPublishers], kMessageBytes);
    w.run_for(kSecond);
    if (second % 10 == 9) w.progress(text("{} s of talk", second + 1));
  }
  const World::Meter ended = w.meter();
  const double grown = resident_kb() - rss_before;
  w.run_for(5 * kSecond);
  World::Tally talked = w.talked();
  for (const Talker& t : talkers) talked.lost += t.unsent, talked.sent += t.unsent;
  const double expected = static_cast<double>(plan.talk_s * kPerSecond) * n;
  if (static_cast<double>(talked.sent) < expected)
    w.fail("T10", text("found {} messages, expected {}", talked.sent, expected));
  tell_delays(w, "message", talked, 150);
  tell_delays(w, "published message", w.take_published(), 500);
  const auto seconds = static_cast<double>(plan.talk_s);
  const auto bytes = static_cast<double>(ended.bytes_out - begun.bytes_out + ended.bytes_in - begun.bytes_in);
  w.figure({.name = "sent and received, a node", .unit = "KB/s", .found = bytes / seconds / n / 1e3, .most = 60});
  w.figure({.name = "memory a node", .unit = "MB", .found = grown / n / 1e3, .most = 8, .of_machine = true});
  tell_memory(w, rss_before);
}

// ---- quic ----------------------------------------------------------------------------------------------------------

void quic(World& w, const FleetPlan& plan, double rss_before) {
  build(w, plan.n, 20);
  const std::vector<Host> publishers = draw_publishers(w);
  for (const std::string_view round : {"first", "second", "third"}) {
    publish_round(w, publishers);
    tell_delays(w, text("{} message", round), w.take_published(), {});
  }
  w.progress("published");
  tell_memory(w, rss_before);
  w.check_pairs();
  w.check_sets();
}

// ---- quic-faults ---------------------------------------------------------------------------------------------------

struct Faults {
  World& w;
  std::set<std::pair<Host, Host>> holes = {};
  std::vector<Host> dead = {};

  void talk(int rounds, std::int64_t every_ns) {
    for (int i = 0; i < rounds && !w.failed(); ++i) {
      for (Host h = 0; h < w.hosts(); ++h) {
        if (!w.up(h)) continue;
        const std::vector<Host> peers = w.peers(h);
        if (!peers.empty()) (void)w.talk(h, peers[w.draw(peers.size())], 24 + w.draw(6'000));
      }
      if (i % 5 == 0) w.publish(w.draw_up(), kMessageBytes);
      w.run_for(every_ns);
    }
  }
  void swallow(std::size_t links) {
    for (std::size_t i = 0; i < links; ++i) {
      const Host a = w.draw_up();
      const std::vector<Host> peers = w.peers(a);
      if (peers.empty()) continue;
      const Host b = peers[w.draw(peers.size())];
      if (holes.emplace(a, b).second) w.hole(a, b, true);
    }
  }
  void mend() {
    for (const auto& [a, b] : holes) w.hole(a, b, false);
    holes.clear();
  }
  void stop_some(std::size_t nodes) {
    for (std::size_t i = 0; i < nodes; ++i) {
      dead.push_back(w.draw_up());
      w.crash(dead.back());
    }
  }
  void bring_back(std::size_t nodes) {
    for (std::size_t i = 0; i < nodes; ++i) {
      const std::vector<Host> contacts{w.draw_up()};
      w.restart(dead[i], contacts);
    }
  }
  // Both at once, and both know where the other is.
  void dial_both(Host a, Host b) {
    w.want(a, b, {.addresses = {w.address(b)}, .relays = {}});
    w.want(b, a, {.addresses = {w.address(a)}, .relays = {}});
  }
  World::Pairs new_pairs(std::size_t pairs) {
    World::Pairs out;
    for (std::size_t i = 0; i < pairs; ++i) {
      const std::vector<Host> first{w.draw_up()}, second{w.draw_up()};
      const Host a = w.add(first), b = w.add(second);
      dial_both(a, b);
      out.emplace(a, b);
    }
    return out;
  }
  void race(std::size_t pairs) {
    for (std::size_t i = 0; i < pairs; ++i) {
      const Host a = w.draw_up(), b = w.draw_up();
      if (a != b && !w.connected(a, b) && !w.connected(b, a)) dial_both(a, b);
    }
  }
};

void quic_faults(World& w, const FleetPlan& plan, double rss_before) {
  const std::size_t pairs = plan.n / 6;
  build(w, plan.n - 2 * pairs, 50);
  Faults f{.w = w};
  f.talk(50, 100 * kMs);
  w.progress("pairs dial each other");
  w.fallen.clear();
  const World::Pairs raced = f.new_pairs(pairs);
  f.talk(50, 100 * kMs);
  w.check_raced(raced);
  w.progress("links swallow what is sent");
  f.swallow(plan.n / 2);
  f.talk(60, 100 * kMs);
  w.progress("nodes stop");
  f.stop_some(plan.n / 5);
  f.talk(60, 100 * kMs);
  f.mend();
  w.progress("links work again, nodes come back");
  f.bring_back(plan.n / 10);
  f.talk(100, 100 * kMs);
  f.race(plan.n);
  f.talk(20, 100 * kMs);
  w.progress("it becomes quiet");
  tell_memory(w, rss_before);
  w.check_pairs();
  w.check_sets();
  World::Tally talked = w.talked();
  w.figure({.name = "frames", .unit = "", .found = static_cast<double>(talked.sent)});
  w.figure({.name = "frames lost with a connection", .unit = "", .found = static_cast<double>(talked.lost)});
}

std::size_t nodes_of(std::string_view scenario) { return scenario == "agents" ? 100 : scenario == "quic" ? 1'000 : 40; }

}  // namespace

Result<FleetOutcome> run_fleet(const FleetPlan& given) {
  FleetPlan plan = given;
  if (std::ranges::find(kFleetScenarios, plan.scenario) == kFleetScenarios.end())
    return fail(Kind::kInvalid, "fleet.scenario",
                text("found scenario '{}', expected agents, quic or quic-faults", plan.scenario));
  if (plan.n == 0) plan.n = nodes_of(plan.scenario);
  if (plan.n < kFleetNodesMin || plan.n > kFleetNodesMax)
    return fail(Kind::kInvalid, "fleet.scenario",
                text("found {} nodes, expected {} to {}", plan.n, kFleetNodesMin, kFleetNodesMax));
  const std::int64_t began_ns = system_clock().mono_ns();
  const double rss_before = resident_kb();
  Climate climate = fair();
  climate.directory = !plan.lookups && plan.scenario != "quic-faults";
  World w(plan, climate);
  if (plan.scenario == "agents") agents(w, plan, rss_before);
  if (plan.scenario == "quic") quic(w, plan, rss_before);
  if (plan.scenario == "quic-faults") quic_faults(w, plan, rss_before);
  const double wall_s = static_cast<double>(system_clock().mono_ns() - began_ns) / 1e9;
  w.figure({.name = "wall time",
            .unit = "s",
            .found = wall_s,
            .most = plan.scenario == "agents" ? std::optional(60.0) : std::nullopt,
            .of_machine = true});
  return w.finish();
}

bool FleetOutcome::good() const { return !failure && std::ranges::none_of(figures, &FleetFigure::missed); }

codec::Json fleet_json(const FleetPlan& plan, const FleetOutcome& o) {
  codec::Json json = codec::Json::object();
  json.set("scenario", plan.scenario);
  json.set("seed", plan.seed);
  json.set("n", static_cast<std::uint64_t>(o.n));
  json.set("trace", text("{:016x}", o.trace));
  json.set("datagrams", o.datagrams);
  json.set("virtual_ms", o.virtual_ms);
  codec::Json figures = codec::Json::array();
  for (const FleetFigure& f : o.figures) {
    codec::Json figure = codec::Json::object();
    figure.set("name", f.name);
    figure.set("value", f.found);
    figure.set("unit", f.unit);
    if (f.most) figure.set("at_most", *f.most);
    figure.set("of_machine", f.of_machine);
    figures.push(std::move(figure));
  }
  json.set("figures", std::move(figures));
  set_ending(json, o.counters, o.failure);
  return json;
}

std::string fleet_text(const FleetPlan& plan, const FleetOutcome& o) {
  std::string out = text("{} seed {} n {}: trace {:016x}, {} datagrams, {} s of virtual time\n", plan.scenario,
                         plan.seed, o.n, o.trace, o.datagrams, o.virtual_ms / 1'000);
  for (const FleetFigure& f : o.figures) {
    out += text("  {:<32} {:>10.1f} {}", f.name, f.found, f.unit);
    if (f.most) out += text(", at most {:.0f}{}", *f.most, f.missed() ? ": missed" : "");
    out += '\n';
  }
  out += "  ";
  for (const auto& [name, value] : o.counters) out += text("{} {}  ", name, value);
  out.erase(out.find_last_not_of(' ') + 1);
  if (o.failure) out += text("\nbroken: {}: {}", o.failure->rule, o.failure->what);
  return out;
}

}  // namespace hanse::sim
