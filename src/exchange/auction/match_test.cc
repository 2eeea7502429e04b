#include "exchange/auction/match.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/core/random.h"
#include "base/core/text.h"

namespace hanse::auction {
namespace {

using market::Constraint;

market::Bid plain_bid() {
  market::Bid bid;
  bid.precisions = market::precision_bit(gxf::Precision::kInt8);
  bid.level = 1;
  bid.seq = 1024;
  bid.batch = 2;
  bid.region_mask = 0b110;
  bid.residency = 2;  // region 1
  bid.max_latency_ms = 50;
  bid.isolation = 2;
  EXPECT_TRUE(add_load(bid.work, {gxf::Precision::kInt8, 1024, 2}));
  bid.cu = 100;
  bid.limit_total = Amount{21'480};  // exactly the price below
  bid.expires = Height{50};
  return bid;
}

Offer fitting_offer(std::uint8_t number = 1) {
  Offer offer;
  offer.ask.id.data.fill(number);
  offer.ask.provider.data.fill(number);
  offer.ask.region = 1;
  offer.ask.precisions = market::precision_bit(gxf::Precision::kInt8);
  offer.ask.level_max = 1;
  offer.ask.max_seq = 1024;
  offer.ask.max_batch = 2;
  offer.ask.latency_ms = 50;
  offer.ask.isolation = 2;
  offer.ask.base_price = Amount{1000};
  offer.ask.capacity_cu = 150;
  offer.ask.used_cu = 50;
  offer.ask.valid_until = Height{10};
  offer.provider.account = offer.ask.provider;
  offer.provider.capacity = 1;
  offer.provider.bond = Amount{21'500};
  offer.provider.bond_locked = Amount{20};
  return offer;
}

const MatchContext kContext{
    .height = Height{10}, .beacon = {}, .bond = {.audit_ppm = market::kPpm}, .excluded = std::nullopt};

std::uint32_t broken(const market::Bid& bid, const Offer& offer, const MatchContext& context = kContext) {
  Terms terms;
  return violations(bid, offer, context, terms);
}

TEST(Match, takes_an_offer_that_just_fits) {
  Terms terms;
  EXPECT_EQ(violations(plain_bid(), fitting_offer(), kContext, terms), 0u);
  EXPECT_EQ(terms.price.value, 21'480u);
  EXPECT_EQ(terms.bond.value, 21'480u);
}

// One step beyond the bound of each constraint breaks that constraint and no other.
TEST(Match, names_each_broken_constraint_alone) {
  const auto only = [](Constraint c) { return 1u << static_cast<unsigned>(c); };
  const auto with_bid = [](auto change) {
    market::Bid bid = plain_bid();
    change(bid);
    return broken(bid, fitting_offer());
  };
  const auto with_offer = [](auto change) {
    Offer offer = fitting_offer();
    change(offer);
    return broken(plain_bid(), offer);
  };
  EXPECT_EQ(with_bid([](auto& b) { b.precisions |= 0b100; }), only(Constraint::kPrecision));
  EXPECT_EQ(with_bid([](auto& b) { b.level = 2; }), only(Constraint::kLevel));
  EXPECT_EQ(with_bid([](auto& b) { b.seq = 1025; }), only(Constraint::kSeq));
  EXPECT_EQ(with_bid([](auto& b) { b.batch = 3; }), only(Constraint::kBatch));
  EXPECT_EQ(with_bid([](auto& b) { b.region_mask = 0b100; }), only(Constraint::kRegion));
  EXPECT_EQ(with_bid([](auto& b) { b.residency = 3; }), only(Constraint::kResidency));
  EXPECT_EQ(with_bid([](auto& b) { b.isolation = 3; }), only(Constraint::kIsolation));
  EXPECT_EQ(with_bid([](auto& b) { b.max_latency_ms = 49; }), only(Constraint::kLatency));
  EXPECT_EQ(with_bid([](auto& b) { b.cu = 101; }), only(Constraint::kUnits));
  EXPECT_EQ(with_bid([](auto& b) { b.limit_total = Amount{21'479}; }), only(Constraint::kLimit));
  EXPECT_EQ(with_offer([](auto& o) { o.ask.valid_until = Height{9}; }), only(Constraint::kValidity));
  EXPECT_EQ(with_offer([](auto& o) { o.provider.bond_locked = Amount{21}; }), only(Constraint::kBond));
  MatchContext excluding = kContext;
  excluding.excluded = fitting_offer().ask.provider;
  EXPECT_EQ(broken(plain_bid(), fitting_offer(), excluding), only(Constraint::kExcluded));
  Offer full = fitting_offer();
  full.provider.used = 1;
  market::Bid rich = plain_bid();
  rich.limit_total = Amount{100'000};
  full.provider.bond = Amount{100'000};
  EXPECT_EQ(broken(rich, full), only(Constraint::kSlots));
  EXPECT_EQ(with_bid([](auto& b) {
              b.residency = 0;
              b.max_latency_ms = 0;
            }),
            0u);
}

TEST(Match, takes_a_private_bid_only_where_private_jobs_are_taken) {
  market::Bid bid = plain_bid();
  Offer offer = fitting_offer();
  bid.is_private = true;
  EXPECT_EQ(broken(bid, offer), 1u << static_cast<unsigned>(Constraint::kPrivate));
  EXPECT_EQ(fixed_violations(bid, offer.ask), 1u << static_cast<unsigned>(Constraint::kPrivate));
  offer.ask.takes_private = true;
  EXPECT_EQ(broken(bid, offer), 0u);
  EXPECT_EQ(broken(plain_bid(), offer), 0u);
}

TEST(Match, takes_the_cheapest_and_breaks_ties_by_the_beacon) {
  market::Bid bid = plain_bid();
  bid.limit_total = Amount{1'000'000};
  std::vector<Offer> offers;
  for (std::uint8_t i = 1; i <= 9; ++i) {
    offers.push_back(fitting_offer(i));
    offers.back().ask.base_price = Amount{i < 5 ? 900u : 1000u + i};
    offers.back().provider.bond = Amount{1'000'000};
  }
  std::set<std::uint8_t> winners;
  for (std::uint8_t beacon = 0; beacon < 40; ++beacon) {
    MatchContext context = kContext;
    context.beacon.data.fill(beacon);
    Matcher matcher(bid, context);
    for (const Offer& offer : offers) matcher.consider(offer);
    ASSERT_TRUE(matcher.best());
    EXPECT_EQ(matcher.best()->offer.ask.base_price.value, 900u);
    winners.insert(matcher.best()->offer.ask.id.data[0]);
  }
  EXPECT_EQ(winners.size(), 4u);  // each of the four equal asks wins under some beacon
}

TEST(Match, does_not_depend_on_the_order_of_lists) {
  const std::uint64_t seed = 11;
  SeededRandom random(seed);
  for (int round = 0; round < 200; ++round) {
    market::Bid bid = plain_bid();
    bid.limit_total = Amount{~0ull};
    bid.residency = 0;
    std::vector<std::vector<Offer>> lists(3);
    for (std::uint8_t i = 0; i < 24; ++i) {
      Offer offer = fitting_offer(static_cast<std::uint8_t>(i + 1));
      offer.ask.base_price = Amount{100 + random.below(6)};
      offer.provider.capacity = 4;
      offer.provider.used = static_cast<std::uint32_t>(random.below(5));
      offer.provider.bond = Amount{1'000'000};
      lists[i % 3].push_back(offer);
    }
    for (auto& list : lists) std::ranges::stable_sort(list, {}, [](const Offer& o) { return o.ask.base_price; });
    std::set<market::AskId> winners;
    std::vector<int> order = {0, 1, 2};
    do {
      Matcher matcher(bid, kContext);
      for (const int i : order) {
        matcher.next_list();
        for (const Offer& offer : lists[static_cast<std::size_t>(i)])
          if (!matcher.consider(offer)) break;
      }
      winners.insert(matcher.best() ? matcher.best()->offer.ask.id : market::AskId{});
    } while (std::ranges::next_permutation(order).found);
    EXPECT_EQ(winners.size(), 1u) << "seed " << seed << " round " << round;
  }
}

TEST(Match, looks_at_scan_max_asks_of_a_list_and_says_so) {
  Offer closed = fitting_offer();
  closed.ask.level_max = 0;
  const market::Bid bid = plain_bid();
  {
    Matcher matcher(bid, kContext);
    for (std::size_t i = 0; i + 1 < kScanMax; ++i) ASSERT_TRUE(matcher.consider(closed));
    ASSERT_TRUE(matcher.consider(fitting_offer()));
    EXPECT_TRUE(matcher.best());
  }
  Matcher matcher(bid, kContext);
  for (std::size_t i = 0; i < kScanMax; ++i) ASSERT_TRUE(matcher.consider(closed));
  EXPECT_FALSE(matcher.scan_limit());
  EXPECT_FALSE(matcher.consider(fitting_offer()));
  EXPECT_FALSE(matcher.best());
  EXPECT_TRUE(matcher.scan_limit());
  matcher.next_list();
  EXPECT_TRUE(matcher.consider(fitting_offer()));
  EXPECT_TRUE(matcher.best());
  EXPECT_FALSE(matcher.scan_limit());
}

gxf::Job two_nodes() {
  gxf::Job job;
  job.lane = gxf::Lane::kFlash;
  job.limit_total = Amount{5};
  gxf::Node a, b;
  a.shape = {.level = 0, .seq = 10, .batch = 4, .tokens = 0, .dims = {}};
  a.limits.gas = 7;
  b.precision = gxf::Precision::kFp8;
  b.shape = {.level = 2, .seq = 20, .batch = 1, .tokens = 0, .dims = {}};
  b.limits.gas = 8;
  job.nodes = {a, b};
  return job;
}

TEST(Bid, takes_the_largest_of_the_nodes_and_sums_their_work) {
  const auto bid = bid_of(two_nodes(), {});
  ASSERT_TRUE(bid);
  EXPECT_EQ(bid->precisions, 0b1010);
  EXPECT_EQ(bid->level, 2);
  EXPECT_EQ(bid->seq, 20u);
  EXPECT_EQ(bid->batch, 4);
  EXPECT_EQ(bid->work, (market::Work{.weight = 25, .load = 400 + 300}));
  EXPECT_EQ(bid->cu, 2500u + 700u);
  EXPECT_EQ(gas_limit_of(two_nodes()), 15u);
  gxf::Job huge = two_nodes();
  huge.nodes[0].limits.gas = ~0ull;
  EXPECT_EQ(gas_limit_of(huge), ~0ull);
}

TEST(Bid, refuses_what_the_market_cannot_keep) {
  gxf::Job deep = two_nodes();
  deep.lane = gxf::Lane::kDeep;
  EXPECT_EQ(*bid_of(deep, {}), *bid_of(two_nodes(), {}));  // the lane is the way there, no more
  market::Params audits;
  audits.audit_window = 20;
  gxf::Job audited = two_nodes();
  for (const gxf::Audit audit : {gxf::Audit::kSampled, gxf::Audit::kFreivalds, gxf::Audit::kSumcheck}) {
    audited.audit = audit;
    EXPECT_EQ(bid_of(audited, {}).error().id(), "market.no_audits");
    EXPECT_EQ(bid_of(audited, audits).has_value(), audit == gxf::Audit::kSampled);
  }
  EXPECT_EQ(bid_of(audited, audits).error().str(),
            "market.audit_unsupported: the job asks for audit 3, but it has 2 nodes, expected one");
}

TEST(Bid, reads_the_latency_extension) {
  gxf::Job job = two_nodes();
  job.extensions[gxf::kExtensionLatency] = {0x18, 0x32};
  EXPECT_EQ(bid_of(job, {})->max_latency_ms, 50u);
  job.extensions[gxf::kExtensionLatency] = {0x41, 0x32};
  EXPECT_EQ(bid_of(job, {}).error().id(), "market.latency");
}

}  // namespace
}  // namespace hanse::auction
