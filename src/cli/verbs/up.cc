#include <signal.h>

#include <optional>

#include "base/core/fs.h"
#include "base/core/text.h"
#include "chain/beacon/beacon.h"
#include "cli/door/door_verbs.h"
#include "cli/verbs/network.h"
#include "cli/verbs/render.h"
#include "cli/verbs/session.h"
#include "cli/verbs/verbs.h"
#include "exchange/router/mix_app.h"

namespace hanse::cli {

namespace {

// Ctrl-C and SIGTERM, kept for wait(). Made before any library starts a thread that could take them instead.
class Ends {
 public:
  Ends() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    sigprocmask(SIG_BLOCK, &set_, nullptr);
  }
  void wait() {
    int which = 0;
    sigwait(&set_, &which);
  }

 private:
  sigset_t set_;
};

Result<std::uint8_t> parse_precisions(std::string_view list) {
  std::uint8_t mask = 0;
  for (std::string_view rest = list; !rest.empty();) {
    const auto comma = rest.find(',');
    const std::string_view name = rest.substr(0, comma);
    const std::array<std::string_view, 4> names = {"int8", "e5m2", "fp8", "bf16"};
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end())
      return fail(Kind::kInvalid, "cli.usage", text("found precision '{}', expected int8, e5m2, fp8 or bf16", name));
    mask |= market::precision_bit(static_cast<gxf::Precision>(at - names.begin() + 1));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  return mask;
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk& talk) {
  const std::string dir = network_dir(args);
  TRY(const std::uint8_t precisions, parse_precisions(args.get("precisions")));
  TRY(const std::uint64_t providers, args.number("providers", 2, kProvidersMax));
  TRY(const std::uint64_t validators, args.number("validators", 4, kValidatorsMax));
  if (validators == 0) return fail(Kind::kInvalid, "cli.number", "--validators: found 0, expected at least 1");
  TRY(const std::uint64_t routers, args.number("routers", 0, kRoutersMax));
  if (routers != 0 && routers < kRoutersMin)
    return fail(Kind::kInvalid, "cli.number",
                text("--routers: found {}, expected 0 or {} to {}", routers, kRoutersMin, kRoutersMax));
  TRY(const std::uint64_t audits, args.number("audits", 0, 100));
  TRY(const std::uint64_t services, args.number("services", 0, 65'533));
  std::optional<Ends> ends;
  if (!args.has("detach")) ends.emplace();
  TRY(const std::uint64_t beacon_ms, args.number("beacon", 0, beacon::kRoundMsMax));
  if (args.has("beacon") && beacon_ms < beacon::kRoundMsMin)
    return fail(Kind::kInvalid, "cli.number",
                text("--beacon: found {}, expected {} or more", beacon_ms, beacon::kRoundMsMin));
  Network network;
  if (real_fs().exists(dir + "/network.json").value_or(false)) {
    TRY(network, read_network(dir));
    talk.say(text("found a network in {}; its own numbers of validators and providers are kept", dir));
  } else {
    talk.say(text("making a development network in {} (keys are stored unencrypted)", dir));
    if (routers > 0)
      talk.say(text(
          "its mix is a toy, as its genesis says: {} bits of anonymity where others want {}, delays of {} ms "
          "and more, epochs of {} ms; {} nodes on one machine hide nobody",
          kToyMix.anonymity_bits, router::MixParams{}.anonymity_bits, kToyMix.delay_min_ms, kToyMix.epoch_ms, routers));
    TRY(network,
        make_network(dir, {.validators = validators,
                           .providers = providers,
                           .routers = routers,
                           .http = std::string(args.get("http")),
                           .precisions = precisions,
                           .load_app = args.has("load-app"),
                           .stakes = args.has("stakes"),
                           .audit_percent = audits,
                           .beacon_ms = beacon_ms,
                           .services = args.has("services") ? std::optional(static_cast<std::uint16_t>(services))
                                                            : std::nullopt}));
  }
  if (auto started = start_network(network, talk); !started) {
    (void)stop_network(network, 5'000, talk);  // nothing half-started stays behind; the first error is the one to tell
    return std::unexpected(std::move(started).error());
  }
  TRY_OK(door::refresh_network_door(network.dir, ready_path(network, network.nodes.front())));
  codec::Json nodes = codec::Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const auto& node : network.nodes) {
    TRY(const Process process, node_process(network, node));
    codec::Json one = codec::Json::object();
    one.set("name", node.name).set("role", node.role).set("id", node.account).set("pid", std::int64_t{process.pid});
    nodes.push(std::move(one));
    rows.push_back({node.name, node.role, node.account.substr(0, 20), text("{}", process.pid)});
  }
  codec::Json json = codec::Json::object();
  json.set("dir", network.dir)
      .set("socket", text("{}/validator-0/api.sock", network.dir))
      .set("nodes", std::move(nodes));
  std::string shown = table({"node", "role", "account", "pid"}, rows);
  if (args.has("detach")) return plugin::Answer{.json = std::move(json), .text = std::move(shown)};
  talk.say(shown + "\nrunning; Ctrl-C ends it");
  ends->wait();
  TRY(const std::size_t ended, stop_network(network, 40'000, talk));
  return plugin::Answer{.json = std::move(json), .text = text("ended {} nodes", ended)};
}

}  // namespace

plugin::Verb up_verb() {
  return {
      .name = "up",
      .summary = "start a development network on this machine: validators, providers and, if wanted, routers",
      .details =
          "The folder is made at the first start and keeps genesis, keys, ledger and blobs. Four equal validators "
          "go on when one of them ends;\neconomic finality needs all four, or four of five.\n"
          "With --routers, jobs and questions go through a mix; few nodes hide nobody, and the genesis says so.\n"
          "Examples:\n  hanse up --dir net --providers 2 --detach\n"
          "  hanse up --dir net --routers 6 --detach\n  hanse down --dir net",
      .options = {dir_option(),
                  {.name = "--validators", .value = "N", .help = "at the first start", .fallback = "4"},
                  {.name = "--providers", .value = "N", .help = "at the first start", .fallback = "2"},
                  {.name = "--routers",
                   .value = "N",
                   .help = "at the first start: so many mixes that answer calls, and a node of the wallet's",
                   .fallback = "0"},
                  {.name = "--http",
                   .value = "ADDRESS",
                   .help = "loopback address of the HTTP API at the first "
                           "start; port 0 picks one",
                   .fallback = "127.0.0.1:0"},
                  {.name = "--precisions",
                   .value = "LIST",
                   .help = "that jobs may ask for, at the first start",
                   .fallback = "int8,e5m2,fp8,bf16"},
                  {.name = "--stakes",
                   .value = {},
                   .help = "at the first start: accounts put money behind validators and become some",
                   .fallback = {}},
                  {.name = "--audits",
                   .value = "PERCENT",
                   .help =
                       "at the first start: validators do the work of so many of the jobs with audit: sampled again",
                   .fallback = "0"},
                  {.name = "--beacon",
                   .value = "MS",
                   .help = "at the first start: randomness on the ledger, in rounds of so many milliseconds",
                   .fallback = {}},
                  {.name = "--services",
                   .value = "PORT",
                   .help = "at the first start: validator-0 offers the exchange over TLS on three ports from this one "
                           "(50051), metrics on 9001 to 9003; 0: any; services.door opens them",
                   .fallback = {}},
                  {.name = "--load-app", .value = {}, .help = {}, .fallback = {}},  // hanse-bench
                  {.name = "--detach", .value = {}, .help = "return once it runs", .fallback = {}}},
      .run = run};
}

plugin::Verb down_verb() {
  return {.name = "down",
          .summary = "stop the network that `hanse up` started in a folder",
          .details = "Providers finish or give back what they work on.\nExample:\n  hanse down --dir net",
          .options = {dir_option()},
          .run = [](const plugin::VerbArgs& args, plugin::Talk& talk) -> Result<plugin::Answer> {
            const std::string dir = network_dir(args);
            if (!real_fs().exists(dir + "/network.json").value_or(false))
              return fail(Kind::kUnavailable, "cli.not_started", text("found no network in {}", dir));
            TRY(const Network network, read_network(dir));
            TRY(const std::size_t ended, stop_network(network, 40'000, talk));
            codec::Json json = codec::Json::object();
            json.set("ended", std::uint64_t{ended});
            return plugin::Answer{.json = std::move(json), .text = text("ended {} nodes", ended)};
          }};
}

}  // namespace hanse::cli
