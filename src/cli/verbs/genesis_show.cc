#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "chain/light/genesis.h"
#include "cli/verbs/verbs.h"

namespace hanse::cli {

namespace {

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
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
          .run = run};
}

}  // namespace hanse::cli
