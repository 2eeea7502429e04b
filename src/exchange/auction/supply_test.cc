#include "exchange/auction/supply.h"

#include "exchange/auction/market_world.h"

namespace hanse::auction {
namespace {

using market::Method;

constexpr std::size_t kP = 1;

TEST(Supply, a_bond_moves_in_and_out) {
  MarketWorld w;
  ASSERT_EQ(w.add_provider(kP, 0, 10, 2'000'000).code, 0u);
  EXPECT_EQ(w.balance(kP).value, 98'000'000u);
  EXPECT_EQ(w.provider(kP).mldsa_key_id, crypto::key_id(w.who[kP].mldsa().public_key()));
  ASSERT_EQ(w.add_provider(kP, 0, 10, 1'000'000).code, 0u);  // more bond
  EXPECT_EQ(w.provider(kP).bond.value, 3'000'000u);
  const auto unbond = [&](std::uint64_t amount) {
    return w.call(kP, Method::kProviderUnbond, market::ProviderUnbond{Amount{amount}});
  };
  EXPECT_EQ(unbond(3'000'001).error_id, "market.bond");
  EXPECT_EQ(unbond(0).error_id, "market.bond");
  ASSERT_EQ(unbond(3'000'000).code, 0u);
  EXPECT_EQ(w.balance(kP).value, 100'000'000u);
  EXPECT_EQ(unbond(1).error_id, "market.no_provider");  // nothing is held against it, so it is forgotten
  recount(w.state);
}

TEST(Supply, a_bad_name_outlives_the_bond) {
  MarketWorld w;
  ASSERT_EQ(w.add_provider(kP).code, 0u);
  ASSERT_EQ(w.add_ask(kP).code, 0u);
  gxf::Job order = w.plain_job(0);
  ASSERT_EQ(w.submit(0, order).code, 0u);
  w.skip(market::Params{}.start_timeout + 1);
  const market::Provider late = w.provider(kP);
  EXPECT_EQ(late.faults, 1u);
  const market::AskId id = w.find_only_ask(kP)->id;
  ASSERT_EQ(w.call(kP, Method::kAskWithdraw, market::AskWithdraw{id}).code, 0u);
  ASSERT_EQ(w.call(kP, Method::kProviderUnbond, market::ProviderUnbond{late.bond}).code, 0u);
  EXPECT_EQ(w.provider(kP).faults, 1u);
}

TEST(Supply, a_provider_changes_only_while_idle) {
  MarketWorld w;
  ASSERT_EQ(w.add_provider(kP, 0).code, 0u);
  ASSERT_EQ(w.add_provider(kP, 1, 100, 0).code, 0u);
  const auto posted = w.add_ask(kP);
  ASSERT_EQ(posted.code, 0u);
  EXPECT_EQ(w.add_provider(kP, 2, 100, 0).error_id, "market.provider_busy");
  EXPECT_EQ(w.call(kP, Method::kProviderUnbond, market::ProviderUnbond{Amount{49'000'001}}).error_id,
            "market.provider_busy");
  EXPECT_EQ(w.call(kP, Method::kProviderUnbond, market::ProviderUnbond{Amount{49'000'000}}).code, 0u);
  market::AskId id;
  ASSERT_TRUE(market::AskId::from(posted.data, id));
  ASSERT_EQ(w.call(kP, Method::kAskWithdraw, market::AskWithdraw{id}).code, 0u);
  EXPECT_EQ(w.call(kP, Method::kAskWithdraw, market::AskWithdraw{id}).error_id, "market.no_ask");
  EXPECT_EQ(w.add_provider(kP, 2, 100, 0).code, 0u);
}

TEST(Supply, refuses_fields_out_of_bounds) {
  market::Params narrow;
  narrow.precisions = 0b10;
  MarketWorld w(narrow);
  EXPECT_EQ(w.add_provider(kP).error_id, "market.provider_fields");
  MarketWorld v;
  EXPECT_EQ(v.add_provider(kP, 0, 0).error_id, "market.provider_fields");
  EXPECT_EQ(v.add_provider(kP, 0, 1, 999'999).error_id, "market.bond");
  EXPECT_EQ(v.add_provider(kP, 0, 1, 100'000'001).error_id, "ledger.insufficient");
  EXPECT_EQ(v.add_ask(kP).error_id, "market.no_provider");
  ASSERT_EQ(v.add_provider(kP, 0, 1, 1'000'000).code, 0u);
  const auto refused = [&](auto change) {
    market::AskPost ask = MarketWorld::ask();
    change(ask);
    return v.call(kP, Method::kAskPost, ask).error_id == "market.ask_fields";
  };
  EXPECT_TRUE(refused([](auto& a) { a.precisions = 0; }));
  EXPECT_TRUE(refused([](auto& a) { a.max_seq = 0; }));
  EXPECT_TRUE(refused([](auto& a) { a.max_batch = 0; }));
  EXPECT_TRUE(refused([](auto& a) { a.capacity_cu = 0; }));
  EXPECT_TRUE(refused([](auto& a) { a.valid_until = Height{0}; }));
  EXPECT_TRUE(refused([](auto& a) { a.valid_until = Height{1'000'002}; }));
  EXPECT_FALSE(refused([](auto& a) { a.valid_until = Height{1'000'001}; }));
  MarketWorld open;
  ASSERT_EQ(open.call(kP, Method::kProviderRegister,
                      market::ProviderRegister{.region = 0,
                                               .precisions = 0b10,
                                               .isolation = 1,
                                               .capacity = 1,
                                               .bond = Amount{1'000'000},
                                               .ed25519 = Bytes(32, 1)})
                .code,
            0u);
  EXPECT_EQ(open.add_ask(kP).error_id, "market.ask_fields");  // precisions and isolation beyond the provider's
}

TEST(Supply, one_ask_more_than_the_limit_is_refused) {
  MarketWorld w;
  ASSERT_EQ(w.add_provider(kP).code, 0u);
  for (std::size_t i = 0; i < market::kAsksPerProviderMax; ++i) ASSERT_EQ(w.add_ask(kP).code, 0u);
  EXPECT_EQ(w.add_ask(kP).error_id, "market.asks_full");
  recount(w.state);
}

}  // namespace
}  // namespace hanse::auction
