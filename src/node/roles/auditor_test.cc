#include "node/roles/auditor.h"

#include <thread>

#include "exchange/auction/book.h"
#include "node/services/market_client_test.h"

#include <gtest/gtest.h>

namespace hanse::roles {
namespace {

using services::MarketClient;

constexpr std::size_t kProvider = 0, kPayer = 1, kValidator = 3;

struct Quiet final : Report {
  void say(Level, std::string_view, logging::Fields, const std::source_location&) override {}
};

struct Running {
  explicit Running(Judge judge, std::size_t account = kValidator) {
    market::Params params;
    params.audit_window = 1000;
    params.bond.audit_ppm = market::kPpm;
    node.world = auction::MarketWorld(params, 8);
    node.world.set_validators(kValidator, {2500, 2500, 2500, 2500});
    EXPECT_EQ(node.world.add_provider(kProvider).error_id, "");
    EXPECT_EQ(node.world.add_ask(kProvider).error_id, "");
    own = std::make_unique<Caller>(node, node.world.who[account], node.world.network);
    auditor =
        std::make_unique<Auditor>(Auditor::Ports{node, *own, random, quiet}, node.world.network, 1, std::move(judge));
  }
  ~Running() { end(); }
  void start() {
    thread = std::thread([this] { outcome = auditor->run(); });
  }
  void end() {
    auditor->stop();
    if (thread.joinable()) thread.join();
  }
  JobId audited() {
    return node.with([&] {
      auto& w = node.world;
      gxf::Job job = w.plain_job(kPayer);
      job.audit = gxf::Audit::kSampled;
      EXPECT_EQ(w.submit(kPayer, job).error_id, "");
      EXPECT_EQ(w.call(kProvider, market::Method::kJobStart, market::JobStart{.id = job.job_id}).error_id, "");
      EXPECT_EQ(w.call(kProvider, market::Method::kJobReceipt, w.receipt_of(job.job_id)).error_id, "");
      w.skip(market::Params{}.settle_window + 1);
      EXPECT_EQ(w.job(job.job_id).state, market::JobState::kAudited);
      return job.job_id;
    });
  }
  std::vector<market::Verdict> verdicts(const JobId& id) { return auction::read_audit(node.world.state, id)->verdicts; }

  MarketClient node;
  std::unique_ptr<Caller> own;
  SeededRandom random{12, "auditor"};
  Quiet quiet;
  std::unique_ptr<Auditor> auditor;
  std::thread thread;
  Status outcome;
};

TEST(Auditor, says_of_each_receipt_once_what_its_judge_found) {
  std::map<JobId, int> judged;
  JobId good, bad;
  Running r([&](const market::Job& job, const BlobId&, runtime::RunControl&) -> Result<std::optional<bool>> {
    ++judged[job.bid.job_id];
    return job.bid.job_id == good;
  });
  good = r.audited();
  bad = r.audited();
  r.start();
  r.node.wait_for([&] { return !r.verdicts(good).empty() && !r.verdicts(bad).empty(); });
  EXPECT_TRUE(r.node.with([&] { return r.verdicts(good)[0].holds; }));
  EXPECT_FALSE(r.node.with([&] { return r.verdicts(bad)[0].holds; }));
  const JobId later = r.audited();
  r.node.wait_for([&] { return !r.verdicts(later).empty(); });
  r.end();
  EXPECT_TRUE(r.outcome);
  EXPECT_EQ(judged, (std::map<JobId, int>{{good, 1}, {bad, 1}, {later, 1}}));
  EXPECT_EQ(r.auditor->counters().held, 1u);
  EXPECT_EQ(r.auditor->counters().refuted, 2u);
}

TEST(Auditor, judges_first_what_ends_first) {
  std::vector<JobId> order;
  Running r([&](const market::Job& job, const BlobId&, runtime::RunControl&) -> Result<std::optional<bool>> {
    order.push_back(job.bid.job_id);
    return true;
  });
  std::vector<JobId> audited;
  for (int i = 0; i < 5; ++i) audited.push_back(r.audited());  // each ends later than the one before
  ASSERT_FALSE(std::ranges::is_sorted(audited));               // the ledger lists them by id
  r.start();
  r.node.wait_for([&] { return !r.verdicts(audited.back()).empty(); });
  r.end();
  EXPECT_EQ(order, audited);
}

TEST(Auditor, is_silent_where_nothing_can_be_said_and_tries_again_where_it_failed) {
  std::map<JobId, int> judged;
  JobId floating, lost;
  Running r([&](const market::Job& job, const BlobId&, runtime::RunControl&) -> Result<std::optional<bool>> {
    ++judged[job.bid.job_id];
    if (job.bid.job_id == floating) return std::nullopt;
    if (job.bid.job_id == lost) return fail(Kind::kNotFound, "flow.no_blob", "found no input");
    return true;
  });
  floating = r.audited();
  lost = r.audited();
  r.start();
  r.node.wait_for([&] { return r.auditor->counters().failed == Auditor::kAttemptsMax; });
  const JobId later = r.audited();  // after it nothing of the others is looked at
  r.node.wait_for([&] { return !r.verdicts(later).empty(); });
  r.end();
  EXPECT_TRUE(r.verdicts(floating).empty());
  EXPECT_TRUE(r.verdicts(lost).empty());
  EXPECT_EQ(judged, (std::map<JobId, int>{{floating, 1}, {lost, Auditor::kAttemptsMax}, {later, 1}}));
}

TEST(Auditor, ends_when_its_account_is_no_validator) {
  Running r([](const market::Job&, const BlobId&, runtime::RunControl&) -> Result<std::optional<bool>> { return true; },
            kPayer);
  r.audited();
  r.start();
  r.thread.join();
  ASSERT_FALSE(r.outcome);
  EXPECT_EQ(r.outcome.error().id(), "market.not_auditor");
}

}  // namespace
}  // namespace hanse::roles
