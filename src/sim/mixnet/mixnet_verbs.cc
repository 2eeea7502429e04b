#include "sim/mixnet/mixnet_verbs.h"

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "sim/mixnet/mixnet.h"

namespace hanse::sim {
namespace {

codec::Json lane_json(const LaneRow& row) {
  codec::Json json = codec::Json::object();
  json.set("jobs", row.jobs).set("delivered", row.delivered).set("entropy_bits", row.bits);
  json.set("likeliest_right", row.top_right).set("likeliest_expected", row.top).set("first_in_right", row.fifo_right);
  json.set("on_truth", row.on_truth);
  return json;
}

std::string lane_text(std::string_view lane, const LaneRow& row) {
  return text("{:<6} {:>6} {:>9} {:>8.2f} {:>11.4f} {:>12.4f} {:>12.4f} {:>9.4f}\n", lane, row.jobs, row.delivered,
              row.bits, row.top, row.top_right, row.fifo_right, row.on_truth);
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  MixPlan plan;
  TRY(plan.seed, args.number("seed", plan.seed));
  TRY(const std::uint64_t jobs, args.number("jobs", plan.deep_jobs + plan.flash_jobs, kMixJobsMax));
  TRY(plan.mixes, args.number("mixes", plan.mixes, kMixesMax));
  TRY(plan.payers, args.number("payers", plan.payers, kMixPayersMax));
  TRY(const std::uint64_t bits, args.number("bits", static_cast<std::uint64_t>(plan.wanted.bits), 12));
  plan.deep_jobs = (jobs + 7) / 8;
  plan.flash_jobs = jobs - plan.deep_jobs;
  plan.wanted.bits = static_cast<double>(bits);
  TRY(const MixOutcome outcome, run_mix(plan));
  return plugin::Answer{
      .json = mix_json(plan, outcome), .text = mix_text(plan, outcome), .exit = outcome.failure ? 1 : 0};
}

}  // namespace

codec::Json mix_json(const MixPlan& plan, const MixOutcome& o) {
  codec::Json json = codec::Json::object();
  json.set("seed", plan.seed).set("mixes", plan.mixes).set("exits", plan.exits).set("payers", plan.payers);
  json.set("wanted_bits", plan.wanted.bits).set("cells", o.cells).set("repeated_blocks", o.repeated_blocks);
  json.set("virtual_ms", o.ms).set("deep", lane_json(o.deep)).set("flash", lane_json(o.flash));
  json.set("trace", codec::to_hex(o.trace.view()));
  json.set("failure", o.failure ? codec::Json(*o.failure) : codec::Json());
  return json;
}

std::string mix_text(const MixPlan& plan, const MixOutcome& o) {
  std::string out = text("mix: seed {}, {} mixes, {} exits, {} payers; {} cells in {}.{:03} s of virtual time\n\n",
                         plan.seed, plan.mixes, plan.exits, plan.payers, o.cells, o.ms / 1'000, o.ms % 1'000);
  out += text("{:<6} {:>6} {:>9} {:>8} {:>11} {:>12} {:>12} {:>9}\n", "lane", "jobs", "delivered", "bits", "likeliest",
              "it was right", "first-in was", "on truth");
  out += lane_text("deep", o.deep) + lane_text("flash", o.flash);
  out += text(
      "\nof an observer of all links: bits of its beliefs at delivery, the probability of the likeliest, how\n"
      "often that and a first-in-first-out guess were right, and what it gave to the true one\n"
      "trace {}\n",
      codec::to_hex(o.trace.view()));
  out += o.failure ? text("FAILED: {}", *o.failure)
                   : text("no Deep job is linked beyond {} bits; Flash hides nothing from who sees all links",
                          plan.wanted.bits);
  return out;
}

plugin::Verb mix_verb() {
  return {.name = "sim mix",
          .summary = "jobs through the mix under an observer of all links, from a seed",
          .details =
              "Runs this build's mixes and senders in virtual time, one job in eight on the Deep lane, and lets an\n"
              "observer of every link guess who sent what was delivered (docs/concepts/simulator.md). Exit 1 when it\n"
              "knows more of a Deep job than the entropy that senders asked for. The same seed and options give the\n"
              "same report and trace hash.\n"
              "Examples:\n  hanse sim mix --seed 1\n  hanse sim mix --seed 1 --jobs 40000 --payers 200 --bits 9",
          .options = {{.name = "--seed", .value = "S", .help = "what everything is drawn from", .fallback = "0"},
                      {.name = "--jobs", .value = "N", .help = "1 to 50000", .fallback = "10000"},
                      {.name = "--mixes", .value = "N", .help = "3 to 60, in three strata", .fallback = "6"},
                      {.name = "--payers",
                       .value = "N",
                       .help = "1 to 1000, each sends one Deep cell a second",
                       .fallback = "40"},
                      {.name = "--bits", .value = "B", .help = "entropy that senders want, 0 to 12", .fallback = "7"}},
          .run = run};
}

}  // namespace hanse::sim
