#include "exchange/auction/market_query.h"

#include "exchange/auction/market_world.h"

namespace hanse::auction {
namespace {

struct Asking : MarketWorld {
  Asking() {
    for (const std::size_t p : {1u, 2u}) {
      EXPECT_EQ(add_provider(p).code, 0u);
      EXPECT_EQ(add_ask(p, 1000 * p).code, 0u);
    }
    for (int i = 0; i < 3; ++i) {
      gxf::Job order = plain_job(0);
      EXPECT_EQ(submit(0, order).code, 0u);
      ids.push_back(order.job_id);
      orders.push_back(gxf::encode(order));
      next_block();
    }
  }
  Result<Bytes> ask(std::string_view path, ByteView argument) const { return app->query(path, argument, state); }
  std::vector<JobId> ids;
  std::vector<Bytes> orders;
};

TEST(Query, finds_single_records) {
  Asking w;
  EXPECT_EQ(*market::decode_job(*w.ask("job", w.ids[0].view())), w.job(w.ids[0]));
  EXPECT_EQ(*w.ask("gxf", w.ids[1].view()), w.orders[1]);
  EXPECT_EQ(*market::decode_provider(*w.ask("provider", w.who[1].id().view())), w.provider(1));
  EXPECT_EQ(*market::decode_params(*w.ask("params", {})), market::Params{});
  EXPECT_EQ(*market::decode_totals(*w.ask("totals", {})), w.totals());
  const auto account = market::decode_account_view(*w.ask("account", w.who[0].id().view()));
  EXPECT_EQ(account->balance, w.balance(0));
  EXPECT_EQ(account->nonce, 3u);
}

TEST(Query, lists_jobs_in_pages_by_payer_and_provider) {
  Asking w;
  market::JobsQuery query{
      .by = market::JobsBy::kPayer, .account = w.who[0].id(), .after_height = {}, .after_job = {}, .limit = 2};
  const auto first = market::decode_jobs(*w.ask("jobs", market::encode_query(query)));
  ASSERT_EQ(first->size(), 2u);
  EXPECT_EQ(first->at(0).bid.job_id, w.ids[0]);
  query.after_height = first->back().submitted;
  query.after_job = first->back().bid.job_id;
  const auto second = market::decode_jobs(*w.ask("jobs", market::encode_query(query)));
  ASSERT_EQ(second->size(), 1u);
  EXPECT_EQ(second->at(0).bid.job_id, w.ids[2]);
  query = {.by = market::JobsBy::kProvider,
           .account = w.who[1].id(),
           .after_height = {},
           .after_job = {},
           .limit = market::kPageMax};
  EXPECT_EQ(market::decode_jobs(*w.ask("jobs", market::encode_query(query)))->size(), 3u);
  query.account = w.who[2].id();
  EXPECT_EQ(market::decode_jobs(*w.ask("jobs", market::encode_query(query)))->size(), 0u);
}

TEST(Query, lists_providers_and_asks_in_pages) {
  Asking w;
  market::ProvidersQuery providers{.after = {}, .limit = 1};
  const auto first = market::decode_providers(*w.ask("providers", market::encode_query(providers)));
  ASSERT_EQ(first->size(), 1u);
  providers.after = first->back().account;
  const auto second = market::decode_providers(*w.ask("providers", market::encode_query(providers)));
  ASSERT_EQ(second->size(), 1u);
  EXPECT_LT(first->back().account, second->back().account);
  market::AsksQuery asks;
  const auto all = market::decode_asks(*w.ask("asks", market::encode_query(asks)));
  ASSERT_EQ(all->size(), 2u);
  asks.after_provider = all->at(0).provider;
  asks.after_ask = all->at(0).id;
  EXPECT_EQ(market::decode_asks(*w.ask("asks", market::encode_query(asks)))->size(), 1u);
  asks = {};
  asks.provider = w.who[2].id();
  const auto own = market::decode_asks(*w.ask("asks", market::encode_query(asks)));
  ASSERT_EQ(own->size(), 1u);
  EXPECT_EQ(own->at(0).base_price.value, 2000u);
}

TEST(Query, quotes_what_an_order_would_get) {
  Asking w;
  gxf::Job order = w.plain_job(0);
  gxf::sign(order, w.who[0], gxf::JobSigAlg::kMlDsa65);
  const Bytes bytes = gxf::encode(order);
  const Bytes argument = market::encode_query(market::QuoteQuery{.height = w.height, .gxf = bytes});
  const auto before = w.state.entries();
  const auto quoted = market::decode_quote(*w.ask("quote", argument));
  EXPECT_TRUE(w.state.entries() == before);
  EXPECT_EQ(*quoted, *market::decode_quote(w.submit(0, order).data));
  const auto late = w.ask("quote", market::encode_query(market::QuoteQuery{.height = Height{1001}, .gxf = bytes}));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().id(), "market.unmatched");
}

TEST(Query, names_what_is_not_there) {
  Asking w;
  const auto id = [&](std::string_view path, ByteView argument) {
    const auto answer = w.ask(path, argument);
    return answer ? std::string() : std::string(answer.error().id());
  };
  EXPECT_EQ(id("nothing", {}), "market.no_query");
  EXPECT_EQ(id("job", JobId{}.view()), "market.no_job");
  EXPECT_EQ(id("job", {}), "market.query");
  EXPECT_EQ(id("provider", AccountId{}.view()), "market.no_provider");
  EXPECT_EQ(id("account", JobId{}.view()), "market.query");
}

}  // namespace
}  // namespace hanse::auction
