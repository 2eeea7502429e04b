// The beacon of a network, and the delay function by hand.
#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/vdf.h"
#include "chain/beacon/beacon.h"
#include "cli/inspect/inspect.h"

namespace hanse::inspect {
namespace {

using codec::Json;
using plugin::Answer;
using plugin::VerbArgs;

Json json_of(const beacon::Round& round) {
  Json out = Json::object();
  out.set("round", round.round).set("seed", codec::to_hex(round.seed.view()));
  out.set("contributions", codec::to_hex(round.contributions.view()));
  out.set("contributors", round.contributors).set("missing", round.missing).set("closed_ms", round.closed_ms);
  if (round.value) out.set("value", codec::to_hex(round.value->view()));
  return out;
}

std::string text_of(const beacon::Round& round) {
  return text("round         {}\nvalue         {}\nseed          {}\ncontributors  {}, {} did not reveal", round.round,
              round.value ? codec::to_hex(round.value->view()) : "none yet: nobody has given the delay's proof",
              round.seed, round.contributors, round.missing);
}

Result<std::optional<beacon::Round>> asked(client::Client& client, std::string_view path, ByteView argument = {}) {
  const auto bytes = client.query(beacon::kBeaconApp, path, argument);
  if (!bytes && bytes.error().id() == "beacon.no_round" && argument.empty()) return std::nullopt;
  if (!bytes) return std::unexpected(bytes.error().clone());
  TRY(beacon::Round out, beacon::decode_round(*bytes));
  return out;
}

Result<Answer> show(client::Client& client, const VerbArgs& args) {
  if (args.has("round")) {
    TRY(const std::uint64_t number, args.number("round", 0, UINT64_MAX));
    Bytes argument;
    append_be(argument, number);
    TRY(const auto round, asked(client, "round", argument));
    return Answer{.json = json_of(*round), .text = text_of(*round)};
  }
  TRY(const Bytes bytes, client.query(beacon::kBeaconApp, "params", {}));
  TRY(const auto params, beacon::decode_beacon_genesis(bytes));
  TRY(const auto last, asked(client, "last"));
  TRY(const auto open, asked(client, "open"));
  Json json = Json::object();
  json.set("round_ms", params.round_ms).set("steps", params.steps);
  std::string out = text("rounds of {} ms, a delay of {} steps", params.round_ms, params.steps);
  for (const auto& [name, round] : {std::pair{"last", last}, std::pair{"open", open}})
    if (round) {
      json.set(name, json_of(*round));
      out += text("\n\n{}", text_of(*round));
    }
  if (!last) out += "\n\nno round has a value yet";
  return Answer{.json = std::move(json), .text = std::move(out), .exit = last ? 0 : 1};
}

Result<Hash32> seed_of(const VerbArgs& args) {
  const auto seed = codec::fixed_from_hex<Hash32>(args.get("SEED"));
  if (!seed) return fail(Kind::kInvalid, "cli.usage", text("SEED: {}", seed.error().message()));
  return *seed;
}

Result<crypto::VdfElement> element_of(const VerbArgs& args, std::string_view name) {
  const auto element = codec::fixed_from_hex<crypto::VdfElement>(args.get(name));
  if (!element) return fail(Kind::kInvalid, "cli.usage", text("--{}: {}", name, element.error().message()));
  return *element;
}

Result<Answer> eval(const VerbArgs& args) {
  TRY(const Hash32 seed, seed_of(args));
  TRY(const std::uint64_t steps, args.number("steps", 0, UINT64_MAX));
  const std::int64_t begun_ns = system_clock().mono_ns();
  TRY(const auto proof, crypto::vdf_eval(seed, steps));
  const auto ms = (system_clock().mono_ns() - begun_ns) / 1'000'000;
  Json json = Json::object();
  json.set("seed", codec::to_hex(seed.view())).set("steps", steps).set("y", codec::to_hex(proof.y.view()));
  json.set("pi", codec::to_hex(proof.pi.view())).set("output", codec::to_hex(crypto::vdf_output(proof).view()));
  json.set("ms", ms);
  return Answer{.json = std::move(json),
                .text = text("output  {}\ny       {}\npi      {}", crypto::vdf_output(proof), proof.y, proof.pi)};
}

Result<Answer> verify(const VerbArgs& args) {
  TRY(const Hash32 seed, seed_of(args));
  TRY(const std::uint64_t steps, args.number("steps", 0, UINT64_MAX));
  crypto::VdfProof proof;
  TRY(proof.y, element_of(args, "y"));
  TRY(proof.pi, element_of(args, "pi"));
  const auto good = crypto::vdf_verify(seed, steps, proof);
  if (!good && good.error().id() != "crypto.bad_vdf") return std::unexpected(good.error().clone());
  Json json = Json::object();
  json.set("ok", good.has_value());
  if (!good) return Answer{.json = std::move(json), .text = text("not proved: {}", good.error().message()), .exit = 1};
  json.set("output", codec::to_hex(crypto::vdf_output(proof).view()));
  return Answer{.json = std::move(json), .text = text("output  {}", crypto::vdf_output(proof))};
}

plugin::VerbOption needed(std::string name, std::string value, std::string help) {
  return {
      .name = std::move(name), .value = std::move(value), .help = std::move(help), .fallback = {}, .required = true};
}

}  // namespace

plugin::Verb beacon_show_verb(NodeFinder finder) {
  plugin::Verb verb{
      .name = "beacon show",
      .summary = "the newest randomness of a network's beacon, and the round that waits for its delay",
      .details =
          "Exit 1 when no round has a value yet.\n"
          "Example:\n  hanse beacon show --dir net",
      .options = std::move(finder.options),
      .run = [connect = std::move(finder.connect)](const VerbArgs& args, plugin::Talk&) -> Result<Answer> {
        TRY(const auto client, connect(args));
        return show(*client, args);
      }};
  verb.options.push_back({.name = "--round", .value = "N", .help = "that round, of the newest 16", .fallback = {}});
  return verb;
}

plugin::Verb vdf_eval_verb() {
  return {.name = "vdf eval",
          .summary = "evaluate the delay function and prove the result",
          .details =
              "About a microsecond a step, on one core.\n"
              "Example:\n  hanse vdf eval SEED --steps 1000000 --json",
          .options = {needed("SEED", "SEED", "64 hex digits"), needed("--steps", "N", "squarings, at most 2^30")},
          .run = [](const VerbArgs& args, plugin::Talk&) { return eval(args); }};
}

plugin::Verb vdf_verify_verb() {
  return {.name = "vdf verify",
          .summary = "check a proof of `hanse vdf eval`, at once for any number of steps",
          .details =
              "Exit 1 when it proves nothing.\n"
              "Example:\n  hanse vdf verify SEED --steps 1000000 --y HEX --pi HEX",
          .options = {needed("SEED", "SEED", "64 hex digits"), needed("--steps", "N", "squarings"),
                      needed("--y", "HEX", "the result, 512 hex digits"),
                      needed("--pi", "HEX", "the proof, 512 hex digits")},
          .run = [](const VerbArgs& args, plugin::Talk&) { return verify(args); }};
}

}  // namespace hanse::inspect
