#include "sim/mesh/mesh.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/core/text.h"
#include "mesh/gossip/mutant.h"

namespace hanse::sim {
namespace {

constexpr std::size_t kNodes = 120;  // 1000 of them: hanse sim mesh (docs/internals/gossip.md)

class MeshScenario : public testing::TestWithParam<std::string_view> {};

TEST_P(MeshScenario, holds_for_four_seeds_and_repeats_exactly) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const MeshPlan plan{.scenario = std::string(GetParam()), .seed = seed, .n = kNodes};
    const auto outcome = run_mesh(plan);
    ASSERT_TRUE(outcome);
    EXPECT_FALSE(outcome->failure) << mesh_text(plan, *outcome);
    if (seed != 1) continue;
    std::printf("%s\n", mesh_text(plan, *outcome).c_str());
    const auto again = run_mesh(plan);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->trace, outcome->trace);  // I11
    EXPECT_EQ(mesh_json(plan, *again).dump(), mesh_json(plan, *outcome).dump());
  }
}

INSTANTIATE_TEST_SUITE_P(All, MeshScenario, testing::ValuesIn(kMeshScenarios), [](const auto& scenario) {
  std::string name(scenario.param);
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
});

std::uint64_t counter(const MeshOutcome& o, std::string_view name) {
  for (const auto& [n, value] : o.counters)
    if (n == name) return value;
  return 0;
}

TEST(Mesh, scenarios_do_what_they_are_there_for) {
  const auto lossy = run_mesh({.scenario = "lossy", .seed = 7, .n = kNodes});
  EXPECT_GT(counter(*lossy, "grafts"), 0u);
  const auto slow = run_mesh({.scenario = "slow", .seed = 7, .n = kNodes});
  EXPECT_GT(counter(*slow, "shed_messages"), 0u);
  const auto liar = run_mesh({.scenario = "liar", .seed = 7, .n = kNodes});
  EXPECT_GT(counter(*liar, "messages_invalid"), 0u);
  EXPECT_GT(counter(*liar, "frames_malformed"), 0u);
  const auto parted = run_mesh({.scenario = "partition-heal", .seed = 7, .n = kNodes});
  EXPECT_GT(counter(*parted, "failures"), 0u);
  EXPECT_GT(counter(*parted, "items_needed"), 0u);
}

TEST(Mesh, another_seed_is_another_run) {
  const auto a = run_mesh({.scenario = "broadcast", .seed = 1, .n = kMeshNodesMin});
  const auto b = run_mesh({.scenario = "broadcast", .seed = 2, .n = kMeshNodesMin});
  EXPECT_NE(a->trace, b->trace);
}

TEST(Mesh, refuses_what_it_cannot_run) {
  EXPECT_EQ(run_mesh({.scenario = "sunspots"}).error().id(), "mesh.scenario");
  EXPECT_EQ(run_mesh({.n = kMeshNodesMin - 1}).error().id(), "mesh.scenario");
  EXPECT_EQ(run_mesh({.n = kMeshNodesMax + 1}).error().id(), "mesh.scenario");
}

// ---- planted mistakes ----------------------------------------------------------------------------------------------

std::string program() {
  const char* folder = std::getenv("HANSE_BIN_DIR");
  return std::string(folder != nullptr ? folder : "build/bin") + "/hanse-mesh-mutants";
}

int run_program(std::string_view mistake, const MeshPlan& plan, std::string& out) {
  const std::string command = text("{} {} {} {} {} 2>/dev/null", program(), mistake, plan.scenario, plan.seed, plan.n);
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return -1;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  return ::pclose(pipe);
}

struct Planted {
  std::string_view mistake, scenario;
  std::size_t n = kNodes;
};
// Where each is noticed.
constexpr std::array<Planted, gossip::kMutantCount - 1> kPlanted = {{{"unchecked-forwarded", "liar"},
                                                                     {"delivered-twice", "broadcast"},
                                                                     {"graft-never", "lossy"},
                                                                     {"flood-shapes-tree", "broadcast"},
                                                                     {"self-kept", "broadcast"},
                                                                     {"views-overlap", "broadcast"},
                                                                     {"one-sided-kept", "partition-heal"},
                                                                     {"failed-kept", "crash80"},
                                                                     {"lost-forgotten", "long-partition"},
                                                                     {"fingerprint-by-count", "partition-heal"},
                                                                     {"range-skipped", "partition-heal"},
                                                                     {"shed-silently", "slow"},
                                                                     {"foreign-random", "broadcast", 30}}};

TEST(Mesh, every_planted_mistake_is_noticed) {
  for (std::size_t i = 0; i < kPlanted.size(); ++i) {
    const Planted& p = kPlanted[i];
    EXPECT_EQ(p.mistake, gossip::kMutantNames[i + 1]);
    std::string out;
    bool noticed = false;
    for (std::uint64_t seed = 1; seed <= 6 && !noticed; ++seed) {
      out.clear();
      noticed = run_program(p.mistake, {.scenario = std::string(p.scenario), .seed = seed, .n = p.n}, out) == 1 << 8;
      if (!noticed) continue;
      const std::size_t at = std::min(out.find("broken: "), out.find("I11: "));
      std::printf("%s, seed %d: %s", std::string(p.mistake).c_str(), static_cast<int>(seed), out.substr(at).c_str());
    }
    EXPECT_TRUE(noticed) << p.mistake << ": " << out;
  }
}

TEST(Mesh, the_build_with_mistakes_is_sound_when_none_is_chosen) {
  std::string out;
  EXPECT_EQ(run_program("none", {.scenario = "broadcast", .seed = 1, .n = kNodes}, out), 0) << out;
}

}  // namespace
}  // namespace hanse::sim
