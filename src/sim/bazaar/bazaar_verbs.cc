#include "sim/bazaar/bazaar_verbs.h"

#include "base/core/fs.h"
#include "sim/bazaar/bazaar.h"

namespace hanse::sim {

namespace {

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  MarketPlan plan;
  TRY(plan.seed, args.number("seed", plan.seed));
  TRY(plan.rounds, args.number("rounds", plan.rounds, kRoundsMax));
  TRY(plan.payers, args.number("payers", plan.payers, kPayersMax));
  TRY(plan.providers, args.number("providers", plan.providers, kProvidersMax));
  TRY(const MarketOutcome outcome, run_market(plan));
  if (args.has("plot"))
    TRY_OK(replace_file(real_fs(), std::string(args.get("plot")), as_bytes(market_svg(plan, outcome))));
  return plugin::Answer{
      .json = market_json(plan, outcome), .text = market_text(plan, outcome), .exit = outcome.failure ? 1 : 0};
}

}  // namespace

plugin::Verb market_verb() {
  return {.name = "sim market",
          .summary = "thousands of strategic payers and providers, from a seed",
          .details =
              "Runs this build's market application in memory with payers and providers who tell the truth, shade,\n"
              "exaggerate, split themselves or cheat, and counts its books after every block. The report has prices,\n"
              "welfare against the optimum, and what each strategy gained (docs/concepts/simulator.md). The same seed\n"
              "and options give the same report and trace hash. Exit 1 when a check fails.\n"
              "Examples:\n  hanse sim market --seed 1\n  hanse sim market --seed 1 --rounds 40 --plot market.svg",
          .options = {{.name = "--seed", .value = "S", .help = "what everything is drawn from", .fallback = "0"},
                      {.name = "--rounds", .value = "N", .help = "sealed rounds, 1 to 200", .fallback = "12"},
                      {.name = "--payers", .value = "N", .help = "20 to 5000", .fallback = "1000"},
                      {.name = "--providers", .value = "N", .help = "20 to 2000, of 2 slots", .fallback = "150"},
                      {.name = "--plot", .value = "FILE.svg", .help = "draw the rounds", .fallback = {}}},
          .run = run};
}

}  // namespace hanse::sim
