#include <algorithm>

#include "base/core/text.h"
#include "sim/mesh/detail/net.h"

namespace hanse::sim {

namespace {

using namespace mesh;  // NOLINT: the parts of this room

constexpr std::size_t kPayloadBytes = 256;

// Hosts come one after the other, each by one that is there, and exchange views for a while.
void build(Net& net, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    net.add(static_cast<Host>(i == 0 ? 0 : net.draw(i)));
    net.run_for(10 * kMs);
  }
  net.run_for(90 * kSecond);
}

void publish_many(Net& net, std::size_t messages, std::int64_t every_ms, const std::function<Host()>& who,
                  std::size_t bytes = kPayloadBytes) {
  for (std::size_t i = 0; i < messages && !net.failed(); ++i) {
    net.publish(who(), bytes);
    net.run_for(every_ms * kMs);
  }
}

void limit(Net& net, const MeshPart& p, std::string_view rule, double found, double most, std::string_view what) {
  if (found > most) net.fail(std::string(rule), text("{}: {} {:.3f}, at most {:.3f}", p.name, what, found, most));
}

void t6(Net& net, std::size_t part, double hops, double redundancy, double last_ms) {
  const MeshPart& p = net.part_of(part);
  limit(net, p, "T6", static_cast<double>(p.missed), 0, "deliveries missed");
  limit(net, p, "T6", p.hops_mean, hops, "last delivery hop");
  limit(net, p, "T6", p.last_ms_mean, last_ms, "last delivery in ms");
  if (net.hosts() >= 1'000) limit(net, p, "T6", p.redundancy, redundancy, "redundancy");
}

void broadcast(Net& net, std::size_t n) {
  build(net, n);
  const Host one = net.draw_up();
  net.begin_part("single, tree grows");
  publish_many(net, 20, 1'000, [&] { return one; });
  net.begin_part("single");
  publish_many(net, 30, 500, [&] { return one; });
  net.begin_part("random, tree grows");
  publish_many(net, 20, 1'000, [&] { return net.draw_up(); });
  net.begin_part("random");
  publish_many(net, 30, 500, [&] { return net.draw_up(); });
  net.run_for(10 * kSecond);
  net.check_quiet();
  net.measure();
  t6(net, 2, 9, 0.02, 200);
  t6(net, 4, 13, 0.05, 500);
}

void crash80(Net& net, std::size_t n) {
  build(net, n);
  net.begin_part("before");
  publish_many(net, 10, 500, [&] { return net.draw_up(); });
  net.run_for(2 * kSecond);
  for (std::size_t left = n * 8 / 10; left > 0; --left) net.crash(net.draw_up());
  net.begin_part("after");
  // The first one leaves when the crash is noticed.
  net.run_for(300 * kMs);
  const Host one = net.draw_up();
  for (std::size_t i = 0; i < 8 && !net.failed(); ++i) {
    net.publish(one, kPayloadBytes);
    net.run_for(1 * kSecond);
    net.note(text("missed_after_1s_{}", i + 1), net.missed_of(2, i));
    if (i == 3 && net.missed_of(2, 3) != 0)
      net.fail("T7", text("the fourth message missed {} hosts after a second", net.missed_of(2, 3)));
  }
  net.run_for(20 * kSecond);
  net.check_quiet();
  net.measure();
}

void partition_heal(Net& net, std::size_t n, std::int64_t before_s) {
  build(net, n);
  net.begin_part("before");
  publish_many(net, 10, 500, [&] { return net.draw_up(); });
  net.part([n](Host h) { return h < n / 2 ? 0 : 1; });
  net.run_for(before_s * kSecond);
  net.begin_part("parted");
  for (std::size_t i = 0; i < 10 && !net.failed(); ++i) {
    net.publish(static_cast<Host>(net.draw(n / 2)), kPayloadBytes);
    net.publish(static_cast<Host>(n / 2 + net.draw(n - n / 2)), kPayloadBytes);
    net.run_for(1 * kSecond);
  }
  net.heal();
  net.run_for(40 * kSecond);
  net.begin_part("healed");
  publish_many(net, 10, 1'000, [&] { return net.draw_up(); });
  net.run_for(20 * kSecond);
  net.measure();
  // Ten seconds parted, then the first links across: at once where passive names of the other half are left, else with
  // the first redial, which in a small network may take its time.
  if (n >= 100)
    limit(net, net.part_of(2), "heal", net.part_of(2).last_ms_max, before_s > 10 ? 50'000 : 25'000,
          "last delivery in ms");
  net.check_quiet();
}

void lossy(Net& net, std::size_t n) {
  build(net, n);
  net.links().loss = 200;
  net.links().repeat = 100;
  net.links().reorder = 500;
  net.begin_part("lossy");
  publish_many(net, 60, 500, [&] { return net.draw_up(); });
  net.links().loss = net.links().repeat = net.links().reorder = 0;
  net.run_for(20 * kSecond);
  net.measure();
  net.check_quiet();
}

void slow(Net& net, std::size_t n) {
  build(net, n);
  for (std::size_t i = 0; i < std::max<std::size_t>(2, n / 50); ++i) net.thin(net.draw_up(), 100'000);
  net.begin_part("slow");
  publish_many(net, 100, 20, [&] { return net.draw_up(); }, 8'000);
  net.run_for(40 * kSecond);
  net.measure();
  net.check_quiet();
}

// A message of somebody else, signed by nobody; a message with a foreign path; bytes that are no frame.
Frame forged(Net& net, Host liar, Host victim, std::size_t kind) {
  gossip::Gossip g;
  g.message.topic = net.topic();
  g.message.origin = net.id(victim);
  g.message.seq = 1'000 + net.draw(1'000'000);
  g.message.hlc = gossip::hlc_of(net.now_of(liar).wall_ms);
  g.message.payload = to_bytes("forged");
  g.batch = {.origin = g.message.origin, .count = 1, .root = Hash32{gossip::message_id(g.message).data}};
  g.signature = Bytes(16, 7);
  if (kind % 3 == 1) g.path.push_back(Hash32{});
  Bytes bytes = gossip::encode(g);
  if (kind % 3 == 2) bytes.resize(bytes.size() - 9);
  return std::make_shared<const Bytes>(std::move(bytes));
}

void liar(Net& net, std::size_t n) {
  build(net, n);
  net.begin_part("liar");
  std::vector<Host> liars;
  for (std::size_t i = 0; i < std::max<std::size_t>(1, n / 50); ++i) liars.push_back(net.draw_up());
  for (const Host l : liars) net.lies(l);
  for (std::size_t i = 0; i < 30 && !net.failed(); ++i) {
    Host honest = net.draw_up();
    while (std::ranges::count(liars, honest) != 0) honest = net.draw_up();
    for (const Host l : liars)
      for (const auto& a : net.node(l).membership().active())
        if (const auto to = net.host_of(a.peer)) net.inject(l, *to, forged(net, l, honest, i));
    net.publish(honest, kPayloadBytes);
    net.run_for(500 * kMs);
  }
  net.run_for(40 * kSecond);
  net.measure();
  net.check_quiet();
}

gossip::Config config_of(std::string_view scenario) {
  gossip::Config c;
  if (scenario == "long-partition") {  // names of the other half are soon forgotten
    c.membership.passive = 16;
    c.membership.shuffle_ms = 3'000;
  }
  if (scenario == "lossy") c.reconcile_ms = 3'600'000;  // broadcast alone must do it
  if (scenario == "slow") {
    c.reconcile_ms = 3'600'000;
    c.outbox.queue_bytes = 64u << 10;
    c.outbox.in_flight_bytes = 16u << 10;
  }
  return c;
}

}  // namespace

Result<MeshOutcome> run_mesh(const MeshPlan& plan) {
  if (std::ranges::find(kMeshScenarios, plan.scenario) == kMeshScenarios.end())
    return fail(
        Kind::kInvalid, "mesh.scenario",
        text("found scenario '{}', expected broadcast, crash80, partition-heal, long-partition, lossy, slow or liar",
             plan.scenario));
  if (plan.n < kMeshNodesMin || plan.n > kMeshNodesMax)
    return fail(Kind::kInvalid, "mesh.scenario",
                text("found {} nodes, expected {} to {}", plan.n, kMeshNodesMin, kMeshNodesMax));
  Net net(plan, config_of(plan.scenario), {});
  if (plan.scenario == "broadcast") broadcast(net, plan.n);
  if (plan.scenario == "crash80") crash80(net, plan.n);
  if (plan.scenario == "partition-heal") partition_heal(net, plan.n, 10);
  if (plan.scenario == "long-partition") partition_heal(net, plan.n, 240);
  if (plan.scenario == "lossy") lossy(net, plan.n);
  if (plan.scenario == "slow") slow(net, plan.n);
  if (plan.scenario == "liar") liar(net, plan.n);
  return net.finish();
}

void set_ending(codec::Json& json, const std::vector<std::pair<std::string, std::uint64_t>>& counters,
                const std::optional<MeshFailure>& failure) {
  codec::Json all = codec::Json::object();
  for (const auto& [name, value] : counters) all.set(name, value);
  json.set("counters", std::move(all));
  if (!failure) return;
  codec::Json broken = codec::Json::object();
  broken.set("rule", failure->rule);
  broken.set("what", failure->what);
  json.set("failure", std::move(broken));
}

codec::Json mesh_json(const MeshPlan& plan, const MeshOutcome& o) {
  codec::Json json = codec::Json::object();
  json.set("scenario", plan.scenario);
  json.set("seed", plan.seed);
  json.set("n", static_cast<std::uint64_t>(plan.n));
  json.set("trace", text("{:016x}", o.trace));
  json.set("events", o.events);
  json.set("virtual_ms", o.virtual_ms);
  codec::Json parts = codec::Json::array();
  for (const MeshPart& p : o.parts) {
    codec::Json part = codec::Json::object();
    part.set("name", p.name);
    part.set("messages", static_cast<std::uint64_t>(p.messages));
    part.set("missed", p.missed);
    part.set("last_hop_mean", p.hops_mean);
    part.set("last_hop_max", p.hops_max);
    part.set("redundancy", p.redundancy);
    part.set("last_ms_mean", p.last_ms_mean);
    part.set("last_ms_max", p.last_ms_max);
    parts.push(std::move(part));
  }
  json.set("parts", std::move(parts));
  set_ending(json, o.counters, o.failure);
  return json;
}

std::string mesh_text(const MeshPlan& plan, const MeshOutcome& o) {
  std::string out = text("{} seed {} n {}: trace {:016x}, {} events, {} s of virtual time\n", plan.scenario, plan.seed,
                         plan.n, o.trace, o.events, o.virtual_ms / 1'000);
  for (const MeshPart& p : o.parts)
    out += text(
        "  {:<20} {:>4} messages, missed {}, last hop {:.1f} (worst {}), redundancy {:.4f}, last after {:.0f} ms "
        "(worst {:.0f})\n",
        p.name, p.messages, p.missed, p.hops_mean, p.hops_max, p.redundancy, p.last_ms_mean, p.last_ms_max);
  out += "  ";
  for (const auto& [name, value] : o.counters) out += text("{} {}  ", name, value);
  out.erase(out.find_last_not_of(' ') + 1);
  if (o.failure) out += text("\nbroken: {}: {}", o.failure->rule, o.failure->what);
  return out;
}

}  // namespace hanse::sim
