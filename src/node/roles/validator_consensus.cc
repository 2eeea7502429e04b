// What a validator says of its consensus: to operators, to whoever checks finality, and to Prometheus.
#include <algorithm>
#include <set>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/telemetry/metrics.h"
#include "node/roles/validator.h"

namespace hanse::roles {
namespace {

using codec::Json;
using telemetry::Metric;

constexpr std::int64_t kTurnMs = 2'000;            // the replica takes a turn within so long
constexpr std::uint64_t kHashesLookedMax = 4'096;  // newest blocks that are looked through for a hash

std::uint64_t lag_of(const consensus::Facts& facts) {
  return facts.reported > facts.executed ? facts.reported - facts.executed : 0;
}

// Of distinct validators of the set that certifies the block.
Result<std::uint32_t> weight(const replica::Chain& chain, const light::BlockHeader& header,
                             const light::Certificate& certificate) {
  TRY(const light::ValidatorSet set, chain.valset(header.epoch));
  std::set<std::uint16_t> counted;
  std::uint32_t sum = 0;
  for (const light::Attest& attest : certificate.attests)
    if (attest.validator < set.validators.size() && counted.insert(attest.validator).second)
      sum += set.validators[attest.validator].power_bp;
  return sum;
}

Result<light::BlockHeader> find_block(const ledger::View& view, const api::BlockRef& ref) {
  if (const auto* height = std::get_if<Height>(&ref)) {
    if (*height > view.height())
      return fail(Kind::kNotFound, "roles.no_height",
                  text("found height {}, the newest is {}", height->value, view.height().value));
    TRY(auto block, view.block(*height));
    return std::move(block.header);
  }
  const Hash32& wanted = std::get<Hash32>(ref);
  for (std::uint64_t looked = 0; looked < kHashesLookedMax && looked <= view.height().value; ++looked) {
    TRY(auto block, view.block(Height{view.height().value - looked}));
    if (light::header_hash(block.header) == wanted) return std::move(block.header);
  }
  return fail(Kind::kNotFound, "roles.no_block",
              text("found no block {} among the newest {}", wanted, kHashesLookedMax));
}

}  // namespace

Status check_lag(std::uint64_t lag) {
  if (lag < consensus::kSlotWindow) return {};
  return fail(Kind::kUnavailable, "roles.lagging",
              text("found {} blocks behind the others, expected less than {}", lag, consensus::kSlotWindow));
}

Status Validator::live() const { return chain_->responds(kTurnMs); }

Status Validator::ready() const {
  TRY_OK(chain_->health());
  return check_lag(lag_of(chain_->facts()));
}

Result<client::ConsensusInfo> Validator::consensus() {
  const consensus::Facts facts = chain_->facts();
  const light::Genesis& genesis = chain_->genesis();
  const auto fast = chain_->certified(light::Grade::kFast), economic = chain_->certified(light::Grade::kEconomic);
  client::ConsensusInfo out{.height = chain_->height(),
                            .finalized = fast ? fast->header.height : Height{0},
                            .economic = economic ? economic->header.height : Height{0},
                            .view = facts.view,
                            .leader = codec::encode_id(chain_->validator_id(facts.leader).view()),
                            .stable = facts.stable,
                            .lag = lag_of(facts),
                            .abstaining = chain_->stats().abstaining,
                            .validators = static_cast<std::uint32_t>(chain_->validators().validators.size()),
                            .quorum_bp = genesis.params.quorum_bp,
                            .economic_bp = genesis.params.economic_bp,
                            .not_live = {},
                            .not_ready = {},
                            .backup = {}};
  if (backup_) out.backup = backup_();
  if (Status s = live(); !s) out.not_live = std::move(s.error());
  if (Status s = ready(); !s) out.not_ready = std::move(s.error());
  return out;
}

Result<client::CertifiedBlock> Validator::certified(Height height) {
  TRY(const auto view, chain_->view());
  TRY(const auto header, find_block(view, height));
  TRY(const auto certificate, view.certificate(height));
  if (!certificate)
    return fail(Kind::kNotFound, "roles.no_certificate",
                text("found no certificate of height {}; a later one covers it", height.value));
  return client::CertifiedBlock{.header = light::encode(header), .certificate = light::encode(*certificate)};
}

// A certificate covers every block before its own, so a block is as final as the heaviest one at or above it.
Result<Json> Validator::finality_document(const api::BlockRef& block) {
  TRY(const auto view, chain_->view());
  TRY(const auto header, find_block(view, block));
  const light::Params& params = chain_->genesis().params;
  std::uint32_t heaviest = 0;
  Height by;
  const auto consider = [&](const light::BlockHeader& h, const light::Certificate& certificate) -> Status {
    if (h.height < header.height) return {};
    TRY(const std::uint32_t found, weight(*chain_, h, certificate));
    if (found > heaviest) by = h.height;
    heaviest = std::max(heaviest, found);
    return {};
  };
  TRY(const auto own, view.certificate(header.height));
  if (own) TRY_OK(consider(header, *own));
  for (const light::Grade grade : {light::Grade::kEconomic, light::Grade::kFast})
    if (const auto newest = chain_->certified(grade)) TRY_OK(consider(newest->header, newest->certificate));
  const auto grade = light::grade_of(heaviest, params);
  Json out = Json::object();
  out.set("hash", codec::to_hex(light::header_hash(header).view()))
      .set("height", header.height.value)
      .set("finalized", grade.has_value())
      .set("weight_bp", std::uint64_t{heaviest})
      .set("fast_threshold_bp", std::uint64_t{params.quorum_bp})
      .set("economic_threshold_bp", std::uint64_t{params.economic_bp})
      .set("finality_type", grade ? light::grade_name(*grade) : "pending");
  if (grade) out.set("certified_height", by.value);
  return out;
}

Result<Json> Validator::certificate_document(Height height) {
  TRY(const auto block, certified(height));
  TRY(const auto header, light::decode_header(block.header));
  TRY(const auto certificate, light::decode_certificate(block.certificate));
  TRY(const std::uint32_t power, weight(*chain_, header, certificate));
  TRY(const light::ValidatorSet set, chain_->valset(header.epoch));
  Json attests = Json::array();
  for (const light::Attest& attest : certificate.attests) {
    if (attest.validator >= set.validators.size()) continue;
    const light::Validator& signer = set.validators[attest.validator];
    attests.push(std::move(Json::object()
                               .set("validator", std::uint64_t{attest.validator})
                               .set("id", codec::encode_id(signer.id().view()))
                               .set("power_bp", std::uint64_t{signer.power_bp})
                               .set("signature", codec::to_hex(attest.signature))));
  }
  const auto grade = light::grade_of(power, chain_->genesis().params);
  Json out = Json::object();
  out.set("height", height.value)
      .set("hash", codec::to_hex(light::header_hash(header).view()))
      .set("epoch", header.epoch)
      .set("weight_bp", std::uint64_t{power})
      .set("grade", grade ? light::grade_name(*grade) : "none")
      .set("header", codec::to_hex(block.header))
      .set("attests", std::move(attests));
  return out;
}

Result<Json> Validator::valset_document(std::uint64_t epoch) {
  TRY(const auto view, chain_->view());
  if (epoch > view.header().epoch)
    return fail(Kind::kNotFound, "roles.no_epoch",
                text("found epoch {}, the newest is {}", epoch, view.header().epoch));
  TRY(const light::ValidatorSet set, chain_->valset(epoch));
  Json validators = Json::array();
  for (const light::Validator& v : set.validators)
    validators.push(std::move(Json::object()
                                  .set("id", codec::encode_id(v.id().view()))
                                  .set("power_bp", std::uint64_t{v.power_bp})
                                  .set("key", codec::to_hex(v.key.bytes))));
  Json out = Json::object();
  out.set("epoch", epoch)
      .set("hash", codec::to_hex(light::set_hash(set).view()))
      .set("validators", std::move(validators));
  return out;
}

Result<Json> Validator::tx_proof_document(const Hash32& tx_id) {
  TRY(const auto view, chain_->view());
  TRY(const auto proof, view.prove_tx(tx_id));
  Json out = Json::object();
  out.set("tx_id", codec::to_hex(tx_id.view()))
      .set("height", proof.block.header.height.value)
      .set("certified_height", proof.block.certified().height.value)
      .set("proof", codec::to_hex(light::encode(proof)));
  return out;
}

void Validator::refresh_sync_metrics(const replica::ChainStats& stats) {
  auto& r = telemetry::registry();
  const auto count = [&](Metric metric, std::uint64_t total) { r.counter(metric).raise_to(total); };
  const auto show = [&](Metric metric, std::uint64_t now) { r.gauge(metric).set(static_cast<std::int64_t>(now)); };
  const sync::Stats& s = stats.sync;
  show(Metric::kSyncPhase, stats.sync_phase);
  show(Metric::kSyncTarget, s.target.value);
  show(Metric::kSyncParts, s.parts);
  show(Metric::kSyncPartsDone, s.parts_done);
  count(Metric::kSyncRanges, s.ranges);
  count(Metric::kSyncBlocks, s.blocks);
  count(Metric::kSyncFetched, s.bytes);
  count(Metric::kSyncRefused, s.lies);
  count(Metric::kSyncTimeouts, s.timeouts);
  count(Metric::kSyncStates, stats.synced);
  r.gauge(Metric::kSyncDuration).set(stats.fetch_ns_last);
  count(Metric::kSyncServed, stats.snapshot_bytes);
  count(Metric::kSyncServedAnswers, stats.snapshot_answers);
}

void Validator::refresh_consensus_metrics(const replica::ChainStats& stats) {
  auto& r = telemetry::registry();
  const consensus::Counters& c = stats.consensus;
  const consensus::Facts& f = stats.facts;
  const auto count = [&](Metric metric, std::uint64_t total) { r.counter(metric).raise_to(total); };
  const auto show = [&](Metric metric, std::uint64_t now) { r.gauge(metric).set(static_cast<std::int64_t>(now)); };
  count(Metric::kConsensusProposalsSent, c.proposals_sent);
  count(Metric::kConsensusVerticesFinalized, c.vertices_ordered);
  count(Metric::kConsensusPreparesSent, c.prepares_sent);
  count(Metric::kConsensusPreparesReceived, c.prepares_received);
  count(Metric::kConsensusCommitsSent, c.commits_sent);
  count(Metric::kConsensusCommitsReceived, c.commits_received);
  count(Metric::kConsensusByzantineViolations, c.evidence);
  count(Metric::kConsensusViewChanges, c.view_changes);
  count(Metric::kConsensusErrors, c.frames_dropped + c.frames_malformed + c.frames_denied + stats.frames_dropped);
  show(Metric::kConsensusCurrentView, f.view);
  show(Metric::kConsensusCurrentSequence, f.committed);
  show(Metric::kConsensusPendingFinalizations, f.pending_slots);
  show(Metric::kConsensusMessageLogSize, f.log_slots);
  show(Metric::kConsensusAbstainMode, stats.abstaining ? 1 : 0);
  show(Metric::kConsensusViewTimeout, static_cast<std::uint64_t>(f.timeout_ms) * 1'000'000);
  show(Metric::kConsensusLaneLag, f.lane_vertices);
  for (const auto& [kind, total] : {std::pair{"sent", c.statements_sent}, std::pair{"received", c.statements_received},
                                    std::pair{"shown", c.statements_shown}})
    r.counter(Metric::kConsensusStatements, {kind}).raise_to(total);
  if (const auto out = validators_out()) show(Metric::kConsensusBannedNodes, *out);
  if (const auto newest = chain_->certified()) show(Metric::kConsensusAttestWeight, newest->power_bp);
  const std::size_t validators = chain_->validators().validators.size();
  for (consensus::Index i = 0; i < validators; ++i) {
    if (i == chain_->self()) continue;
    const std::string label = text("{}", i);
    const replica::Net::Peer peer = chain_->peer(i);
    r.gauge(Metric::kChannelUp, {label}).set(peer.up ? 1 : 0);
    r.counter(Metric::kChannelFrames, {label, "in"}).raise_to(peer.frames_in);
    r.counter(Metric::kChannelFrames, {label, "out"}).raise_to(peer.frames_out);
    r.counter(Metric::kChannelBytes, {label, "in"}).raise_to(peer.bytes_in);
    r.counter(Metric::kChannelBytes, {label, "out"}).raise_to(peer.bytes_out);
    r.counter(Metric::kChannelDropped, {label}).raise_to(peer.dropped);
  }
}

}  // namespace hanse::roles
