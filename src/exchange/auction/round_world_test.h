// Rounds of the sealed batch auction for tests: asks and bids by number, hand-made or from a seed. Includes GoogleTest.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "base/core/random.h"
#include "base/core/text.h"
#include "exchange/auction/clear.h"
#include "exchange/market/round_check.h"

namespace hanse::auction {

// Every bid of this many compute units: INT8, seq 1, batch 1, base 990 gives (990 + 10) * 10 / 10.
constexpr std::uint64_t kOneKilo = 1000;

inline market::Round empty_round() {
  market::Round round;
  round.number = 7;
  round.height = Height{10};
  round.beacon.data.fill(0xbe);
  round.cu_base = 990;
  round.bond_min = Amount{100};
  return round;
}

inline market::RoundAsk& add_ask(market::Round& round, std::uint64_t unit_price, std::uint64_t kilo_units = 1) {
  market::RoundAsk a;
  a.seq = round.asks.size();
  store_be(a.ask.provider.data.data(), a.seq + 1);
  store_be(a.ask.id.data.data(), a.seq + 100);
  a.ask.precisions = market::kPrecisionsAll;
  a.ask.level_max = 3;
  a.ask.max_seq = 4096;
  a.ask.max_batch = 8;
  a.ask.latency_ms = 50;
  a.ask.isolation = 3;
  a.ask.unit_price = Amount{unit_price};
  a.ask.capacity_cu = kilo_units * kOneKilo;
  a.ask.valid_until = round.height;
  a.bond = Amount{1'000'000};
  a.free_slots = 1000;
  return round.asks.emplace_back(a);
}

inline void set_work(market::Bid& bid, const market::Round& round, const NodeLoad& load) {
  bid.work = {};
  EXPECT_TRUE(add_load(bid.work, load));
  bid.precisions = market::precision_bit(load.precision);
  bid.seq = load.seq;
  bid.batch = load.batch;
  bid.cu = *compute_units(round.cu_base, bid.work);
}

// Hand-changed bids are sealed anew before the round is cleared.
inline void seal(market::Round& round) {
  for (market::RoundBid& b : round.bids) round.commits.at(b.seq) = market::commit_of(b.bid, b.salt);
}

// Limit for kOneKilo units, so it is v.
inline market::RoundBid& add_bid(market::Round& round, std::uint64_t limit) {
  market::RoundBid b;
  b.seq = round.commits.size();
  store_be(b.bid.job_id.data.data(), b.seq + 1);
  store_be(b.bid.payer.data.data(), b.seq + 1);
  b.salt.data.fill(static_cast<std::uint8_t>(b.seq));
  set_work(b.bid, round, {gxf::Precision::kInt8, 1, 1});
  b.bid.region_mask = 1;
  b.bid.limit_total = Amount{limit};
  b.bid.expires = round.height.plus(1);
  b.funds = Amount{limit};
  round.commits.push_back(market::commit_of(b.bid, b.salt));
  return round.bids.emplace_back(b);
}

inline std::string wrong_of(const market::RoundReport& report) {
  std::string out;
  for (const auto& f : report.findings) {
    if (!f.holds) out += text("{}: {}; ", f.name, f.detail);
  }
  return out;
}

// Clears and lets the checker say what it thinks of it.
inline market::RoundOutcome cleared(const market::Round& round) {
  auto outcome = clear(round);
  EXPECT_TRUE(outcome) << (outcome ? "" : outcome.error().str());
  if (!outcome) return {};
  const auto report = market::check_record({round, *outcome});
  EXPECT_TRUE(report && report->ok()) << (report ? wrong_of(*report) : report.error().str());
  return *std::move(outcome);
}

// Anything goes: few or many bids and asks of all kinds, close prices, some of them bad.
inline market::Round random_round(std::uint64_t seed) {
  SeededRandom random(seed, "round");
  market::Round round = empty_round();
  random.fill(round.beacon.span());
  const auto bids = random.below(40), asks = random.below(random.below(8) == 0 ? 150 : 20);
  const auto regions = 1 + random.below(3), spread = 1 + random.below(60), kinds = random.below(4);
  for (std::uint64_t i = 0; i < asks; ++i) {
    auto& a = add_ask(round, 1 + random.below(spread), 1 + random.below(4));
    a.ask.region = static_cast<std::uint16_t>(random.below(regions));
    if (kinds == 0) continue;
    a.ask.precisions = static_cast<std::uint8_t>((1 + random.below(15)) << 1);
    a.ask.level_max = static_cast<std::uint8_t>(random.below(4));
    a.ask.max_seq = static_cast<std::uint32_t>(1 + random.below(40));
    a.ask.isolation = static_cast<std::uint8_t>(random.below(4));
    a.ask.takes_private = random.below(4) != 0;
    a.ask.capacity_cu += random.below(3000);
    a.ask.used_cu = random.below(a.ask.capacity_cu + 1);
    if (kinds == 1 && random.below(10) == 0) a.bond = Amount{random.below(200)};
    if (kinds >= 2) a.free_slots = static_cast<std::uint32_t>(random.below(5));
    if (kinds == 3) a.bond = Amount{100 + random.below(400)};
    // A provider of several asks: they share its slots and its bond.
    if (kinds == 3 && i > 0 && random.below(3) == 0) {
      const market::RoundAsk& before = round.asks[random.below(i)];
      a.ask.provider = before.ask.provider;
      a.free_slots = before.free_slots;
      a.bond = before.bond;
    }
    if (kinds == 1 && random.below(10) == 0) a.ask.valid_until = Height{random.below(20)};
    if (kinds == 1 && random.below(10) == 0) a.ask.unit_price = Amount{0};
  }
  for (std::uint64_t i = 0; i < bids; ++i) {
    auto& b = add_bid(round, 1 + random.below(spread + 5));
    b.bid.region_mask = 1 + random.below((1u << regions) - 1);
    if (kinds == 0) continue;
    set_work(b.bid, round,
             {static_cast<gxf::Precision>(1 + random.below(4)), static_cast<std::uint32_t>(1 + random.below(40)),
              static_cast<std::uint16_t>(1 + random.below(3))});
    b.bid.limit_total = Amount{1 + random.below((spread + 5) * b.bid.cu / 1000 + 1)};
    b.funds = b.bid.limit_total;
    b.bid.level = static_cast<std::uint8_t>(random.below(4));
    b.bid.isolation = static_cast<std::uint8_t>(random.below(3));
    b.bid.is_private = random.below(8) == 0;
    if (kinds == 1 && random.below(10) == 0) b.funds.value -= 1;
    if (kinds == 1 && random.below(10) == 0) b.bid.job_id = round.bids.front().bid.job_id;
    if (kinds == 1 && random.below(10) == 0) b.bid.cu += 1;
    if (kinds == 1 && random.below(10) == 0) b.bid.expires = round.height;
  }
  std::ranges::sort(round.asks, {}, [](const auto& a) { return std::tie(a.ask.provider, a.ask.id); });
  seal(round);
  for (auto& commit : round.commits) {
    if (kinds == 1 && random.below(20) == 0) commit.data[0] ^= 1;
  }
  return round;
}

template <class T>
void shuffle(std::vector<T>& items, Random& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

}  // namespace hanse::auction
