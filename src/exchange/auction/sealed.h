// Sealed bids on the ledger (exchange.md 5.2): COMMITTED with a deposit, REVEALED with the limit held, then MATCHED in
// the round and locked by the escrow machine at the round's price, or EXPIRED and paid back; not revealed: deposit
// burned.
//   commit   one signed call for up to kCommitsPerCallMax bids; joins the round that takes commits, or opens the next
//   reveal   the job and the salt, in the round's reveal phase. The job must be the payer's, carry the nonce of the
//            commit call and give the committed bid; the deposit comes back and the limit is taken, in one step
//   end      at most one round is worked on a block. It is cleared by clear() and recorded, and what its matches need
//            of providers is set aside; then kLocksMax of its commits a block are settled, from this block on: matches
//            are locked, the others get their money back. A record beyond kRoundsKept goes at the end
// A commit cannot be taken back and a revealed bid cannot be cancelled before the round is cleared: it would be a free
// look at the others' bids. What a block costs: docs/internals/auction.md.
// Errors: market.round_limit (exhausted: the round is full), market.no_round, market.no_commit (not_found),
// market.round_phase (conflict: found height, expected), market.revealed (conflict), market.not_committed (denied: not
// the payer, nonce or bid of the commit), market.job_exists (conflict), ledger.insufficient, those of gxf and match.h.
#pragma once

#include "chain/ledger/app.h"
#include "chain/ledger/call.h"
#include "exchange/market/sealed.h"

namespace hanse::auction {

class SealedBids {
 public:
  SealedBids(ledger::State& state, const market::Params& params, const ledger::BlockContext& context,
             std::vector<ledger::Event>& events)
      : state_(state), params_(params), context_(context), events_(events) {}

  Result<market::CommitPlace> commit(const ledger::SignedCall& call, const market::Commit& args);
  Status reveal(const market::Reveal& reveal);
  Status end();

 private:
  Result<market::RoundHead> joining();
  Result<market::Round> inputs(const market::RoundHead& head, const std::vector<market::SealedBid>& bids);
  Result<market::RoundRecord> clear_round(market::RoundHead& head);
  Result<market::RoundRecord> read_record(const market::RoundHead& head);
  Status reserve(const market::RoundRecord& record);
  Status settle(market::RoundHead& head, const market::RoundRecord& record);
  Status lock(const market::RoundHead& head, const market::SealedBid& bid, const market::RoundMatch& match);
  Status pay_back(const market::RoundHead& head, std::uint64_t seq, const market::SealedBid& bid, market::BidEnd end);
  void tell_burned(const market::RoundHead& head, std::uint64_t seq, const market::SealedBid& bid);
  void forget(const market::RoundHead& head);
  void emit(const market::RoundEvent& event);

  ledger::State& state_;
  const market::Params& params_;
  const ledger::BlockContext& context_;
  std::vector<ledger::Event>& events_;
};

// What a reveal opens, once everything about it holds at this height; nothing is changed.
struct OpenedBid {
  market::RoundHead head;
  market::SealedBid sealed;  // with `revealed` set, `held` still the deposit
};
Result<OpenedBid> open_reveal(const ledger::StateReader& state, const market::Params& params, const NetworkId& network,
                              Height height, const market::Reveal& reveal);
// Is there a round that is open or not settled to the end?
Result<bool> any_round_open(const ledger::StateReader& state);

}  // namespace hanse::auction
