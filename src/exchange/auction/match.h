// Immediate-or-cancel matching of a Flash bid against the standing asks (exchange.md 5.2).
// An ask is feasible when every market::Constraint holds; among the feasible ones of the lists looked at the lowest
// posted price wins, ties by BLAKE3("hanse/tie/1", beacon || provider || ask id), which a bidder cannot grind.
// Asks are kept in lists by (precision, region), ordered by base price. The bid looks at the list of its first
// precision in each of its regions, at most kScanMax asks a list; since the posted price grows with the base price and
// use never lowers it, a list is left as soon as its unused price is above the best found. If a list is cut by kScanMax
// before a fit was found anywhere, the order fails with scan_limit set.
// Pure: the same offers in the same lists give the same match, whatever order the lists come in. Any thread.
// Errors: market.no_audits (conflict), market.audit_unsupported (unsupported; what the job lacks, gxf/audit.h),
// market.latency, market.private (invalid), those of price.h.
#pragma once

#include <optional>

#include "exchange/auction/price.h"
#include "exchange/market/view.h"

namespace hanse::auction {

constexpr std::size_t kScanMax = 64;

// What the auction sees of a job. The lane is how a job travels to the ledger, which is its sender's to keep; an
// audit that cannot be kept is refused, never downgraded.
Result<market::Bid> bid_of(const gxf::Job& job, const market::Params& params);
std::uint64_t gas_limit_of(const gxf::Job& job);  // sum over the nodes, at most 2^64 - 1

struct Offer {
  market::Ask ask;
  market::Provider provider;
};

struct MatchContext {
  Height height;
  Hash32 beacon;
  market::BondRule bond;
  std::optional<AccountId> excluded;  // the provider that failed the job before
};

struct Terms {
  Amount price;
  Amount bond;
};

struct Match {
  Offer offer;
  Amount price;
  Amount bond;
};

// Bit per market::Constraint between kPrecision and kLatency, and kPrivate, that the ask breaks: what no other trade
// can change.
std::uint32_t fixed_violations(const market::Bid& bid, const market::Ask& ask);
// Bit per market::Constraint that the offer breaks; 0 = feasible, and then the terms are set.
std::uint32_t violations(const market::Bid& bid, const Offer& offer, const MatchContext& context, Terms& terms);

class Matcher {
 public:
  Matcher(const market::Bid&&, const MatchContext&) = delete;  // borrows both
  Matcher(const market::Bid& bid, const MatchContext& context) : bid_(bid), context_(context) {}

  void next_list() { in_list_ = 0; }
  // False: leave this list.
  bool consider(const Offer& offer);

  const std::optional<Match>& best() const { return best_; }
  bool scan_limit() const { return cut_ && !best_; }

 private:
  const market::Bid& bid_;
  const MatchContext& context_;
  std::size_t in_list_ = 0;
  bool cut_ = false;
  std::optional<Match> best_;
  Hash32 best_tie_;
};

}  // namespace hanse::auction
