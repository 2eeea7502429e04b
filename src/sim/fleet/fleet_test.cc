#include "sim/fleet/fleet.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "sim/fleet/fleet_verbs.h"

namespace hanse::sim {
namespace {

// Small ones: the real figures are those of `hanse sim mesh` (docs/internals/fleet.md).
FleetOutcome run(const FleetPlan& plan) {
  auto outcome = run_fleet(plan);
  EXPECT_TRUE(outcome) << outcome.error().str();
  if (!outcome) return {};
  std::printf("%s\n", fleet_text(plan, *outcome).c_str());
  EXPECT_FALSE(outcome->failure) << outcome->failure->rule << ": " << outcome->failure->what;
  return std::move(*outcome);
}

double figure(const FleetOutcome& o, std::string_view name) {
  for (const FleetFigure& f : o.figures)
    if (f.name == name) return f.found;
  ADD_FAILURE() << "no figure " << name;
  return 0;
}

std::uint64_t counter(const FleetOutcome& o, std::string_view name) {
  for (const auto& [n, value] : o.counters)
    if (n == name) return value;
  ADD_FAILURE() << "no counter " << name;
  return 0;
}

TEST(Fleet, agents_talk_without_loss) {
  const FleetOutcome o = run({.scenario = "agents", .seed = 1, .n = 16, .talk_s = 5});
  EXPECT_EQ(counter(o, "talked"), 16u * 5 * 10);
  EXPECT_GT(figure(o, "message delay p50"), 10);  // the shortest link
  EXPECT_GT(counter(o, "wire_lost"), 0u);
  EXPECT_GT(counter(o, "wire_late"), 0u);
  EXPECT_GT(counter(o, "wire_twice"), 0u);
  EXPECT_GT(counter(o, "wire_too_big"), 0u);
}

TEST(Fleet, nodes_that_know_ids_alone_find_each_other) {
  const FleetOutcome o = run({.scenario = "agents", .seed = 2, .n = 14, .talk_s = 1, .lookups = true});
  EXPECT_GT(counter(o, "lookups"), 0u);
  EXPECT_GT(counter(o, "lookups_found"), 0u);
}

TEST(Fleet, a_run_repeats_exactly) {
  const FleetPlan plan{.scenario = "quic", .seed = 3, .n = 16};
  const FleetOutcome first = run(plan), again = run(plan);
  EXPECT_EQ(first.trace, again.trace);  // I11
  EXPECT_EQ(first.datagrams, again.datagrams);
  EXPECT_EQ(first.counters, again.counters);
  EXPECT_GE(counter(first, "neighbours"), 16u * 4);
  EXPECT_EQ(counter(first, "published"), 30u);
}

TEST(Fleet, another_seed_is_another_run) {
  EXPECT_NE(run({.scenario = "quic", .seed = 4, .n = kFleetNodesMin}).trace,
            run({.scenario = "quic", .seed = 5, .n = kFleetNodesMin}).trace);
}

TEST(Fleet, rules_hold_while_nodes_stop_and_links_swallow_what_is_sent) {
  const FleetPlan plan{.scenario = "quic-faults", .seed = 6, .n = 15};
  const FleetOutcome o = run(plan), again = run(plan);
  EXPECT_EQ(o.trace, again.trace);  // I11, faults included
  EXPECT_GT(counter(o, "wire_swallowed"), 0u);
  EXPECT_GT(counter(o, "failed_dials"), 0u);
  EXPECT_GT(counter(o, "moved"), 0u) << "no two dialed each other at once";
  EXPECT_GT(figure(o, "frames"), figure(o, "frames lost with a connection") * 5);
}

TEST(Fleet, refuses_what_it_cannot_run) {
  EXPECT_EQ(run_fleet({.scenario = "sunspots"}).error().id(), "fleet.scenario");
  EXPECT_EQ(run_fleet({.n = kFleetNodesMin - 1}).error().id(), "fleet.scenario");
  EXPECT_EQ(run_fleet({.n = kFleetNodesMax + 1}).error().id(), "fleet.scenario");
}

TEST(Fleet, the_command_answers_in_both_forms) {
  struct Quiet final : plugin::Talk {
    void say(std::string_view) override {}
    void progress(std::string_view line) override { last = line; }
    std::string last;
  };
  const auto answer_of = [](std::string scenario, std::string n, Quiet& talk) {
    plugin::VerbArgs args;
    args.add("SCENARIO", std::move(scenario));
    args.add("seed", "3");
    args.add("n", std::move(n));
    return mesh_verbs().at(0).run(args, talk);
  };
  Quiet talk;
  const auto gossip = answer_of("broadcast", "30", talk);
  ASSERT_TRUE(gossip);
  EXPECT_EQ(gossip->exit, 0) << gossip->text;
  EXPECT_NE(gossip->text.find("broadcast seed 3 n 30: trace "), std::string::npos);
  EXPECT_NE(gossip->json.dump().find("\"scenario\":\"broadcast\""), std::string::npos);
  const auto whole = answer_of("quic", "12", talk);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->exit, 0) << whole->text;
  EXPECT_NE(whole->text.find("quic seed 3 n 12: trace "), std::string::npos);
  EXPECT_NE(whole->json.dump().find("\"scenario\":\"quic\""), std::string::npos);
  EXPECT_NE(talk.last.find("published"), std::string::npos);
}

}  // namespace
}  // namespace hanse::sim
