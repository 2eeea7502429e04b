// hanse-bench: what ordering costs on this machine. See kHelp. Exit codes as hanse: 0 ok, 1 a limit was missed or
// something was lost, 2 usage, 3 unreachable, 70 bug.
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

#include "base/core/text.h"
#include "node/load/chain_run.h"
#include "node/load/floor.h"
#include "node/load/load.h"
#include "node/load/restart_run.h"

namespace hanse::load {
namespace {

constexpr std::string_view kHelp =
    "usage: hanse-bench COMMAND [OPTIONS] [--json]\n"
    "  floor   the least that three-phase ordering costs here: processes, UDP, a synced journal, nothing else\n"
    "          [--seconds S=3] [--nodes N=4] [--window W=1] [--no-sync] [--dir DIR=.]\n"
    "  load    open-loop load on a running network that was made with `hanse up --load-app`\n"
    "          --dir NET | --node ADDRESS,...   [--rate R=1000] [--seconds S=10] [--warmup S=2] [--size BYTES=256]\n"
    "          [--kill-leader] [--no-economic]\n"
    "  chain   makes a network of 4 validators below DIR, measures floor, latency, the highest sustained rate, a "
    "killed\n"
    "          leader and a restart, and removes it\n"
    "          [--dir DIR=.] [--seconds S=10] [--sustain S=60] [--rate-max R=40000] [--keep]\n"
    "  restart makes such a network with many finalized vertices in its stores, and measures how long a leader that "
    "is\n"
    "          killed under load is away when it starts with a cold page cache\n"
    "          [--dir DIR=.] [--vertices N=1000000] [--rounds R=3] [--seconds S=9] [--warm] [--keep | --net NET]\n"
    "Latency counts from the moment a transaction was meant to be sent. Figures are of this machine and this minute: "
    "read\n"
    "them beside the floor and the raw fdatasync that are printed with them.\n";

struct Arguments {
  std::string command;
  std::map<std::string, std::string> values;

  bool has(const std::string& name) const { return values.contains(name); }
  std::string get(const std::string& name, std::string fallback) const {
    const auto it = values.find(name);
    return it == values.end() ? std::move(fallback) : it->second;
  }
  Result<double> number(const std::string& name, double fallback) const {
    const auto it = values.find(name);
    if (it == values.end()) return fallback;
    char* end = nullptr;
    const double value = std::strtod(it->second.c_str(), &end);
    if (it->second.empty() || *end != '\0' || !(value >= 0) || value > 1e9)
      return fail(Kind::kInvalid, "load.option",
                  text("--{}: found '{}', expected a number of at most 1e9", name, it->second));
    return value;
  }
};

struct Command {
  std::string_view name;
  std::vector<std::string_view> values, flags;
};
const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      {"floor", {"seconds", "nodes", "window", "dir"}, {"no-sync", "json"}},
      {"load", {"dir", "node", "rate", "seconds", "warmup", "size"}, {"kill-leader", "no-economic", "json"}},
      {"chain", {"dir", "seconds", "sustain", "rate-max"}, {"keep", "json"}},
      {"restart", {"dir", "vertices", "rounds", "seconds", "net"}, {"keep", "warm", "json"}}};
  return all;
}

Result<Arguments> read_arguments(int argc, char** argv) {
  Arguments out;
  if (argc < 2) return fail(Kind::kInvalid, "load.option", "found no command; see hanse-bench --help");
  out.command = argv[1];
  const auto command = std::ranges::find(commands(), out.command, &Command::name);
  if (command == commands().end())
    return fail(Kind::kInvalid, "load.option", text("found command '{}'; see hanse-bench --help", out.command));
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::string name(word.starts_with("--") ? word.substr(2) : std::string_view());
    if (std::ranges::contains(command->flags, name)) {
      out.values[name] = "true";
    } else if (std::ranges::contains(command->values, name) && i + 1 < argc) {
      out.values[name] = argv[++i];
    } else {
      return fail(Kind::kInvalid, "load.option",
                  text("found '{}' after {}; see hanse-bench --help", word, out.command));
    }
  }
  return out;
}

void say(const std::string& s) {
  std::fwrite(s.data(), 1, s.size(), stdout);
  std::fflush(stdout);
}

Result<int> floor_command(const Arguments& args) {
  FloorOptions options;
  options.dir = args.get("dir", ".");
  options.sync = !args.has("no-sync");
  TRY(options.seconds, args.number("seconds", 3));
  TRY(const double nodes, args.number("nodes", 4));
  TRY(const double window, args.number("window", 1));
  if (nodes < 4 || nodes > kFloorNodesMax || window < 1 || window > kFloorWindowMax)
    return fail(Kind::kInvalid, "load.option",
                text("found {} nodes and a window of {}, expected 4 to {} and 1 to {}", nodes, window, kFloorNodesMax,
                     kFloorWindowMax));
  options.nodes = static_cast<std::uint32_t>(nodes);
  options.window = static_cast<std::uint32_t>(window);
  TRY(const RawDisk raw, run_raw_disk(options.dir, std::min(options.seconds, 1.0)));
  TRY(const Floor floor, run_floor(options));
  if (args.has("json")) {
    codec::Json json = codec::Json::object();
    json.set("raw_fdatasync_p50_ms", raw.syncs.quantile_ms(0.5))
        .set("raw_fdatasync_p99_ms", raw.syncs.quantile_ms(0.99))
        .set("nodes", std::uint64_t{options.nodes})
        .set("window", std::uint64_t{options.window})
        .set("sync", options.sync)
        .set("slots_per_second", floor.slots_per_second)
        .set("p50_ms", floor.slots.quantile_ms(0.5))
        .set("p99_ms", floor.slots.quantile_ms(0.99));
    say(json.dump() + "\n");
  } else {
    say(text("raw fdatasync of 4 KiB, ms: p50 {:.3f}  p99 {:.3f}\n", raw.syncs.quantile_ms(0.5),
             raw.syncs.quantile_ms(0.99)));
    say(text("floor of {} processes, window {}, {}: {:.0f} slots a second; a slot, ms: p50 {:.3f}  p99 {:.3f}\n",
             options.nodes, options.window, options.sync ? "synced" : "not synced", floor.slots_per_second,
             floor.slots.quantile_ms(0.5), floor.slots.quantile_ms(0.99)));
  }
  return 0;
}

Result<int> load_command(const Arguments& args) {
  LoadOptions options;
  options.dir = args.get("dir", "");
  for (std::string rest = args.get("node", ""); !rest.empty();) {
    const auto comma = rest.find(',');
    options.addresses.push_back(rest.substr(0, comma));
    rest = comma == std::string::npos ? std::string() : rest.substr(comma + 1);
  }
  if (options.dir.empty() && options.addresses.empty())
    return fail(Kind::kInvalid, "load.option", "found neither --dir nor --node, expected one");
  TRY(options.rate, args.number("rate", options.rate));
  TRY(options.seconds, args.number("seconds", options.seconds));
  TRY(options.warmup_seconds, args.number("warmup", options.warmup_seconds));
  TRY(const double size, args.number("size", 256));
  options.size = static_cast<std::size_t>(size);
  options.kill_leader = args.has("kill-leader");
  options.economic = !args.has("no-economic");
  TRY(const LoadReport report, run_load(options));
  say(args.has("json") ? to_json(report).dump() + "\n" : to_text(report));
  return report.lost > 0 || report.failed > 0 ? 1 : 0;
}

void show(const Figure& f, const Arguments& args) {
  say(args.has("json") ? to_json(f).dump() + "\n"
                       : text("{:<58} {:>12.3f} {:<6} {:>9.3f} x {} ({:.3f})\n", f.name, f.value, f.unit, f.ratio(),
                              f.floor_what, f.floor));
}

Result<int> restart_command(const Arguments& args) {
  RestartRunOptions options;
  options.dir = args.get("dir", ".");
  TRY(const double vertices, args.number("vertices", static_cast<double>(options.vertices)));
  TRY(const double rounds, args.number("rounds", static_cast<double>(options.rounds)));
  TRY(options.seconds, args.number("seconds", options.seconds));
  options.vertices = static_cast<std::uint64_t>(vertices);
  options.rounds = static_cast<std::uint64_t>(rounds);
  options.keep = args.has("keep");
  options.warm = args.has("warm");
  options.net = args.get("net", "");
  TRY(const bool good,
      run_restart(
          options, [&](const Figure& f) { show(f, args); },
          [](const std::string& line) { std::fwrite((line + "\n").data(), 1, line.size() + 1, stderr); }));
  return good ? 0 : 1;
}

Result<int> chain_command(const Arguments& args) {
  ChainRunOptions options;
  options.dir = args.get("dir", ".");
  TRY(options.seconds, args.number("seconds", options.seconds));
  TRY(options.sustain_seconds, args.number("sustain", options.sustain_seconds));
  TRY(options.rate_max, args.number("rate-max", options.rate_max));
  options.keep = args.has("keep");
  TRY(const bool good, run_chain(options, [&](const Figure& f) { show(f, args); }));
  return good ? 0 : 1;
}

Result<int> run(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--help" || std::string_view(argv[i]) == "-h") {
      say(std::string(kHelp));
      return 0;
    }
  TRY(const Arguments args, read_arguments(argc, argv));
  if (args.command == "floor") return floor_command(args);
  if (args.command == "load") return load_command(args);
  if (args.command == "restart") return restart_command(args);
  return chain_command(args);
}

}  // namespace
}  // namespace hanse::load

int main(int argc, char** argv) {
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  const auto done = hanse::load::run(argc, argv);
  if (done) return *done;
  const std::string line = hanse::text("hanse-bench: {}\n", done.error().str());
  std::fwrite(line.data(), 1, line.size(), stderr);
  return hanse::exit_code(done.error().kind());
}
