#include <algorithm>
#include <map>

#include "base/core/check.h"
#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "exchange/auction/escrow.h"
#include "exchange/market/keys.h"

namespace hanse::auction {
namespace {

using market::CloseReason;
using market::JobState;

using Powers = std::map<AccountId, std::uint64_t>;
Powers powers_of(const light::ValidatorSet& set) {
  Powers out;
  for (const light::Validator& validator : set.validators) out.emplace(validator.id(), validator.power_bp);
  return out;
}

std::uint64_t power_of(const Powers& powers, const market::Audit& audit, bool holds) {
  std::uint64_t out = 0;
  for (const market::Verdict& verdict : audit.verdicts)
    if (verdict.holds == holds) out += powers.at(verdict.validator);
  return out;
}

}  // namespace

Status Escrow::open_audit(const market::Job& before, const market::Audit& audit) {
  market::Job job = before;
  job.state = JobState::kAudited;
  job.deadline = context_.height.plus(params_.audit_window);
  write_job(state_, job, before);
  write_audit(state_, audit);
  emit({.topic = market::Topic::kAudited,
        .job_id = audit.id,
        .provider = job.provider,
        .payer = job.bid.payer,
        .deadline = job.deadline,
        .receipt_hash = job.result->receipt_hash,
        .status = job.result->status});
  return {};
}

Status Escrow::challenge(const AccountId& sender, const market::JobChallenge& call) {
  if (params_.audit_window == 0)
    return fail(Kind::kConflict, "market.no_audits", "nothing is audited on this network: its audit_window is 0");
  TRY(const market::Job before, read_job(state_, call.id));
  if (before.bid.is_private && sender != before.bid.payer)
    return fail(Kind::kDenied, "market.not_yours",
                text("job {} is private and of payer {}, the call is from {}", call.id, before.bid.payer, sender));
  TRY_OK(escrow_step(before, EscrowEvent::kChallenge, context_.height, params_));
  TRY_OK(ledger::debit(state_, sender, params_.challenge_deposit));
  TRY(market::Totals totals, read_totals(state_));
  totals.escrow = plus(totals.escrow, params_.challenge_deposit);
  write_totals(state_, totals);
  return open_audit(before, {.id = call.id,
                             .challenger = sender,
                             .deposit = params_.challenge_deposit,
                             .verdicts = {},
                             .witness = call.witness});
}

Status Escrow::verdict(const AccountId& sender, const market::JobVerdict& call) {
  check(context_.validators != nullptr, "a block has validators");
  const Powers powers = powers_of(*context_.validators);
  if (!powers.contains(sender))
    return fail(Kind::kDenied, "market.not_auditor",
                text("account {} is no validator of epoch {}", sender, context_.epoch));
  TRY(const market::Job before, read_job(state_, call.id));
  // The table says whether a verdict may come now at all.
  TRY_OK(escrow_step(before, call.holds ? EscrowEvent::kUpheld : EscrowEvent::kRefuted, context_.height, params_));
  if (before.result->receipt_hash != call.receipt_hash)
    return fail(Kind::kConflict, "market.other_receipt",
                text("found a verdict on receipt {}, expected {}", call.receipt_hash, before.result->receipt_hash));
  TRY(market::Audit audit, read_audit(state_, call.id));
  if (std::ranges::find(audit.verdicts, sender, &market::Verdict::validator) != audit.verdicts.end())
    return fail(Kind::kConflict, "market.verdict_twice",
                text("validator {} has judged job {} already", sender, call.id));
  std::erase_if(audit.verdicts, [&](const auto& v) { return !powers.contains(v.validator); });  // of epochs before
  audit.verdicts.push_back({.validator = sender, .holds = call.holds});
  if (power_of(powers, audit, false) > light::kPowerTotalBp / 3) return refute(before, audit);
  if (power_of(powers, audit, true) > light::kPowerTotalBp / 3) return uphold(before, audit);
  write_audit(state_, audit);
  return {};
}

// The record goes; the deposit, if there is one, leaves escrow. To nobody: to the treasury.
Status Escrow::end_audit(const market::Audit& audit, const AccountId& to) {
  state_.erase(market::audit_key(audit.id));
  if (audit.deposit.value == 0) return {};
  TRY(market::Totals totals, read_totals(state_));
  totals.escrow = minus(totals.escrow, audit.deposit);
  if (to.is_zero()) totals.treasury = plus(totals.treasury, audit.deposit);
  write_totals(state_, totals);
  return to.is_zero() ? Status() : ledger::credit(state_, to, audit.deposit);
}

Status Escrow::uphold(const market::Job& before, const market::Audit& audit) {
  TRY_OK(end_audit(audit, {}));
  return settle(before);
}

Status Escrow::refute(const market::Job& before, const market::Audit& audit) {
  TRY_OK(end_audit(audit, audit.challenger));
  TRY_OK(unlock(before));
  const bool challenged = !audit.challenger.is_zero();
  // At most the price: what is burned then outweighs cheating also when the challenger is the cheater (bond_for).
  const Amount reward = challenged ? std::min(Amount{before.bond.value / 2}, before.price) : Amount{};
  const Amount burned = minus(before.bond, reward);
  TRY(market::Provider provider, read_provider(state_, before.provider));
  provider.bond = minus(provider.bond, before.bond);
  provider.reputation = 0;
  ++provider.faults;
  write_provider(state_, provider);
  const Amount locked = plus(before.price, before.spread);
  TRY_OK(ledger::credit(state_, before.bid.payer, locked));
  if (challenged) TRY_OK(ledger::credit(state_, audit.challenger, reward));
  TRY(market::Totals totals, read_totals(state_));
  totals.escrow = minus(totals.escrow, locked);
  totals.bonds = minus(totals.bonds, before.bond);
  totals.burned = plus(totals.burned, burned);
  --totals.live;
  ++totals.closed;
  write_totals(state_, totals);
  market::Job job = before;
  job.state = JobState::kClosed;
  job.reason = CloseReason::kFalse;
  job.closed = context_.height;
  job.deadline = {};
  write_job(state_, job, before);
  state_.erase(market::gxf_key(job.bid.job_id));
  emit({.topic = market::Topic::kClosed,
        .job_id = job.bid.job_id,
        .provider = job.provider,
        .payer = job.bid.payer,
        .refund = locked,
        .penalty = before.bond,
        .reason = CloseReason::kFalse});
  return {};
}

}  // namespace hanse::auction
