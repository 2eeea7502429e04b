// hanse-verify: checks a receipt file against a genesis file. Needs no node, no network and no store.
// Exit: 0 the receipt is true, 1 it is false, 2 usage, 5 the file is damaged.
#include <cstdio>
#include <optional>

#include "base/codec/hex.h"
#include "base/codec/json.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "exchange/receipt/verify.h"

namespace hanse::receipt {
namespace {

constexpr std::string_view kUsage =
    "usage: hanse-verify RECEIPT [--genesis FILE] [--output FILE]... [--grade GRADE] [--json]\n"
    "\n"
    "Checks that RECEIPT was signed by its provider, that the network of the genesis file recorded it, and whether it\n"
    "was paid. Without --genesis, genesis.cbor beside RECEIPT is taken. The n-th --output must be the n-th output.\n"
    "--grade fast (the default) asks for signatures of the quorum in the genesis file, --grade economic for its "
    "higher\n"
    "weight.\n"
    "\n"
    "exit: 0 true, 1 false, 2 usage, 5 damaged file\n";
constexpr std::size_t kOutputBytesMax = 1u << 30;
constexpr int kExitFalse = 1, kExitUsage = 2, kExitCorrupt = 5;

struct Options {
  std::string receipt;
  std::optional<std::string> genesis;
  std::vector<std::string> outputs;
  light::Demand demand;
  bool json = false;
  bool help = false;
};

void print(std::FILE* to, std::string_view line) { std::fwrite(line.data(), 1, line.size(), to); }

Result<Options> parse(int argc, char** argv) {
  Options o;
  const auto usage = [](std::string_view message) { return fail(Kind::kInvalid, "receipt.usage", message); };
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    const bool takes_value = arg == "--genesis" || arg == "--output" || arg == "--grade";
    if (takes_value && i + 1 == argc) return usage(text("{} needs a value", arg));
    if (arg == "--genesis" && o.genesis) return usage("--genesis is given twice");
    if (arg == "--genesis") {
      o.genesis = argv[++i];
    } else if (arg == "--output") {
      o.outputs.emplace_back(argv[++i]);
    } else if (arg == "--grade") {
      const auto grade = light::parse_grade(argv[++i]);
      if (!grade) return usage(text("found --grade {}, expected fast or economic", argv[i]));
      o.demand.grade = *grade;
    } else if (arg == "--json") {
      o.json = true;
    } else if (arg == "--help" || arg == "-h") {
      o.help = true;
    } else if (arg.starts_with("-")) {
      return usage(text("option {} is unknown", arg));
    } else if (!o.receipt.empty()) {
      return usage(text("found {} after {}, expected one receipt", arg, o.receipt));
    } else {
      o.receipt = arg;
    }
  }
  if (o.receipt.empty() && !o.help) return usage("no receipt file is named");
  return o;
}

// A file that is not there or cannot be read is a matter of usage, whatever it would have held.
Result<Bytes> read_named(const std::string& path, std::size_t size_max) {
  auto bytes = read_file(real_fs(), path, size_max);
  if (bytes) return bytes;
  return fail(Kind::kInvalid, "receipt.usage", text("cannot read {}: {}", path, bytes.error().message()));
}

Result<light::Genesis> read_genesis(const Options& o) {
  const std::string path = o.genesis ? *o.genesis : parent_dir(o.receipt) + "/genesis.cbor";
  TRY(const Bytes bytes, read_named(path, light::kGenesisBytesMax));
  auto genesis = light::decode_genesis(bytes);
  if (genesis) return genesis;
  return fail(Kind::kCorrupt, "receipt.genesis", text("{} is no genesis file: {}", path, genesis.error().str()));
}

int exit_for(const Error& error) {
  if (error.id() == "receipt.usage") return kExitUsage;
  return error.kind() == Kind::kInvalid || error.kind() == Kind::kCorrupt ? kExitCorrupt : kExitFalse;
}

codec::Json error_json(const Error& error) {
  codec::Json e = codec::Json::object();
  e.set("id", error.id());
  e.set("code", error.code());
  e.set("message", error.message());
  e.set("path", error.path());
  return e;
}

codec::Json checks_json(const Report& report) {
  codec::Json checks = codec::Json::array();
  for (const Check& check : report.checks) {
    codec::Json c = codec::Json::object();
    c.set("name", check.name);
    c.set("holds", check.holds);
    c.set("detail", check.detail);
    checks.push(std::move(c));
  }
  return checks;
}

void print_json(const Report& report) {
  codec::Json out = codec::Json::object();
  out.set("ok", report.status.has_value());
  out.set("level", level_name(report.level));
  out.set("checks", checks_json(report));
  if (report.level >= Level::kSigned) {
    out.set("job_id", text("{}", report.receipt.job_id));
    out.set("provider", codec::encode_id(report.receipt.provider.view()));
    out.set("status", market::run_status_name(report.receipt.status));
  }
  if (!report.status) out.set("error", error_json(report.status.error()));
  print(stdout, out.dump() + "\n");
}

void print_table(const Report& report) {
  for (const Check& check : report.checks)
    print(stdout, text("{:<12} {:<4} {}\n", check.name, check.holds ? "ok" : "FAIL", check.detail));
  if (report.status) {
    print(stdout, text("ok: {}\n", level_name(report.level)));
  } else {
    print(stdout, text("error: {}\n", report.status.error().str()));
  }
}

void check_outputs(const Options& o, Report& report) {
  for (std::size_t i = 0; i < o.outputs.size() && report.status; ++i) {
    auto bytes = read_named(o.outputs[i], kOutputBytesMax);
    Status status = bytes ? verify_output(report.receipt, i, *bytes) : std::unexpected(std::move(bytes).error());
    report.checks.push_back({.name = text("output {}", i),
                             .detail = status ? text("{} is output {}", o.outputs[i], i) : status.error().str(),
                             .holds = status.has_value()});
    report.status = std::move(status);
  }
}

Result<Report> run(const Options& o) {
  TRY(const Bytes file, read_named(o.receipt, kBundleBytesMax));
  TRY(const light::Genesis genesis, read_genesis(o));
  TRY(const ReceiptBundle bundle, decode_bundle(file));
  Report report = verify(bundle, genesis, o.demand);
  check_outputs(o, report);
  return report;
}

int fail_early(const Error& error, bool json) {
  if (json) {
    codec::Json out = codec::Json::object();
    out.set("error", error_json(error));
    print(stdout, out.dump() + "\n");
  } else {
    print(stderr, text("hanse-verify: {}\n", error.str()));
  }
  return exit_for(error);
}

int main_verify(int argc, char** argv) {
  bool json = false;
  for (int i = 1; i < argc; ++i) json = json || std::string_view(argv[i]) == "--json";
  const auto options = parse(argc, argv);
  if (!options) {
    if (!json) print(stderr, kUsage);
    return fail_early(options.error(), json);
  }
  if (options->help) {
    print(stdout, kUsage);
    return 0;
  }
  const auto report = run(*options);
  if (!report) return fail_early(report.error(), json);
  if (json) {
    print_json(*report);
  } else {
    print_table(*report);
  }
  return report->status ? 0 : exit_for(report->status.error());
}

}  // namespace
}  // namespace hanse::receipt

int main(int argc, char** argv) { return hanse::receipt::main_verify(argc, argv); }
