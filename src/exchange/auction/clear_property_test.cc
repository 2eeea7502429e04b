// What holds of every round, over rounds from printed seeds. Individual rationality, budget balance, capacity,
// constraints and no envy are the checker's (round_check.h) and are asked of each round by cleared().
#include "exchange/auction/round_world_test.h"

namespace hanse::auction {
namespace {

TEST(ClearProperty, holds_every_invariant_and_covers_every_end) {
  std::array<std::uint64_t, market::kBidEndMax + 1> ends{};
  std::uint64_t matches = 0, reduced = 0, whole = 0, alone = 0;
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    const auto out = cleared(random_round(seed));
    ASSERT_FALSE(HasFailure());
    matches += out.matches.size();
    for (const auto& fate : out.unmatched) ++ends[static_cast<std::size_t>(fate.end)];
    for (const auto& cell : out.cells) {
      reduced += cell.kept < cell.trades;
      whole += cell.kept == cell.trades;
      alone += cell.kept == 0;
    }
  }
  EXPECT_GT(matches, 1000u);
  EXPECT_GT(reduced, 100u);
  EXPECT_GT(whole, 100u);
  EXPECT_GT(alone, 100u);
  for (std::uint8_t e = 1; e <= market::kBidEndMax; ++e)
    EXPECT_GT(ends[e], 0u) << market::bid_end_name(static_cast<market::BidEnd>(e));
}

TEST(ClearProperty, does_not_depend_on_the_order_of_its_inputs) {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    market::Round round = random_round(seed);
    const auto out = *clear(round);
    SeededRandom random(seed, "shuffle");
    for (int i = 0; i < 3; ++i) {
      shuffle(round.bids, random);
      shuffle(round.asks, random);
      ASSERT_EQ(*clear(round), out) << "seed " << seed;
    }
  }
}

// Raising a bid that lost: every winner that now loses, without being the cell's marginal trade, did not lose to a
// lower one. In a cell of equals, the winners are exactly the first of the order.
TEST(ClearProperty, raising_a_losing_bid_makes_no_winner_lose_to_a_lower_one) {
  std::uint64_t raised = 0, displaced = 0;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    market::Round round = random_round(seed);
    const auto before = *clear(round);
    if (before.unmatched.empty()) continue;
    SeededRandom random(seed, "raise");
    const std::uint64_t seq = before.unmatched[random.below(before.unmatched.size())].seq;
    auto& b = *std::ranges::find(round.bids, seq, &market::RoundBid::seq);
    b.bid.limit_total.value += 1 + random.below(100);
    b.funds = b.bid.limit_total;
    round.commits[seq] = market::commit_of(b.bid, b.salt);
    const auto after = cleared(round);  // no envy is one of the checks
    ASSERT_FALSE(HasFailure());
    ++raised;
    for (const auto& m : before.matches)
      displaced += std::ranges::find(after.matches, m.job_id, &market::RoundMatch::job_id) == after.matches.end();
  }
  EXPECT_GT(raised, 1000u);
  EXPECT_GT(displaced, 100u);
}

// One cell, every bid and every ask one unit.
market::Round unit_round(SeededRandom& random, std::uint64_t bids, std::uint64_t asks) {
  market::Round round = empty_round();
  random.fill(round.beacon.span());
  for (std::uint64_t i = 0; i < bids; ++i) add_bid(round, 1 + random.below(60));
  for (std::uint64_t i = 0; i < asks; ++i) add_ask(round, 1 + random.below(60));
  return round;
}

TEST(ClearProperty, winners_of_equal_needs_are_the_highest_bids_and_the_cheapest_asks) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    SeededRandom random(seed, "unit");
    const market::Round round = unit_round(random, random.below(12), random.below(12));
    const auto out = cleared(round);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    std::uint64_t lowest_win = ~std::uint64_t{0}, highest_loss = 0, dearest = 0, cheapest_left = ~std::uint64_t{0};
    for (const auto& b : round.bids) {
      const std::uint64_t v = b.bid.limit_total.value;
      if (std::ranges::find(out.unmatched, b.seq, &market::BidFate::seq) == out.unmatched.end()) {
        lowest_win = std::min(lowest_win, v);
      } else {
        highest_loss = std::max(highest_loss, v);
      }
    }
    for (const auto& a : round.asks) {
      const std::uint64_t price = a.ask.unit_price.value;
      if (std::ranges::find(out.matches, a.ask.id, &market::RoundMatch::ask_id) != out.matches.end()) {
        dearest = std::max(dearest, price);
      } else {
        cheapest_left = std::min(cheapest_left, price);
      }
    }
    ASSERT_GE(lowest_win, highest_loss) << "seed " << seed;
    ASSERT_LE(dearest, cheapest_left) << "seed " << seed;
  }
}

std::int64_t payer_gain(const market::Round& round, std::size_t who, std::int64_t truth) {
  const auto out = *clear(round);
  const auto it = std::ranges::find(out.matches, round.bids[who].bid.job_id, &market::RoundMatch::job_id);
  return it == out.matches.end() ? 0 : truth - static_cast<std::int64_t>(it->pays.value);
}

std::int64_t provider_gain(const market::Round& round, std::size_t who, std::int64_t truth) {
  const auto out = *clear(round);
  const auto it = std::ranges::find(out.matches, round.asks[who].ask.id, &market::RoundMatch::ask_id);
  return it == out.matches.end() ? 0 : static_cast<std::int64_t>(it->gets.value) - truth;
}

// Single units in a single cell with asks left over: nobody, payer or provider, gains by saying anything but the truth.
// Every lie of the range is tried. Without an ask left over it is not so: see clear_test.cc.
TEST(ClearProperty, lying_does_not_pay_for_single_units_with_asks_left) {
  std::uint64_t lies = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SeededRandom random(seed, "lies");
    market::Round round = unit_round(random, 1 + random.below(5), 1 + random.below(6));
    const auto truth = *clear(round);
    if (!truth.cells.empty() && truth.cells[0].trades == round.asks.size()) continue;
    for (std::size_t who = 0; who < round.bids.size(); ++who) {
      market::RoundBid& b = round.bids[who];
      const std::uint64_t v = b.bid.limit_total.value;
      const std::int64_t honest = payer_gain(round, who, static_cast<std::int64_t>(v));
      for (std::uint64_t said = 1; said <= 65; ++said, ++lies) {
        b.bid.limit_total = b.funds = Amount{said};
        seal(round);
        ASSERT_LE(payer_gain(round, who, static_cast<std::int64_t>(v)), honest)
            << "seed " << seed << ": bid " << who << " of " << v << " gains by saying " << said;
      }
      b.bid.limit_total = b.funds = Amount{v};
      seal(round);
    }
    for (std::size_t who = 0; who < round.asks.size(); ++who) {
      Amount& price = round.asks[who].ask.unit_price;
      const Amount cost = price;
      const std::int64_t honest = provider_gain(round, who, static_cast<std::int64_t>(cost.value));
      for (std::uint64_t said = 1; said <= 65; ++said, ++lies) {
        price = Amount{said};
        ASSERT_LE(provider_gain(round, who, static_cast<std::int64_t>(cost.value)), honest)
            << "seed " << seed << ": ask " << who << " of " << cost.value << " gains by saying " << said;
      }
      price = cost;
    }
  }
  EXPECT_GT(lies, 10'000u);
}

}  // namespace
}  // namespace hanse::auction
