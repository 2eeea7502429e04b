// The program hanse-sim-mutants: a search in a build of the consensus rooms in which one planted mistake can be chosen.
// `hanse sim search --mutant NAME` starts it. Exit: 0 nothing found, 1 found something, 2 usage.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/core/text.h"
#include "chain/consensus/mutant.h"
#include "sim/world/report.h"

namespace {

int refuse(const std::string& why) {
  std::fprintf(stderr, "hanse-sim-mutants: %s\n", why.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  const auto arguments = hanse::sim::parse_search(args);
  if (!arguments) return refuse(arguments.error().str());
  const auto& names = hanse::consensus::kMutantNames;
  const auto name = std::ranges::find(names, arguments->mutant.empty() ? "none" : arguments->mutant);
  if (name == names.end())
    return refuse(hanse::text("found mutant '{}', expected one of `hanse sim mutants`", arguments->mutant));
  hanse::consensus::planted_mutant = static_cast<hanse::consensus::Mutant>(name - names.begin());
  const auto result = hanse::sim::search(arguments->search, hanse::system_clock(), [&](const auto& so_far) {
    if (!arguments->json) std::fprintf(stderr, "%s\n", hanse::sim::progress_text(so_far).c_str());
  });
  if (!result) return refuse(result.error().str());
  const std::string out =
      arguments->json ? hanse::sim::search_json(*result, *name).dump() : hanse::sim::search_text(*result, *name);
  std::fprintf(stdout, "%s\n", out.c_str());
  return result->found.empty() ? 0 : 1;
}
