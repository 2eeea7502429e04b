// hanse-auction-check: checks the record of a sealed batch round. Needs no node, no network and no store.
// Exit: 0 every check holds, 1 one does not, 2 usage, 5 the file is damaged.
#include <cstdio>

#include "base/codec/json.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "exchange/market/round_check.h"

namespace hanse::market {
namespace {

constexpr std::string_view kUsage =
    "usage: hanse-auction-check ROUND [--json]\n"
    "\n"
    "Checks the recorded round of a sealed batch auction in the file ROUND: that payers pay no more than their "
    "limits,\n"
    "providers get no less than they asked, capacity, constraints and money add up, and that the round, derived again\n"
    "from its inputs, comes out the same.\n"
    "\n"
    "exit: 0 all holds, 1 something does not, 2 usage, 5 damaged file\n";
constexpr int kExitFalse = 1, kExitUsage = 2, kExitCorrupt = 5;

void print(std::FILE* to, std::string_view line) { std::fwrite(line.data(), 1, line.size(), to); }

int usage(std::string_view message) {
  print(stderr, text("{}hanse-auction-check: {}\n", kUsage, message));
  return kExitUsage;
}

void print_json(const RoundReport& report) {
  codec::Json checks = codec::Json::array();
  for (const RoundFinding& finding : report.findings) {
    codec::Json c = codec::Json::object();
    c.set("name", finding.name);
    c.set("holds", finding.holds);
    c.set("detail", finding.detail);
    checks.push(std::move(c));
  }
  codec::Json out = codec::Json::object();
  out.set("ok", report.ok());
  out.set("checks", std::move(checks));
  print(stdout, out.dump() + "\n");
}

int main_auction_check(int argc, char** argv) {
  std::string path;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--help" || arg == "-h") {
      print(stdout, kUsage);
      return 0;
    }
    if (arg == "--json") {
      json = true;
    } else if (arg.starts_with("-")) {
      return usage(text("option {} is unknown", arg));
    } else if (!path.empty()) {
      return usage(text("found {} after {}, expected one round", arg, path));
    } else {
      path = arg;
    }
  }
  if (path.empty()) return usage("no round file is named");
  const auto bytes = read_file(real_fs(), path, kRoundBytesMax);
  if (!bytes) return usage(text("cannot read {}: {}", path, bytes.error().message()));
  const auto record = decode_round(*bytes);
  if (!record) {
    print(stderr, text("hanse-auction-check: {}\n", record.error().str()));
    return kExitCorrupt;
  }
  const auto report = check_record(*record);
  if (!report) {
    print(stderr, text("hanse-auction-check: {}\n", report.error().str()));
    return kExitCorrupt;
  }
  if (json) {
    print_json(*report);
  } else {
    for (const RoundFinding& f : report->findings)
      print(stdout, text("{:<12} {:<4} {}\n", f.name, f.holds ? "ok" : "FAIL", f.detail));
  }
  return report->ok() ? 0 : kExitFalse;
}

}  // namespace
}  // namespace hanse::market

int main(int argc, char** argv) { return hanse::market::main_auction_check(argc, argv); }
