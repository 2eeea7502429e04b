#include "sim/world/search.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/core/text.h"
#include "chain/consensus/mutant.h"
#include "sim/world/sim_verbs.h"

namespace hanse::sim {
namespace {

// Seeds that the code as it is must survive, and in which everything worth seeing must happen at least once.
constexpr std::uint64_t kFixedSeeds = 2'000;
constexpr std::uint64_t kMutantSeeds = 10'000;

TEST(Search, fixed_seeds_break_no_rule_and_see_everything) {
  const auto result = search({.first_seed = 1, .seeds = kFixedSeeds}, system_clock(), nullptr);
  ASSERT_TRUE(result);
  for (const Found& f : result->found) ADD_FAILURE() << describe(f);
  EXPECT_TRUE(!result->found.empty() || result->seeds == kFixedSeeds);
  for (std::size_t i = 0; i < kSeenCount; ++i)
    EXPECT_GT(result->seen[i], 0u) << "never seen: " << seen_name(static_cast<Seen>(i));
  std::printf("%s\n", search_text(*result, {}).c_str());
}

std::string output_of(const std::string& command, int& status) {
  std::string out;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  status = ::pclose(pipe);
  return out;
}

std::string program() {
  const char* folder = std::getenv("HANSE_BIN_DIR");
  return std::string(folder != nullptr ? folder : "build/bin") + "/hanse-sim-mutants";
}

TEST(Search, every_planted_mistake_is_noticed) {
  for (const std::string_view name : consensus::kMutantNames) {
    if (name == "none") continue;
    int status = 0;
    const std::string out = output_of(
        text("{} --mutant {} --seeds {} --failures 1 --no-shrink --json 2>/dev/null", program(), name, kMutantSeeds),
        status);
    const auto json = codec::parse_json(out);
    ASSERT_TRUE(json) << name << ": " << out;
    EXPECT_NE(status, 0) << name << " was not noticed";
    std::printf("%s\n", out.substr(0, 160).c_str());
  }
}

TEST(Search, the_build_with_mistakes_is_sound_when_none_is_chosen) {
  int status = 0;
  const std::string out = output_of(program() + " --seeds 50 --json 2>/dev/null", status);
  EXPECT_EQ(status, 0) << out;
}

TEST(Search, shrinks_to_the_fault_that_matters) {
  // Too few events for a run with this many faults: the failure needs none of them.
  const auto plan =
      make_plan({.seed = 12, .n = 4, .slots = 60, .faults = "crash:10:50:1:0,skew:5:900:2:100,stall:9:90:0:0"});
  const auto outcome = run_plan(*plan);
  ASSERT_TRUE(outcome);
  ASSERT_FALSE(outcome->failure) << outcome->failure->what;
  const Plan same = shrink(*plan, {.rule = "never broken", .what = {}});
  EXPECT_EQ(same.faults, plan->faults);
}

TEST(Search, refuses_a_search_without_an_end) {
  EXPECT_EQ(search({}, system_clock(), nullptr).error().id(), "world.plan");
  EXPECT_EQ(search({.seeds = 1, .threads = kSearchThreadsMax + 1}, system_clock(), nullptr).error().id(), "world.plan");
}

TEST(Search, arguments_come_back) {
  const std::vector<std::string> words = {"--seeds",  "12",          "--n",    "5",
                                          "--mutant", "join-on-one", "--json", "--no-shrink"};
  const auto a = parse_search(words);
  ASSERT_TRUE(a);
  const auto b = parse_search(write_search(*a));
  ASSERT_TRUE(b);
  EXPECT_EQ(b->search.seeds, 12u);
  EXPECT_EQ(b->search.n, 5);
  EXPECT_EQ(b->mutant, "join-on-one");
  EXPECT_TRUE(b->json);
  EXPECT_FALSE(b->search.shrinks);
}

TEST(Search, refuses_an_unknown_mutant_and_a_missing_program) {
  EXPECT_EQ(become_mutants({.mutant = "sunspots"}, "/nowhere").error().id(), "world.mutant");
  EXPECT_EQ(become_mutants({.mutant = "join-on-one"}, "/nowhere").error().id(), "world.program");
}

TEST(Search, refuses_unknown_arguments) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"--seeds"}, {"--seeds", "x"}, {"--colour", "1"}, {"--n", "65"}, {"--threads", "257"}})
    EXPECT_EQ(parse_search(words).error().id(), "world.arguments") << words[0];
}

}  // namespace
}  // namespace hanse::sim
