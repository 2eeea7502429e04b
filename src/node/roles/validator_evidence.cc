// What a validator says of those that were called to account.
#include "base/codec/hex.h"
#include "base/core/text.h"
#include "chain/reputation/reputation.h"
#include "node/roles/validator.h"

namespace hanse::roles {
namespace {

using codec::Json;

std::string shown(const AccountId& id) { return codec::encode_id(id.view()); }

}  // namespace

Json evidence_news(const News& news) {
  const reputation::PunishedEvent& p = *news.punished;
  Json out = Json::object();
  out.set("topic", "evidence")
      .set("height", news.header->height.value)
      .set("validator", shown(p.validator))
      .set("fault", p.fault)
      .set("score", std::uint64_t{p.score})
      .set("out", p.out)
      .set("stake_bp", std::uint64_t{p.stake_bp});
  if (p.fact)
    out.set("purpose", consensus::purpose_name(p.fact->purpose))
        .set("epoch", p.fact->epoch)
        .set("view", p.fact->view)
        .set("place", p.fact->place);
  return out;
}

// Of the set that certifies the newest block.
Result<std::uint64_t> Validator::validators_out() const {
  if (!chain_->genesis().apps.contains(reputation::kReputationApp)) return std::uint64_t{0};
  TRY(const auto view, chain_->view());
  TRY(const light::ValidatorSet set, chain_->valset(view.header().epoch));
  std::uint64_t out = 0;
  for (const light::Validator& v : set.validators) {
    TRY(const bool jailed, reputation::jailed(view, v.id()));
    out += jailed ? 1 : 0;
  }
  return out;
}

Result<Json> Validator::evidence_document() {
  if (!chain_->genesis().apps.contains(reputation::kReputationApp))
    return fail(Kind::kUnsupported, "roles.no_reputation", "found a network whose genesis has no reputation");
  TRY(const auto view, chain_->view());
  TRY(const Bytes standings_bytes, view.query(reputation::kReputationApp, "standings", {}));
  TRY(const auto standings, reputation::decode_standings(standings_bytes));
  TRY(const Bytes proven_bytes, view.query(reputation::kReputationApp, "proven", {}));
  TRY(const auto proven, reputation::decode_proven(proven_bytes));
  TRY(const std::uint64_t count, validators_out());
  Json standing_list = Json::array(), proven_list = Json::array();
  for (const reputation::Named& n : standings)
    standing_list.push(std::move(Json::object()
                                     .set("validator", shown(n.validator))
                                     .set("score", std::uint64_t{n.standing.score})
                                     .set("out", n.standing.out)
                                     .set("out_until", n.standing.out_until)
                                     .set("faults", n.standing.faults)));
  for (const reputation::Proven& p : proven)
    proven_list.push(std::move(Json::object()
                                   .set("validator", shown(p.validator))
                                   .set("purpose", consensus::purpose_name(p.fact.purpose))
                                   .set("epoch", p.fact.epoch)
                                   .set("view", p.fact.view)
                                   .set("place", p.fact.place)
                                   .set("height", p.height.value)));
  Json out = Json::object();
  out.set("out", count).set("standings", std::move(standing_list)).set("proven", std::move(proven_list));
  return out;
}

}  // namespace hanse::roles
