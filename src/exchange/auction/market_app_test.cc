#include "exchange/auction/market_app.h"

#include "base/crypto/hash.h"
#include "exchange/auction/market_world.h"

namespace hanse::auction {
namespace {

using market::CloseReason;
using market::JobState;
using market::Method;

constexpr std::size_t kPayer = 0, kP1 = 1, kP2 = 2;

// One provider with an ask at base price 1000, and a job of 1024 tokens: posted price 11240.
struct OneProvider : MarketWorld {
  explicit OneProvider(const market::Params& params = {}) : MarketWorld(params) {
    EXPECT_EQ(add_provider(kP1).code, 0u);
    EXPECT_EQ(add_ask(kP1).code, 0u);
  }
  JobId matched() {
    gxf::Job order = plain_job(kPayer);
    const auto result = submit(kPayer, order);
    EXPECT_EQ(result.code, 0u) << result.error_id << " " << result.message;
    return order.job_id;
  }
  JobId started() {
    const JobId id = matched();
    EXPECT_EQ(call(kP1, Method::kJobStart, market::JobStart{id}).code, 0u);
    return id;
  }
};
constexpr std::uint64_t kPrice = 11'240;

TEST(Market, a_job_runs_from_match_to_payment) {
  OneProvider w;
  gxf::Job order = w.plain_job(kPayer);
  const auto result = w.submit(kPayer, order);
  const JobId id = order.job_id;
  const auto quote = market::decode_quote(result.data);
  ASSERT_TRUE(quote);
  EXPECT_EQ(quote->provider, w.who[kP1].id());
  EXPECT_EQ(quote->price.value, kPrice);
  EXPECT_EQ(w.balance(kPayer).value, 100'000'000 - kPrice);
  EXPECT_EQ(w.provider(kP1).used, 1u);
  EXPECT_EQ(w.provider(kP1).bond_locked.value, 2 * kPrice);
  EXPECT_EQ(w.job(id).gxf_hash, crypto::blob_id(gxf::encode(order)));
  EXPECT_TRUE(w.next_block().wants_block);
  ASSERT_EQ(w.call(kP1, Method::kJobStart, market::JobStart{id}).code, 0u);
  w.skip(3);
  ASSERT_EQ(w.call(kP1, Method::kJobReceipt, w.receipt_of(id)).code, 0u);
  w.skip(market::Params{}.settle_window);
  EXPECT_EQ(w.job(id).state, JobState::kReceipted);
  EXPECT_FALSE(w.next_block().wants_block);
  const market::Job done = w.job(id);
  EXPECT_EQ(done.state, JobState::kSettled);
  EXPECT_EQ(done.result->paid.value, kPrice - kPrice / 100);
  EXPECT_EQ(w.balance(kP1).value, 50'000'000 + kPrice - kPrice / 100);
  EXPECT_EQ(w.totals().treasury.value, kPrice / 100);
  EXPECT_EQ(w.provider(kP1).used, 0u);
  EXPECT_EQ(w.provider(kP1).bond_locked.value, 0u);
  EXPECT_EQ(w.provider(kP1).reputation, market::kReputationStart + 1);
  EXPECT_EQ(w.topics(),
            (std::vector<std::string>{"market.matched", "market.started", "market.receipted", "market.settled"}));
  recount(w.state);
}

TEST(Market, an_order_without_a_fit_locks_nothing_and_says_why) {
  OneProvider w;
  gxf::Job order = w.plain_job(kPayer);
  order.limit_total = Amount{kPrice - 1};
  const auto before = w.state.entries();
  const auto result = w.submit(kPayer, order);
  EXPECT_EQ(result.error_id, "market.unmatched");
  const auto why = market::decode_unmatched(result.data);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->asks_seen, 1u);
  EXPECT_EQ(why->counts[static_cast<std::size_t>(market::Constraint::kLimit)], 1u);
  EXPECT_EQ(why->counts[static_cast<std::size_t>(market::Constraint::kRegion)], 0u);
  EXPECT_TRUE(w.state.entries() == before);  // not even the nonce
  EXPECT_TRUE(w.events.empty());
}

TEST(Market, the_region_is_a_hard_filter) {
  OneProvider w;
  gxf::Job order = w.plain_job(kPayer);
  order.region_mask = 0b10;  // the provider is in region 0
  const auto result = w.submit(kPayer, order);
  EXPECT_EQ(result.error_id, "market.unmatched");
  EXPECT_EQ(market::decode_unmatched(result.data)->counts[static_cast<std::size_t>(market::Constraint::kRegion)], 1u);
}

TEST(Market, a_list_without_a_fit_beyond_the_scan_limit_is_named) {
  MarketWorld w({}, 6);
  for (std::size_t p = 1; p <= 5; ++p) {
    ASSERT_EQ(w.add_provider(p).code, 0u);
    for (int i = 0; i < 13; ++i) {  // 65 cheap asks that take no long jobs
      market::AskPost narrow = MarketWorld::ask(10);
      narrow.max_seq = 1;
      ASSERT_EQ(w.call(p, Method::kAskPost, narrow).code, 0u);
    }
  }
  gxf::Job order = w.plain_job(kPayer);
  EXPECT_EQ(w.submit(kPayer, order).error_id, "market.unmatched_scan_limit");
}

TEST(Market, takes_the_cheaper_of_two_and_use_raises_the_price) {
  MarketWorld w;
  ASSERT_EQ(w.add_provider(kP1, 0, 1).code, 0u);
  ASSERT_EQ(w.add_provider(kP2, 0, 1).code, 0u);
  ASSERT_EQ(w.add_ask(kP1, 2000).code, 0u);
  ASSERT_EQ(w.add_ask(kP2, 1999).code, 0u);
  gxf::Job first = w.plain_job(kPayer), second = w.plain_job(kPayer), third = w.plain_job(kPayer);
  EXPECT_EQ(market::decode_quote(w.submit(kPayer, first).data)->provider, w.who[kP2].id());
  EXPECT_EQ(market::decode_quote(w.submit(kPayer, second).data)->provider, w.who[kP1].id());
  const auto full = w.submit(kPayer, third);
  EXPECT_EQ(full.error_id, "market.unmatched");
  EXPECT_EQ(market::decode_unmatched(full.data)->counts[static_cast<std::size_t>(market::Constraint::kSlots)], 2u);
}

TEST(Market, a_job_is_ordered_once) {
  OneProvider w;
  gxf::Job order = w.plain_job(kPayer);
  const ledger::Tx tx = w.job_tx(kPayer, order);
  EXPECT_EQ(w.apply(tx).code, 0u);
  EXPECT_EQ(w.apply(tx).error_id, "market.job_exists");
  const auto checked = w.app->check(tx, w.context(), w.state);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().id(), "gxf.nonce_reused");
  EXPECT_EQ(w.app->payer(tx), w.who[kPayer].id());
}

TEST(Market, a_payer_without_funds_gets_no_match) {
  OneProvider w;
  w.matched();
  ASSERT_TRUE(ledger::debit(w.state, w.who[kPayer].id(), Amount{w.balance(kPayer).value - kPrice}));
  gxf::Job order = w.plain_job(kPayer);  // one slot of a hundred is in use: the price is above kPrice
  EXPECT_EQ(w.submit(kPayer, order).error_id, "ledger.insufficient");
  EXPECT_EQ(w.provider(kP1).used, 1u);
}

TEST(Market, the_payer_cancels_before_the_start_and_not_after) {
  OneProvider w;
  const JobId id = w.matched();
  EXPECT_EQ(w.call(3, Method::kJobCancel, market::JobCancel{id}).error_id, "market.not_yours");
  ASSERT_EQ(w.call(kPayer, Method::kJobCancel, market::JobCancel{id}).code, 0u);
  EXPECT_EQ(w.job(id).reason, CloseReason::kCancelled);
  EXPECT_EQ(w.balance(kPayer).value, 100'000'000u);
  const JobId second = w.started();
  EXPECT_EQ(w.call(kPayer, Method::kJobCancel, market::JobCancel{second}).error_id, "market.job_state");
  recount(w.state);
}

TEST(Market, only_the_matched_provider_moves_a_job) {
  OneProvider w;
  ASSERT_EQ(w.add_provider(kP2).code, 0u);
  const JobId id = w.matched();
  EXPECT_EQ(w.call(kP2, Method::kJobStart, market::JobStart{id}).error_id, "market.not_yours");
  EXPECT_EQ(w.call(kP1, Method::kJobReceipt, w.receipt_of(id)).error_id, "market.job_state");
  EXPECT_EQ(w.call(kP1, Method::kJobStart, market::JobStart{JobId{}}).error_id, "market.no_job");
}

TEST(Market, a_silent_provider_loses_bond_and_the_job_goes_to_another) {
  OneProvider w;
  const JobId id = w.matched();
  ASSERT_EQ(w.add_provider(kP2).code, 0u);
  ASSERT_EQ(w.add_ask(kP2, 3000).code, 0u);
  w.skip(market::Params{}.start_timeout + 1);
  const market::Job job = w.job(id);
  EXPECT_EQ(job.state, JobState::kMatched);
  EXPECT_EQ(job.attempt, 1);
  EXPECT_EQ(job.provider, w.who[kP2].id());
  EXPECT_EQ(w.provider(kP1).bond.value, 50'000'000 - kPrice / 10);
  EXPECT_EQ(w.provider(kP1).used, 0u);
  EXPECT_EQ(w.provider(kP1).reputation, market::kReputationStart - market::kReputationStart / 3);
  EXPECT_EQ(w.totals().burned.value, kPrice / 10);
  EXPECT_EQ(w.balance(kPayer).value, 100'000'000 - job.price.value);
  // Not twice: the second silence ends the job, although the first provider has room again.
  w.skip(market::Params{}.start_timeout + 1);
  EXPECT_EQ(w.job(id).state, JobState::kClosed);
  EXPECT_EQ(w.job(id).reason, CloseReason::kNoStart);
  EXPECT_EQ(w.balance(kPayer).value, 100'000'000u);
  recount(w.state);
}

TEST(Market, a_provider_that_declines_pays_nothing_one_that_gives_up_pays) {
  OneProvider w;
  const JobId declined = w.matched();
  ASSERT_EQ(w.call(kP1, Method::kJobCancel, market::JobCancel{declined}).code, 0u);
  EXPECT_EQ(w.job(declined).reason, CloseReason::kDeclined);
  EXPECT_EQ(w.provider(kP1).bond.value, 50'000'000u);
  const JobId dropped = w.started();
  ASSERT_EQ(w.call(kP1, Method::kJobCancel, market::JobCancel{dropped}).code, 0u);
  EXPECT_EQ(w.job(dropped).reason, CloseReason::kGivenUp);
  EXPECT_EQ(w.provider(kP1).bond.value, 50'000'000 - kPrice / 2);
  EXPECT_EQ(w.balance(kPayer).value, 100'000'000u);
}

TEST(Market, a_missing_receipt_closes_the_job) {
  OneProvider w;
  const JobId id = w.started();
  w.skip(market::Params{}.run_timeout);
  EXPECT_EQ(w.job(id).state, JobState::kStarted);
  w.skip(1);
  EXPECT_EQ(w.job(id).reason, CloseReason::kNoReceipt);
  EXPECT_EQ(w.call(kP1, Method::kJobReceipt, w.receipt_of(id)).error_id, "market.job_state");
}

TEST(Market, an_expired_job_costs_nobody_anything) {
  OneProvider w;
  gxf::Job order = w.plain_job(kPayer);
  order.expires = w.height.plus(2);
  ASSERT_EQ(w.submit(kPayer, order).code, 0u);
  w.skip(3);
  EXPECT_EQ(w.job(order.job_id).reason, CloseReason::kExpired);
  EXPECT_EQ(w.provider(kP1).bond.value, 50'000'000u);
}

TEST(Market, a_receipt_fits_its_job) {
  OneProvider w;
  const JobId id = w.started();
  EXPECT_EQ(w.call(kP1, Method::kJobReceipt, w.receipt_of(id, market::RunStatus::kOk, 1'000'001)).error_id,
            "market.receipt_gas");
  market::JobReceipt none = w.receipt_of(id);
  none.outputs.clear();
  EXPECT_EQ(w.call(kP1, Method::kJobReceipt, none).error_id, "market.receipt_outputs");
  market::JobReceipt trapped = w.receipt_of(id);
  trapped.status = market::RunStatus::kTrap;
  EXPECT_EQ(w.call(kP1, Method::kJobReceipt, trapped).error_id, "market.receipt_outputs");
  EXPECT_EQ(w.call(kP1, Method::kJobReceipt, w.receipt_of(id, market::RunStatus::kOk, 1'000'000)).code, 0u);
}

TEST(Market, audited_jobs_are_refused_and_never_downgraded) {
  OneProvider w;
  gxf::Job audited = w.plain_job(kPayer);
  audited.audit = gxf::Audit::kSampled;
  const ledger::Tx tx = w.job_tx(kPayer, audited);
  EXPECT_EQ(w.apply(tx).error_id, "market.no_audits");
  const auto checked = w.app->check(tx, w.context(), w.state);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().id(), "market.no_audits");
}

TEST(Market, a_deep_job_is_matched_like_a_flash_one) {
  OneProvider w;
  gxf::Job deep = w.plain_job(kPayer);
  deep.lane = gxf::Lane::kDeep;
  EXPECT_EQ(w.submit(kPayer, deep).error_id, "");
}

TEST(Market, refuses_malformed_bodies_and_unknown_methods) {
  OneProvider w;
  EXPECT_EQ(w.apply({.app = 2, .body = {0xff}}).code != 0, true);
  ledger::Tx tx = w.call_tx(kP1, static_cast<Method>(13), market::JobStart{});
  EXPECT_EQ(w.apply(tx).error_id, "market.method");
  tx = w.call_tx(kP1, static_cast<Method>(0), market::JobStart{});
  EXPECT_EQ(w.apply(tx).error_id, "market.method");
  tx = w.call_tx(kP1, Method::kJobStart, market::JobStart{});
  tx.body.back() ^= 1;
  EXPECT_EQ(w.apply(tx).error_id, "ledger.call_signature");
}

TEST(Market, genesis_refuses_bad_parameters_and_takes_none_as_defaults) {
  MarketWorld w;
  ledger::MemState fresh;
  ASSERT_TRUE(w.app->genesis({}, w.network, fresh));
  EXPECT_EQ(*read_params(fresh), market::Params{});
  market::Params bad;
  bad.start_timeout = 0;
  const auto status = w.app->genesis(market::encode_params(bad), w.network, fresh);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().id(), "market.params");
}

TEST(MarketDeathTest, vanished_money_stops_the_node) {
  OneProvider w;
  market::Totals totals = w.totals();
  totals.bonds = Amount{totals.bonds.value - 1};
  write_totals(w.state, totals);
  EXPECT_EQ(check_conservation(w.state).error().id(), "market.conservation");
  EXPECT_DEATH((void)w.app->end(w.context(), w.state), "supply is");
}

TEST(Market, a_damaged_record_is_named_corrupt) {
  OneProvider w;
  w.state.put(as_bytes(market::kParamsKey), as_bytes("?"));
  const auto end = w.app->end(w.context(), w.state);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().id(), "market.state");
  EXPECT_EQ(end.error().kind(), Kind::kCorrupt);
}

TEST(Market, closes_at_most_due_max_jobs_a_block_and_forgets_none) {
  OneProvider w;
  const JobId id = w.matched();
  // The job's record under many ids, written directly because signing as many orders takes long. Money and slots are
  // raised to match, so that the books stay right.
  const market::Job job = w.job(id);
  for (std::uint64_t i = 0; i < kDueMax; ++i) {
    market::Job copy = job;
    store_be(copy.bid.job_id.data.data(), i);
    write_job(w.state, copy, std::nullopt);
    ASSERT_TRUE(ledger::debit(w.state, w.who[kPayer].id(), job.price));
  }
  market::Totals totals = w.totals();
  totals.escrow.value += kDueMax * job.price.value;
  totals.live += kDueMax;
  write_totals(w.state, totals);
  market::Provider provider = w.provider(kP1);
  provider.used += kDueMax;
  provider.bond_locked.value += kDueMax * job.bond.value;
  write_provider(w.state, provider);
  market::Ask ask = *w.find_only_ask(kP1);
  ask.used_cu += kDueMax * job.bid.cu;
  update_ask(w.state, ask);

  w.skip(market::Params{}.start_timeout);
  EXPECT_EQ(w.totals().closed, 0u);
  EXPECT_TRUE(w.next_block().wants_block);
  EXPECT_EQ(w.totals().closed, kDueMax);
  EXPECT_FALSE(w.next_block().wants_block);
  EXPECT_EQ(w.totals().closed, kDueMax + 1);
  recount(w.state);
}

}  // namespace
}  // namespace hanse::auction
