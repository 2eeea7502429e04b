#include "chain/light/head_proof.h"

#include <algorithm>
#include <set>

#include "base/codec/hex.h"
#include "base/codec/json.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::light {
namespace {

using codec::Json;

constexpr std::string_view kFormat = "hanse/wq-head/1";

std::unexpected<Error> no_head(std::string why) { return fail(Kind::kDenied, "light.head", std::move(why)); }
std::unexpected<Error> no_file(std::string why) { return fail(Kind::kCorrupt, "light.head_file", std::move(why)); }

std::vector<Vote> votes_of(const HeadProof& proof) {
  std::vector<Vote> out;
  for (std::size_t i = 0; i < proof.blocks.size(); ++i)
    for (const Attest& attest : proof.blocks[i].votes.attests)
      out.push_back({.block = i, .validator = attest.validator});
  return out;
}

Status check_blocks(const HeadProof& proof, const Genesis& genesis) {
  if (proof.blocks.empty() || proof.blocks.size() > kHeadBlocksMax)
    return no_head(text("found {} blocks, expected 1 to {}", proof.blocks.size(), kHeadBlocksMax));
  const NetworkId network = network_id(genesis);
  const BlockHeader* before = nullptr;
  for (const HeadProof::Block& block : proof.blocks) {
    const BlockHeader& h = block.header;
    if (h.network != network)
      return fail(Kind::kDenied, "light.network", text("found a block of network {}, expected {}", h.network, network));
    if (before != nullptr && h.height <= before->height)
      return no_head(text("found height {} after {}, expected ascending ones", h.height.value, before->height.value));
    if (before != nullptr && h.height == before->height.plus(1) && h.parent != header_hash(*before))
      return no_head(text("found a block of height {} that does not stand on the one before", h.height.value));
    TRY(const auto power, verify_certificate(h, block.votes, genesis.validators, 0));
    (void)power;
    before = &h;
  }
  return {};
}

Status check_heads(const HeadProof& proof, const Genesis& genesis, const HeadProof::Block& head) {
  const auto& validators = genesis.validators.validators;
  if (proof.heads.size() != validators.size())
    return no_head(text("found heads of {} validators, expected {}", proof.heads.size(), validators.size()));
  const Hash32 hash = header_hash(head.header);
  std::set<std::uint16_t> voted;
  for (const Attest& attest : head.votes.attests) voted.insert(attest.validator);
  for (std::size_t i = 0; i < proof.heads.size(); ++i) {
    const HeadProof::Head& own = proof.heads[i];
    if (own.validator != i) return no_head(text("found a head of validator {}, expected one of {}", own.validator, i));
    if (own.block != hash) return no_head(text("found validator {} on block {}, expected {}", i, own.block, hash));
    std::uint32_t power = 0;
    int last = -1;
    for (const std::uint16_t signer : own.signers) {
      if (signer <= last || !voted.contains(signer))
        return no_head(text("validator {} names signer {}, expected those of the head once each", i, signer));
      last = signer;
      power += validators[signer].power_bp;
    }
    if (power < genesis.params.quorum_bp)
      return no_head(
          text("validator {} has {} bp for its head, expected at least {}", i, power, genesis.params.quorum_bp));
  }
  return {};
}

Json attests_json(const Certificate& certificate) {
  Json out = Json::array();
  for (const Attest& attest : certificate.attests)
    out.push(std::move(Json::object()
                           .set("validator", std::uint64_t{attest.validator})
                           .set("signature", codec::to_hex(attest.signature))));
  return out;
}

Json heads_json(const HeadProof& proof, const Genesis& genesis, const HeadReport& report) {
  Json out = Json::array();
  for (const HeadProof::Head& head : proof.heads) {
    Json signers = Json::array();
    for (const std::uint16_t signer : head.signers) signers.push(std::uint64_t{signer});
    const Validator& validator = genesis.validators.validators[head.validator];
    out.push(std::move(Json::object()
                           .set("validator", std::uint64_t{head.validator})
                           .set("id", codec::encode_id(validator.id().view()))
                           .set("power_bp", std::uint64_t{validator.power_bp})
                           .set("head", codec::to_hex(head.block.view()))
                           .set("state_root", codec::to_hex(report.head.state_root.view()))
                           .set("signers", std::move(signers))));
  }
  return out;
}

Json document(const HeadProof& proof, const Genesis& genesis, const HeadReport& report) {
  Json blocks = Json::array();
  for (const HeadProof::Block& block : proof.blocks)
    blocks.push(std::move(Json::object()
                              .set("height", block.header.height.value)
                              .set("hash", codec::to_hex(header_hash(block.header).view()))
                              .set("header", codec::to_hex(encode(block.header)))
                              .set("votes", attests_json(block.votes))));
  Json out = Json::object();
  out.set("format", kFormat)
      .set("network", codec::to_hex(report.head.network.view()))
      .set("fast_threshold_bp", std::uint64_t{genesis.params.quorum_bp})
      .set("economic_threshold_bp", std::uint64_t{genesis.params.economic_bp})
      .set("head", std::move(Json::object()
                                 .set("height", report.head.height.value)
                                 .set("hash", codec::to_hex(header_hash(report.head).view()))
                                 .set("state_root", codec::to_hex(report.head.state_root.view()))
                                 .set("weight_bp", std::uint64_t{report.power_bp})
                                 .set("grade", grade_name(report.grade))))
      .set("blocks", std::move(blocks))
      .set("validators", heads_json(proof, genesis, report))
      .set("permutations",
           std::move(Json::object().set("seed", proof.seed).set("count", std::uint64_t{proof.permutations})));
  return out;
}

std::string seal_of(const Json& document) {
  return codec::to_hex(crypto::blake3(kFormat, {as_bytes(document.dump_pretty())}).view());
}

std::string sealed(Json out) {
  out.set("seal", seal_of(out));
  return out.dump_pretty() + "\n";
}

// ---- reading -------------------------------------------------------------------------------------------------------

Result<const Json*> member(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  if (found == nullptr) return no_file(text("found no {}", name));
  return found;
}

Result<const std::vector<Json>*> list(const Json& json, std::string_view name, std::size_t max) {
  TRY(const Json* found, member(json, name));
  if (found->type() != Json::Type::kArray || found->items().size() > max)
    return no_file(text("found {} in {}, expected a list of at most {}", found->type_name(), name, max));
  return &found->items();
}

Result<std::uint64_t> number(const Json& json, std::string_view name, std::uint64_t max) {
  TRY(const Json* found, member(json, name));
  TRY(const std::uint64_t value, found->as_u64(name));
  if (value > max) return no_file(text("found {} for {}, expected at most {}", value, name, max));
  return value;
}

Result<Bytes> hex(const Json& json, std::string_view name) {
  TRY(const Json* found, member(json, name));
  TRY(const std::string_view shown, found->as_text(name));
  return codec::from_hex(shown);
}

Result<HeadProof::Block> read_block(const Json& json) {
  HeadProof::Block out;
  TRY(const Bytes header, hex(json, "header"));
  TRY(out.header, decode_header(header));
  TRY(const auto* votes, list(json, "votes", kValidatorsMax));
  for (const Json& vote : *votes) {
    TRY(const std::uint64_t validator, number(vote, "validator", kValidatorsMax - 1));
    TRY(Bytes signature, hex(vote, "signature"));
    out.votes.attests.push_back(
        {.validator = static_cast<std::uint16_t>(validator), .signature = std::move(signature)});
  }
  return out;
}

Result<HeadProof::Head> read_head(const Json& json) {
  HeadProof::Head out;
  TRY(const std::uint64_t validator, number(json, "validator", kValidatorsMax - 1));
  out.validator = static_cast<std::uint16_t>(validator);
  TRY(const Bytes block, hex(json, "head"));
  if (!Hash32::from(block, out.block)) return no_file(text("found a head of {} bytes, expected 32", block.size()));
  TRY(const auto* signers, list(json, "signers", kValidatorsMax));
  for (const Json& signer : *signers) {
    TRY(const std::uint64_t place, signer.as_u64("signers"));
    if (place >= kValidatorsMax) return no_file(text("found signer {}, expected below {}", place, kValidatorsMax));
    out.signers.push_back(static_cast<std::uint16_t>(place));
  }
  return out;
}

// Before any signature: bytes that were damaged on their way cost nothing.
Status check_seal(const Json& json) {
  TRY(const Json* seal, member(json, "seal"));
  TRY(const std::string_view found, seal->as_text("seal"));
  Json rest = Json::object();
  for (const auto& [name, value] : json.members())
    if (name != "seal") rest.append_member(name, value);
  if (const std::string expected = seal_of(rest); found != expected)
    return no_file(text("found seal {}, expected {}", found.substr(0, 64), expected));
  return {};
}

Result<HeadProof> read_proof(std::string_view shown) {
  TRY(const Json json, codec::parse_json(shown));
  TRY_OK(check_seal(json));
  HeadProof out;
  TRY(const auto* blocks, list(json, "blocks", kHeadBlocksMax));
  for (const Json& block : *blocks) {
    TRY(auto read, read_block(block));
    out.blocks.push_back(std::move(read));
  }
  TRY(const auto* heads, list(json, "validators", kValidatorsMax));
  for (const Json& head : *heads) {
    TRY(auto read, read_head(head));
    out.heads.push_back(std::move(read));
  }
  TRY(const Json* permutations, member(json, "permutations"));
  TRY(out.seed, number(*permutations, "seed", ~std::uint64_t{0}));
  TRY(const std::uint64_t count, number(*permutations, "count", kPermutationsMax));
  out.permutations = static_cast<std::uint32_t>(count);
  return out;
}

}  // namespace

std::optional<std::size_t> head_of(std::span<const Vote> votes, const Genesis& genesis) {
  const auto& validators = genesis.validators.validators;
  std::vector<std::set<std::uint16_t>> voted;
  std::vector<std::uint32_t> power;
  std::optional<std::size_t> head;
  for (const Vote& vote : votes) {
    if (vote.block >= voted.size()) {
      voted.resize(vote.block + 1);
      power.resize(vote.block + 1);
    }
    if (vote.validator >= validators.size() || !voted[vote.block].insert(vote.validator).second) continue;
    power[vote.block] += validators[vote.validator].power_bp;
    if (power[vote.block] >= genesis.params.quorum_bp && (!head || vote.block > *head)) head = vote.block;
  }
  return head;
}

Status check_permutations(std::vector<Vote> votes, Permutations permutations, const HeadRule& rule) {
  const auto expected = rule(votes);
  for (std::uint32_t i = 0; i < permutations.count; ++i) {
    SeededRandom random(permutations.seed + i, kFormat);
    for (std::size_t n = votes.size(); n > 1; --n) std::swap(votes[n - 1], votes[random.below(n)]);
    if (const auto found = rule(votes); found != expected)
      return no_head(text("permutation {} of seed {} has head {}, expected {}", i, permutations.seed,
                          found ? static_cast<int>(*found) : -1, expected ? static_cast<int>(*expected) : -1));
  }
  return {};
}

Result<HeadReport> verify(const HeadProof& proof, const Genesis& genesis) {
  TRY_OK(check_blocks(proof, genesis));
  const std::vector<Vote> votes = votes_of(proof);
  const auto place = head_of(votes, genesis);
  if (!place)
    return no_head(text("found no block with votes of {} bp among {}", genesis.params.quorum_bp, proof.blocks.size()));
  const HeadProof::Block& head = proof.blocks[*place];
  TRY_OK(check_heads(proof, genesis, head));
  if (proof.permutations < kPermutationsMin || proof.permutations > kPermutationsMax)
    return no_head(
        text("found {} permutations, expected {} to {}", proof.permutations, kPermutationsMin, kPermutationsMax));
  TRY_OK(check_permutations(votes, {.seed = proof.seed, .count = proof.permutations},
                            [&](std::span<const Vote> order) { return head_of(order, genesis); }));
  HeadReport out{.head = head.header, .votes = votes.size()};
  for (const Attest& attest : head.votes.attests)
    out.power_bp += genesis.validators.validators[attest.validator].power_bp;
  out.grade = *grade_of(out.power_bp, genesis.params);
  return out;
}

Result<std::string> encode_head_proof(const HeadProof& proof, const Genesis& genesis) {
  TRY(const HeadReport report, verify(proof, genesis));
  return sealed(document(proof, genesis, report));
}

Result<HeadProof> decode_head_proof(std::string_view shown, const Genesis& genesis) {
  TRY(HeadProof proof, read_proof(shown));
  TRY(const std::string expected, encode_head_proof(proof, genesis));
  if (shown == expected) return proof;
  const auto differs = std::ranges::mismatch(shown, expected).in1 - shown.begin();
  return no_file(text("found another text at byte {} than the proof's own", differs));
}

}  // namespace hanse::light
