// Checks a written round of the sealed batch auction without the code that made it: this room does not know
// exchange/auction. First the invariants that need no second auction, then the whole round derived again by another
// road (every bid past every ask, no lists kept), which must give the same bytes.
// The rules are those in exchange/auction/clear.h; they are stated once more in round_check.cc on purpose.
// Shapes: a report has the same checks in the same order for every round; a check that does not hold says the first
// place where it breaks. Time is at most bids times asks. Threads: any. Errors: those of check_round.
#pragma once

#include "exchange/market/round.h"

namespace hanse::market {

struct RoundFinding {
  std::string_view name;  // "commits", ...
  std::string detail;     // what was looked at, or what is wrong first
  bool holds = true;
};

struct RoundReport {
  std::vector<RoundFinding> findings;
  bool ok() const;
};

Result<RoundReport> check_record(const RoundRecord& record);

}  // namespace hanse::market
