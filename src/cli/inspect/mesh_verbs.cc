#include "cli/inspect/mesh_verbs.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/keyfile.h"
#include "node/peering/control.h"

namespace hanse::inspect {

namespace {

using codec::Json;
using plugin::Answer;
using plugin::VerbArgs;

constexpr std::uint64_t kWaitMsMax = 3'600'000;
constexpr std::int64_t kSlackMs = 15'000;

plugin::VerbOption socket_option() {
  return {.name = "--socket",
          .value = "FILE",
          .help = "the node's mesh.sock (default: $HANSE_MESH_SOCKET, else ./mesh.sock)",
          .fallback = {}};
}
plugin::VerbOption wait_option(std::string fallback) {
  return {.name = "--wait-ms", .value = "MS", .help = "how long to wait", .fallback = std::move(fallback)};
}

std::string socket_path(const VerbArgs& args) {
  if (args.has("socket")) return std::string(args.get("socket"));
  const char* given = std::getenv("HANSE_MESH_SOCKET");
  return given != nullptr ? given : "mesh.sock";
}

Result<Json> ask(const VerbArgs& args, Json request, std::int64_t wait_ms = 0, peering::Progress progress = {}) {
  return peering::ask({.path = socket_path(args),
                       .request = std::move(request),
                       .progress = std::move(progress),
                       .wait_ms = wait_ms + kSlackMs});
}
Json request(std::string_view what) {
  Json out = Json::object();
  out.set("do", what);
  return out;
}

std::string word(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  if (found == nullptr || found->is_null()) return "";
  if (const auto as = found->as_text(name)) return std::string(*as);
  return found->dump();
}
std::string joined(const Json& json, std::string_view name, std::string_view none) {
  std::string out;
  const Json* list = json.find(name);
  if (list != nullptr)
    for (const Json& one : list->items()) {
      const auto as = one.as_text(name);
      out += std::string(out.empty() ? "" : ", ") + std::string(as ? *as : std::string_view());
    }
  return out.empty() ? std::string(none) : out;
}
bool is_true(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  const auto as = found != nullptr ? found->as_bool(name) : Result<bool>(false);
  return as && *as;
}
std::uint64_t count(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  const auto as = found != nullptr ? found->as_u64(name) : Result<std::uint64_t>(0);
  return as ? *as : 0;
}

std::string path_line(const Json& path) {
  std::string where = word(path, "path") == "direct" ? text("direct  {}", word(path, "address"))
                                                     : text("relay   {}", word(path, "relay"));
  std::string out = text("{}  {}  {:.1f} ms  {}", word(path, "peer"), where,
                         static_cast<double>(count(path, "rtt_us")) / 1000, is_true(path, "inbound") ? "in" : "out");
  if (const std::string plan = word(path, "punch"); !plan.empty()) out += text("  (punch: {})", plan);
  if (const std::string agent = word(path, "agent"); !agent.empty()) out += text("\n  {}", agent);
  if (const std::string user = word(path, "user"); !user.empty()) out += text(" of {}", user);
  if (const std::string why = word(path, "papers_error"); !why.empty()) out += text("\n  its papers: {}", why);
  return out;
}

Result<Answer> id(const VerbArgs& args, plugin::Talk&) {
  Json json = Json::object();
  std::string id, who;
  if (args.has("key")) {
    TRY(const auto info, crypto::read_key_file(std::string(args.get("key"))));
    id = codec::encode_id(crypto::account_id(info.public_key).view());
  } else {
    TRY(const Json status, ask(args, request("status")));
    id = word(status, "peer_id");
    for (const std::string_view of : {"agent", "user"})
      if (const std::string found = word(status, of); !found.empty()) {
        json.set(of, found);
        who += "\n" + found;
      }
  }
  json.set("peer_id", id);
  return Answer{.json = std::move(json), .text = id + who};
}

Result<Answer> status(const VerbArgs& args, plugin::Talk&) {
  TRY(Json s, ask(args, request("status")));
  const Json* relay = s.find("relay");
  std::string out = text(
      "peer      {}\naddress   {}\nhealthy   {}\npeers     {}\nroles     {}\nnat       {}\nrouter    {}\nnear      {} "
      "of this network on the local one\nup        {} s",
      word(s, "peer_id"), joined(s, "addresses", "none"), is_true(s, "healthy") ? "yes" : "no: no peer is connected",
      count(s, "peers"), joined(s, "roles", "none"), word(s, "nat"), word(s, "port_mapping"), count(s, "neighbours"),
      count(s, "uptime_s"));
  if (relay != nullptr && joined(s, "roles", "").find("relay") != std::string::npos)
    out += text("\nrelays    {} places, {} circuits, {} bytes carried", count(*relay, "reservations"),
                count(*relay, "circuits"), count(*relay, "carried_bytes"));
  const int exit = is_true(s, "healthy") ? 0 : 1;
  return Answer{.json = std::move(s), .text = std::move(out), .exit = exit};
}

Result<Answer> peers(const VerbArgs& args, plugin::Talk&) {
  Json ask_for = request("paths");
  if (args.has("PEER")) ask_for.set("peer", args.get("PEER"));
  TRY(Json answer, ask(args, std::move(ask_for)));
  std::string out;
  for (const Json& path : answer.find("paths")->items()) out += (out.empty() ? "" : "\n") + path_line(path);
  return Answer{.json = std::move(answer), .text = out.empty() ? "no peers" : std::move(out)};
}

Result<Answer> dial(const VerbArgs& args, plugin::Talk&) {
  TRY(const std::uint64_t wait_ms, args.number("wait-ms", 10'000, kWaitMsMax));
  Json relays = Json::array();
  for (const std::string& relay : args.all("relay")) relays.push(relay);
  Json r = request("dial");
  r.set("peer", args.get("PEER")).set("direct", args.has("direct")).set("wait_ms", wait_ms).set("relays", relays);
  TRY(Json path, ask(args, std::move(r), static_cast<std::int64_t>(wait_ms)));
  std::string line = path_line(path);
  return Answer{.json = std::move(path), .text = std::move(line)};
}

Result<Answer> find(const VerbArgs& args, plugin::Talk&) {
  TRY(const std::uint64_t wait_ms, args.number("wait-ms", 10'000, kWaitMsMax));
  Json r = request("find");
  r.set("agent", args.get("AGENT")).set("wait_ms", wait_ms);
  TRY(Json found, ask(args, std::move(r), static_cast<std::int64_t>(wait_ms)));
  std::string out;
  const std::int64_t now_ms = system_clock().wall_ms();
  for (const Json& one : found.find("machines")->items())
    out += text("{}{}  told by {} of {} coordinators, for {} s more", out.empty() ? "" : "\n", word(one, "machine"),
                count(one, "told_by"), count(found, "asked"),
                std::max<std::int64_t>(static_cast<std::int64_t>(count(one, "end_ms")) - now_ms, 0) / 1'000);
  return Answer{.json = std::move(found), .text = std::move(out)};
}

Result<Answer> forward(const VerbArgs& args, plugin::Talk&) {
  std::error_code ignored;
  const std::string path = std::filesystem::absolute(std::string(args.get("listen")), ignored).string();
  Json r = request("forward");
  r.set("peer", args.get("PEER")).set("path", path);
  TRY(Json made, ask(args, std::move(r), 10'000));
  std::string line = text("the API of {} is at {}", word(made, "peer"), word(made, "socket"));
  return Answer{.json = std::move(made), .text = std::move(line)};
}

std::string nat_text(const Json& nat) {
  if (!is_true(nat, "known")) return "nat         unknown: no reflector has answered yet";
  if (!is_true(nat, "udp")) return "nat         unknown: no reflector answers, UDP may be blocked";
  std::string out = text("mapping     {}\nfiltering   {}\nports       {}", word(nat, "mapping"), word(nat, "filtering"),
                         word(nat, "port_rule"));
  if (word(nat, "port_rule") == "delta") out += text(" of {}", word(nat, "delta"));
  return out + text("\nmapped      {}", word(nat, "mapped"));
}

Result<Answer> nat(const VerbArgs& args, plugin::Talk&) {
  TRY(Json found, ask(args, request("nat")));
  std::string out = text("{}\ncandidates  {}\nrelays      {}", nat_text(found), joined(found, "candidates", "none"),
                         joined(found, "relays", "none"));
  return Answer{.json = std::move(found), .text = std::move(out)};
}

Result<Answer> check(const VerbArgs& args, plugin::Talk&) {
  TRY(const std::uint64_t wait_ms, args.number("wait-ms", 3'000, kWaitMsMax));
  Json r = request("check");
  r.set("wait_ms", wait_ms);
  TRY(Json found, ask(args, std::move(r), static_cast<std::int64_t>(wait_ms)));
  const auto& nodes = found.find("nodes")->items();
  std::string out;
  for (const Json& node : nodes)
    out += text("{}  {} of {} links{}\n", word(node, "peer"), count(node, "links"), nodes.size() - 1,
                is_true(node, "answered") ? "" : "  does not answer");
  for (const Json& pair : found.find("missing")->items()) {
    const auto& ends = pair.items();
    out += text("missing: {} - {}\n", *ends[0].as_text("missing"), *ends[1].as_text("missing"));
  }
  const bool whole = is_true(found, "whole");
  out += whole ? text("whole: every one of {} nodes is connected with all others", nodes.size())
               : text("not whole: {} links are missing", found.find("missing")->items().size());
  return Answer{.json = std::move(found), .text = std::move(out), .exit = whole ? 0 : 1};
}

Result<Answer> speed(const VerbArgs& args, plugin::Talk& talk) {
  TRY(const std::uint64_t bytes, args.number("bytes", 16u << 20, 1ull << 40));
  TRY(const std::uint64_t wait_ms, args.number("wait-ms", 60'000, kWaitMsMax));
  Json r = request("speed");
  r.set("peer", args.get("PEER")).set("bytes", bytes).set("wait_ms", wait_ms);
  TRY(Json found, ask(args, std::move(r), static_cast<std::int64_t>(wait_ms), [&](const Json& progress) {
        talk.progress(text("{} of {} bytes", count(progress, "bytes"), bytes));
      }));
  const double seconds = static_cast<double>(std::max<std::uint64_t>(count(found, "ms"), 1)) / 1000;
  std::string out =
      text("{} bytes in {:.2f} s, {:.1f} Mbit/s; longest pause {} ms; {} stream{}; moves {} to direct, {} to relay",
           count(found, "bytes"), seconds, static_cast<double>(bytes) * 8 / seconds / 1e6,
           count(found, "longest_pause_ms"), count(found, "streams"), count(found, "streams") == 1 ? "" : "s",
           count(found, "to_direct"), count(found, "to_relay"));
  return Answer{.json = std::move(found), .text = std::move(out)};
}

Result<Answer> pub(const VerbArgs& args, plugin::Talk&) {
  Json r = request("publish");
  r.set("topic", args.get("TOPIC"));
  if (args.has("file") == args.has("TEXT"))
    return fail(Kind::kInvalid, "cli.usage", "expected either TEXT or --file FILE");
  if (args.has("file")) {
    TRY(const Bytes bytes, read_file(real_fs(), std::string(args.get("file")), gossip::kPayloadBytesMax));
    r.set("hex", codec::to_hex(bytes));
  } else {
    r.set("text", args.get("TEXT"));
  }
  TRY(Json done, ask(args, std::move(r)));
  std::string line = text("published as {} to {} neighbours", word(done, "seq"), count(done, "neighbours"));
  return Answer{.json = std::move(done), .text = std::move(line)};
}

// One line a message, as it comes; nothing at the end.
Result<Answer> sub(const VerbArgs& args, plugin::Talk& talk) {
  TRY(const std::uint64_t messages, args.number("count", 0, UINT64_MAX));
  TRY(const std::uint64_t wait_ms, args.number("wait-ms", kWaitMsMax, kWaitMsMax));
  Json r = request("subscribe");
  r.set("topic", args.get("TOPIC")).set("count", messages).set("wait_ms", wait_ms);
  const bool json = args.has("json");
  TRY(const Json done, ask(args, std::move(r), static_cast<std::int64_t>(wait_ms), [&](const Json& message) {
        if (message.find("subscribed") != nullptr) return talk.say("subscribed");
        std::string line = json ? message.dump()
                                : text("{}  {}", word(message, "origin"),
                                       message.find("text") != nullptr ? word(message, "text") : word(message, "hex"));
        line += '\n';
        (void)std::fwrite(line.data(), 1, line.size(), stdout);
        (void)std::fflush(stdout);
      }));
  if (count(done, "dropped") > 0)
    talk.say(text("{} messages came too quickly and were left out", word(done, "dropped")));
  return Answer{.json = {}, .text = {}, .exit = messages == 0 || count(done, "messages") == messages ? 0 : 1};
}

// What an operator asks himself when a peer is not reached, in that order.
Result<Answer> doctor(const VerbArgs& args, plugin::Talk&) {
  TRY(const Json s, ask(args, request("status")));
  TRY(const Json n, ask(args, request("nat")));
  TRY(const Json p, ask(args, request("paths")));
  std::string out;
  Json findings = Json::array();
  int bad = 0;
  const auto say = [&](bool good, std::string_view what, std::string_view advice) {
    out += text("{}{}  {}", out.empty() ? "" : "\n", good ? "ok  " : "BAD ", what);
    if (!good) out += text("\n      {}", advice);
    Json one = Json::object();
    one.set("ok", good).set("what", what).set("advice", good ? std::string_view() : advice);
    findings.push(std::move(one));
    bad += good ? 0 : 1;
  };
  std::size_t direct = 0;
  for (const Json& path : p.find("paths")->items()) direct += word(path, "path") == "direct" ? 1 : 0;
  const std::uint64_t peers = count(s, "peers");
  say(peers > 0, text("{} peers are connected, {} of them directly", peers, direct),
      "see mesh.known_peers in node.toml, and whether UDP leaves this machine");
  say(is_true(n, "known") && is_true(n, "udp"), "a reflector tells this node its address",
      "none of the known peers has the role reflector, or UDP does not come back");
  const std::string mapping = word(n, "mapping");
  say(mapping == "none" || mapping == "endpoint" || mapping.empty() || word(n, "port_rule") == "delta",
      text("the NAT can be punched ({}, ports {})", mapping.empty() ? "unknown" : mapping,
           word(n, "port_rule").empty() ? "unknown" : word(n, "port_rule")),
      "it gives every peer another port at random: direct paths take many sockets, and two such NATs need a relay");
  const bool relayed = !n.find("relays")->items().empty() || mapping == "none";
  say(relayed, text("others reach this node {}", mapping == "none" ? "directly" : "through a relay"),
      "no known relay has a place for it: set mesh.reserve, or name a known peer with the role relay");
  Json json = Json::object();
  json.set("findings", std::move(findings)).set("bad", bad);
  return Answer{.json = std::move(json), .text = std::move(out), .exit = bad == 0 ? 0 : 1};
}

std::string counted(const Json& json, std::string_view name) {
  std::string out;
  const Json* counts = json.find(name);
  if (counts != nullptr)
    for (const auto& [key, value] : counts->members())
      if (value.dump() != "0") out += text("{}{} {}", out.empty() ? "" : ", ", key, value.dump());
  return out.empty() ? "none" : out;
}

Result<Answer> mix_status(const VerbArgs& args, plugin::Talk&) {
  TRY(Json s, ask(args, request("mix_status")));
  const bool alarm = is_true(s, "alarm"), takes = is_true(s, "takes_cells");
  const auto lane = [&](std::string_view name) {
    const std::string why = word(s, name);
    return why.empty() ? text("{} exits can be asked", count(s, "exits")) : why;
  };
  std::string out = text(
      "epoch     {}{}\nrole      {}\nnodes     {} of {} told their key\nheld      {} cells, {} messages wait, {} cells "
      "unread\nentropy   {:.2f} bits at {:.2f} cells of the Deep lane a second\nloops     {} of {} came back{}\ncells  "
      "   "
      "{}\nrefused   {}\ncalls     {}\nflash     {}\ndeep      {}",
      count(s, "epoch"), takes ? "" : ": no key here takes cells before the next one",
      text("{}{}", is_true(s, "mixes") ? "mix" : "receiver", is_true(s, "exit") ? " and exit" : ""), count(s, "nodes"),
      count(s, "listed"), count(s, "held"), count(s, "waiting"), count(s, "unread"),
      static_cast<double>(count(s, "entropy_millibits")) / 1'000,
      static_cast<double>(count(s, "deep_per_1000s")) / 1'000, count(s, "loops_back"), count(s, "loops_sent"),
      alarm ? ": ALARM, a mix drops or delays" : "", counted(s, "results"), counted(s, "refused"), counted(s, "calls"),
      lane("flash_error"), lane("deep_error"));
  if (const std::string why = word(s, "key_error"); !why.empty()) out += text("\nkeys      {}", why);
  return Answer{.json = std::move(s), .text = std::move(out), .exit = takes && !alarm ? 0 : 1};
}

Result<Answer> mix_ping(const VerbArgs& args, plugin::Talk&) {
  TRY(const std::uint64_t wait_ms, args.number("wait-ms", 10'000, kWaitMsMax));
  Json r = request("mix_ping");
  r.set("peer", args.get("PEER")).set("deep", args.has("deep")).set("wait_ms", wait_ms);
  TRY(Json pong, ask(args, std::move(r), static_cast<std::int64_t>(wait_ms)));
  std::string line = text("{} answered through the {} lane in {:.1f} ms", word(pong, "peer"), word(pong, "lane"),
                          static_cast<double>(count(pong, "us")) / 1'000);
  return Answer{.json = std::move(pong), .text = std::move(line)};
}

plugin::VerbOption peer_option(bool required) {
  return {.name = "PEER",
          .value = "PEER",
          .help = "id, as `hanse mesh id` prints it",
          .fallback = {},
          .required = required};
}

}  // namespace

std::vector<plugin::Verb> mesh_verbs() {
  std::vector<plugin::Verb> out;
  out.push_back(
      {.name = "mesh id",
       .summary = "the id by which peers know a node",
       .details = "Of a running node also the agent and the user of its papers.\n"
                  "Example:\n  hanse mesh id --key net/v0/key.json",
       .options = {socket_option(),
                   {.name = "--key", .value = "FILE", .help = "of this key file, no node needed", .fallback = {}}},
       .run = id});
  out.push_back(
      {.name = "mesh status",
       .summary = "a node's peers, roles and NAT in short",
       .details = "Exit 1 when no peer is connected.\nExample:\n  hanse mesh status --socket /var/lib/hanse/mesh.sock",
       .options = {socket_option()},
       .run = status});
  out.push_back({.name = "mesh peers",
                 .summary = "who is connected, and over which path",
                 .details = "Example:\n  hanse mesh peers",
                 .options = {socket_option()},
                 .run = peers});
  out.push_back({.name = "mesh paths",
                 .summary = "the path to one peer",
                 .details = "Exit 3 when it is not connected.\nExample:\n  hanse mesh paths PEER",
                 .options = {peer_option(true), socket_option()},
                 .run = peers});
  out.push_back(
      {.name = "mesh dial",
       .summary = "connect with a peer, through a relay if need be, and stay connected",
       .details = "With --direct waits for a direct path. Exit 3 when the time is over. An agent is looked for as by\n"
                  "`hanse mesh find`, and the machine has to show its papers; exit 4 when it shows others.\n"
                  "Examples:\n  hanse mesh dial PEER@192.0.2.7:12000 --direct --wait-ms 5000\n"
                  "  hanse mesh dial agent:ID",
       .options =
           {{.name = "PEER", .value = "PEER", .help = "ID, ID@ADDRESS or agent:ID", .fallback = {}, .required = true},
            {.name = "--relay",
             .value = "ID",
             .help = "a relay to ask first; may be given often",
             .fallback = {},
             .repeats = true},
            {.name = "--direct", .value = {}, .help = "wait for a direct path", .fallback = {}},
            wait_option("10000"),
            socket_option()},
       .run = dial});
  out.push_back(
      {.name = "mesh find",
       .summary = "on which machine an agent runs, by its id",
       .details = "Asks the coordinators of the agent's shard and proves what they answer; what they hide nobody can\n"
                  "prove. Of several machines the one certified last comes first. Exit 1 when it is found nowhere,\n"
                  "3 when no coordinator is known.\nExample:\n  hanse mesh find agent:ID && hanse mesh dial agent:ID",
       .options = {{.name = "AGENT",
                    .value = "AGENT",
                    .help = "id, as `hanse agent show` prints it",
                    .fallback = {},
                    .required = true},
                   wait_option("10000"),
                   socket_option()},
       .run = find});
  out.push_back(
      {.name = "mesh forward",
       .summary = "speak with the API of a peer through a socket here",
       .details = "The peer names who may, in mesh.api_peers. Lasts until the node stops.\n"
                  "Example:\n  hanse mesh forward PEER --listen ./there.sock && hanse status JOB --node "
                  "unix:./there.sock",
       .options =
           {peer_option(true),
            {.name = "--listen", .value = "FILE", .help = "the socket to make", .fallback = {}, .required = true},
            socket_option()},
       .run = forward});
  out.push_back({.name = "mesh nat",
                 .summary = "what stands between a node and the Internet, and where others may reach it",
                 .details = "Words of RFC 4787: mapping and filtering by endpoint, address, or address and port.\n"
                            "Example:\n  hanse mesh nat",
                 .options = {socket_option()},
                 .run = nat});
  out.push_back({.name = "mesh doctor",
                 .summary = "why a node reaches others badly, and what to do",
                 .details = "Exit 1 when something is bad.\nExample:\n  hanse mesh doctor",
                 .options = {socket_option()},
                 .run = doctor});
  out.push_back({.name = "mesh check",
                 .summary = "whether a node and its known peers are all connected with each other",
                 .details = "Asks every known peer. Names each missing link; exit 0 when none is, else 1.\n"
                            "Example:\n  hanse mesh check",
                 .options = {wait_option("3000"), socket_option()},
                 .run = check});
  out.push_back({.name = "mesh speed",
                 .summary = "send bytes to a connected peer on one stream and compare what arrived",
                 .details = "The peer needs mesh.speed_test. Works while the path changes.\n"
                            "Example:\n  hanse mesh speed PEER --bytes 200000000",
                 .options = {peer_option(true),
                             {.name = "--bytes", .value = "N", .help = "how many", .fallback = "16777216"},
                             wait_option("60000"),
                             socket_option()},
                 .run = speed});
  const plugin::VerbOption topic{
      .name = "TOPIC", .value = "TOPIC", .help = "a name, 1 to 128 bytes", .fallback = {}, .required = true};
  out.push_back(
      {.name = "mesh pub",
       .summary = "publish a message under a topic to the whole network",
       .details = "At most 49152 bytes. Who is away does not get it.\nExample:\n  hanse mesh pub news 'hello'",
       .options = {topic,
                   {.name = "TEXT", .value = "TEXT", .help = "what to say", .fallback = {}},
                   {.name = "--file", .value = "FILE", .help = "or the bytes of this file", .fallback = {}},
                   socket_option()},
       .run = pub});
  out.push_back({.name = "mesh sub",
                 .summary = "print the messages under a topic as they come, one a line",
                 .details =
                     "Each once, in no order. With --json one object a line: topic, origin, seq, published_ms and\n"
                     "text, or hex where it is no UTF-8. Exit 1 when the time was over before --count were there.\n"
                     "Example:\n  hanse mesh sub news --count 1 --json",
                 .options = {topic,
                             {.name = "--count", .value = "N", .help = "end after so many; 0: never", .fallback = "0"},
                             wait_option("3600000"),
                             socket_option()},
                 .run = sub});
  out.push_back({.name = "mix status",
                 .summary = "what a node of the mix carries, hides and refuses",
                 .details = "Exit 1 when it takes no cells, or too few of its loops come back.\n"
                            "Example:\n  hanse mix status --socket /var/lib/hanse/mesh.sock",
                 .options = {socket_option()},
                 .run = mix_status});
  out.push_back({.name = "mix ping",
                 .summary = "a message through the mix that its receiver answers without learning from whom it is",
                 .details = "By the Flash lane: one mix each way, no delay. With --deep three mixes each way, with\n"
                            "delays, on the node's schedule. Exit 3 when the time is over.\n"
                            "Example:\n  hanse mix ping PEER --deep --wait-ms 120000",
                 .options = {peer_option(true),
                             {.name = "--deep", .value = {}, .help = "by the Deep lane", .fallback = {}},
                             wait_option("10000"),
                             socket_option()},
                 .run = mix_ping});
  return out;
}

}  // namespace hanse::inspect
