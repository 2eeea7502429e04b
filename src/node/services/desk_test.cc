#include "node/services/desk.h"

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "node/services/market_client_test.h"

#include <gtest/gtest.h>

namespace hanse::services {
namespace {

constexpr std::size_t kProvider = 0, kPayer = 1;

struct Market {
  explicit Market(bool with_mix = false) {
    EXPECT_EQ(node.world.add_provider(kProvider).code, 0u);
    EXPECT_EQ(node.world.add_ask(kProvider).code, 0u);
    Desk::Ways ways{.direct = [this]() -> Result<client::Client*> { return &node; }, .mix = {}};
    if (with_mix)
      ways.mix = [this](gxf::Lane lane) -> Result<client::Client*> {
        asked.push_back(lane);
        return &node;
      };
    desk.emplace(std::move(ways));
    node.wait_watches(1);  // the desk follows
  }
  Bytes signed_job(gxf::Lane lane, std::uint8_t priority = 200) {
    return node.with([&] {
      gxf::Job job = node.world.plain_job(kPayer);
      job.lane = lane;
      job.priority = priority;
      gxf::sign(job, node.world.who[kPayer], gxf::JobSigAlg::kMlDsa65);
      return gxf::encode(job);
    });
  }
  template <class Args>
  Bytes signed_call(std::size_t who, market::Method method, const Args& args) {
    return node.with([&] {
      const auto tx = node.world.call_tx(who, method, args);
      return to_bytes(market::decode_body(tx.body)->bytes);
    });
  }
  MarketClient node;
  std::vector<gxf::Lane> asked;
  std::optional<Desk> desk;
};

TEST(Desk, without_a_mix_routes_directly_what_leaves_its_lane_to_a_high_priority_and_nothing_else) {
  Market m;
  const auto sent = m.desk->route(m.signed_job(gxf::Lane::kAuto));
  ASSERT_TRUE(sent) << sent.error().str();
  ASSERT_FALSE(sent->refusal) << sent->refusal->str();
  EXPECT_EQ(sent->way, "direct");
  EXPECT_EQ(sent->lane, gxf::Lane::kFlash);
  EXPECT_EQ(sent->provider, m.node.world.who[kProvider].id());
  for (const Bytes& job :
       {m.signed_job(gxf::Lane::kFlash), m.signed_job(gxf::Lane::kDeep), m.signed_job(gxf::Lane::kAuto, 100)}) {
    const auto kept = m.desk->route(job);
    ASSERT_TRUE(kept) << kept.error().str();
    ASSERT_TRUE(kept->refusal);
    EXPECT_EQ(kept->refusal->id(), "services.no_mix");
    EXPECT_FALSE(kept->sent);
    EXPECT_FALSE(m.desk->job(kept->job_id));
  }
  const auto stats = m.desk->router_stats();
  EXPECT_EQ(stats.routed, 1u);
  EXPECT_EQ(stats.lanes, (std::array<std::uint64_t, 2>{1, 0}));
  EXPECT_EQ(stats.active, (std::array<std::uint64_t, 2>{1, 0}));
}

TEST(Desk, with_a_mix_each_job_takes_its_own_lane) {
  Market m(true);
  for (const auto& [lane, priority] : std::vector<std::pair<gxf::Lane, std::uint8_t>>{
           {gxf::Lane::kAuto, 200}, {gxf::Lane::kAuto, 100}, {gxf::Lane::kDeep, 200}, {gxf::Lane::kFlash, 1}}) {
    const auto sent = m.desk->route(m.signed_job(lane, priority));
    ASSERT_TRUE(sent && !sent->refusal);
  }
  EXPECT_EQ(m.asked, (std::vector{gxf::Lane::kFlash, gxf::Lane::kDeep, gxf::Lane::kDeep, gxf::Lane::kFlash}));
  EXPECT_EQ(m.desk->router_stats().lanes, (std::array<std::uint64_t, 2>{2, 2}));
}

TEST(Desk, a_routed_job_is_active_until_it_ends) {
  Market m;
  const auto sent = m.desk->route(m.signed_job(gxf::Lane::kAuto));
  ASSERT_TRUE(sent && !sent->refusal);
  EXPECT_EQ(m.desk->router_stats().active[0], 1u);
  const auto cancelled = m.desk->call(
      m.signed_call(kPayer, market::Method::kJobCancel, market::JobCancel{sent->job_id}), {market::Method::kJobCancel});
  ASSERT_TRUE(cancelled) << cancelled.error().str();
  ASSERT_FALSE(cancelled->refusal) << cancelled->refusal->str();
  m.node.wait_for([&] { return m.desk->router_stats().active[0] == 0; });
  EXPECT_EQ(m.desk->router_stats().routed, 1u);
}

TEST(Desk, refuses_what_nobody_signed_or_somebody_altered) {
  Market m;
  Bytes job = m.signed_job(gxf::Lane::kAuto);
  job.back() ^= 1;
  const auto altered = m.desk->route(job);
  ASSERT_FALSE(altered);
  EXPECT_EQ(altered.error().id(), "gxf.sig_bad");
  const auto garbage = m.desk->route(to_bytes("{\"schema_version\": 3}"));
  ASSERT_FALSE(garbage);
  EXPECT_TRUE(garbage.error().id().starts_with("gxf."));
  const auto large = m.desk->route(Bytes(gxf::kGxfSizeMax + 1));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().id(), "gxf.too_large");
  EXPECT_EQ(m.desk->router_stats().routed, 0u);
  EXPECT_EQ(m.desk->router_stats().active[0], 0u);
}

TEST(Desk, orders_a_signed_job_and_quotes_an_unsigned_one_at_the_same_price) {
  Market m;
  const Bytes job = m.signed_job(gxf::Lane::kFlash);
  const Bytes bare = gxf::encode_unsigned(*gxf::decode(job));
  const auto quoted = m.desk->run_auction(bare, 200);
  ASSERT_TRUE(quoted) << quoted.error().str();
  EXPECT_FALSE(quoted->sent);
  EXPECT_FALSE(m.desk->job(quoted->job_id));
  const auto ordered = m.desk->run_auction(job, 0);
  ASSERT_TRUE(ordered) << ordered.error().str();
  EXPECT_TRUE(ordered->sent);
  EXPECT_EQ(ordered->price, quoted->price);
  EXPECT_GT(ordered->price.value, 0u);
  EXPECT_EQ(ordered->provider, quoted->provider);
  EXPECT_EQ(ordered->job_id, quoted->job_id);
  EXPECT_TRUE(m.desk->job(ordered->job_id));
  const auto stats = m.desk->auction_stats();
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->auctions, 2u);
  EXPECT_EQ(stats->totals.matched, 1u);
  EXPECT_EQ(stats->totals.escrow, ordered->price);
}

TEST(Desk, a_priority_is_the_jobs_own_and_no_more_than_255) {
  Market m;
  const Bytes job = m.signed_job(gxf::Lane::kFlash, 200);
  for (const std::uint32_t bad : {256u, 300u, 199u}) {
    const auto refused = m.desk->run_auction(job, bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().id(), "services.priority");
  }
  EXPECT_TRUE(m.desk->run_auction(job, 200));
}

TEST(Desk, what_the_market_refuses_is_an_answer) {
  Market m;
  const Bytes job = m.signed_job(gxf::Lane::kFlash);
  ASSERT_TRUE(m.desk->run_auction(job, 0));
  m.node.with([&] {  // the same nonce once more
    --m.node.world.nonces[kPayer];
    return 0;
  });
  Bytes other = m.node.with([&] {
    gxf::Job again = m.node.world.plain_job(kPayer);
    again.limit_total = Amount{999'999};
    gxf::sign(again, m.node.world.who[kPayer], gxf::JobSigAlg::kMlDsa65);
    return gxf::encode(again);
  });
  const auto refused = m.desk->run_auction(other, 0);
  ASSERT_TRUE(refused) << refused.error().str();
  ASSERT_TRUE(refused->refusal);
  EXPECT_EQ(refused->refusal->id(), "gxf.nonce_reused");
  const auto unmatched = m.desk->run_auction(gxf::encode_unsigned([&] {
                                               gxf::Job dear = *gxf::decode(job);
                                               dear.limit_total = Amount{1};
                                               dear.job_id = gxf::derive_job_id(dear);
                                               return dear;
                                             }()),
                                             0);
  ASSERT_TRUE(unmatched) << unmatched.error().str();
  ASSERT_TRUE(unmatched->refusal);
  EXPECT_EQ(unmatched->refusal->id(), "market.unmatched");
  EXPECT_EQ(m.desk->auction_stats()->unmatched, 1u);
}

TEST(Desk, takes_calls_of_the_methods_named_only) {
  Market m;
  const Bytes post = m.signed_call(kProvider, market::Method::kAskPost, auction::MarketWorld::ask(2'000));
  const auto wrong = m.desk->call(post, {market::Method::kJobCancel});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().id(), "services.method");
  const auto right = m.desk->call(post, {market::Method::kProviderRegister, market::Method::kAskPost});
  ASSERT_TRUE(right) << right.error().str();
  EXPECT_FALSE(right->refusal);
  EXPECT_FALSE(m.desk->call(to_bytes("no call"), {market::Method::kAskPost}));
}

TEST(Desk, tells_every_step_of_a_job_until_its_end) {
  Market m;
  const auto ordered = m.desk->run_auction(m.signed_job(gxf::Lane::kFlash), 0);
  ASSERT_TRUE(ordered && !ordered->refusal);
  std::vector<std::string> steps;
  std::thread ends([&] {
    m.node.wait_watches(2);
    EXPECT_TRUE(m.desk->call(m.signed_call(kProvider, market::Method::kJobStart, market::JobStart{ordered->job_id}),
                             {market::Method::kJobStart}));
    EXPECT_TRUE(m.desk->call(m.signed_call(kProvider, market::Method::kJobCancel, market::JobCancel{ordered->job_id}),
                             {market::Method::kJobCancel}));
    m.node.wait_for([&] { return steps.size() >= 3; });
  });
  const auto watched = m.desk->watch_job(
      ordered->job_id,
      [&](const JobStep& step) {
        return m.node.with([&] {
          steps.emplace_back(step.state);
          return steps.size() < 3;
        });
      },
      [] { return true; });
  ends.join();
  ASSERT_TRUE(watched) << watched.error().str();
  EXPECT_EQ(steps, (std::vector<std::string>{"matched", "started", "closed"}));
  const auto none = m.desk->watch_job(JobId{}, [](const JobStep&) { return true; }, [] { return true; });
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().id(), "market.no_job");
}

TEST(Desk, a_watch_of_a_job_that_has_ended_tells_its_end) {
  Market m;
  const auto ordered = m.desk->run_auction(m.signed_job(gxf::Lane::kFlash), 0);
  ASSERT_TRUE(ordered && !ordered->refusal);
  ASSERT_TRUE(m.desk->call(m.signed_call(kPayer, market::Method::kJobCancel, market::JobCancel{ordered->job_id}),
                           {market::Method::kJobCancel}));
  std::vector<std::string> steps;
  ASSERT_TRUE(m.desk->watch_job(
      ordered->job_id,
      [&](const JobStep& step) {
        steps.emplace_back(step.state);
        return true;
      },
      [] { return true; }));
  EXPECT_EQ(steps, std::vector<std::string>{"closed"});
}

}  // namespace
}  // namespace hanse::services
