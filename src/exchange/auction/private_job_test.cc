// Private jobs on the market: who is matched with them, and what becomes of one with and without its payload.
#include "exchange/auction/market_world.h"
#include "exchange/auction/round_world_test.h"

namespace hanse::auction {
namespace {

using market::CloseReason;
using market::JobState;
using market::Method;

constexpr std::size_t kPayer = 0, kP1 = 1, kP2 = 2;
constexpr std::uint64_t kPrice = 11'240, kShare = kPrice / 10;

Bytes key_of(std::uint8_t byte) { return Bytes(market::kPayloadKeyBytes, byte); }

void make_private(gxf::Job& job) {
  job.extensions[gxf::kExtensionPrivate] = {1};
  job.inputs.push_back({.id = {}, .size_bytes = 40, .node = 0, .in_ix = 0});
}

struct PrivateMarket : MarketWorld {
  explicit PrivateMarket(const market::Params& params = {}) : MarketWorld(params) {
    EXPECT_EQ(add_provider(kP1).code, 0u);
    EXPECT_EQ(set_key(kP1, key_of(1)).code, 0u);
    EXPECT_EQ(add_ask(kP1).code, 0u);
  }
  ledger::TxResult set_key(std::size_t i, const Bytes& key) {
    return call(i, Method::kProviderKey, market::ProviderKey{.key = key});
  }
  gxf::Job private_job() {
    gxf::Job order = plain_job(kPayer);
    make_private(order);
    return order;
  }
  JobId matched(std::uint64_t valid = 500) {
    gxf::Job order = private_job();
    order.expires = height.plus(valid);
    const auto result = submit(kPayer, order);
    EXPECT_EQ(result.code, 0u) << result.error_id << " " << result.message;
    return order.job_id;
  }
  ledger::TxResult give(const JobId& id, std::size_t who = kPayer) {
    market::JobPayload args{.id = id, .blob = {}};
    args.blob.data.fill(9);
    return call(who, Method::kJobPayload, args);
  }
  ledger::TxResult start(const JobId& id) { return call(kP1, Method::kJobStart, market::JobStart{id}); }
};

TEST(PrivateJob, starts_only_after_its_payload_and_is_settled_as_any_other) {
  PrivateMarket w;
  const JobId id = w.matched();
  EXPECT_TRUE(w.job(id).awaits_payload());
  EXPECT_EQ(w.start(id).error_id, "market.no_payload");
  EXPECT_EQ(w.give(id, kP1).error_id, "market.not_yours");
  w.skip(7);
  ASSERT_EQ(w.give(id).code, 0u);
  EXPECT_FALSE(w.job(id).awaits_payload());
  EXPECT_EQ(w.job(id).deadline, w.height.plus(market::Params{}.start_timeout));  // the provider has its whole time
  EXPECT_EQ(w.give(id).error_id, "market.payload_given");
  ASSERT_EQ(w.start(id).code, 0u);
  EXPECT_EQ(w.give(id).error_id, "market.job_state");
  ASSERT_EQ(w.call(kP1, Method::kJobReceipt, w.receipt_of(id)).code, 0u);
  w.skip(market::Params{}.settle_window + 1);
  EXPECT_EQ(w.job(id).state, JobState::kSettled);
  EXPECT_EQ(w.topics(), (std::vector<std::string>{"market.matched", "market.payload", "market.started",
                                                  "market.receipted", "market.settled"}));
  EXPECT_EQ(w.events[1].payload, *w.job(id).payload);
  recount(w.state);
}

TEST(PrivateJob, without_a_payload_costs_its_payer_the_share_that_a_provider_loses_that_does_not_start) {
  PrivateMarket w;
  const JobId id = w.matched();
  w.skip(market::Params{}.start_timeout);
  EXPECT_EQ(w.job(id).state, JobState::kMatched);
  EXPECT_EQ(w.provider(kP1).used, 1u);
  w.next_block();
  EXPECT_EQ(w.job(id).state, JobState::kClosed);
  EXPECT_EQ(w.job(id).reason, CloseReason::kNoPayload);
  EXPECT_EQ(w.balance(kPayer).value, 100'000'000 - kShare);
  EXPECT_EQ(w.balance(kP1).value, 50'000'000 + kShare);
  const market::Provider p = w.provider(kP1);
  EXPECT_EQ(p.bond.value, 50'000'000u);
  EXPECT_EQ(p.used + p.bond_locked.value + p.faults, 0u);
  EXPECT_EQ(p.reputation, market::kReputationStart);
  EXPECT_EQ(w.find_only_ask(kP1)->used_cu, 0u);
  EXPECT_EQ(w.events.back().refund.value, kPrice - kShare);
  EXPECT_EQ(w.events.back().penalty.value, kShare);
  EXPECT_EQ(w.give(id).error_id, "market.job_state");
  recount(w.state);
}

TEST(PrivateJob, that_expires_without_a_payload_costs_the_same) {
  PrivateMarket w;
  const JobId id = w.matched(3);
  w.skip(4);
  EXPECT_EQ(w.job(id).reason, CloseReason::kNoPayload);
  EXPECT_EQ(w.balance(kPayer).value, 100'000'000 - kShare);
  recount(w.state);
}

TEST(PrivateJob, is_never_offered_to_another_provider) {
  PrivateMarket w;
  ASSERT_EQ(w.add_provider(kP2).code, 0u);
  ASSERT_EQ(w.set_key(kP2, key_of(2)).code, 0u);
  ASSERT_EQ(w.add_ask(kP2, 2000).code, 0u);
  const JobId silent = w.matched(), declined = w.matched(), lost = w.matched();
  for (const JobId& id : {silent, declined, lost}) ASSERT_EQ(w.give(id).code, 0u);
  ASSERT_EQ(w.call(kP1, Method::kJobCancel, market::JobCancel{declined}).code, 0u);
  EXPECT_EQ(w.job(declined).reason, CloseReason::kDeclined);
  EXPECT_EQ(w.provider(kP1).faults, 0u);
  ASSERT_EQ(w.start(lost).code, 0u);
  ASSERT_EQ(w.call(kP1, Method::kJobCancel, market::JobCancel{lost}).code, 0u);
  EXPECT_EQ(w.job(lost).reason, CloseReason::kGivenUp);
  w.skip(market::Params{}.start_timeout + 1);
  EXPECT_EQ(w.job(silent).reason, CloseReason::kNoStart);
  EXPECT_EQ(w.job(silent).state, JobState::kClosed);
  EXPECT_EQ(w.provider(kP1).faults, 2u);
  EXPECT_EQ(w.balance(kPayer).value, 100'000'000u);
  recount(w.state);
}

TEST(PrivateJob, whose_own_height_comes_after_the_payload_and_before_the_start_is_nobodys_fault) {
  PrivateMarket w;
  const JobId id = w.matched(5);
  w.skip(4);
  ASSERT_EQ(w.give(id).code, 0u);
  w.skip(2);
  EXPECT_EQ(w.job(id).reason, CloseReason::kExpired);
  EXPECT_EQ(w.provider(kP1).faults, 0u);
  EXPECT_EQ(w.balance(kPayer).value, 100'000'000u);
}

TEST(PrivateJob, is_matched_only_with_an_ask_of_a_provider_that_has_a_key) {
  PrivateMarket w;
  ASSERT_EQ(w.add_provider(kP2).code, 0u);
  ASSERT_EQ(w.add_ask(kP2, 1).code, 0u);  // cheaper, and without a key
  EXPECT_EQ(w.job(w.matched()).provider, w.who[kP1].id());
  ASSERT_EQ(w.call(kP1, Method::kAskWithdraw, market::AskWithdraw{w.find_only_ask(kP1)->id}).code, 0u);
  gxf::Job order = w.private_job();
  const auto result = w.submit(kPayer, order);
  EXPECT_EQ(result.error_id, "market.unmatched");
  EXPECT_NE(result.message.find("private 1"), std::string::npos) << result.message;
  const auto why = market::decode_unmatched(result.data);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->counts.back(), 1u);
}

TEST(PrivateJob, must_be_one_that_can_be_private) {
  PrivateMarket w({.audit_window = 10});
  gxf::Job order = w.private_job();
  order.inputs.clear();
  EXPECT_EQ(w.submit(kPayer, order).error_id, "market.private");
  order = w.private_job();
  order.extensions[gxf::kExtensionPrivate] = {0};
  EXPECT_EQ(w.submit(kPayer, order).error_id, "market.private");
  order = w.private_job();
  order.audit = gxf::Audit::kSampled;
  EXPECT_EQ(w.submit(kPayer, order).error_id, "market.audit_unsupported");
  gxf::Job open = w.plain_job(kPayer);
  ASSERT_EQ(w.submit(kPayer, open).code, 0u);
  EXPECT_EQ(w.give(open.job_id).error_id, "market.not_private");
}

TEST(PrivateJob, is_challenged_by_its_payer_alone) {
  PrivateMarket w({.audit_window = 10});
  const JobId id = w.matched();
  ASSERT_EQ(w.give(id).code, 0u);
  ASSERT_EQ(w.start(id).code, 0u);
  ASSERT_EQ(w.call(kP1, Method::kJobReceipt, w.receipt_of(id)).code, 0u);
  EXPECT_EQ(w.call(3, Method::kJobChallenge, market::JobChallenge{id}).error_id, "market.not_yours");
  EXPECT_EQ(w.call(kPayer, Method::kJobChallenge, market::JobChallenge{id}).code, 0u);
  EXPECT_EQ(w.job(id).state, JobState::kAudited);
  w.next_block();
  recount(w.state);
}

TEST(ProviderKey, stays_while_there_can_be_a_match) {
  PrivateMarket w;
  EXPECT_EQ(w.set_key(kP1, key_of(1)).code, 0u);  // the same again
  EXPECT_EQ(w.set_key(kP1, key_of(2)).error_id, "market.provider_busy");
  EXPECT_EQ(w.set_key(kP1, {}).error_id, "market.provider_busy");
  EXPECT_EQ(w.set_key(kP2, key_of(2)).error_id, "market.no_provider");
  EXPECT_EQ(w.set_key(kP1, Bytes(market::kPayloadKeyBytes - 1, 1)).error_id, "market.record");
  const auto known = w.app->query("provider_key", w.who[kP1].id().view(), w.state);
  EXPECT_EQ(*known, key_of(1));
  const JobId id = w.matched();
  ASSERT_EQ(w.call(kP1, Method::kAskWithdraw, market::AskWithdraw{w.find_only_ask(kP1)->id}).code, 0u);
  EXPECT_EQ(w.set_key(kP1, key_of(2)).error_id, "market.provider_busy");
  ASSERT_EQ(w.call(kPayer, Method::kJobCancel, market::JobCancel{id}).code, 0u);
  ASSERT_EQ(w.set_key(kP1, {}).code, 0u);
  EXPECT_EQ(w.app->query("provider_key", w.who[kP1].id().view(), w.state).error().id(), "market.no_key");
  ASSERT_EQ(w.add_ask(kP1).code, 0u);
  EXPECT_FALSE(w.find_only_ask(kP1)->takes_private);
}

TEST(ProviderKey, goes_with_its_provider) {
  PrivateMarket w;
  ASSERT_EQ(w.call(kP1, Method::kAskWithdraw, market::AskWithdraw{w.find_only_ask(kP1)->id}).code, 0u);
  ASSERT_EQ(w.call(kP1, Method::kProviderUnbond, market::ProviderUnbond{Amount{50'000'000}}).code, 0u);
  EXPECT_EQ(w.app->query("provider_key", w.who[kP1].id().view(), w.state).error().id(), "market.no_key");
}

// The private bid of 90 passes the ask of 10 by and takes that of 20; the open one of 80 gets it.
TEST(PrivateJob, takes_in_a_round_only_asks_that_take_it) {
  market::Round round = empty_round();
  auto& hidden = add_bid(round, 90);
  hidden.bid.is_private = true;
  round.commits[hidden.seq] = market::commit_of(hidden.bid, hidden.salt);
  add_bid(round, 80);
  add_ask(round, 10);
  add_ask(round, 20).ask.takes_private = true;
  add_ask(round, 50);
  const auto out = cleared(round);  // and the checker agrees
  ASSERT_EQ(out.matches.size(), 2u);
  for (const auto& match : out.matches) {
    const bool is_hidden = match.job_id == round.bids[0].bid.job_id;
    EXPECT_EQ(match.ask_id, round.asks[is_hidden ? 1 : 0].ask.id);
  }
  round.asks[1].ask.takes_private = false;
  const auto none = cleared(round);
  EXPECT_EQ(none.unmatched, (std::vector<market::BidFate>{{0, market::BidEnd::kNoFit}}));
}

}  // namespace
}  // namespace hanse::auction
