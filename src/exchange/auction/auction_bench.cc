// What one order costs. Prints one JSON object a line.
//   match      one bid against a list of 64 fitting asks of different prices; floor: 64 price computations alone
//   clear      bids a second that one core clears in a sealed batch round of 1,000 and of 10,000 bids (a tenth as many
//              asks, four regions, all precisions; most bids trade); floor: their commits and tie hashes alone
//   check      bids a second that the checker gets through, the same round; floor: clearing it
//   block      the end of the block that clears the largest round, 10,000 bids past 1,000 asks of 100 providers:
//   record,
//              locks and refunds of the first commits on a state in memory; and of one that settles the next ones
//   order      check of a job transaction and its apply on a market of 64 asks; floor: one ML-DSA-65 verification
#include <cstdio>

#include "base/core/check.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/auction/clear.h"
#include "exchange/auction/market_world.h"
#include "exchange/auction/sealed.h"
#include "exchange/market/round_check.h"

namespace hanse::auction {

void bench_durable();  // durable_bench.cc
void report(std::string_view name, double value, std::string_view unit, double floor, std::string_view floor_what);
market::Round some_round(std::size_t bids);

void report(std::string_view name, double value, std::string_view unit, double floor, std::string_view floor_what) {
  const std::string line = text(
      "{{\"room\":\"auction\",\"name\":\"{}\",\"value\":{:.3f},\"unit\":\"{}\",\"floor\":{:.3f},\"floor_what\":\"{}\","
      "\"ratio\":{:.2f}}}\n",
      name, value, unit, floor, floor_what, value / floor);
  std::fwrite(line.data(), 1, line.size(), stdout);
}

namespace {

template <class F>
double ns_each(int times, F f) {
  const std::int64_t start = system_clock().mono_ns();
  for (int i = 0; i < times; ++i) f(i);
  return static_cast<double>(system_clock().mono_ns() - start) / times;
}

volatile std::uint64_t g_sink = 0;

void bench_match() {
  market::Bid bid;
  bid.precisions = market::precision_bit(gxf::Precision::kInt8);
  bid.seq = 1024;
  bid.batch = 1;
  bid.region_mask = 1;
  check(add_load(bid.work, {gxf::Precision::kInt8, 1024, 1}).has_value(), "the load fits");
  bid.cu = 1;
  bid.limit_total = Amount{1'000'000};
  std::vector<Offer> offers(kScanMax);
  for (std::size_t i = 0; i < offers.size(); ++i) {
    market::Ask& ask = offers[i].ask;
    ask.id.data[0] = static_cast<std::uint8_t>(i);
    ask.precisions = market::kPrecisionsAll;
    ask.level_max = 3;
    ask.max_seq = 4096;
    ask.max_batch = 8;
    ask.isolation = 3;
    ask.base_price = Amount{1000};
    ask.capacity_cu = 100;
    ask.valid_until = Height{100};
    offers[i].provider.capacity = 100;
    offers[i].provider.used = static_cast<std::uint32_t>(kScanMax - i);
    offers[i].provider.bond = Amount{1'000'000};
  }
  const MatchContext context{
      .height = Height{1}, .beacon = {}, .bond = {.audit_ppm = market::kPpm}, .excluded = std::nullopt};
  constexpr int kTimes = 20'000;
  const double match = ns_each(kTimes, [&](int) {
    Matcher matcher(bid, context);
    for (const Offer& offer : offers) matcher.consider(offer);
    g_sink = g_sink + matcher.best()->price.value;
  });
  const double floor = ns_each(kTimes, [&](int) {
    for (const Offer& offer : offers) {
      g_sink = g_sink + posted_price(offer.ask.base_price, bid.work,
                                     {.used = offer.provider.used, .capacity = offer.provider.capacity})
                            ->value;
    }
  });
  report("match_64_asks", match / 1000, "us", floor / 1000, "64 price computations");
}

}  // namespace

market::Round some_round(std::size_t bids) {
  SeededRandom random(1, "bench");
  market::Round round;
  round.height = Height{1};
  random.fill(round.beacon.span());
  for (std::size_t i = 0; i < bids / 10; ++i) {
    market::RoundAsk a;
    random.fill(a.ask.id.span());
    random.fill(a.ask.provider.span());
    a.seq = i;
    a.ask.region = static_cast<std::uint16_t>(random.below(4));
    a.ask.precisions = market::kPrecisionsAll;
    a.ask.level_max = 3;
    a.ask.max_seq = static_cast<std::uint32_t>(2048 + random.below(4096));
    a.ask.max_batch = 8;
    a.ask.isolation = static_cast<std::uint8_t>(random.below(4));
    a.ask.unit_price = Amount{500 + random.below(1000)};
    a.ask.capacity_cu = 400'000 + random.below(400'000);
    a.ask.valid_until = Height{1};
    a.bond = Amount{1ull << 40};
    a.free_slots = 1000;
    round.asks.push_back(a);
  }
  for (std::size_t i = 0; i < bids; ++i) {
    market::RoundBid b;
    random.fill(b.bid.job_id.span());
    random.fill(b.bid.payer.span());
    random.fill(b.salt.span());
    b.seq = i;
    const auto precision = static_cast<gxf::Precision>(1 + random.below(4));
    b.bid.precisions = market::precision_bit(precision);
    b.bid.seq = static_cast<std::uint32_t>(256 + random.below(4096));
    b.bid.batch = 1;
    check(add_load(b.bid.work, {precision, b.bid.seq, 1}).has_value(), "the load fits");
    b.bid.cu = *compute_units(round.cu_base, b.bid.work);
    b.bid.region_mask = 1 + random.below(15);
    b.bid.isolation = static_cast<std::uint8_t>(random.below(3));
    b.bid.limit_total = Amount{b.bid.cu * (600 + random.below(1500)) / 1000};
    b.bid.expires = Height{100};
    b.funds = b.bid.limit_total;
    round.commits.push_back(market::commit_of(b.bid, b.salt));
    round.bids.push_back(b);
  }
  return round;
}

namespace {

void bench_clear(std::size_t bids) {
  const market::Round round = some_round(bids);
  const int times = static_cast<int>(200'000 / bids);
  const auto rate = [&](double ns) { return 1e9 * static_cast<double>(bids) / ns; };
  std::size_t matched = 0;
  const double clearing = ns_each(times, [&](int) { matched = clear(round)->matches.size(); });
  check(matched > bids / 4, "the round trades");
  const double hashes = ns_each(times, [&](int) {
    for (const market::RoundBid& b : round.bids) {
      std::uint8_t be[8];
      store_be(be, b.seq);
      const auto tie =
          crypto::blake3("hanse/tie/2", {round.beacon.view(), round.beacon.view(), b.bid.payer.view(), be});
      g_sink = g_sink + tie.data[0] + market::commit_of(b.bid, b.salt).data[0];
    }
  });
  report(text("clear_{}_bids", bids), rate(clearing), "bids/s", rate(hashes), "the two hashes of each bid");
  if (bids > 1000) return;
  const market::RoundRecord record{round, *clear(round)};
  const double checking = ns_each(times / 10, [&](int) { check(market::check_record(record)->ok(), "it holds"); });
  report(text("check_{}_bids", bids), rate(checking), "bids/s", rate(clearing), "clearing the round");
}

// The bids are written as if revealed, which is not what is measured.
void bench_block() {
  market::Params params;
  params.commit_blocks = params.reveal_blocks = 1;
  MarketWorld world(params, 200, 1'000'000'000'000);
  constexpr std::size_t kBids = market::kRoundBidsMax, kProviders = 100, kAsksEach = 10;
  market::Round like = some_round(kBids);
  for (std::size_t p = 0; p < kProviders; ++p) {
    world.add_provider(p, static_cast<std::uint16_t>(p % 4), 1000, 100'000'000'000);
    for (std::size_t i = 0; i < kAsksEach; ++i) {
      const market::Ask& from = like.asks[p * kAsksEach + i].ask;
      market::AskPost post = MarketWorld::ask();
      post.max_seq = from.max_seq;
      post.unit_price = from.unit_price;
      post.capacity_cu = from.capacity_cu;
      check(world.call(p, market::Method::kAskPost, post).code == 0, "the ask stands");
    }
  }
  market::Commit call;
  for (std::size_t at = 0; at < kBids; at += 1000) {
    call.commits.assign(like.commits.begin() + static_cast<std::ptrdiff_t>(at),
                        like.commits.begin() + static_cast<std::ptrdiff_t>(at + 1000));
    check(world.call(100 + at / 1000, market::Method::kCommit, call).code == 0, "the commits are in");
  }
  market::Totals totals = world.totals();
  for (const market::RoundBid& b : like.bids) {
    market::SealedBid sealed = **find_sealed(world.state, 1, b.seq);
    market::Bid bid = b.bid;
    bid.payer = sealed.payer;
    sealed.commit = market::commit_of(bid, b.salt);
    sealed.revealed.emplace();
    sealed.revealed->bid = bid;
    sealed.revealed->salt = b.salt;
    check(ledger::debit(world.state, sealed.payer, bid.limit_total).has_value(), "the payer is rich");
    totals.sealed = plus(minus(totals.sealed, sealed.held), bid.limit_total);
    check(ledger::credit(world.state, sealed.payer, sealed.held).has_value(), "the deposit goes back");
    sealed.held = bid.limit_total;
    write_sealed(world.state, 1, b.seq, sealed);
  }
  write_totals(world.state, totals);
  world.height = Height{2};
  std::vector<double> blocks;
  while (*any_round_open(world.state)) {
    blocks.push_back(ns_each(1, [&](int) {
      ledger::Overlay overlay(world.state);
      check(world.app->end(world.context(), overlay).has_value(), "the block ends");
      overlay.commit_to(world.state);
    }));
    world.height = world.height.plus(1);
  }
  const market::RoundHead head = world.round(1);
  check(head.matches > kBids / 4 && blocks.size() == kBids / market::kLocksMax + 1, "the round trades");
  const auto record = market::decode_round(world.round_bytes(1));
  const double clearing =
      ns_each(3, [&](int) { check(clear(record->round)->matches.size() == head.matches, "as recorded"); });
  report("block_that_clears_10000", blocks[0] / 1e6, "ms", clearing / 1e6, "clearing it alone");
  report("block_that_settles_1024", blocks[blocks.size() / 2] / 1e6, "ms", clearing / 1e6, "clearing it alone");
}

void bench_order() {
  MarketWorld world({}, 6, 1'000'000'000'000);
  for (std::size_t p = 1; p <= 4; ++p) {
    world.add_provider(p, 0, 1000, 100'000'000'000);
    for (std::uint64_t i = 0; i < 16; ++i) world.add_ask(p, 1000 + 10 * i + p);
  }
  constexpr int kOrders = 1000;
  std::vector<ledger::Tx> orders;
  for (int i = 0; i < kOrders; ++i) {
    gxf::Job job = world.plain_job(0);
    orders.push_back(world.job_tx(0, job));
  }
  int matched = 0;
  const double order = ns_each(kOrders, [&](int i) {
    const ledger::Tx& tx = orders[static_cast<std::size_t>(i)];
    check(world.app->check(tx, world.context(), world.state).has_value(), "the order is good");
    matched += world.app->apply(tx, world.context(), world.state).code == 0;
  });
  check(matched == kOrders, "every order finds an ask");
  const auto& key = world.who[0].mldsa();
  const Bytes message(32, 1), signature = key.sign("hanse/gxf/4", message);
  const auto verifier = crypto::Verifier::create(key.public_key());
  check(verifier.has_value(), "the key is good");
  const double floor = ns_each(kOrders, [&](int) {
    check(verifier->verify("hanse/gxf/4", message, signature).has_value(), "the signature is good");
  });
  report("order_check_and_apply", order / 1000, "us", floor / 1000, "one ML-DSA-65 verification");
}

}  // namespace
}  // namespace hanse::auction

int main() {
  hanse::auction::bench_match();
  hanse::auction::bench_clear(1'000);
  hanse::auction::bench_clear(10'000);
  hanse::auction::bench_block();
  hanse::auction::bench_order();
  hanse::auction::bench_durable();
  return 0;
}
