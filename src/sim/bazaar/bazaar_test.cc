#include "sim/bazaar/bazaar.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "base/core/fs.h"
#include "sim/bazaar/bazaar_verbs.h"

namespace hanse::sim {
namespace {

MarketPlan small(std::uint64_t seed, Plant plant = Plant::kNone) {
  return {.seed = seed, .rounds = 4, .payers = 120, .providers = 20, .plant = plant};
}

MarketOutcome run(const MarketPlan& plan) {
  auto outcome = run_market(plan);
  EXPECT_TRUE(outcome) << outcome.error().str();
  return outcome ? *std::move(outcome) : MarketOutcome{};
}

std::uint64_t count(const std::vector<std::pair<std::string, std::uint64_t>>& counts, std::string_view name) {
  for (const auto& [n, value] : counts)
    if (n == name) return value;
  return 0;
}
const StrategyRow& row(const MarketOutcome& o, Strategy s) { return o.strategies[static_cast<std::size_t>(s)]; }

struct Silent final : plugin::Talk {
  void say(std::string_view) override {}
  void progress(std::string_view) override {}
};

TEST(Bazaar, trades_by_both_roads_and_keeps_its_books) {
  const MarketPlan plan = small(1);
  const MarketOutcome o = run(plan);
  std::printf("%s\n", market_text(plan, o).c_str());
  ASSERT_FALSE(o.failure) << o.failure->check << ": " << o.failure->what;
  EXPECT_EQ(o.checked_rounds, plan.rounds);
  ASSERT_EQ(o.rounds.size(), plan.rounds);
  for (const RoundRow& r : o.rounds) {
    EXPECT_GT(r.sealed, 0u);
    EXPECT_GT(r.immediate, 0u);
    EXPECT_GT(r.price, 0u);
    EXPECT_GT(r.welfare, r.optimum / 4);
    EXPECT_LE(r.welfare, r.optimum);
    EXPECT_LE(r.served, r.slots);
  }
  for (const char* end : {"settled", "settled_false", "false_receipt", "no_start", "no_receipt"})
    EXPECT_GT(count(o.ends, end), 0u) << end;
  EXPECT_GT(count(o.unmatched, "not_revealed"), 0u);
  EXPECT_GT(o.audits, 0u);
}

TEST(Bazaar, every_strategy_plays_and_cheats_lose_where_they_are_looked_for) {
  const MarketOutcome o = run(small(2));
  ASSERT_FALSE(o.failure) << o.failure->what;
  for (const StrategyRow& r : o.strategies) {
    EXPECT_GT(r.players, 0u) << strategy_name(r.strategy);
    EXPECT_GT(r.jobs, 0u) << strategy_name(r.strategy);
  }
  for (const Strategy s : {Strategy::kWithhold, Strategy::kNoStart, Strategy::kNoFinish})
    EXPECT_LT(row(o, s).gain, 0) << strategy_name(s);
  // The bond makes a lie a loss where an audit may come, and only there.
  EXPECT_GT(o.asked.caught, 0u);
  EXPECT_LT(o.asked.gain, 0);
  EXPECT_EQ(o.unasked.caught, 0u);
  EXPECT_GT(o.unasked.gain, 0);
  EXPECT_EQ(o.asked.gain + o.unasked.gain, row(o, Strategy::kFalse).gain);
  // A withheld reveal costs its deposit, no more and no less.
  EXPECT_EQ(row(o, Strategy::kWithhold).money, -10'000 * static_cast<std::int64_t>(row(o, Strategy::kWithhold).jobs));
  for (const Strategy s : {Strategy::kShade, Strategy::kExaggerate, Strategy::kAskShade})
    EXPECT_GT(row(o, s).tried, 0u) << strategy_name(s);
  // All money that left the players was burned or went to the treasury.
  std::int64_t money = 0;
  for (const StrategyRow& r : o.strategies) money += r.money;
  EXPECT_EQ(-money, static_cast<std::int64_t>(o.burned + o.treasury));
}

TEST(Bazaar, the_same_seed_is_the_same_run) {
  const MarketPlan plan = small(3), other = small(4);
  const MarketOutcome a = run(plan), b = run(plan), c = run(other);
  EXPECT_EQ(market_json(plan, a).dump(), market_json(plan, b).dump());
  EXPECT_EQ(market_text(plan, a), market_text(plan, b));
  EXPECT_EQ(market_svg(plan, a), market_svg(plan, b));
  EXPECT_NE(a.trace, c.trace);
}

TEST(Bazaar, planted_mistakes_are_named) {
  const auto named = [](Plant plant) {
    const MarketOutcome o = run(small(5, plant));
    return o.failure ? o.failure->check + ": " + o.failure->what : "nothing found";
  };
  EXPECT_TRUE(named(Plant::kMoney).starts_with("books: money: 1 ut more than the supply")) << named(Plant::kMoney);
  EXPECT_TRUE(named(Plant::kBond).starts_with("books: bond of ")) << named(Plant::kBond);
  const std::string slot = named(Plant::kSlot);
  EXPECT_TRUE(slot.starts_with("books: slots of ") || slot.starts_with("books: provider ")) << slot;
  EXPECT_TRUE(named(Plant::kRecord).starts_with("rounds: round 1: ")) << named(Plant::kRecord);
  const std::string live = named(Plant::kLive);
  EXPECT_TRUE(live.starts_with("end: ") && live.ends_with(" jobs live")) << live;
}

TEST(Bazaar, refuses_numbers_out_of_range) {
  for (const MarketPlan& plan :
       {MarketPlan{.rounds = 0}, MarketPlan{.rounds = kRoundsMax + 1}, MarketPlan{.payers = kPayersMin - 1},
        MarketPlan{.payers = kPayersMax + 1}, MarketPlan{.providers = kProvidersMin - 1},
        MarketPlan{.providers = kProvidersMax + 1}}) {
    const auto outcome = run_market(plan);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().id(), "bazaar.plan");
  }
}

TEST(Bazaar, is_a_command_that_draws_its_plot) {
  const std::string file = testing::TempDir() + "bazaar_test_plot.svg";
  plugin::VerbArgs args;
  args.add("seed", "7");
  args.add("rounds", "1");
  args.add("payers", "40");
  args.add("providers", "20");
  args.add("plot", file);
  Silent talk;
  const auto answer = market_verb().run(args, talk);
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->exit, 0);
  const MarketPlan plan{.seed = 7, .rounds = 1, .payers = 40, .providers = 20};
  const MarketOutcome o = run(plan);
  EXPECT_EQ(answer->text, market_text(plan, o));
  EXPECT_EQ(answer->json.dump(), market_json(plan, o).dump());
  const auto drawn = read_file(real_fs(), file, 1u << 20);
  ASSERT_TRUE(drawn) << drawn.error().str();
  EXPECT_EQ(as_text(*drawn), market_svg(plan, o));
  EXPECT_TRUE(real_fs().unlink(file));
}

TEST(Bazaar, draws_what_it_reports) {
  const MarketPlan plan = small(6);
  MarketOutcome o;
  o.rounds = {RoundRow{.price = 300, .posted = 350, .served = 1, .welfare = 1, .optimum = 2, .slots = 4},
              RoundRow{.price = 0, .posted = 400, .served = 2, .welfare = 2, .optimum = 2, .slots = 4}};
  const std::string svg = market_svg(plan, o);
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
  for (const char* part :
       {"sealed round", "immediate", "welfare ratio", "slots used", ">400<", "points=\"80.0,105.0 \"",
        "points=\"80.0,82.5 840.0,60.0 \"", "points=\"80.0,400.0 840.0,310.0 \""})
    EXPECT_NE(svg.find(part), std::string::npos) << part << "\n" << svg;
}

}  // namespace
}  // namespace hanse::sim
