// What can be known of a network from files alone.
#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "chain/light/light_proof.h"
#include "cli/verbs/verbs.h"

namespace hanse::cli {

namespace {

constexpr std::uint64_t kDaysMax = 36'500;
constexpr std::int64_t kDayMs = 86'400'000;

Result<light::Demand> demand_of(const plugin::VerbArgs& args) {
  light::Demand demand;
  const auto grade = light::parse_grade(args.get("grade"));
  if (!grade)
    return fail(Kind::kInvalid, "cli.usage", text("found --grade {}, expected fast or economic", args.get("grade")));
  demand.grade = *grade;
  if (args.has("trust-days")) {
    TRY(const std::uint64_t days, args.number("trust-days", 0, kDaysMax));
    demand.age = {.now_ms = system_clock().wall_ms(), .trusting_ms = static_cast<std::int64_t>(days) * kDayMs};
  }
  return demand;
}

std::string describe(const light::LightProof& proof, codec::Json& json) {
  json.set("kind", "state").set("key", codec::to_hex(proof.key)).set("present", proof.value.has_value());
  if (!proof.value) return text("state key   {}\nvalue       none", ByteView(proof.key));
  json.set("value", codec::to_hex(*proof.value));
  return text("state key   {}\nvalue       {}", ByteView(proof.key), ByteView(*proof.value));
}

std::string describe(const light::TxProof& proof, codec::Json& json) {
  json.set("kind", "transaction").set("tx_id", codec::to_hex(proof.tx_id.view()));
  json.set("index", proof.place.index).set("result", codec::to_hex(proof.result));
  return text("transaction {}\nplace       {} of {}\nresult      {}", proof.tx_id, proof.place.index, proof.place.count,
              ByteView(proof.result));
}

plugin::Answer refused(const Error& error) {
  codec::Json problem = codec::Json::object();
  problem.set("id", error.id()).set("code", error.code()).set("message", error.message()).set("path", error.path());
  codec::Json json = codec::Json::object();
  json.set("ok", false).set("error", std::move(problem));
  return {.json = std::move(json), .text = text("not proved: {}", error.str()), .exit = 1};
}

template <class Proof>
Result<plugin::Answer> answer(const Proof& proof, const light::Genesis& genesis, const light::Demand& demand) {
  const auto shown = light::verify(proof, light::trust(genesis), demand);
  if (!shown) return refused(shown.error());
  codec::Json json = codec::Json::object();
  json.set("ok", true).set("grade", light::grade_name(shown->grade)).set("power_bp", shown->power_bp);
  json.set("signers", std::uint64_t{shown->signers})
      .set("validators", std::uint64_t{shown->trusted.set.validators.size()});
  json.set("height", shown->height.value).set("time_ms", shown->time_ms).set("epoch", shown->trusted.epoch);
  json.set("handovers", std::uint64_t{proof.block.handovers.size()});
  std::string out = describe(proof, json);
  out += text("\nheight      {} at {} ms\nfinality    {}: {} of 10000 bp by {} of {} validators of epoch {}",
              shown->height.value, shown->time_ms, light::grade_name(shown->grade), shown->power_bp, shown->signers,
              shown->trusted.set.validators.size(), shown->trusted.epoch);
  return plugin::Answer{.json = std::move(json), .text = std::move(out)};
}

Result<plugin::Answer> verify(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const light::Demand demand, demand_of(args));
  TRY(const Bytes genesis_bytes, read_file(real_fs(), std::string(args.get("genesis")), light::kGenesisBytesMax));
  TRY(const light::Genesis genesis, light::decode_genesis(genesis_bytes));
  const std::string path(args.get("FILE"));
  TRY(const Bytes bytes, read_file(real_fs(), path, light::kLightProofBytesMax));
  const auto proof = light::decode_proof(bytes);
  if (!proof) return fail(Kind::kCorrupt, "cli.no_proof", text("{} holds no proof: {}", path, proof.error().str()));
  return std::visit([&](const auto& each) { return answer(each, genesis, demand); }, *proof);
}

Result<plugin::Answer> show_genesis(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Bytes bytes, read_file(real_fs(), std::string(args.get("FILE")), light::kGenesisBytesMax));
  TRY(const light::Genesis genesis, light::decode_genesis(bytes));
  const NetworkId network = light::network_id(bytes);
  codec::Json json = codec::Json::object();
  json.set("network", codec::to_hex(network.view())).set("name", genesis.name).set("time_ms", genesis.time_ms);
  json.set("quorum_bp", genesis.params.quorum_bp).set("economic_bp", genesis.params.economic_bp);
  std::string out = text("network     {}\nname        {}\nquorum      {} of 10000 (fast), {} (economic)", network,
                         genesis.name, genesis.params.quorum_bp, genesis.params.economic_bp);
  codec::Json validators = codec::Json::array();
  for (const auto& v : genesis.validators.validators) {
    codec::Json one = codec::Json::object();
    one.set("id", codec::encode_id(v.id().view())).set("power_bp", std::uint64_t{v.power_bp});
    validators.push(std::move(one));
    out += text("\nvalidator   {}  power {}", codec::encode_id(v.id().view()), v.power_bp);
  }
  codec::Json apps = codec::Json::array();
  for (const auto& [number, section] : genesis.apps) {
    apps.push(std::uint64_t{number});
    out += text("\napplication {}  {} bytes", number, section.size());
  }
  json.set("validators", std::move(validators)).set("apps", std::move(apps));
  return plugin::Answer{.json = std::move(json), .text = std::move(out)};
}

}  // namespace

plugin::Verb genesis_show_verb() {
  return {.name = "genesis show",
          .summary = "the network's name, validators and quorums from a genesis file",
          .details = "Example:\n  hanse genesis show net/genesis.cbor",
          .options = {{.name = "FILE", .value = "FILE", .help = "genesis.cbor", .fallback = {}, .required = true}},
          .run = show_genesis};
}

plugin::Verb light_verify_verb() {
  return {.name = "light verify",
          .summary = "check a proof of a state key or a transaction against a genesis file",
          .details =
              "Needs no node: the validators' signatures in the proof are checked, from those of the genesis file on "
              "through\n"
              "every change of the set. Exit 0 when the proof holds, 1 when it does not, 5 when the file is damaged.\n"
              "Example:\n  hanse light verify total.proof --genesis net/genesis.cbor --grade economic",
          .options = {{.name = "FILE", .value = "FILE", .help = "the proof", .fallback = {}, .required = true},
                      {.name = "--genesis", .value = "FILE", .help = "genesis.cbor", .fallback = {}, .required = true},
                      {.name = "--grade",
                       .value = "GRADE",
                       .help = "fast or economic: the weight to ask for",
                       .fallback = "fast"},
                      {.name = "--trust-days",
                       .value = "N",
                       .help = "refuse a genesis file older than this (default: any age)",
                       .fallback = {}}},
          .run = verify};
}

}  // namespace hanse::cli
