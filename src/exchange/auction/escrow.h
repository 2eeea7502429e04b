// Escrow: where a job's money is at each step of its life, and how every life ends (exchange.md 5.2).
//
//   state      event            next                                   money
//   matched    start            started                                -
//              cancel (payer)   closed/cancelled                       refund
//              decline          requeued once, else closed/declined    refund
//              deadline         requeued once, else closed/no_start    refund, bond penalty
//                               or closed/expired (the job's own height came first)   refund
//              payload (payer)  matched, with a new deadline           -
//              deadline         closed/no_payload while it is awaited  refund but for the share of the price that a
//                                                                      provider loses that does not start: to it
//   started    receipt          receipted                              -
//              decline          requeued once, else closed/given_up    refund, bond penalty
//              deadline         requeued once, else closed/no_receipt  refund, bond penalty
//   receipted  deadline         settled                                pay, fee, refund of the rest
//              drawn, or sure   audited (at the deadline)              -
//              challenge        audited                                deposit of the challenger
//   audited    upheld           settled                                pay; the deposit to the treasury
//              deadline         settled                                pay; the deposit goes back
//              refuted          closed/false_receipt                   refund; the whole bond taken: half, at most
//                                                                      the price, to a challenger, the rest burned;
//                                                                      the deposit goes back
//   settled, closed: nothing more happens. Every other pair is market.job_state (conflict).
//
// A deadline is the last height at which the state may still be left by a transaction; end() of that block acts on it.
// Settlement is by deadline, never by the payer's approval. Capacity is freed in the block of the close.
// Pay: ok earns the price; a fault of the job itself (gas, memory, output size, trap, abort) earns
// floor(price * gas / gas limit), the metered work done; a timeout depends on the machine and earns nothing. The fee is
// taken from what is earned. Penalties are burned, so nobody gains by provoking one.
// A job of a reduced batch round has a spread beside its price: what its payer pays beyond what its provider is to get.
// It is in escrow too and shares the fate of the price, but for whom it goes to.
// Audits are in audit.h of exchange/market: where audit_window is 0 nothing is drawn and nothing may be challenged.
// A private job (exchange/payload) takes one payload, from its payer, and is not started before. It is sealed to one
// provider, so a private job is never requeued. Its receipt may be challenged by its payer alone, who alone can show
// what the work was.
// Conservation: accounts + escrow + sealed + bonds + treasury + burned = supply; check_conservation after every block.
// Errors: market.no_payload, market.payload_given, market.not_private (conflict), market.job_state, market.no_audits,
// market.verdict_twice, market.other_receipt (conflict), market.job_deadline (timeout), market.not_yours,
// market.not_auditor (denied), market.receipt_gas, market.receipt_outputs (invalid), ledger.insufficient, those of
// book.h.
#pragma once

#include <variant>
#include <vector>

#include "chain/ledger/app.h"
#include "exchange/auction/book.h"
#include "exchange/market/calls.h"
#include "exchange/market/events.h"

namespace hanse::auction {

enum class EscrowEvent : std::uint8_t {
  kStart,
  kReceipt,
  kCancel,
  kDecline,
  kDeadline,
  kDrawn,
  kChallenge,
  kUpheld,
  kRefuted,
  kPayload,
};
enum class Penalty : std::uint8_t { kNone, kNoStart, kNoReceipt, kFalse, kNoPayload };

struct EscrowStep {
  market::JobState next = market::JobState::kClosed;
  market::CloseReason reason = market::CloseReason::kNone;
  Penalty penalty = Penalty::kNone;
  bool requeue = false;  // offer it to another ask before closing
};
// The table above; pure and total.
Result<EscrowStep> escrow_step(const market::Job& job, EscrowEvent event, Height now, const market::Params& params);

struct Pay {
  Amount paid, fee, refund;  // sum to price and spread; the fee holds what is due of the spread
};
Pay settle_pay(const market::Job& job, const market::Params& params);

// The moves, on one state at one block. Events are appended in order.
class Escrow {
 public:
  Escrow(ledger::State& state, const market::Params& params, const ledger::BlockContext& context,
         std::vector<ledger::Event>& events)
      : state_(state), params_(params), context_(context), events_(events) {}

  // Locks price, spread and bond for a new job. That of a batch round has its slot, units and bond already (reserve).
  struct NewJob {
    market::Bid bid;
    BlobId gxf_hash;
    std::uint64_t gas_limit = 0;
    std::uint32_t outputs = 0;
    gxf::Audit audit = gxf::Audit::kReceipts;
    std::uint64_t round = 0;  // 0: an immediate order
    Amount spread;
    Amount held;  // taken from the payer before; what is beyond price and spread goes back
  };
  Status open(const NewJob& fresh, const Match& match);
  // A slot, units and bond of a provider, for one job.
  Status reserve(const Match& match, std::uint64_t cu);
  Status payload(const AccountId& sender, const market::JobPayload& call);
  Status start(const AccountId& sender, const market::JobStart& call);
  Status receipt(const AccountId& sender, const market::JobReceipt& call);
  Status cancel(const AccountId& sender, const market::JobCancel& call);
  Status deadline(const JobId& id);
  Status challenge(const AccountId& sender, const market::JobChallenge& call);
  Status verdict(const AccountId& sender, const market::JobVerdict& call);

 private:
  Result<market::Job> job_for(const JobId& id, const AccountId& sender);
  Status lock(market::Job& job, const Match& match, Amount spread, Amount held);
  Status unlock(const market::Job& job);
  Result<Amount> punish(const market::Job& job, Penalty penalty);
  Status leave(const market::Job& job, const EscrowStep& step);
  Result<bool> requeue(const market::Job& before, const EscrowStep& step, Amount penalty);
  Status settle(const market::Job& before);
  Status open_audit(const market::Job& before, const market::Audit& audit);
  Status uphold(const market::Job& before, const market::Audit& audit);
  Status refute(const market::Job& before, const market::Audit& audit);
  Status end_audit(const market::Audit& audit, const AccountId& to);
  void emit(const market::JobEvent& event);
  Height start_deadline(const market::Bid& bid) const;

  ledger::State& state_;
  const market::Params& params_;
  const ledger::BlockContext& context_;
  std::vector<ledger::Event>& events_;
};

// Sums and differences of money that exists: anything else is a bug.
Amount plus(Amount a, Amount b);
Amount minus(Amount a, Amount b);

// market.conservation (internal) when the sums differ.
Status check_conservation(const ledger::StateReader& state);

}  // namespace hanse::auction
