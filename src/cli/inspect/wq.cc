// The head-determinism artefact: asked from every validator of a network, checked again by anybody.
#include <poll.h>

#include <map>

#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "chain/light/head_proof.h"
#include "cli/inspect/inspect.h"

namespace hanse::inspect {

namespace {

constexpr std::int64_t kSameHeadWaitMs = 20'000;
constexpr std::uint64_t kHeightsLooked = 64;
constexpr std::string_view kFile = "wq_head_proof.json";

struct Asked {
  std::uint16_t place = 0;
  std::unique_ptr<client::Client> client;
};

Result<std::vector<Asked>> ask_all(const std::vector<std::string>& addresses, const light::Genesis& genesis) {
  std::map<std::string, std::uint16_t> places;
  const auto& validators = genesis.validators.validators;
  for (std::uint16_t i = 0; i < validators.size(); ++i) places[codec::encode_id(validators[i].id().view())] = i;
  std::map<std::uint16_t, std::unique_ptr<client::Client>> found;
  for (const std::string& address : addresses) {
    TRY(auto client, client::Client::connect(address));
    TRY(const auto info, client->info());
    if (const auto place = places.find(info.node_id); place != places.end()) found[place->second] = std::move(client);
  }
  if (found.size() != validators.size())
    return fail(Kind::kUnavailable, "cli.not_started",
                text("found {} of {} validators", found.size(), validators.size()));
  std::vector<Asked> out;
  for (auto& [place, client] : found) out.push_back({.place = place, .client = std::move(client)});
  return out;
}

// The newest certified height, once all validators name the same one. The genesis, height 0, has no certificate.
Result<Height> common_head(std::vector<Asked>& all, plugin::Talk& talk) {
  const std::int64_t until_ns = system_clock().mono_ns() + kSameHeadWaitMs * 1'000'000;
  for (;;) {
    Height low{~std::uint64_t{0}}, high{0};
    for (Asked& asked : all) {
      TRY(const auto info, asked.client->consensus());
      low = std::min(low, info.finalized);
      high = std::max(high, info.finalized);
    }
    if (low == high && low.value > 0) return low;
    if (system_clock().mono_ns() > until_ns)
      return fail(Kind::kUnavailable, "cli.moving",
                  text("found heads from {} to {} for {} ms, expected the same certified one of all validators",
                       low.value, high.value, kSameHeadWaitMs));
    talk.progress(text("waiting for one head of all validators, found {} to {}", low.value, high.value));
    ::poll(nullptr, 0, 20);
  }
}

struct Opened {
  light::BlockHeader header;
  light::Certificate certificate;
};

Result<Opened> open_block(client::Client& client, Height height) {
  TRY(const auto block, client.certified(height));
  Opened out;
  TRY(out.header, light::decode_header(block.header));
  TRY(out.certificate, light::decode_certificate(block.certificate));
  return out;
}

// Every validator's vote over the block that any of them has; nothing when there is no certificate.
Result<std::optional<light::HeadProof::Block>> votes_for(std::vector<Asked>& all, Height height) {
  std::optional<light::HeadProof::Block> out;
  std::map<std::uint16_t, Bytes> votes;
  for (Asked& asked : all) {
    auto opened = open_block(*asked.client, height);
    if (!opened && opened.error().kind() == Kind::kNotFound) continue;
    TRY(const Opened block, std::move(opened));
    if (out && light::header_hash(out->header) != light::header_hash(block.header))
      return fail(Kind::kDenied, "light.head",
                  text("found two certified blocks of height {}: {} and {}", height.value,
                       light::header_hash(out->header), light::header_hash(block.header)));
    if (!out) out = light::HeadProof::Block{.header = block.header, .votes = {}};
    for (const light::Attest& attest : block.certificate.attests) votes.emplace(attest.validator, attest.signature);
  }
  if (out)
    for (auto& [validator, signature] : votes)
      out->votes.attests.push_back({.validator = validator, .signature = std::move(signature)});
  return out;
}

Result<light::HeadProof> gather(std::vector<Asked>& all, Height head) {
  light::HeadProof proof;
  // Before the votes: a certificate only grows, so what a validator has is among the votes asked for later.
  for (Asked& asked : all) {
    TRY(const Opened own, open_block(*asked.client, head));
    light::HeadProof::Head shown{.validator = asked.place, .block = light::header_hash(own.header), .signers = {}};
    for (const light::Attest& attest : own.certificate.attests) shown.signers.push_back(attest.validator);
    proof.heads.push_back(std::move(shown));
  }
  for (std::uint64_t back = 0; back <= std::min(head.value, kHeightsLooked); ++back) {
    TRY(auto block, votes_for(all, Height{head.value - back}));
    if (block) proof.blocks.insert(proof.blocks.begin(), *std::move(block));
    if (proof.blocks.size() == light::kHeadBlocksMax) break;
  }
  return proof;
}

plugin::Answer answer(const light::HeadProof& proof, const light::HeadReport& report, std::string_view path) {
  const std::string hash = codec::to_hex(light::header_hash(report.head).view());
  codec::Json json = codec::Json::object();
  json.set("file", path).set("height", report.head.height.value).set("head", hash);
  json.set("state_root", codec::to_hex(report.head.state_root.view())).set("weight_bp", report.power_bp);
  json.set("finality_type", light::grade_name(report.grade)).set("validators", std::uint64_t{proof.heads.size()});
  json.set("blocks", std::uint64_t{proof.blocks.size()}).set("votes", std::uint64_t{report.votes});
  json.set("permutations", std::uint64_t{proof.permutations}).set("seed", proof.seed);
  return {.json = std::move(json),
          .text = text("head          {} at height {}\nweight        {} of 10000, {}\nvalidators    {} on this head\n"
                       "permutations  {} of {} votes over {} blocks give the same head",
                       hash, report.head.height.value, report.power_bp, light::grade_name(report.grade),
                       proof.heads.size(), proof.permutations, report.votes, proof.blocks.size())};
}

Result<light::Genesis> read_genesis(const std::string& path) {
  TRY(const Bytes bytes, read_file(real_fs(), path, light::kGenesisBytesMax));
  return light::decode_genesis(bytes);
}

Result<plugin::Answer> prove(const ValidatorsAt& at, const plugin::VerbArgs& args, plugin::Talk& talk) {
  TRY(const light::Genesis genesis, read_genesis(at.genesis_file));
  TRY(const std::uint64_t seed, args.number("seed", system_random().next_u64()));
  TRY(const std::uint64_t count, args.number("permutations", light::kPermutationsMin, light::kPermutationsMax));
  TRY(auto all, ask_all(at.addresses, genesis));
  TRY(const Height head, common_head(all, talk));
  TRY(light::HeadProof proof, gather(all, head));
  proof.seed = seed;
  proof.permutations = static_cast<std::uint32_t>(count);
  TRY(const auto report, light::verify(proof, genesis));
  TRY(const std::string file, light::encode_head_proof(proof, genesis));
  const std::string path(args.get("out", kFile));
  TRY_OK(replace_file(real_fs(), path, as_bytes(file)));
  return answer(proof, report, path);
}

Result<plugin::Answer> verify(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const light::Genesis genesis, read_genesis(std::string(args.get("genesis"))));
  const std::string path(args.get("FILE"));
  TRY(const Bytes bytes, read_file(real_fs(), path, codec::kJsonTextMax));
  TRY(const light::HeadProof proof, light::decode_head_proof(as_text(bytes), genesis));
  TRY(const auto report, light::verify(proof, genesis));
  return answer(proof, report, path);
}

}  // namespace

plugin::Verb wq_prove_verb(NetworkFinder finder) {
  std::vector<plugin::VerbOption> options = std::move(finder.options);
  options.push_back({.name = "--out", .value = "FILE", .help = "where to write it", .fallback = std::string(kFile)});
  options.push_back({.name = "--seed", .value = "N", .help = "of the permutations (default random)", .fallback = {}});
  options.push_back(
      {.name = "--permutations", .value = "N", .help = "orders of arrival to try, 1000 to 100000", .fallback = "1000"});
  return {
      .name = "wq prove",
      .summary = "write a proof that all validators stand on one head, whatever order votes arrive in",
      .details =
          "Asks every validator of the network for its newest certified block and the signed votes of some before.\n"
          "Example:\n  hanse wq prove --dir net --out wq_head_proof.json",
      .options = std::move(options),
      .run = [find = std::move(finder.find)](const plugin::VerbArgs& args,
                                             plugin::Talk& talk) -> Result<plugin::Answer> {
        TRY(const ValidatorsAt at, find(args));
        return prove(at, args, talk);
      }};
}

plugin::Verb wq_verify_verb() {
  return {.name = "wq verify",
          .summary = "check such a proof: signatures, thresholds and permutations, without a network",
          .details = "Example:\n  hanse wq verify wq_head_proof.json --genesis net/genesis.cbor",
          .options = {{.name = "FILE", .value = "FILE", .help = "the proof", .fallback = {}, .required = true},
                      {.name = "--genesis",
                       .value = "FILE",
                       .help = "genesis.cbor of the network",
                       .fallback = {},
                       .required = true}},
          .run = verify};
}

}  // namespace hanse::inspect
