// What the control socket answers of the mesh.
#include <charconv>

#include "base/codec/hex.h"
#include "base/codec/utf8.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "node/peering/control.h"

namespace hanse::peering {
namespace {

using codec::Json;

constexpr std::uint64_t kWaitMsMax = 3'600'000;
constexpr std::uint64_t kSpeedBytesMax = 1ull << 40;

std::string id_text(const PeerId& id) { return codec::encode_id(id.view()); }

Result<PeerId> parse_id(std::string_view given) {
  const auto bytes = codec::decode_id(given);
  PeerId out;
  if (!bytes || !PeerId::from(*bytes, out))
    return fail(Kind::kInvalid, "peering.request",
                text("found peer \"{}\", expected an id as `hanse mesh id` prints it", given.substr(0, 80)));
  return out;
}

Result<std::string_view> words(const Json& request, std::string_view name) {
  const Json* found = request.find(name);
  if (found == nullptr) return fail(Kind::kInvalid, "peering.request", text("found no \"{}\" in the request", name));
  return found->as_text(name);
}

Result<std::uint64_t> number(const Json& request, std::string_view name, std::uint64_t fallback, std::uint64_t max) {
  const Json* found = request.find(name);
  if (found == nullptr) return fallback;
  TRY(const std::uint64_t out, found->as_u64(name));
  if (out > max)
    return fail(Kind::kInvalid, "peering.request", text("found {} {}, expected at most {}", name, out, max));
  return out;
}

Json texts(const std::vector<std::string>& all) {
  Json out = Json::array();
  for (const std::string& one : all) out.push(one);
  return out;
}
Json ids(const std::vector<PeerId>& all) {
  Json out = Json::array();
  for (const PeerId& one : all) out.push(id_text(one));
  return out;
}

void set_who(Json& out, const identity::Who& who) {
  out.set("agent", identity::id_text(who.agent));
  if (who.user) out.set("user", identity::id_text(*who.user));
  out.set("caps", who.caps).set("papers_end_ms", who.not_after_ms);
}

Json flows_json(const peers::Flows& flows) {
  Json out = Json::object();
  for (const auto& [protocol, flow] : flows) {
    Json one = Json::object();
    one.set("in", flow.bytes_in).set("out", flow.bytes_out);
    out.set(flow_name(protocol), std::move(one));
  }
  return out;
}

Json path_json(const PathFacts& f) {
  Json out = Json::object();
  out.set("peer", id_text(f.peer)).set("path", f.direct ? "direct" : "relay");
  if (f.direct) out.set("address", f.address);
  if (f.relay) out.set("relay", id_text(*f.relay));
  out.set("inbound", f.inbound).set("rtt_us", f.rtt_us).set("up_ms", f.up_ms);
  out.set("bytes_in", f.bytes_in).set("bytes_out", f.bytes_out).set("punch", f.punch_plan);
  out.set("protocols", flows_json(f.flows));
  if (f.who) set_who(out, *f.who);
  if (!f.papers_error.empty()) out.set("papers_error", f.papers_error);
  return out;
}

Result<Json> status(MeshNode& node) {
  TRY(const Health h, node.health());
  Json relay = Json::object();
  relay.set("reservations", std::uint64_t{h.reservations}).set("circuits", std::uint64_t{h.circuits});
  relay.set("carried_bytes", h.carried_bytes).set("dropped", h.dropped);
  std::vector<std::string> bound;
  for (const Address& a : node.addresses()) bound.push_back(transport::address_text(a));
  Json out = Json::object();
  out.set("peer_id", id_text(node.id())).set("addresses", texts(bound)).set("healthy", h.healthy);
  out.set("peers", std::uint64_t{h.peers}).set("roles", texts(h.roles)).set("relay", std::move(relay));
  out.set("nat", h.nat).set("uptime_s", h.uptime_s);
  out.set("neighbours", std::uint64_t{h.neighbours}).set("port_mapping", h.mapping);
  out.set("punched", h.counts.punched).set("punch_failed", h.counts.punch_failed);
  out.set("to_direct", h.counts.to_direct).set("to_relay", h.counts.to_relay).set("silences", h.counts.silences);
  out.set("refused", h.counts.refused).set("protocols", flows_json(h.flows));
  out.set("held_back", h.meters.held_back).set("dropped", h.meters.dropped).set("send_refused", h.meters.refused);
  if (h.who) set_who(out, *h.who);
  Json agents = Json::object();
  agents.set("coordinators", std::uint64_t{h.agents.coordinators});
  agents.set("placed", std::uint64_t{h.agents.placed}).set("kept", std::uint64_t{h.agents.kept});
  agents.set("refused", h.agents.refused).set("told", h.agents.told);
  agents.set("searches", h.agents.searches).set("lies", h.agents.lies);
  out.set("rendezvous", std::move(agents));
  out.set("table", std::uint64_t{h.finder.table}).set("records", std::uint64_t{h.finder.stored}).set("told", h.told);
  out.set("datagrams_in", h.sockets.datagrams_in).set("datagrams_out", h.sockets.datagrams_out);
  return out;
}

Result<Json> paths(MeshNode& node, const Json& request) {
  TRY(const auto all, node.paths());
  const Json* one = request.find("peer");
  PeerId peer{};
  if (one != nullptr) {
    TRY(const auto given, one->as_text("peer"));
    TRY(peer, parse_id(given));
  }
  Json list = Json::array();
  for (const PathFacts& f : all)
    if (one == nullptr || f.peer == peer) list.push(path_json(f));
  if (one != nullptr && list.items().empty())
    return fail(Kind::kUnavailable, "peering.not_connected", text("found no connection with {}", id_text(peer)));
  Json out = Json::object();
  out.set("paths", std::move(list));
  return out;
}

Result<Json> nat(MeshNode& node) {
  TRY(const NatFacts facts, node.nat());
  Json out = Json::object();
  out.set("known", facts.nat.has_value());
  if (facts.nat) {
    const nat::NatClass& n = *facts.nat;
    out.set("udp", n.udp)
        .set("mapping", nat::mapping_name(n.mapping))
        .set("filtering", nat::filtering_name(n.filtering));
    out.set("port_rule", nat::port_rule_name(n.port_rule)).set("delta", std::int64_t{n.delta});
    if (n.mapped) out.set("mapped", nat::to_text(*n.mapped));
    if (n.hairpin) out.set("hairpin", *n.hairpin);
  }
  out.set("candidates", texts(facts.candidates)).set("relays", ids(facts.places));
  return out;
}

Result<Json> dial(MeshNode& node, const Json& request) {
  MeshNode::Dial dial;
  TRY(const auto peer, words(request, "peer"));
  if (const Json* relays = request.find("relays"); relays != nullptr)
    for (const Json& one : relays->items()) {
      TRY(const auto given, one.as_text("relays"));
      TRY(dial.relays.emplace_back(), parse_id(given));
    }
  if (const Json* direct = request.find("direct"); direct != nullptr) {
    TRY(const bool wanted, direct->as_bool("direct"));
    if (wanted) dial.until = MeshNode::Until::kDirect;
  }
  TRY(const std::uint64_t wait_ms, number(request, "wait_ms", 10'000, kWaitMsMax));
  dial.wait_ms = static_cast<std::int64_t>(wait_ms);
  if (peer.starts_with("agent:")) {
    TRY(const identity::AgentId agent, identity::parse_agent(peer));
    TRY(const PathFacts facts, node.dial_agent(agent, dial.until, dial.wait_ms));
    return path_json(facts);
  }
  TRY(Known known, parse_known(peer));
  dial.peer = known.peer;
  dial.addresses = std::move(known.addresses);
  TRY(const PathFacts facts, node.dial(dial));
  return path_json(facts);
}

Result<Json> find(MeshNode& node, const Json& request) {
  TRY(const auto given, words(request, "agent"));
  TRY(const identity::AgentId agent, identity::parse_agent(given));
  TRY(const std::uint64_t wait_ms, number(request, "wait_ms", 10'000, kWaitMsMax));
  TRY(const overlay::AgentPlaces found, node.find_agent(agent, static_cast<std::int64_t>(wait_ms)));
  Json machines = Json::array();
  for (const rendezvous::Place& place : found.places) {
    Json one = Json::object();
    one.set("machine", id_text(place.machine)).set("told_by", std::uint64_t{place.told_by});
    one.set("certified_ms", place.certified_ms).set("end_ms", place.end_ms);
    machines.push(std::move(one));
  }
  Json out = Json::object();
  out.set("agent", identity::id_text(agent)).set("machines", std::move(machines));
  out.set("asked", std::uint64_t{found.asked}).set("answered", std::uint64_t{found.answered});
  out.set("lied", std::uint64_t{found.lied});
  return out;
}

Result<Json> forward(MeshNode& node, const Json& request) {
  TRY(const auto given, words(request, "peer"));
  TRY(const PeerId peer, parse_id(given));
  TRY(const auto path, words(request, "path"));
  TRY_OK(node.forward(peer, std::string(path)));
  Json out = Json::object();
  out.set("peer", id_text(peer)).set("socket", text("unix:{}", path));
  return out;
}

Result<Json> check(MeshNode& node, const Json& request) {
  TRY(const std::uint64_t wait_ms, number(request, "wait_ms", 3'000, kWaitMsMax));
  TRY(const MeshCheck found, node.check(static_cast<std::int64_t>(wait_ms)));
  Json nodes = Json::array(), missing = Json::array();
  for (const auto& n : found.nodes) {
    Json one = Json::object();
    one.set("peer", id_text(n.peer)).set("answered", n.answered).set("links", std::uint64_t{n.links});
    nodes.push(std::move(one));
  }
  for (const auto& [a, b] : found.missing) missing.push(ids({a, b}));
  Json out = Json::object();
  out.set("whole", found.whole()).set("nodes", std::move(nodes)).set("missing", std::move(missing));
  return out;
}

Result<Json> speed(MeshNode& node, const Json& request, const Tell& tell) {
  TRY(const auto given, words(request, "peer"));
  TRY(const PeerId peer, parse_id(given));
  TRY(const std::uint64_t bytes, number(request, "bytes", 16u << 20, kSpeedBytesMax));
  TRY(const std::uint64_t wait_ms, number(request, "wait_ms", 60'000, kWaitMsMax));
  std::uint64_t told = 0;
  TRY(const SpeedResult r, node.speed(peer, bytes, static_cast<std::int64_t>(wait_ms), [&](std::uint64_t sent) {
    if (sent < told + std::max<std::uint64_t>(bytes / 50, 1)) return;
    told = sent;
    Json line = Json::object();
    line.set("bytes", sent);
    (void)tell(std::move(line));
  }));
  Json out = Json::object();
  out.set("bytes", r.bytes).set("ms", r.ms).set("longest_pause_ms", r.longest_pause_ms);
  out.set("streams", r.streams).set("to_direct", r.to_direct).set("to_relay", r.to_relay);
  return out;
}

Result<Json> publish(MeshNode& node, const Json& request) {
  TRY(const auto topic, words(request, "topic"));
  Bytes payload;
  if (request.find("hex") != nullptr) {
    TRY(const auto hex, words(request, "hex"));
    auto bytes = codec::from_hex(hex);
    if (!bytes) return fail(Kind::kInvalid, "peering.request", bytes.error().message());
    payload = std::move(*bytes);
  } else {
    TRY(const auto text, words(request, "text"));
    payload = to_bytes(text);
  }
  TRY(const std::uint64_t seq, node.publish(std::string(topic), std::move(payload)));
  TRY(const auto counts, node.topics());
  Json out = Json::object();
  out.set("seq", seq).set("neighbours", std::uint64_t{counts.neighbours});
  return out;
}

Json counts_json(const mixing::Counts& counts) {
  Json out = Json::object();
  for (const auto& [name, count] : counts) out.set(name, count);
  return out;
}

Result<Json> mix_status(MeshNode& node) {
  TRY(const mixing::MixFacts f, node.mix());
  Json out = Json::object();
  out.set("epoch", std::uint64_t{f.epoch}).set("mixes", f.mixes).set("takes_cells", f.takes);
  out.set("nodes", std::uint64_t{f.nodes}).set("listed", std::uint64_t{f.listed});
  out.set("held", std::uint64_t{f.held})
      .set("waiting", std::uint64_t{f.waiting})
      .set("unread", std::uint64_t{f.unread});
  out.set("entropy_millibits", static_cast<std::uint64_t>(f.entropy_bits * 1'000));
  out.set("deep_per_1000s", static_cast<std::uint64_t>(f.deep_per_s * 1'000));
  out.set("alarm", f.mix_alarm || f.own_alarm).set("loops_sent", f.mix.loops_sent + f.sent.loops);
  out.set("loops_back", f.mix.loops_back + f.loops_back).set("received", f.mix.received);
  out.set("results", counts_json(mixing::results(f))).set("refused", counts_json(mixing::refusals(f)));
  out.set("sent_flash", f.sent.flash).set("sent_deep", f.sent.deep).set("sent_cover", f.sent.cover);
  out.set("pings_answered", f.pings_answered).set("key_error", f.key_error);
  out.set("exit", f.exit).set("exits", std::uint64_t{f.exits});
  out.set("flash_error", f.flash_error).set("deep_error", f.deep_error);
  out.set("calls", counts_json(mixing::calls(f)));
  return out;
}

Result<router::Lane> lane_of(const Json& request) {
  const Json* wanted = request.find("deep");
  if (wanted == nullptr) return router::Lane::kFlash;
  TRY(const bool deep, wanted->as_bool("deep"));
  return deep ? router::Lane::kDeep : router::Lane::kFlash;
}

Result<Json> mix_ping(MeshNode& node, const Json& request) {
  TRY(const auto given, words(request, "peer"));
  TRY(const PeerId peer, parse_id(given));
  TRY(const router::Lane lane, lane_of(request));
  TRY(const std::uint64_t wait_ms, number(request, "wait_ms", 10'000, kWaitMsMax));
  TRY(const std::int64_t ns, node.mix_ping(peer, lane, static_cast<std::int64_t>(wait_ms)));
  Json out = Json::object();
  out.set("peer", id_text(peer)).set("lane", lane == router::Lane::kDeep ? "deep" : "flash").set("us", ns / 1'000);
  return out;
}

Result<Json> mix_call(MeshNode& node, const Json& request) {
  TRY(const router::Lane lane, lane_of(request));
  TRY(const auto hex, words(request, "hex"));
  auto question = codec::from_hex(hex);
  if (!question) return fail(Kind::kInvalid, "peering.request", question.error().message());
  TRY(const std::uint64_t wait_ms, number(request, "wait_ms", 60'000, kWaitMsMax));
  TRY(const Bytes answer, node.mix_call(lane, std::move(*question), static_cast<std::int64_t>(wait_ms)));
  Json out = Json::object();
  out.set("hex", codec::to_hex(answer));
  return out;
}

Json message_json(const overlay::Delivery& m) {
  Json out = Json::object();
  out.set("topic", m.topic).set("origin", id_text(m.origin)).set("seq", m.seq).set("published_ms", m.published_ms);
  if (codec::is_utf8(as_text(m.payload)))
    out.set("text", as_text(m.payload));
  else
    out.set("hex", codec::to_hex(m.payload));
  return out;
}

Result<Json> subscribe(MeshNode& node, const Json& request, const Tell& tell) {
  constexpr std::int64_t kLookMs = 500;
  TRY(const auto topic, words(request, "topic"));
  TRY(const std::uint64_t count, number(request, "count", 0, UINT64_MAX));
  TRY(const std::uint64_t wait_ms, number(request, "wait_ms", kWaitMsMax, kWaitMsMax));
  TRY(const auto inbox, node.subscribe(std::string(topic)));
  const std::int64_t end = system_clock().mono_ns() / 1'000'000 + static_cast<std::int64_t>(wait_ms);
  std::uint64_t told = 0;
  // Told at once, so that the caller knows that it misses nothing from here on.
  Json begun = Json::object();
  begun.set("subscribed", topic);
  for (bool there = tell(std::move(begun)); there && (count == 0 || told < count);) {
    const std::int64_t left = end - system_clock().mono_ns() / 1'000'000;
    if (left <= 0) break;
    TRY(const auto message, inbox->next(std::min(left, kLookMs)));
    there = tell(message ? message_json(*message) : Json());
    told += message ? 1 : 0;
  }
  Json out = Json::object();
  out.set("messages", told).set("dropped", inbox->dropped());
  return out;
}

}  // namespace

std::string flow_name(std::uint64_t protocol) {
  return protocol == peers::kDatagramFlow ? "datagrams" : text("{:#04x}", protocol);
}

Result<Known> parse_known(std::string_view given) {
  const auto at = given.find('@');
  Known out;
  TRY(out.peer, parse_id(given.substr(0, at)));
  if (at == given.npos) return out;
  TRY(out.addresses.emplace_back(), transport::parse_address(given.substr(at + 1)));
  return out;
}

Handler mesh_handler(MeshNode& node) {
  return [&node](const Json& request, const Tell& tell) -> Result<Json> {
    TRY(const auto what, words(request, "do"));
    if (what == "status") return status(node);
    if (what == "paths") return paths(node, request);
    if (what == "nat") return nat(node);
    if (what == "dial") return dial(node, request);
    if (what == "find") return find(node, request);
    if (what == "check") return check(node, request);
    if (what == "forward") return forward(node, request);
    if (what == "speed") return speed(node, request, tell);
    if (what == "publish") return publish(node, request);
    if (what == "subscribe") return subscribe(node, request, tell);
    if (what == "mix_status") return mix_status(node);
    if (what == "mix_ping") return mix_ping(node, request);
    if (what == "mix_call") return mix_call(node, request);
    return fail(Kind::kInvalid, "peering.request",
                text("found request \"{}\", expected status, paths, nat, dial, find, forward, check, speed, publish, "
                     "subscribe, mix_status, mix_ping or mix_call",
                     what.substr(0, 40)));
  };
}

}  // namespace hanse::peering
