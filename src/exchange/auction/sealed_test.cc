#include "exchange/auction/sealed.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "exchange/auction/market_world.h"
#include "exchange/market/round_check.h"

namespace hanse::auction {
namespace {

using market::BidEnd;
using market::RoundTopic;

constexpr std::size_t kA = 0, kB = 1, kC = 2, kP1 = 3, kP2 = 4;
constexpr std::uint64_t kEach = 100'000'000, kDeposit = 500;
constexpr std::uint64_t kUnits = 11'240;  // of a plain job

// Rounds of 2 and 3 blocks. Two providers: room for two plain jobs at 1000 ut per kCU, and for many at 2000.
class SealedWorld : public MarketWorld {
 public:
  SealedWorld() : MarketWorld(params()) {
    for (const std::size_t p : {kP1, kP2}) EXPECT_EQ(add_provider(p).code, 0u);
    EXPECT_EQ(offer(kP1, 1000, 2 * kUnits).code, 0u);
    EXPECT_EQ(offer(kP2, 2000, 100 * kUnits).code, 0u);
  }
  static market::Params params() {
    market::Params p;
    p.commit_blocks = 2;
    p.reveal_blocks = 3;
    p.deposit = Amount{kDeposit};
    p.start_timeout = 5;
    p.run_timeout = 5;
    p.settle_window = 1;
    return p;
  }
  ledger::TxResult offer(std::size_t who_is, std::uint64_t unit_price, std::uint64_t capacity_cu) {
    market::AskPost post = ask();
    post.unit_price = Amount{unit_price};
    post.capacity_cu = capacity_cu;
    return call(who_is, market::Method::kAskPost, post);
  }
  // A job worth v ut per kCU.
  gxf::Job job_worth(std::uint64_t v) {
    gxf::Job job = plain_job(kA);
    --nonces[kA];
    job.limit_total = Amount{v * kUnits / 1000};
    return job;
  }
  Sealed bid(std::size_t payer, std::uint64_t v) { return commit(payer, {job_worth(v)}); }
  void until(Height h) {
    while (height < h) next_block();
  }
  std::vector<market::RoundEvent> told(RoundTopic topic) const {
    std::vector<market::RoundEvent> out;
    std::ranges::copy_if(round_events, std::back_inserter(out), [&](const auto& e) { return e.topic == topic; });
    return out;
  }
};

TEST(Sealed, a_round_runs_from_commit_to_payment) {
  SealedWorld w;
  const auto a = w.bid(kA, 5000);
  ASSERT_EQ(a.result.code, 0u) << a.result.message;
  EXPECT_EQ(a.place, (market::CommitPlace{1, 0, Height{2}, Height{5}}));
  EXPECT_EQ(w.balance(kA).value, kEach - kDeposit);
  EXPECT_EQ(w.totals().sealed.value, kDeposit);
  EXPECT_TRUE(w.next_block().wants_block);
  const auto b = w.bid(kB, 4000), c = w.bid(kC, 1500);
  EXPECT_EQ(b.place.seq, 1u);
  EXPECT_EQ(c.place.seq, 2u);
  w.next_block();
  for (const auto* sealed : {&a, &b, &c}) EXPECT_EQ(w.reveal(*sealed).code, 0u);
  EXPECT_EQ(w.balance(kA).value, kEach - 5 * kUnits);
  EXPECT_EQ(w.totals().sealed.value, 5 * kUnits + 4 * kUnits + 1500 * kUnits / 1000);
  w.until(Height{6});  // block 5 cleared it

  // a and b trade at P1, which is used up; c is worth less than P2 wants: p0 = floor((1500 + 2000) / 2).
  constexpr std::uint64_t kPays = 1750 * kUnits / 1000;
  const market::RoundHead head = w.round(1);
  EXPECT_EQ(head.cleared, Height{5});
  EXPECT_EQ(head.matches, 2u);
  EXPECT_EQ(head.paid.value, 2 * kPays);
  EXPECT_EQ(head.treasury.value, 0u);
  EXPECT_EQ(w.totals().sealed.value, 0u);
  EXPECT_EQ(w.balance(kC).value, kEach);
  ASSERT_EQ(w.told(RoundTopic::kUnmatched).size(), 1u);
  EXPECT_EQ(w.told(RoundTopic::kUnmatched)[0].end, static_cast<std::uint8_t>(BidEnd::kCapacity)) << "P1 is used up";
  for (const auto* sealed : {&a, &b}) {
    const market::Job job = w.job(sealed->jobs[0].job_id);
    EXPECT_EQ(job.state, market::JobState::kMatched);
    EXPECT_EQ(job.price.value, kPays);
    EXPECT_EQ(job.round, 1u);
    EXPECT_EQ(job.provider, w.who[kP1].id());
    EXPECT_EQ(job.bond.value, 2 * kPays);
  }
  EXPECT_EQ(w.provider(kP1).used, 2u);
  const JobId id = a.jobs[0].job_id;
  EXPECT_EQ(w.call(kP1, market::Method::kJobStart, market::JobStart{id}).code, 0u);
  EXPECT_EQ(w.call(kP1, market::Method::kJobReceipt, w.receipt_of(id)).code, 0u);
  w.skip(2);
  EXPECT_EQ(w.job(id).state, market::JobState::kSettled);
  EXPECT_EQ(w.balance(kA).value, kEach - kPays);
}

TEST(Sealed, the_record_is_what_the_checker_accepts_and_an_altered_one_is_refused) {
  SealedWorld w;
  std::vector<MarketWorld::Sealed> bids;
  for (const std::uint64_t v : {5000, 4000, 1500}) bids.push_back(w.bid(kA, v));
  w.until(Height{3});
  for (const auto& bid : bids) ASSERT_EQ(w.reveal(bid).code, 0u);
  w.until(Height{6});
  const Bytes bytes = w.round_bytes(1);
  EXPECT_EQ(market::round_hash(bytes), w.round(1).record_hash);
  auto record = market::decode_round(bytes);
  ASSERT_TRUE(record) << record.error().str();
  EXPECT_EQ(record->round.beacon, [] {
    Hash32 beacon;
    store_be(beacon.data.data(), std::uint64_t{5});
    return beacon;
  }()) << "of the block that cleared it, known after every commit";
  EXPECT_TRUE(market::check_record(*record)->ok());
  record->outcome.matches[0].gets.value += 1;
  EXPECT_FALSE(market::check_record(*record)->ok());
}

TEST(Sealed, a_bid_that_is_not_revealed_burns_its_deposit) {
  SealedWorld w;
  const auto a = w.bid(kA, 5000);
  w.until(Height{7});
  EXPECT_EQ(w.balance(kA).value, kEach - kDeposit);
  EXPECT_EQ(w.totals().burned.value, kDeposit);
  EXPECT_EQ(w.round(1).burned.value, kDeposit);
  ASSERT_EQ(w.told(RoundTopic::kNoReveal).size(), 1u);
  EXPECT_EQ(w.reveal(a).error_id, "market.no_round") << "too late";
  EXPECT_FALSE(w.next_block().wants_block);
}

TEST(Sealed, reveals_have_their_phase_and_the_next_round_opens_beside_it) {
  SealedWorld w;
  const auto a = w.bid(kA, 5000);
  EXPECT_EQ(w.reveal(a).error_id, "market.round_phase");
  w.next_block();
  EXPECT_EQ(w.reveal(a).error_id, "market.round_phase") << "the last height of commits";
  w.next_block();
  const auto b = w.bid(kB, 5000);  // round 1 takes no more
  EXPECT_EQ(b.place, (market::CommitPlace{2, 0, Height{4}, Height{7}}));
  w.until(Height{5});
  EXPECT_EQ(w.reveal(a).code, 0u) << "the last height of reveals";
  EXPECT_EQ(w.reveal(b).code, 0u);
  const auto c = w.bid(kC, 5000);
  EXPECT_EQ(c.place.round, 3u);
  EXPECT_TRUE(w.next_block().wants_block);
  EXPECT_EQ(w.round(1).cleared, Height{5});
  EXPECT_TRUE(w.round(2).open());
  w.until(Height{11});
  EXPECT_EQ(w.round(2).cleared, Height{7});
  EXPECT_EQ(w.round(3).cleared, Height{9});
  EXPECT_FALSE(*any_round_open(w.state));
}

TEST(Sealed, only_the_committed_job_of_its_payer_is_revealed) {
  SealedWorld w;
  const auto a = w.bid(kA, 5000), b = w.bid(kB, 4000);
  const auto thief = w.apply(a.tx);
  EXPECT_EQ(thief.error_id, "ledger.nonce_reused");
  // Somebody copies a commit: the copy has its own deposit, and cannot be opened with the job of another.
  market::Commit copied;
  copied.commits.push_back(find_sealed(w.state, 1, 0)->value().commit);
  EXPECT_EQ(w.call(kC, market::Method::kCommit, copied).code, 0u);
  w.until(Height{3});
  const auto with = [&](auto change) {
    market::Reveal reveal = w.reveal_of(a);
    change(reveal);
    return w.apply(MarketWorld::reveal_tx(reveal)).error_id;
  };
  EXPECT_EQ(with([](auto& r) { r.seq = 2; }), "market.not_committed") << "payer";
  EXPECT_EQ(with([](auto& r) { r.seq = 3; }), "market.no_commit");
  EXPECT_EQ(with([](auto& r) { r.round = 2; }), "market.no_round");
  EXPECT_EQ(with([](auto& r) { r.salt.data[0] ^= 1; }), "market.not_committed");
  EXPECT_EQ(with([&](auto& r) {  // another limit
              gxf::Job job = a.jobs[0];
              job.limit_total.value -= 1;
              gxf::sign(job, w.who[kA], gxf::JobSigAlg::kMlDsa65);
              r.gxf = gxf::encode(job);
            }),
            "market.not_committed");
  EXPECT_EQ(with([&](auto& r) {  // another nonce, as if it could be ordered later
              gxf::Job job = a.jobs[0];
              job.nonce += 1;
              gxf::sign(job, w.who[kA], gxf::JobSigAlg::kMlDsa65);
              r.gxf = gxf::encode(job);
            }),
            "market.not_committed");
  EXPECT_EQ(with([](auto& r) { r.gxf.back() ^= 1; }), "gxf.sig_bad");
  EXPECT_EQ(with([](auto&) {}), "");
  EXPECT_EQ(with([](auto&) {}), "market.revealed");
  // A revealed job is public and signed; it still cannot be ordered.
  const ledger::Tx order{.app = market::kMarketApp,
                         .body = market::encode_body(market::BodyKind::kJob, gxf::encode(a.jobs[0]))};
  EXPECT_EQ(w.apply(order).error_id, "gxf.nonce_reused");
  EXPECT_EQ(w.call(kA, market::Method::kJobCancel, market::JobCancel{a.jobs[0].job_id}).error_id, "market.no_job");
  EXPECT_EQ(w.reveal(b).code, 0u);
}

// A job with a nonce that is still free could be ordered by anybody once it is revealed.
TEST(Sealed, a_committed_job_has_the_nonce_of_its_commit) {
  SealedWorld w;
  gxf::Job job = w.job_worth(5000);
  job.nonce = w.nonces[kA] + 9;
  gxf::sign(job, w.who[kA], gxf::JobSigAlg::kMlDsa65);
  const market::Salt salt{};
  const market::Commit call{.commits = {market::commit_of(*bid_of(job, SealedWorld::params()), salt)}};
  ASSERT_EQ(w.call(kA, market::Method::kCommit, call).code, 0u);
  w.until(Height{3});
  const auto refused =
      w.apply(MarketWorld::reveal_tx({.round = 1, .seq = 0, .salt = salt, .gxf = gxf::encode(job), .attempt = 0}));
  EXPECT_EQ(refused.error_id, "market.not_committed");
  EXPECT_NE(refused.message.find("nonce"), std::string::npos) << refused.message;
}

TEST(Sealed, one_job_is_one_bid) {
  SealedWorld w;
  const gxf::Job job = w.job_worth(5000);
  const auto twice = w.commit(kA, {job, job});
  w.until(Height{3});
  EXPECT_EQ(w.reveal(twice, 0).code, 0u);
  EXPECT_EQ(w.reveal(twice, 1).error_id, "market.job_exists");
  w.until(Height{7});
  EXPECT_EQ(w.totals().burned.value, kDeposit);
}

TEST(Sealed, without_money_there_is_no_commit_and_no_reveal) {
  SealedWorld w;
  const auto poor = w.bid(kA, 5000);
  w.until(Height{3});
  const std::uint64_t balance = w.balance(kA).value;
  ASSERT_TRUE(ledger::debit(w.state, w.who[kA].id(), Amount{balance - 5 * kUnits + kDeposit + 1}));
  EXPECT_EQ(w.reveal(poor).error_id, "ledger.insufficient") << "one short of the limit, deposit counted";
  ASSERT_TRUE(ledger::credit(w.state, w.who[kA].id(), Amount{1}));
  EXPECT_EQ(w.reveal(poor).code, 0u);
  EXPECT_EQ(w.balance(kA).value, 0u);
  EXPECT_EQ(w.bid(kA, 10).result.error_id, "ledger.insufficient");
  ASSERT_TRUE(ledger::credit(w.state, w.who[kA].id(), Amount{balance - 5 * kUnits + kDeposit}));
}

// Bids of 9000, 8000 and 7000 and one ask with room for all of them and more: its own price is below every limit, so
// the last trade is dropped, the others pay 7000 and P gets 1000.
TEST(Sealed, what_a_reduced_round_leaves_over_follows_the_job) {
  SealedWorld w;
  ASSERT_EQ(w.call(kP1, market::Method::kAskWithdraw, market::AskWithdraw{w.find_only_ask(kP1)->id}).code, 0u);
  ASSERT_EQ(w.offer(kP1, 1000, 100 * kUnits).code, 0u);
  std::vector<MarketWorld::Sealed> bids;
  for (const std::uint64_t v : {9000, 8000, 7000}) bids.push_back(w.bid(kA, v));
  w.until(Height{3});
  for (const auto& bid : bids) ASSERT_EQ(w.reveal(bid).code, 0u);
  w.until(Height{6});
  EXPECT_EQ(w.round(1).treasury.value, 2 * 6 * kUnits);
  EXPECT_EQ(w.totals().treasury.value, 0u) << "nothing is earned yet";
  const JobId good = bids[0].jobs[0].job_id, late = bids[1].jobs[0].job_id;
  EXPECT_EQ(w.job(good).price.value, kUnits);
  EXPECT_EQ(w.job(good).spread.value, 6 * kUnits);
  EXPECT_EQ(w.totals().escrow.value, 2 * 7 * kUnits);
  ASSERT_EQ(w.call(kP1, market::Method::kJobStart, market::JobStart{good}).code, 0u);
  ASSERT_EQ(w.call(kP1, market::Method::kJobReceipt, w.receipt_of(good)).code, 0u);
  w.skip(2);
  const market::Job settled = w.job(good);
  EXPECT_EQ(settled.result->paid.value + settled.result->fee.value, 7 * kUnits);
  EXPECT_EQ(w.totals().treasury.value, 6 * kUnits + kUnits / 100);
  w.until(Height{11});  // `late` was not started: offered once more, at the posted price of P2
  EXPECT_EQ(w.job(late).attempt, 1u);
  EXPECT_EQ(w.job(late).spread.value, 0u);
  EXPECT_EQ(w.job(late).provider, w.who[kP2].id());
  EXPECT_EQ(w.provider(kP1).faults, 1u);
  EXPECT_EQ(w.totals().burned.value, kUnits / 10);
}

TEST(Sealed, half_of_the_work_earns_half_of_the_spread) {
  market::Job job;
  job.price = Amount{1000};
  job.spread = Amount{500};
  job.gas_limit = 100;
  job.result = market::JobResult{};
  job.result->status = market::RunStatus::kTrap;
  job.result->gas = 50;
  const Pay pay = settle_pay(job, {});
  EXPECT_EQ(pay.paid.value, 495u);
  EXPECT_EQ(pay.fee.value, 255u);
  EXPECT_EQ(pay.refund.value, 750u);
  job.result->status = market::RunStatus::kTimeout;
  EXPECT_EQ(settle_pay(job, {}).refund.value, 1500u);
}

TEST(Sealed, a_round_takes_so_many_commits_and_no_more) {
  market::Params params = SealedWorld::params();
  params.deposit = Amount{1};
  MarketWorld w(params);
  market::Commit call;
  for (std::size_t i = 0; i < market::kCommitsPerCallMax; ++i) store_be(call.commits.emplace_back().data.data(), i);
  call.commits.emplace_back();
  EXPECT_EQ(w.call(kA, market::Method::kCommit, call).error_id, "codec.too_large");
  call.commits.clear();
  EXPECT_EQ(w.call(kA, market::Method::kCommit, call).error_id, "market.record");
  call.commits.resize(1000);
  for (int i = 0; i < 9; ++i) ASSERT_EQ(w.call(kA, market::Method::kCommit, call).code, 0u);
  call.commits.resize(1001);
  EXPECT_EQ(w.call(kA, market::Method::kCommit, call).error_id, "market.round_limit");
  call.commits.resize(1000);
  EXPECT_EQ(w.call(kA, market::Method::kCommit, call).code, 0u);
  call.commits.resize(1);
  EXPECT_EQ(w.call(kA, market::Method::kCommit, call).error_id, "market.round_limit");
  w.skip(2);
  EXPECT_EQ(w.call(kA, market::Method::kCommit, call).code, 0u) << "the next round";
  w.skip(2);
  const std::size_t blocks = (market::kRoundBidsMax + market::kLocksMax - 1) / market::kLocksMax;
  for (std::size_t b = 1; b <= blocks; ++b) {
    EXPECT_TRUE(w.next_block().wants_block);
    EXPECT_EQ(w.round(1).settled, std::min<std::uint64_t>(b * market::kLocksMax, market::kRoundBidsMax));
  }
  EXPECT_EQ(w.round(1).commits, market::kRoundBidsMax);
  EXPECT_TRUE(w.round(2).open()) << "it waits for the one before";
  EXPECT_EQ(w.totals().burned.value, market::kRoundBidsMax);
  std::size_t left = 0;
  ASSERT_TRUE(w.state.scan(as_bytes(market::kSealedPrefix), {}, [&](ByteView, ByteView) { return ++left, true; }));
  EXPECT_EQ(left, 1u);
  w.next_block();
  EXPECT_EQ(w.round(2).cleared, Height{15});
}

TEST(Sealed, the_newest_rounds_stay_and_older_ones_go) {
  SealedWorld w;
  for (std::uint64_t n = 1; n <= market::kRoundsKept + 1; ++n) {
    ASSERT_EQ(w.bid(kA, 5000).place.round, n);
    w.skip(5);
  }
  EXPECT_EQ(w.round(1).number, 0u);
  EXPECT_FALSE(w.state.get(market::round_part_key(1, 0))->has_value());
  EXPECT_EQ(w.round(2).number, 2u);
  EXPECT_TRUE(market::decode_round(w.round_bytes(2)));
  const auto page = w.app->query("rounds", market::encode_query(market::RoundsQuery{.before = 0, .limit = 3}), w.state);
  const auto heads = market::decode_round_heads(*page);
  ASSERT_TRUE(heads && heads->size() == 3u);
  EXPECT_EQ((*heads)[0].number, market::kRoundsKept + 1);
  EXPECT_EQ((*heads)[2].number, market::kRoundsKept - 1);
  const auto rest = w.app->query("rounds", market::encode_query(market::RoundsQuery{.before = 4, .limit = 9}), w.state);
  EXPECT_EQ(market::decode_round_heads(*rest)->size(), 2u);
  EXPECT_FALSE(w.app->query("rounds", market::encode_query(market::RoundsQuery{.before = 0, .limit = 0}), w.state));
  EXPECT_EQ(w.app->query("round_part", market::encode_query(market::RoundPlace{1, 0}), w.state).error().id(),
            "market.no_round");
  EXPECT_EQ(w.app->query("sealed_bid", market::encode_query(market::RoundPlace{2, 0}), w.state).error().id(),
            "market.no_commit");
}

// The bids stand behind so many commits that the block of the clearing settles only the first of them.
TEST(Sealed, a_block_settles_so_many_commits_and_keeps_what_the_others_need) {
  SealedWorld w;
  market::Commit others;
  others.commits.resize(market::kLocksMax - 1);
  ASSERT_EQ(w.call(5, market::Method::kCommit, others).code, 0u);
  std::vector<MarketWorld::Sealed> bids;
  for (const std::uint64_t v : {5000, 4000, 1500}) bids.push_back(w.bid(kA, v));
  w.until(Height{3});
  for (const auto& bid : bids) ASSERT_EQ(w.reveal(bid).code, 0u);
  w.until(Height{6});
  constexpr std::uint64_t kPays = 1750 * kUnits / 1000;
  EXPECT_EQ(w.round(1).cleared, Height{5});
  EXPECT_EQ(w.round(1).settled, market::kLocksMax);
  EXPECT_TRUE(find_job(w.state, bids[0].jobs[0].job_id)->has_value()) << "the last that fits";
  EXPECT_FALSE(find_job(w.state, bids[1].jobs[0].job_id)->has_value());
  EXPECT_EQ(w.provider(kP1).used, 2u);
  EXPECT_EQ(w.provider(kP1).bond_locked.value, 2 * 2 * kPays);
  EXPECT_EQ(w.totals().burned.value, (market::kLocksMax - 1) * kDeposit);
  EXPECT_EQ(w.totals().sealed.value, 4000 * kUnits / 1000 + 1500 * kUnits / 1000);
  recount(w.state);
  EXPECT_EQ(w.reveal(bids[1]).error_id, "market.no_round");
  // Meanwhile its provider leaves as far as it can: what is set aside stays.
  ASSERT_EQ(w.call(kP1, market::Method::kAskWithdraw, market::AskWithdraw{w.find_only_ask(kP1)->id}).code, 0u);
  EXPECT_EQ(w.call(kP1, market::Method::kProviderUnbond, market::ProviderUnbond{w.provider(kP1).bond}).error_id,
            "market.bond");
  w.next_block();
  EXPECT_EQ(w.round(1).settled, w.round(1).commits);
  EXPECT_EQ(w.job(bids[1].jobs[0].job_id).state, market::JobState::kMatched);
  EXPECT_EQ(w.balance(kA).value, kEach - 2 * kPays);
  EXPECT_EQ(w.totals().sealed.value, 0u);
  EXPECT_FALSE(*any_round_open(w.state));
}

// What the pool asks before a transaction is passed on.
TEST(Sealed, the_pool_sees_what_the_ledger_would_say) {
  SealedWorld w;
  const auto a = w.bid(kA, 5000);
  const ledger::Tx tx = MarketWorld::reveal_tx(w.reveal_of(a));
  EXPECT_EQ(w.app->check(tx, w.context(), w.state).error().id(), "market.round_phase");
  w.until(Height{3});
  EXPECT_TRUE(w.app->check(tx, w.context(), w.state));
  EXPECT_EQ(w.app->payer(tx), w.who[kA].id());
  EXPECT_EQ(w.apply(tx).code, 0u);
  EXPECT_EQ(w.app->check(tx, w.context(), w.state).error().id(), "market.revealed");
}

// The cheapest provider has room for one job: it gets one, the next ones get the other bids.
TEST(Sealed, a_provider_serves_no_more_than_its_slots) {
  SealedWorld w;
  ASSERT_EQ(w.add_provider(5, 0, 1).code, 0u);
  ASSERT_EQ(w.offer(5, 900, 100 * kUnits).code, 0u);
  std::vector<MarketWorld::Sealed> bids;
  for (const std::uint64_t v : {9000, 8000, 1800}) bids.push_back(w.bid(kA, v));
  w.until(Height{3});
  for (const auto& bid : bids) ASSERT_EQ(w.reveal(bid).code, 0u);
  w.until(Height{6});
  EXPECT_EQ(w.provider(5).used, 1u);
  const auto record = market::decode_round(w.round_bytes(1));
  EXPECT_TRUE(market::check_record(*record)->ok());
}

}  // namespace
}  // namespace hanse::auction
