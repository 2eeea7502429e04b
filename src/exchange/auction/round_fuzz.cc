// Foreign bytes as a recorded round: refused, or they re-encode to themselves, the checker ends, and what the mechanism
// makes of the same inputs passes the checker, which shares no code with it.
#include "base/core/check.h"
#include "exchange/auction/clear.h"
#include "exchange/market/round_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;
  const ByteView in(data, size);
  auto record = market::decode_round(in);
  if (!record) return 0;
  check(equal(market::encode_round(*record), in), "what decodes has one encoding");
  check(market::check_record(*record).has_value(), "a round that decodes can be checked");
  // Fuzzed bids never keep their commits; let them, so that they reach the matching.
  for (const market::RoundBid& b : record->round.bids) record->round.commits[b.seq] = market::commit_of(b.bid, b.salt);
  auto outcome = auction::clear(record->round);
  check(outcome.has_value(), "a round that decodes can be cleared");
  record->outcome = *std::move(outcome);
  check(market::check_record(*record)->ok(), "the checker comes to the same");
  return 0;
}
