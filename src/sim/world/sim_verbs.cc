#include "sim/world/sim_verbs.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "chain/consensus/mutant.h"

namespace hanse::sim {

namespace {

constexpr std::size_t kPlanBytesMax = 64u << 10;

plugin::Answer answer_of(const Plan& plan, const Outcome& outcome, const std::string& story) {
  return {.json = outcome_json(plan, outcome),
          .text = story + outcome_text(plan, outcome),
          .exit = outcome.failure ? 1 : 0};
}

Result<plugin::Answer> run_one(const Plan& plan, const plugin::VerbArgs& args) {
  RunOptions options;
  std::string story;
  if (args.has("trace")) options.narrate = [&](std::string_view line) { (story += line) += '\n'; };
  TRY(const Outcome outcome, run_plan(plan, options));
  return answer_of(plan, outcome, story);
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  PlanOptions options;
  TRY(options.seed, args.number("seed", 0));
  TRY(const std::uint64_t n, args.number("n", 0, kReplicasSimMax));
  TRY(const std::uint64_t slots, args.number("slots", options.slots, kSlotsSimMax));
  options.n = static_cast<std::uint16_t>(n);
  options.slots = static_cast<std::uint32_t>(slots);
  options.faults = std::string(args.get("faults"));
  options.real_crypto = args.has("real-crypto");
  TRY(const Plan plan, make_plan(options));
  return run_one(plan, args);
}

Result<plugin::Answer> replay(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Bytes bytes, read_file(real_fs(), std::string(args.get("FILE")), kPlanBytesMax));
  TRY(const Plan plan, read_plan(as_text(bytes)));
  return run_one(plan, args);
}

const plugin::VerbOption kTrace = {
    .name = "--trace", .value = {}, .help = "tell every proposal, vote and fault", .fallback = {}};

}  // namespace

plugin::Verb run_verb() {
  return {.name = "sim run",
          .summary = "one simulated network with faults, from a seed",
          .details =
              "Runs the consensus code of this build in virtual time and checks it at every step. The same seed and\n"
              "options give the same trace hash. Exit 1 when a rule is broken.\n"
              "Faults are KIND:FROM_MS:TO_MS:A:B, comma-separated (docs/concepts/simulator.md), or none.\n"
              "Examples:\n  hanse sim run --seed 7\n  hanse sim run --seed 7 --n 4 --faults crash:100:900:2:0",
          .options = {{.name = "--seed", .value = "S", .help = "what everything is drawn from", .fallback = "0"},
                      {.name = "--n", .value = "N", .help = "replicas, 1 to 64; 0 = 4 to 7, drawn", .fallback = "0"},
                      {.name = "--slots", .value = "K", .help = "slots before the calm", .fallback = "200"},
                      {.name = "--faults", .value = "LIST", .help = "instead of drawn ones", .fallback = {}},
                      {.name = "--real-crypto", .value = {}, .help = "ML-DSA instead of tokens", .fallback = {}},
                      kTrace},
          .run = run};
}

plugin::Verb replay_verb() {
  return {.name = "sim replay",
          .summary = "runs again what a search found, from its file",
          .details =
              "The file is what `hanse sim search --json` prints as \"plan\", and what it writes with --out.\n"
              "Example:\n  hanse sim replay found/seed-17.sim",
          .options = {{.name = "FILE", .value = "FILE", .help = "a plan", .fallback = {}, .required = true}, kTrace},
          .run = replay};
}

namespace {

// Where this program is, and so the one beside it.
std::string program_folder() {
  std::string path(4096, '\0');
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size());
  path.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return path.substr(0, path.rfind('/'));
}

Status write_plans(const std::string& folder, const SearchResult& result) {
  if (folder.empty()) return {};
  for (const Found& f : result.found) {
    const std::string plan = write_plan(f.small);
    TRY_OK(replace_file(real_fs(), text("{}/seed-{}.sim", folder, f.plan.seed), as_bytes(plan)));
  }
  return {};
}

Result<plugin::Answer> run_search(const plugin::VerbArgs& args, plugin::Talk& talk) {
  SearchArguments a;
  TRY(const std::uint64_t minutes, args.number("minutes", 0, 100'000));
  TRY(a.search.seeds, args.number("seeds", minutes == 0 ? 2'000 : 0));
  TRY(a.search.first_seed, args.number("first", 1));
  TRY(const std::uint64_t n, args.number("n", 0, kReplicasSimMax));
  TRY(const std::uint64_t slots, args.number("slots", 200, kSlotsSimMax));
  TRY(const std::uint64_t threads, args.number("threads", 2, kSearchThreadsMax));
  a.search.time_ms = static_cast<std::int64_t>(minutes) * 60'000;
  a.search.n = static_cast<std::uint16_t>(n);
  a.search.slots = static_cast<std::uint32_t>(slots);
  a.search.threads = static_cast<unsigned>(threads);
  a.search.real_crypto = args.has("real-crypto");
  a.mutant = std::string(args.get("mutant"));
  a.json = args.has("json");
  if (!a.mutant.empty()) {
    a.search.failures_max = 1;
    TRY_OK(become_mutants(a, program_folder()));
  }
  TRY(const SearchResult result,
      search(a.search, system_clock(), [&](const SearchResult& so_far) { talk.progress(progress_text(so_far)); }));
  TRY_OK(write_plans(std::string(args.get("out")), result));
  return plugin::Answer{
      .json = search_json(result, {}), .text = search_text(result, {}), .exit = result.found.empty() ? 0 : 1};
}

Result<plugin::Answer> run_mutants(const plugin::VerbArgs&, plugin::Talk&) {
  codec::Json names = codec::Json::array();
  std::string out;
  for (const std::string_view name : consensus::kMutantNames) {
    if (name == "none") continue;
    names.push(name);
    if (!out.empty()) out += '\n';
    out += name;
  }
  codec::Json json = codec::Json::object();
  json.set("mutants", std::move(names));
  return plugin::Answer{.json = std::move(json), .text = std::move(out)};
}

}  // namespace

Status become_mutants(const SearchArguments& arguments, const std::string& folder) {
  const auto& names = consensus::kMutantNames;
  if (std::ranges::find(names, arguments.mutant) == names.end())
    return fail(Kind::kInvalid, "world.mutant",
                text("found mutant '{}', expected one of `hanse sim mutants`", arguments.mutant));
  const std::string program = folder + "/hanse-sim-mutants";
  std::vector<std::string> words = write_search(arguments);
  words.insert(words.begin(), program);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  return fail(Kind::kUnavailable, "world.program",
              text("found {} for {}, expected the program beside this one; build it with ./dev build hanse-sim-mutants",
                   std::strerror(errno), program));
}

namespace {

plugin::Verb search_verb() {
  return {
      .name = "sim search",
      .summary = "many simulated networks, until the time or the seeds are used up",
      .details =
          "Each failure is shrunk to the faults it needs and printed with the line that repeats it. Exit 1 when\n"
          "there is one. With --mutant the same search runs in a build with that planted mistake and stops at\n"
          "the first seed that notices it.\n"
          "Examples:\n  hanse sim search --minutes 10\n  hanse sim search --seeds 10000 --mutant rule-a1-dropped",
      .options = {{.name = "--minutes", .value = "M", .help = "how long", .fallback = {}},
                  {.name = "--seeds", .value = "K", .help = "how many; 2000 without --minutes", .fallback = {}},
                  {.name = "--first", .value = "S", .help = "the first seed", .fallback = "1"},
                  {.name = "--n", .value = "N", .help = "replicas; 0 = 4 to 7, drawn", .fallback = "0"},
                  {.name = "--slots", .value = "K", .help = "slots of each run", .fallback = "200"},
                  {.name = "--threads", .value = "T", .help = "at work", .fallback = "2"},
                  {.name = "--mutant", .value = "NAME", .help = "a planted mistake", .fallback = {}},
                  {.name = "--real-crypto", .value = {}, .help = "ML-DSA instead of tokens", .fallback = {}},
                  {.name = "--out", .value = "DIR", .help = "an existing folder for seed-S.sim files", .fallback = {}}},
      .run = run_search};
}

plugin::Verb mutants_verb() {
  return {.name = "sim mutants",
          .summary = "the planted mistakes that a search must notice",
          .details = "Example:\n  hanse sim mutants",
          .options = {},
          .run = run_mutants};
}

}  // namespace

std::vector<plugin::Verb> sim_verbs() { return {run_verb(), replay_verb(), search_verb(), mutants_verb()}; }

}  // namespace hanse::sim
