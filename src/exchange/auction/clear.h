// Clears one round of the sealed batch double auction: asks and revealed bids in, matches and money out.
// Source: exchange.md 5.2; McAfee, "A Dominant Strategy Double Auction", J. Economic Theory 56 (1992), for the price
// and the reduction. What is and is not claimed of it: docs/internals/auction.md.
//   1 drop    what is malformed, expired, unfunded, not as committed, or for a job that is there twice (market::BidEnd,
//             AskEnd); compute units are recomputed. A bid is worth v = floor(1000 * limit / cu) ut per kCU
//   2 order   bids by v down, asks by unit price up; ties by
//             BLAKE3("hanse/tie/2", beacon || Merkle root of the commits || principal || seq u64be)
//   3 match   each bid takes the cheapest ask that keeps its constraints, has its compute units left and whose provider
//             has a free slot and the bond for its limit left, out of the lists of its first precision in each of its
//             regions; a list is left at a price above v, and after kScanMax asks that have units and a slot left. Such
//             an ask fixes the cell
//   4 cross   of a cell's trades in order, those stay before the first whose v is below the highest ask so far: bids of
//             different constraints can leave a cell without one price for all
//   5 price   v_k lowest v, a_k highest ask of the k trades; v' highest v of the bids without trade that would keep the
//             constraints of an ask of the cell (of the first kScanMax in each list, used up or not; 0 if none); a'
//             cheapest ask of the cell with units and a slot left (v_k if none). p0 = floor((v' + a') / 2). If
//             a_k <= p0 <= v_k all trade at p0; else trade k is dropped, buyers pay v_k and sellers get a_k
//   6 money   of cu units at price p: ceil(p * cu / 1000), paid and received; what is between goes to the treasury
// Integers only, u128 inside. Pure: no clock, no randomness but the beacon; the order of the inputs does not matter.
// Any thread. Moves no money and knows no ledger state. A match can be locked: as the bond was set aside for the limit,
// it covers the price, which is no more.
// Errors: those of market::check_round.
#pragma once

#include "exchange/auction/match.h"
#include "exchange/market/round.h"

namespace hanse::auction {

Result<market::RoundOutcome> clear(const market::Round& round);

}  // namespace hanse::auction
