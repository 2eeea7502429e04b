#include "exchange/auction/escrow.h"

#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/ledger/accounts.h"
#include "exchange/auction/price.h"
#include "exchange/market/keys.h"

namespace hanse::auction {
namespace {

using market::CloseReason;
using market::JobState;

bool may_requeue(const market::Job& job, Height now) {
  return job.attempt == 0 && now < job.bid.expires && !job.bid.is_private;
}

Result<EscrowStep> take_payload(const market::Job& job) {
  if (!job.bid.is_private)
    return fail(Kind::kConflict, "market.not_private",
                text("job {} is not private, expected no payload", job.bid.job_id));
  if (job.payload)
    return fail(Kind::kConflict, "market.payload_given",
                text("job {} has the payload {} already", job.bid.job_id, *job.payload));
  return EscrowStep{.next = JobState::kMatched};
}

Result<EscrowStep> from_matched(const market::Job& job, EscrowEvent event, Height now, const market::Params& params) {
  const bool again = may_requeue(job, now);
  switch (event) {
    case EscrowEvent::kPayload: return take_payload(job);
    case EscrowEvent::kStart:
      if (job.awaits_payload())
        return fail(Kind::kConflict, "market.no_payload",
                    text("job {} is private and its payload is awaited", job.bid.job_id));
      return EscrowStep{.next = JobState::kStarted};
    case EscrowEvent::kCancel: return EscrowStep{.reason = CloseReason::kCancelled};
    case EscrowEvent::kDecline: return EscrowStep{.reason = CloseReason::kDeclined, .requeue = again};
    case EscrowEvent::kDeadline:
      if (job.awaits_payload()) return EscrowStep{.reason = CloseReason::kNoPayload, .penalty = Penalty::kNoPayload};
      // The deadline of a private job was set anew when its payload came.
      if (job.payload ? job.deadline >= job.bid.expires : job.deadline < job.matched.plus(params.start_timeout))
        return EscrowStep{.reason = CloseReason::kExpired};
      return EscrowStep{.reason = CloseReason::kNoStart, .penalty = Penalty::kNoStart, .requeue = again};
    default: break;
  }
  return fail(Kind::kConflict, "market.job_state",
              text("job {} has not been started, expected job_start before its receipt", job.bid.job_id));
}

Result<EscrowStep> from_started(const market::Job& job, EscrowEvent event, Height now) {
  const bool again = may_requeue(job, now);
  switch (event) {
    case EscrowEvent::kReceipt: return EscrowStep{.next = JobState::kReceipted};
    case EscrowEvent::kDecline:
      return EscrowStep{.reason = CloseReason::kGivenUp, .penalty = Penalty::kNoReceipt, .requeue = again};
    case EscrowEvent::kDeadline:
      return EscrowStep{.reason = CloseReason::kNoReceipt, .penalty = Penalty::kNoReceipt, .requeue = again};
    default: break;
  }
  return fail(Kind::kConflict, "market.job_state",
              text("job {} is started already, it can only be receipted or given up", job.bid.job_id));
}

}  // namespace

Amount plus(Amount a, Amount b) {
  Amount out;
  check(Amount::add(a, b, out), "a sum of existing money fits 64 bits");
  return out;
}

Amount minus(Amount a, Amount b) {
  Amount out;
  check(Amount::sub(a, b, out), "money is taken only from where it is");
  return out;
}

Result<EscrowStep> escrow_step(const market::Job& job, EscrowEvent event, Height now, const market::Params& params) {
  const bool by_time = event == EscrowEvent::kDeadline || event == EscrowEvent::kDrawn;
  if (!job.ended() && !by_time && job.deadline < now) {
    return fail(Kind::kTimeout, "market.job_deadline",
                text("job {} is {} with deadline {}, now is {}", job.bid.job_id, market::job_state_name(job.state),
                     job.deadline.value, now.value));
  }
  switch (job.state) {
    case JobState::kMatched: return from_matched(job, event, now, params);
    case JobState::kStarted: return from_started(job, event, now);
    case JobState::kReceipted:
      if (event == EscrowEvent::kDeadline)
        return EscrowStep{.next = JobState::kSettled, .reason = CloseReason::kSettled};
      if (event == EscrowEvent::kDrawn || event == EscrowEvent::kChallenge)
        return EscrowStep{.next = JobState::kAudited};
      break;
    case JobState::kAudited:
      if (event == EscrowEvent::kDeadline || event == EscrowEvent::kUpheld)
        return EscrowStep{.next = JobState::kSettled, .reason = CloseReason::kSettled};
      if (event == EscrowEvent::kRefuted) return EscrowStep{.reason = CloseReason::kFalse, .penalty = Penalty::kFalse};
      break;
    case JobState::kSettled:
    case JobState::kClosed: break;
  }
  return fail(Kind::kConflict, "market.job_state",
              text("job {} is {}, which this does not change", job.bid.job_id, market::job_state_name(job.state)));
}

Pay settle_pay(const market::Job& job, const market::Params& params) {
  check(job.result.has_value(), "a job is settled after its receipt");
  Amount earned, spread;
  switch (job.result->status) {
    case market::RunStatus::kOk:
      earned = job.price;
      spread = job.spread;
      break;
    case market::RunStatus::kTimeout: break;
    case market::RunStatus::kGasExhausted:
    case market::RunStatus::kMemoryExceeded:
    case market::RunStatus::kOutputTooLarge:
    case market::RunStatus::kTrap:
    case market::RunStatus::kAborted:
      earned = pro_rata(job.price, job.result->gas, job.gas_limit);
      spread = pro_rata(job.spread, job.result->gas, job.gas_limit);
      break;
  }
  Pay pay;
  check(share_down(earned, params.fee_ppm, pay.fee), "a fee of at most the whole fits");
  pay.paid = minus(earned, pay.fee);
  pay.fee = plus(pay.fee, spread);
  pay.refund = plus(minus(job.price, earned), minus(job.spread, spread));
  return pay;
}

Height Escrow::start_deadline(const market::Bid& bid) const {
  return std::min(context_.height.plus(params_.start_timeout), bid.expires);
}

void Escrow::emit(const market::JobEvent& event) {
  events_.push_back({.topic = std::string(market::topic_name(event.topic)), .data = market::encode_event(event)});
}

Status Escrow::reserve(const Match& match, std::uint64_t cu) {
  TRY(market::Provider provider, read_provider(state_, match.offer.ask.provider));
  TRY(std::optional<market::Ask> ask, find_ask(state_, provider.account, match.offer.ask.id));
  check(ask.has_value(), "a match names a standing ask");
  ++provider.used;
  provider.bond_locked = plus(provider.bond_locked, match.bond);
  ask->used_cu += cu;
  write_provider(state_, provider);
  update_ask(state_, *ask);
  return {};
}

// What the payer pays goes into escrow, and the job has its provider.
Status Escrow::lock(market::Job& job, const Match& match, Amount spread, Amount held) {
  TRY(market::Totals totals, read_totals(state_));
  TRY(const market::Provider provider, read_provider(state_, match.offer.ask.provider));
  const Amount pays = plus(match.price, spread);
  if (held < pays) {
    TRY_OK(ledger::debit(state_, job.bid.payer, minus(pays, held)));
  } else {
    TRY_OK(ledger::credit(state_, job.bid.payer, minus(held, pays)));
  }
  totals.escrow = plus(totals.escrow, pays);
  ++totals.live;
  ++totals.matched;
  job.state = JobState::kMatched;
  job.provider = provider.account;
  check(FixedBytes<32>::from(provider.ed25519, job.ed25519), "a provider record holds an Ed25519 key");
  job.ask_id = match.offer.ask.id;
  job.price = match.price;
  job.spread = spread;
  job.bond = match.bond;
  job.matched = context_.height;
  job.deadline = start_deadline(job.bid);
  write_totals(state_, totals);
  return {};
}

// The reverse for capacity and bond; the price leaves escrow by refund or settlement.
Status Escrow::unlock(const market::Job& job) {
  TRY(market::Provider provider, read_provider(state_, job.provider));
  check(provider.used > 0, "a live job uses a slot");
  --provider.used;
  provider.bond_locked = minus(provider.bond_locked, job.bond);
  write_provider(state_, provider);
  TRY(std::optional<market::Ask> ask, find_ask(state_, job.provider, job.ask_id));
  if (ask) {  // it may have been withdrawn meanwhile
    check(ask->used_cu >= job.bid.cu, "a live job uses its ask's units");
    ask->used_cu -= job.bid.cu;
    update_ask(state_, *ask);
  }
  return {};
}

Result<Amount> Escrow::punish(const market::Job& job, Penalty penalty) {
  if (penalty == Penalty::kNone || penalty == Penalty::kNoPayload) return Amount{};
  check(penalty != Penalty::kFalse, "a false receipt is punished where it is refuted");
  const std::uint64_t ppm = penalty == Penalty::kNoStart ? params_.nostart_penalty_ppm : params_.noreceipt_penalty_ppm;
  Amount burned;
  check(share_down(job.price, ppm, burned) && burned <= job.bond, "the bond covers its penalties");
  TRY(market::Provider provider, read_provider(state_, job.provider));
  TRY(market::Totals totals, read_totals(state_));
  provider.bond = minus(provider.bond, burned);
  provider.reputation -= provider.reputation / 3;
  ++provider.faults;
  totals.bonds = minus(totals.bonds, burned);
  totals.burned = plus(totals.burned, burned);
  write_provider(state_, provider);
  write_totals(state_, totals);
  return burned;
}

Status Escrow::open(const NewJob& fresh, const Match& match) {
  market::Job job;
  job.bid = fresh.bid;
  job.gxf_hash = fresh.gxf_hash;
  job.submitted = context_.height;
  job.round = fresh.round;
  job.seed = crypto::blake3("hanse/job-seed/1", {fresh.bid.job_id.view(), context_.beacon.view()});
  job.gas_limit = fresh.gas_limit;
  job.outputs_expected = fresh.outputs;
  job.audit = fresh.audit;
  if (fresh.round == 0) TRY_OK(reserve(match, job.bid.cu));
  TRY_OK(lock(job, match, fresh.spread, fresh.held));
  write_job(state_, job, std::nullopt);
  emit({.topic = market::Topic::kMatched,
        .job_id = job.bid.job_id,
        .provider = job.provider,
        .payer = job.bid.payer,
        .gxf_hash = job.gxf_hash,
        .ask_id = job.ask_id,
        .price = job.price,
        .attempt = 0,
        .deadline = job.deadline});
  return {};
}

Result<market::Job> Escrow::job_for(const JobId& id, const AccountId& sender) {
  TRY(market::Job job, read_job(state_, id));
  if (job.provider != sender) {
    return fail(Kind::kDenied, "market.not_yours",
                text("job {} is matched to {}, the call is from {}", id, job.provider, sender));
  }
  return job;
}

Status Escrow::payload(const AccountId& sender, const market::JobPayload& call) {
  TRY(const market::Job before, read_job(state_, call.id));
  if (before.bid.payer != sender) {
    return fail(Kind::kDenied, "market.not_yours",
                text("job {} is of payer {}, the call is from {}", call.id, before.bid.payer, sender));
  }
  TRY(const EscrowStep step, escrow_step(before, EscrowEvent::kPayload, context_.height, params_));
  market::Job job = before;
  job.state = step.next;
  job.payload = call.blob;
  job.deadline = start_deadline(job.bid);  // the provider has its whole time from here
  write_job(state_, job, before);
  emit({.topic = market::Topic::kPayload,
        .job_id = call.id,
        .provider = job.provider,
        .payer = job.bid.payer,
        .deadline = job.deadline,
        .payload = call.blob});
  return {};
}

Status Escrow::start(const AccountId& sender, const market::JobStart& call) {
  TRY(const market::Job before, job_for(call.id, sender));
  TRY(const EscrowStep step, escrow_step(before, EscrowEvent::kStart, context_.height, params_));
  market::Job job = before;
  job.state = step.next;
  job.started = context_.height;
  job.deadline = context_.height.plus(params_.run_timeout);
  write_job(state_, job, before);
  emit({.topic = market::Topic::kStarted,
        .job_id = call.id,
        .provider = job.provider,
        .payer = job.bid.payer,
        .deadline = job.deadline});
  return {};
}

Status Escrow::receipt(const AccountId& sender, const market::JobReceipt& call) {
  TRY(const market::Job before, job_for(call.id, sender));
  TRY(const EscrowStep step, escrow_step(before, EscrowEvent::kReceipt, context_.height, params_));
  if (call.gas > before.gas_limit) {
    return fail(Kind::kInvalid, "market.receipt_gas",
                text("the receipt states gas {}, the job allows {}", call.gas, before.gas_limit));
  }
  const std::size_t expected = call.status == market::RunStatus::kOk ? before.outputs_expected : 0;
  if (call.outputs.size() != expected) {
    return fail(Kind::kInvalid, "market.receipt_outputs",
                text("the receipt with status {} has {} outputs, expected {}", market::run_status_name(call.status),
                     call.outputs.size(), expected));
  }
  market::Job job = before;
  job.state = step.next;
  job.receipted = context_.height;
  job.deadline = context_.height.plus(params_.settle_window);
  job.result = market::JobResult{.receipt_hash = call.receipt_hash,
                                 .status = call.status,
                                 .gas = call.gas,
                                 .outputs = call.outputs,
                                 .steps = call.steps,
                                 .paid = {},
                                 .fee = {}};
  write_job(state_, job, before);
  emit({.topic = market::Topic::kReceipted,
        .job_id = call.id,
        .provider = job.provider,
        .payer = job.bid.payer,
        .deadline = job.deadline,
        .receipt_hash = call.receipt_hash,
        .status = call.status});
  return {};
}

Status Escrow::cancel(const AccountId& sender, const market::JobCancel& call) {
  TRY(const market::Job before, read_job(state_, call.id));
  const bool by_payer = sender == before.bid.payer;
  if (!by_payer && sender != before.provider) {
    return fail(Kind::kDenied, "market.not_yours",
                text("job {} is of payer {} and provider {}, the call is from {}", call.id, before.bid.payer,
                     before.provider, sender));
  }
  const EscrowEvent event = by_payer ? EscrowEvent::kCancel : EscrowEvent::kDecline;
  TRY(const EscrowStep step, escrow_step(before, event, context_.height, params_));
  return leave(before, step);
}

Status Escrow::deadline(const JobId& id) {
  TRY(const market::Job before, read_job(state_, id));
  if (before.state == JobState::kReceipted && market::is_judged(before, context_.beacon, params_)) {
    TRY_OK(escrow_step(before, EscrowEvent::kDrawn, context_.height, params_));
    return open_audit(before, {.id = id, .challenger = {}, .deposit = {}, .verdicts = {}});
  }
  TRY(const EscrowStep step, escrow_step(before, EscrowEvent::kDeadline, context_.height, params_));
  if (before.state == JobState::kAudited) {  // nobody decided
    TRY(const market::Audit audit, read_audit(state_, id));
    TRY_OK(end_audit(audit, audit.challenger));
  }
  return step.next == JobState::kSettled ? settle(before) : leave(before, step);
}

// A life, or its first attempt, ends without a receipt: everything is unlocked and the price goes back.
Status Escrow::leave(const market::Job& before, const EscrowStep& step) {
  TRY_OK(unlock(before));
  TRY(Amount penalty, punish(before, step.penalty));
  const Amount locked = plus(before.price, before.spread);
  Amount refund = locked;
  if (step.penalty == Penalty::kNoPayload) {
    check(share_down(before.price, params_.nostart_penalty_ppm, penalty), "a share of at most the price fits");
    refund = minus(locked, penalty);
    TRY_OK(ledger::credit(state_, before.provider, penalty));
  }
  TRY_OK(ledger::credit(state_, before.bid.payer, refund));
  TRY(market::Totals totals, read_totals(state_));
  totals.escrow = minus(totals.escrow, locked);
  --totals.live;
  write_totals(state_, totals);
  if (step.requeue) {
    TRY(const bool placed, requeue(before, step, penalty));
    if (placed) return {};
  }
  market::Job job = before;
  job.state = JobState::kClosed;
  job.reason = step.reason;
  job.closed = context_.height;
  job.deadline = {};
  write_job(state_, job, before);
  state_.erase(market::gxf_key(job.bid.job_id));
  TRY(totals, read_totals(state_));
  ++totals.closed;
  write_totals(state_, totals);
  emit({.topic = market::Topic::kClosed,
        .job_id = job.bid.job_id,
        .provider = job.provider,
        .payer = job.bid.payer,
        .refund = refund,
        .penalty = penalty,
        .reason = step.reason});
  return {};
}

// The second and last attempt, with another provider. False when no ask fits or the payer cannot pay a higher price.
Result<bool> Escrow::requeue(const market::Job& before, const EscrowStep& step, Amount penalty) {
  const MatchContext match_context{
      .height = context_.height, .beacon = context_.beacon, .bond = params_.bond, .excluded = before.provider};
  TRY(const auto found, match_in(state_, before.bid, match_context));
  const auto* match = std::get_if<Match>(&found);
  if (match == nullptr) return false;
  TRY(const ledger::Account payer, ledger::read_account(state_, before.bid.payer));
  if (payer.balance < match->price) return false;
  market::Job job = before;
  job.attempt = 1;
  job.started = {};
  TRY_OK(reserve(*match, job.bid.cu));
  TRY_OK(lock(job, *match, {}, {}));  // at the posted price
  write_job(state_, job, before);
  emit({.topic = market::Topic::kRequeued,
        .job_id = job.bid.job_id,
        .provider = before.provider,
        .payer = job.bid.payer,
        .penalty = penalty,
        .reason = step.reason});
  emit({.topic = market::Topic::kMatched,
        .job_id = job.bid.job_id,
        .provider = job.provider,
        .payer = job.bid.payer,
        .gxf_hash = job.gxf_hash,
        .ask_id = job.ask_id,
        .price = job.price,
        .attempt = 1,
        .deadline = job.deadline});
  return true;
}

Status Escrow::settle(const market::Job& before) {
  const Pay pay = settle_pay(before, params_);
  TRY_OK(unlock(before));
  TRY_OK(ledger::credit(state_, before.provider, pay.paid));
  TRY_OK(ledger::credit(state_, before.bid.payer, pay.refund));
  TRY(market::Totals totals, read_totals(state_));
  totals.escrow = minus(totals.escrow, plus(before.price, before.spread));
  totals.treasury = plus(totals.treasury, pay.fee);
  --totals.live;
  ++totals.settled;
  if (!Amount::add(totals.volume, pay.paid, totals.volume)) totals.volume = Amount{~std::uint64_t{0}};
  write_totals(state_, totals);
  if (before.result->status != market::RunStatus::kTimeout) {
    TRY(market::Provider provider, read_provider(state_, before.provider));
    ++provider.reputation;
    ++provider.settled;
    write_provider(state_, provider);
  }
  market::Job job = before;
  job.state = JobState::kSettled;
  job.reason = CloseReason::kSettled;
  job.closed = context_.height;
  job.deadline = {};
  job.result->paid = pay.paid;
  job.result->fee = pay.fee;
  write_job(state_, job, before);
  state_.erase(market::gxf_key(job.bid.job_id));
  emit({.topic = market::Topic::kSettled,
        .job_id = job.bid.job_id,
        .provider = job.provider,
        .payer = job.bid.payer,
        .status = job.result->status,
        .paid = pay.paid,
        .fee = pay.fee,
        .refund = pay.refund});
  return {};
}

Status check_conservation(const ledger::StateReader& state) {
  TRY(const market::Totals totals, read_totals(state));
  TRY(const Amount accounts, ledger::accounts_total(state));
  TRY(const Amount supply, ledger::supply(state));
  Amount sum = accounts;
  bool fits = true;
  for (const Amount part : {totals.escrow, totals.sealed, totals.bonds, totals.treasury, totals.burned})
    fits = fits && Amount::add(sum, part, sum);
  if (fits && sum == supply) return {};
  return fail(Kind::kInternal, "market.conservation",
              text("accounts {} + escrow {} + sealed {} + bonds {} + treasury {} + burned {}, supply is {}",
                   accounts.value, totals.escrow.value, totals.sealed.value, totals.bonds.value, totals.treasury.value,
                   totals.burned.value, supply.value));
}

}  // namespace hanse::auction
