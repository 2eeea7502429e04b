#include <algorithm>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "sim/bazaar/bazaar.h"

namespace hanse::sim {
namespace {

using Counts = std::vector<std::pair<std::string, std::uint64_t>>;

std::int64_t mean(std::int64_t sum, std::uint64_t n) { return n == 0 ? 0 : sum / static_cast<std::int64_t>(n); }
std::uint64_t per_mille(double ratio) { return ratio <= 0 ? 0 : static_cast<std::uint64_t>(ratio * 1000 + 0.5); }
std::string share(double ratio) { return text("{}.{:03}", per_mille(ratio) / 1000, per_mille(ratio) % 1000); }

RoundRow sum_of(const MarketOutcome& o) {
  RoundRow sum;
  for (const RoundRow& r : o.rounds) {
    sum.wants += r.wants;
    sum.sealed += r.sealed;
    sum.immediate += r.immediate;
    sum.served += r.served;
    sum.welfare += r.welfare;
    sum.optimum += r.optimum;
    sum.slots += r.slots;
  }
  return sum;
}

codec::Json counts_json(const Counts& counts) {
  codec::Json json = codec::Json::object();
  for (const auto& [name, n] : counts) json.set(name, n);
  return json;
}

std::string counts_text(std::string_view title, const Counts& counts) {
  std::string out = text("{}:", title);
  for (const auto& [name, n] : counts) out += text(" {} {}", name, n);
  return out + (counts.empty() ? " none\n" : "\n");
}

codec::Json lies_json(const MarketOutcome::Lies& lies) {
  codec::Json json = codec::Json::object();
  json.set("paid", lies.paid);
  json.set("caught", lies.caught);
  json.set("gain", lies.gain);
  return json;
}

codec::Json round_json(const RoundRow& r) {
  codec::Json json = codec::Json::object();
  json.set("wants", r.wants);
  json.set("sealed", r.sealed);
  json.set("immediate", r.immediate);
  json.set("price", r.price);
  json.set("posted", r.posted);
  json.set("served", r.served);
  json.set("welfare", r.welfare);
  json.set("optimum", r.optimum);
  json.set("slots", r.slots);
  json.set("welfare_per_mille", per_mille(r.ratio()));
  json.set("used_per_mille", per_mille(r.utilisation()));
  return json;
}

}  // namespace

std::string_view strategy_name(Strategy strategy) {
  constexpr std::array<std::string_view, kStrategies> kNames = {
      "truth",     "shade",     "exaggerate", "burst",    "bulk",      "sybil",        "withhold",
      "ask_truth", "ask_shade", "ask_split",  "no_start", "no_finish", "false_receipt"};
  return kNames[static_cast<std::size_t>(strategy)];
}

codec::Json market_json(const MarketPlan& plan, const MarketOutcome& o) {
  codec::Json json = codec::Json::object();
  json.set("seed", plan.seed);
  json.set("payers", plan.payers);
  json.set("providers", plan.providers);
  json.set("trace", codec::to_hex(o.trace.view()));
  json.set("blocks", o.blocks);
  json.set("transactions", o.transactions);
  json.set("events", o.events);
  json.set("checked_rounds", o.checked_rounds);
  json.set("audits", o.audits);
  json.set("false_receipts_audit_asked", lies_json(o.asked));
  json.set("false_receipts_not_asked", lies_json(o.unasked));
  json.set("burned", o.burned);
  json.set("treasury", o.treasury);
  json.set("all", round_json(sum_of(o)));
  codec::Json rounds = codec::Json::array();
  for (const RoundRow& r : o.rounds) rounds.push(round_json(r));
  json.set("rounds", std::move(rounds));
  codec::Json strategies = codec::Json::array();
  for (const StrategyRow& r : o.strategies) {
    codec::Json row = codec::Json::object();
    row.set("strategy", strategy_name(r.strategy));
    row.set("players", r.players);
    row.set("jobs", r.jobs);
    row.set("served", r.served);
    row.set("money", r.money);
    row.set("gain", r.gain);
    row.set("gain_per_job", mean(r.gain, r.jobs));
    row.set("tried", r.tried);
    row.set("did", r.did);
    row.set("with_truth", r.truth);
    strategies.push(std::move(row));
  }
  json.set("strategies", std::move(strategies));
  json.set("ends", counts_json(o.ends));
  json.set("unmatched", counts_json(o.unmatched));
  json.set("refused", counts_json(o.refused));
  codec::Json failure;
  if (o.failure) {
    failure.set("check", o.failure->check);
    failure.set("what", o.failure->what);
    failure.set("height", o.failure->height);
  }
  json.set("failure", std::move(failure));
  return json;
}

std::string market_text(const MarketPlan& plan, const MarketOutcome& o) {
  std::string out =
      text("market: seed {}, {} payers, {} providers, {} rounds, {} blocks, {} transactions, {} events\n\n", plan.seed,
           plan.payers, plan.providers, o.rounds.size(), o.blocks, o.transactions, o.events);
  out += text("{:>5} {:>6} {:>6} {:>9} {:>6} {:>6} {:>6} {:>11} {:>11} {:>7} {:>6}\n", "round", "wants", "sealed",
              "immediate", "price", "posted", "served", "welfare", "optimum", "ratio", "used");
  const auto line = [&](std::string_view name, const RoundRow& r) {
    out +=
        text("{:>5} {:>6} {:>6} {:>9} {:>6} {:>6} {:>6} {:>11} {:>11} {:>7} {:>6}\n", name, r.wants, r.sealed,
             r.immediate, r.price, r.posted, r.served, r.welfare, r.optimum, share(r.ratio()), share(r.utilisation()));
  };
  for (std::size_t i = 0; i < o.rounds.size(); ++i) line(text("{}", i + 1), o.rounds[i]);
  line("all", sum_of(o));
  out +=
      "\nprices: ut per 1000 compute units, of the sealed round and of immediate orders; money below: ut\n"
      "optimum: values of all who want a job against costs of all honest slots, exact as every job has one size\n\n";
  out += text("{:<13} {:>7} {:>6} {:>6} {:>14} {:>12} {:>6} {:>10} {:>10}\n", "strategy", "players", "jobs", "served",
              "gain", "gain per job", "tried", "did", "with truth");
  for (const StrategyRow& r : o.strategies) {
    out += text("{:<13} {:>7} {:>6} {:>6} {:>14} {:>12}", strategy_name(r.strategy), r.players, r.jobs, r.served,
                r.gain, mean(r.gain, r.jobs));
    if (r.tried != 0) out += text(" {:>6} {:>10} {:>10}", r.tried, mean(r.did, r.tried), mean(r.truth, r.tried));
    out += "\n";
  }
  out += "\ndid, with truth: means of bids or asks as they were, and of the same round cleared with the true one\n";
  out += counts_text("jobs ended", o.ends);
  out += counts_text("bids without a job", o.unmatched);
  out += counts_text("refused", o.refused);
  for (const auto& [when, lies] : {std::pair("asked", o.asked), std::pair("not asked", o.unasked)})
    out += text("false receipts, audit {}: {} paid, {} caught, gain {} ut\n", when, lies.paid, lies.caught, lies.gain);
  out += text("audits {}, burned {} ut, treasury {} ut\n", o.audits, o.burned, o.treasury);
  out += text("trace {}\n", codec::to_hex(o.trace.view()));
  out += o.failure ? text("FAILED at height {}: {}: {}", o.failure->height, o.failure->check, o.failure->what)
                   : text("money, bonds and jobs counted after each of {} blocks; {} rounds checked", o.blocks,
                          o.checked_rounds);
  return out;
}

}  // namespace hanse::sim
