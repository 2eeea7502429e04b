// The mechanism by hand: prices, reductions, drops and limits worked out on paper.
#include "exchange/auction/clear.h"

#include "exchange/auction/round_world_test.h"

namespace hanse::auction {
namespace {

using market::AskEnd;
using market::BidEnd;

std::optional<BidEnd> end_of(const market::RoundOutcome& out, std::uint64_t seq) {
  for (const auto& fate : out.unmatched) {
    if (fate.seq == seq) return fate.end;
  }
  return std::nullopt;
}

// v 90 80 70 | 20, a 10 20 30 | 60: p0 = (20 + 60) / 2 = 40 lies in [30, 70].
TEST(Clear, trades_at_one_price_between_the_first_pair_left_out) {
  market::Round round = empty_round();
  for (const std::uint64_t v : {20, 90, 70, 80}) add_bid(round, v);
  for (const std::uint64_t a : {60, 30, 10, 20}) add_ask(round, a);
  const auto out = cleared(round);
  ASSERT_EQ(out.matches.size(), 3u);
  ASSERT_EQ(out.cells.size(), 1u);
  EXPECT_EQ(out.cells[0], (market::CellPrice{{1, 0, 3}, 3, 3, 40, 40}));
  for (const auto& m : out.matches) EXPECT_EQ(std::pair(m.pays.value, m.gets.value), std::pair(40ul, 40ul));
  EXPECT_EQ(out.paid.value, 120u);
  EXPECT_EQ(out.treasury.value, 0u);
  EXPECT_EQ(out.unmatched, (std::vector<market::BidFate>{{0, BidEnd::kCapacity}}));  // it would pay 10
  EXPECT_EQ(out.matches[0].ask_id, round.asks[2].ask.id);                            // v 90 has the ask of 10
}

// v 90 80 | 10, a 10 75 | 95: p0 = 52 is below a_k = 75. The trade (80, 75) goes, 90 pays 80, 10 gets 75.
TEST(Clear, drops_the_marginal_trade_when_no_one_price_fits) {
  market::Round round = empty_round();
  for (const std::uint64_t v : {90, 80, 10}) add_bid(round, v);
  for (const std::uint64_t a : {10, 75, 95}) add_ask(round, a);
  const auto out = cleared(round);
  ASSERT_EQ(out.matches.size(), 1u);
  EXPECT_EQ(out.cells[0], (market::CellPrice{{1, 0, 3}, 2, 1, 80, 75}));
  EXPECT_EQ(out.matches[0].pays.value, 80u);
  EXPECT_EQ(out.matches[0].gets.value, 75u);
  EXPECT_EQ(out.treasury.value, 5u);
  EXPECT_EQ(end_of(out, 1), BidEnd::kReduced);
}

TEST(Clear, has_no_trade_when_the_only_one_is_reduced) {
  market::Round round = empty_round();
  add_bid(round, 50);
  add_ask(round, 40);
  add_ask(round, 300);  // p0 = 150 > 50
  const auto out = cleared(round);
  EXPECT_TRUE(out.matches.empty());
  EXPECT_EQ(out.cells, (std::vector<market::CellPrice>{{{1, 0, 3}, 1, 0, 50, 40}}));
  EXPECT_EQ(end_of(out, 0), BidEnd::kReduced);
  EXPECT_EQ(out.paid.value + out.received.value + out.treasury.value, 0u);
}

TEST(Clear, has_nothing_to_say_of_an_empty_round) {
  market::Round round = empty_round();
  EXPECT_EQ(cleared(round), market::RoundOutcome{});
  add_ask(round, 5);
  EXPECT_EQ(cleared(round), market::RoundOutcome{});
  add_bid(round, 4);
  EXPECT_TRUE(cleared(round).cells.empty());
}

// One ask of 40 and one bid of 50: nothing is left, a' = v_k = 50, v' = 0, p0 = 25 < 40. With v' = 30, p0 = 40 holds.
TEST(Clear, takes_v_k_for_a_when_no_ask_is_left) {
  market::Round round = empty_round();
  add_bid(round, 50);
  add_ask(round, 40);
  EXPECT_TRUE(cleared(round).matches.empty());
  add_bid(round, 30);
  const auto out = cleared(round);
  ASSERT_EQ(out.matches.size(), 1u);
  EXPECT_EQ(out.matches[0].pays.value, 40u);
}

// Where no ask is left the price follows the marginal bid's own word: this rule is not strategy-proof there.
TEST(Clear, lets_the_marginal_bid_shade_where_no_ask_is_left) {
  const auto price_when = [](std::uint64_t said) {
    market::Round round = empty_round();
    add_bid(round, said);
    add_bid(round, 40);
    add_ask(round, 10);
    return cleared(round).matches.at(0).pays.value;
  };
  EXPECT_EQ(price_when(100), 70u);
  EXPECT_EQ(price_when(60), 50u);
}

TEST(Clear, counts_a_partly_used_ask_as_left) {
  market::Round round = empty_round();
  add_bid(round, 100);
  add_ask(round, 40, 2);  // a' = 40, v' = 0: p0 = 20 < 40, reduced
  EXPECT_TRUE(cleared(round).matches.empty());
  add_bid(round, 39);  // p0 = 39
  EXPECT_TRUE(cleared(round).matches.empty());
  round.bids[1].bid.limit_total = round.bids[1].funds = Amount{40};  // trades too: nothing left, a' = v_k = 40, p0 = 20
  seal(round);
  const auto out = cleared(round);
  EXPECT_EQ(out.matches.size(), 1u);
  EXPECT_EQ(out.matches.at(0).pays.value, 40u);
}

// 1500 units at a price of 25 per 1000 are 37.5, paid and received as 38, also when 38 is the limit.
TEST(Clear, rounds_money_up_on_both_sides) {
  market::Round round = empty_round();
  round.cu_base = 1490;
  add_bid(round, 38);
  EXPECT_EQ(round.bids[0].bid.cu, 1500u);  // v = floor(38000 / 1500) = 25
  add_bid(round, 36);                      // v = 24, finds no capacity
  add_ask(round, 24).ask.capacity_cu = 1500;
  const auto out = cleared(round);  // p0 = (24 + 25) / 2 = 24
  ASSERT_EQ(out.matches.size(), 1u);
  EXPECT_EQ(out.matches[0].pays.value, 36u);
  EXPECT_EQ(end_of(out, 1), BidEnd::kCapacity);
}

// The bid of 100 needs isolation 3 and takes the ask of 90; the bid of 50 takes that of 10 in the same cell. No price
// serves both: 50 < 90.
TEST(Clear, takes_out_trades_that_cross) {
  market::Round round = empty_round();
  add_bid(round, 100).bid.isolation = 3;
  add_bid(round, 50);
  add_ask(round, 90);
  add_ask(round, 10).ask.isolation = 0;
  seal(round);
  const auto out = cleared(round);
  EXPECT_EQ(end_of(out, 1), BidEnd::kCrossed);
  EXPECT_EQ(out.cells.at(0).trades, 1u);
  EXPECT_EQ(end_of(out, 0), BidEnd::kReduced);  // p0 = (50 + 10) / 2 = 30 < 90
}

TEST(Clear, keeps_cells_apart) {
  market::Round round = empty_round();
  add_bid(round, 100).bid.region_mask = 0b10;
  add_bid(round, 100).bid.region_mask = 0b01;
  add_ask(round, 10, 2);
  add_ask(round, 30, 2).ask.region = 1;
  add_bid(round, 20);                         // region 0: trades, nothing left: v_k 20, p0 10
  add_bid(round, 35).bid.region_mask = 0b10;  // region 1: trades, v_k 35, v' 0, p0 17: reduced, 100 pays 35
  seal(round);
  const auto out = cleared(round);
  ASSERT_EQ(out.cells.size(), 2u);
  EXPECT_EQ(out.cells[0], (market::CellPrice{{1, 0, 3}, 2, 2, 10, 10}));
  EXPECT_EQ(out.cells[1], (market::CellPrice{{1, 1, 3}, 2, 1, 35, 30}));
}

TEST(Clear, says_why_each_bid_is_dropped) {
  market::Round round = empty_round();
  add_ask(round, 1, 100);
  for (int i = 0; i < 20; ++i) add_bid(round, 50);
  const auto bid = [&](std::size_t i) -> market::RoundBid& { return round.bids[i]; };
  bid(0).bid.precisions = 0;
  bid(1).bid.precisions = 0b10'0010;
  bid(2).bid.level = 4;
  bid(3).bid.seq = 0;
  bid(4).bid.batch = 0;
  bid(5).bid.region_mask = 0;
  bid(6).bid.residency = 2;  // not in the mask
  bid(7).bid.residency = 65;
  bid(8).bid.isolation = 4;
  bid(9).bid.cu += 1;
  bid(10).bid.limit_total = Amount{0};
  bid(11).bid.work = {~std::uint64_t{0}, ~std::uint64_t{0}};
  bid(12).bid.expires = round.height;
  bid(13).funds = Amount{49};
  bid(15).bid.job_id = bid(14).bid.job_id;
  bid(17).bid.job_id = bid(16).bid.job_id;
  seal(round);
  bid(16).salt.data[31] ^= 1;  // not as committed: 17 stands, though it comes later for the same job
  bid(18).bid.limit_total = bid(18).funds = Amount{51};
  std::ranges::reverse(round.bids);
  const auto out = cleared(round);
  for (std::uint64_t seq = 0; seq <= 11; ++seq) EXPECT_EQ(end_of(out, seq), BidEnd::kBadFields) << seq;
  EXPECT_EQ(end_of(out, 12), BidEnd::kExpired);
  EXPECT_EQ(end_of(out, 13), BidEnd::kUnfunded);
  EXPECT_EQ(end_of(out, 15), BidEnd::kTwice);
  EXPECT_EQ(end_of(out, 16), BidEnd::kBadReveal);
  EXPECT_EQ(end_of(out, 18), BidEnd::kBadReveal);
  EXPECT_EQ(out.matches.size() + (end_of(out, 14) ? 1 : 0) + (end_of(out, 17) ? 1 : 0) + (end_of(out, 19) ? 1 : 0), 3u);
  for (const std::uint64_t seq : {14, 17, 19}) {
    const auto end = end_of(out, seq);
    EXPECT_TRUE(!end || end == BidEnd::kReduced) << seq;
  }
}

TEST(Clear, says_why_each_ask_is_dropped) {
  market::Round round = empty_round();
  for (int i = 0; i < 11; ++i) add_ask(round, 1);
  const auto ask = [&](std::size_t i) -> market::RoundAsk& { return round.asks[i]; };
  ask(0).ask.region = 64;
  ask(1).ask.precisions = 0;
  ask(2).ask.precisions = 1;
  ask(3).ask.level_max = 4;
  ask(4).ask.isolation = 4;
  ask(5).ask.used_cu = ask(5).ask.capacity_cu + 1;
  ask(6).ask.valid_until = Height{9};
  ask(7).bond = Amount{99};
  ask(8).ask.unit_price = Amount{0};
  ask(9).ask.used_cu = ask(9).ask.capacity_cu;
  const auto out = cleared(round);
  ASSERT_EQ(out.dropped.size(), 10u);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(out.dropped[i].end, AskEnd::kBadFields) << i;
  EXPECT_EQ(out.dropped[6].end, AskEnd::kExpired);
  EXPECT_EQ(out.dropped[7].end, AskEnd::kUnbonded);
  EXPECT_EQ(out.dropped[8].end, AskEnd::kImmediate);
  EXPECT_EQ(out.dropped[9].end, AskEnd::kExhausted);
}

TEST(Clear, says_why_a_bid_found_nothing) {
  market::Round round = empty_round();
  add_ask(round, 10, 1);
  add_bid(round, 100);
  add_bid(round, 9);
  add_bid(round, 50);
  add_bid(round, 50).bid.isolation = 3;
  round.asks[0].ask.isolation = 2;
  seal(round);
  const auto out = cleared(round);
  EXPECT_EQ(end_of(out, 0), std::nullopt);
  EXPECT_EQ(end_of(out, 1), BidEnd::kPrice);
  EXPECT_EQ(end_of(out, 2), BidEnd::kCapacity);
  EXPECT_EQ(end_of(out, 3), BidEnd::kNoFit);
}

// Two asks of one provider with room for one job: the second best bid goes to the dearer provider.
TEST(Clear, does_not_sell_a_slot_twice) {
  for (const std::uint32_t slots : {1u, 2u}) {
    market::Round round = empty_round();
    for (const std::uint64_t price : {10, 10, 30, 40}) add_ask(round, price);
    round.asks[1].ask.provider = round.asks[0].ask.provider;
    round.asks[0].free_slots = round.asks[1].free_slots = slots;
    for (const std::uint64_t v : {90, 80, 25}) add_bid(round, v);
    const auto out = cleared(round);
    ASSERT_EQ(out.matches.size(), 2u);
    EXPECT_EQ(std::ranges::count(out.matches, round.asks[0].ask.provider, &market::RoundMatch::provider), slots);
  }
}

// At audits of half the jobs the bond is twice the limit: 340 serve the limits 90 and 80, 339 only the first.
TEST(Clear, does_not_sell_a_bond_twice) {
  for (const std::uint64_t bond : {340, 339}) {
    market::Round round = empty_round();
    add_ask(round, 10, 5).bond = Amount{bond};
    add_ask(round, 30, 5);
    for (const std::uint64_t v : {90, 80}) add_bid(round, v);
    const auto out = cleared(round);
    ASSERT_EQ(out.cells.size(), 1u);
    EXPECT_EQ(out.cells[0].trades, 2u);
    EXPECT_EQ(out.cells[0].seller_price, bond == 340 ? 10u : 30u) << "the marginal ask";
  }
}

// 64 cheap asks that do not fit stand before one that does; the 64th place is looked at, the 65th is not.
TEST(Clear, leaves_a_list_after_the_scan_cap) {
  for (const std::size_t before : {kScanMax - 1, kScanMax}) {
    market::Round round = empty_round();
    for (std::size_t i = 0; i < before; ++i) add_ask(round, 1).ask.isolation = 0;
    add_ask(round, 2, 2);
    add_bid(round, 9).bid.isolation = 3;
    add_bid(round, 8).bid.isolation = 3;
    seal(round);
    const auto out = cleared(round);
    if (before < kScanMax) {
      EXPECT_EQ(out.cells.at(0).trades, 2u);
    } else {
      EXPECT_EQ(end_of(out, 0), BidEnd::kScanLimit);
    }
  }
}

// Asks that are used up do not count: 100 equal bids find 100 asks in one list.
TEST(Clear, goes_on_past_asks_that_are_used_up) {
  market::Round round = empty_round();
  for (std::uint64_t i = 0; i < 101; ++i) {
    add_bid(round, 100);
    add_ask(round, 10);
  }
  round.bids.pop_back();
  EXPECT_EQ(cleared(round).cells.at(0).trades, 100u);
}

// Two equal bids for one ask: the beacon says who wins, and neither salt nor job id does.
TEST(Clear, breaks_ties_by_beacon_and_not_by_what_a_bidder_chooses) {
  std::set<std::uint64_t> winners;
  for (std::uint8_t beacon = 0; beacon < 32; ++beacon) {
    market::Round round = empty_round();
    round.beacon.data.fill(beacon);
    add_bid(round, 30);
    add_bid(round, 30);
    add_ask(round, 10);
    const auto out = cleared(round);
    ASSERT_EQ(out.unmatched.size(), 1u);
    winners.insert(1 - out.unmatched[0].seq);
    round.bids[0].bid.job_id.data[15] = 9;  // as long as the commits are the same, names change nothing
    round.commits[0] = market::commit_of(round.bids[0].bid, round.bids[0].salt);
  }
  EXPECT_EQ(winners, (std::set<std::uint64_t>{0, 1}));
}

TEST(Clear, takes_limits_and_prices_of_64_bits) {
  market::Round round = empty_round();
  round.cu_base = 0;
  set_work(add_bid(round, ~std::uint64_t{0}).bid, round, {gxf::Precision::kInt8, 1, 1});  // 10 units, v saturates
  round.bids[0].bid.cu = 10;
  add_ask(round, ~std::uint64_t{0}).ask.capacity_cu = ~std::uint64_t{0};
  add_ask(round, 1).ask.isolation = 0;
  seal(round);
  const auto out = cleared(round);
  EXPECT_EQ(out.matches.size() + out.unmatched.size(), 1u);
}

TEST(Clear, refuses_rounds_beyond_its_limits) {
  const auto id_of = [](const market::Round& round) {
    const auto out = clear(round);
    return out ? std::string("ok") : std::string(out.error().id());
  };
  market::Round round = empty_round();
  round.commits.resize(market::kRoundBidsMax);
  round.asks.reserve(market::kRoundAsksMax + 1);
  for (std::size_t i = 0; i < market::kRoundAsksMax; ++i) add_ask(round, 1);
  EXPECT_EQ(id_of(round), "ok");
  add_ask(round, 1);
  EXPECT_EQ(id_of(round), "market.round_limit");
  round.asks.clear();
  round.commits.emplace_back();
  EXPECT_EQ(id_of(round), "market.round_limit");
  round.commits.clear();
  add_bid(round, 1);
  round.bids.resize(market::kRoundBidsMax + 1, round.bids[0]);
  EXPECT_EQ(id_of(round), "market.round_limit");

  round = empty_round();
  add_bid(round, 1);
  add_ask(round, 1);
  market::Round bad = round;
  bad.bids[0].seq = 1;
  EXPECT_EQ(id_of(bad), "market.round");
  bad = round;
  bad.bids.push_back(bad.bids[0]);
  EXPECT_EQ(id_of(bad), "market.round");
  bad = round;
  bad.asks.push_back(bad.asks[0]);
  EXPECT_EQ(id_of(bad), "market.round");
  bad = round;
  add_bid(bad, ~std::uint64_t{0} - 1);
  EXPECT_EQ(id_of(bad), "ok");
  bad.bids[1].bid.limit_total = Amount{~std::uint64_t{0}};
  EXPECT_EQ(id_of(bad), "market.round");
}

}  // namespace
}  // namespace hanse::auction
