#include "exchange/flow/job_flow.h"

#include <unistd.h>

#include "exchange/flow/cpu_class.h"
#include "exchange/flow/flow_world_test.h"

namespace hanse::flow {
namespace {

Status work(FlowWorld& w, const JobId& id) {
  runtime::RunControl control;
  return run_matched_job(id, w.provider_ports(), control);
}

std::string why(const Status& status) { return status ? "fine" : std::string(status.error().id()); }

TEST(ProviderFlow, runs_a_diamond_and_records_its_receipt) {
  FlowWorld w;
  const JobId id = w.place(w.diamond());
  const Status status = work(w, id);
  ASSERT_TRUE(status) << status.error().str();
  const market::Job job = w.market.job(id);
  ASSERT_EQ(job.state, market::JobState::kReceipted);
  ASSERT_EQ(job.result->outputs.size(), 2u);
  EXPECT_EQ(as_text(w.blobs.at(job.result->outputs[0].id)), "[3:6 [2:6 [0:6 a b]] [1:6 [0:6 a b]]]");
  EXPECT_EQ(w.blobs.at(job.result->outputs[1].id), to_bytes(job.seed.view()));
  EXPECT_EQ(job.result->gas, 400u);
  EXPECT_EQ(w.isolations, std::set<int>{2});
  EXPECT_EQ(w.journal.size(), 0u);

  const auto signed_receipt = receipt::decode_signed_receipt(w.blobs.at(job.result->receipt_hash));
  ASSERT_TRUE(signed_receipt);
  const auto opened = receipt::open_receipt(*signed_receipt);
  ASSERT_TRUE(opened) << opened.error().str();
  EXPECT_EQ(opened->receipt.kernel_class, "wasm/v1-test");
  EXPECT_EQ(opened->receipt.cpu_class, "x86-64-v3");
  EXPECT_EQ(opened->receipt.price, job.price);
  EXPECT_EQ(opened->receipt.artifacts.size(), 4u);
}

// The machine dies at every moment in turn and starts again: the job ends all the same, and the ledger heard each word
// once. Only a death inside the run itself repeats the run.
TEST(ProviderFlow, a_crash_at_any_moment_resumes_and_repeats_nothing) {
  int moments = 0;
  for (int at = 0;; ++at) {
    SCOPED_TRACE(text("crash at moment {}", at));
    FlowWorld w;
    const JobId id = w.place(w.diamond());
    w.crash = {.at = at, .moment = 0};
    const Status first = work(w, id);
    if (first) break;  // past the last moment
    ASSERT_EQ(first.error().id(), "flow.test_crash");
    const bool kept = w.journal.find(id, Step::kRan)->has_value();
    const bool signed_once = w.journal.find(id, Step::kSigned)->has_value();
    const Bytes signature = signed_once ? **w.journal.find(id, Step::kSigned) : Bytes{};
    const std::size_t runs = w.requests.size();
    ++moments;
    w.crash = {};
    const Status second = work(w, id);
    ASSERT_TRUE(second) << second.error().str();
    EXPECT_EQ(w.market.job(id).state, market::JobState::kReceipted);
    EXPECT_EQ(w.calls, 2);  // one job_start, one job_receipt
    if (kept) {
      EXPECT_EQ(w.requests.size(), runs);
    }
    if (signed_once) {
      EXPECT_EQ(w.blobs.at(w.market.job(id).result->receipt_hash), signature);
    }
    EXPECT_TRUE(work(w, id));  // and a third time nothing happens
    EXPECT_EQ(w.calls, 2);
    EXPECT_EQ(w.journal.size(), 0u);
  }
  EXPECT_GT(moments, 20);
}

TEST(ProviderFlow, only_a_short_run_is_kept_without_a_sync) {
  for (const std::int64_t run_ns : {kShortRunNs / 4 - 1, kShortRunNs / 4}) {  // each of four nodes
    FlowWorld w;
    w.run_ns = run_ns;
    ASSERT_TRUE(work(w, w.place(w.diamond())));
    const Keep expected = run_ns * 4 < kShortRunNs ? Keep::kWritten : Keep::kSynced;
    const std::vector<std::pair<Step, Keep>> all{{Step::kRan, expected}, {Step::kSigned, expected}};
    EXPECT_EQ(w.kept, all) << run_ns;
  }
}

// The power goes at every moment of a short run and takes the unsynced steps with it: the job ends with one receipt.
TEST(ProviderFlow, a_short_run_is_repeated_after_a_power_loss) {
  int repeated = 0;
  for (int at = 0;; ++at) {
    SCOPED_TRACE(text("power lost at moment {}", at));
    FlowWorld w;
    const JobId id = w.place(w.diamond());
    w.crash = {.at = at, .moment = 0};
    if (work(w, id)) break;
    const std::size_t runs = w.requests.size();
    const bool recorded = w.market.job(id).result.has_value();
    w.crash = {};
    ASSERT_TRUE(w.journal.forget(id));
    const Status second = work(w, id);
    ASSERT_TRUE(second) << second.error().str();
    ASSERT_EQ(w.market.job(id).state, market::JobState::kReceipted);
    EXPECT_TRUE(w.blobs.contains(w.market.job(id).result->receipt_hash));
    EXPECT_EQ(w.calls, 2);
    if (recorded) {
      EXPECT_EQ(w.requests.size(), runs);
    }
    if (!recorded && runs == 4) ++repeated;
  }
  EXPECT_GT(repeated, 4);
}

TEST(ProviderFlow, a_receipt_that_comes_after_the_job_closed_is_no_error) {
  FlowWorld w;
  const JobId id = w.place(w.diamond());
  w.on_run = [&] {
    for (int i = 0; i < 10'000 && !w.market.job(id).ended(); ++i) w.market.next_block();
  };
  const Status status = work(w, id);
  EXPECT_TRUE(status) << status.error().str();
  EXPECT_TRUE(w.market.job(id).ended());
  EXPECT_FALSE(w.market.job(id).result.has_value());
  EXPECT_EQ(w.calls, 2);  // the receipt was sent and refused
}

TEST(ProviderFlow, leaves_a_job_alone_whose_receipt_is_audited) {
  FlowWorld w;
  const JobId id = w.place(w.diamond());
  ASSERT_TRUE(work(w, id));
  const market::Job before = w.market.job(id);
  market::Job audited = before;
  audited.state = market::JobState::kAudited;
  auction::write_job(w.market.state, audited, before);
  const int calls = w.calls;
  int runs = 0;
  w.on_run = [&] { ++runs; };
  const Status status = work(w, id);  // after a restart
  EXPECT_TRUE(status) << status.error().str();
  EXPECT_EQ(w.calls, calls);
  EXPECT_EQ(runs, 0);
}

TEST(ProviderFlow, a_failed_node_ends_the_job_with_the_gas_burnt) {
  FlowWorld w;
  w.failing_node = 1;
  const JobId id = w.place(w.diamond());
  ASSERT_TRUE(work(w, id));
  const market::Job job = w.market.job(id);
  EXPECT_EQ(job.result->status, market::RunStatus::kTrap);
  EXPECT_EQ(job.result->gas, 200u);
  EXPECT_TRUE(job.result->outputs.empty());
  EXPECT_EQ(w.requests.size(), 2u);  // nodes 0 and 1
}

TEST(ProviderFlow, what_the_kind_refuses_is_the_jobs_fault_and_a_dead_worker_is_not) {
  FlowWorld w;
  w.failing_node = 0;
  w.failure_error.emplace(Kind::kInvalid, "wasm.no_export", "the module exports no run");
  const JobId refused = w.place(w.diamond());
  ASSERT_TRUE(work(w, refused));
  EXPECT_EQ(w.market.job(refused).result->status, market::RunStatus::kTrap);
  EXPECT_EQ(w.market.job(refused).result->gas, 0u);
  w.failure_error.emplace(Kind::kUnavailable, "runtime.worker_crashed", "signal 11");
  const JobId crashed = w.place(w.diamond());
  EXPECT_EQ(why(work(w, crashed)), "runtime.worker_crashed");
  EXPECT_EQ(w.market.job(crashed).state, market::JobState::kStarted);
  EXPECT_EQ(w.journal.size(), 0u);
}

TEST(ProviderFlow, an_output_nobody_wrote_is_a_trap) {
  FlowWorld w;
  gxf::Job job = w.diamond();
  job.outputs = {{.node = 3, .out_ix = 2}};
  const JobId id = w.place(job);
  ASSERT_TRUE(work(w, id));
  EXPECT_EQ(w.market.job(id).result->status, market::RunStatus::kTrap);
}

TEST(ProviderFlow, a_stop_leaves_the_job_to_be_given_back) {
  FlowWorld w;
  const JobId id = w.place(w.diamond());
  runtime::RunControl control;
  control.request_stop();
  EXPECT_EQ(why(run_matched_job(id, w.provider_ports(), control)), "flow.stopped");
  EXPECT_EQ(w.market.job(id).state, market::JobState::kStarted);
  EXPECT_EQ(w.journal.size(), 0u);
}

TEST(ProviderFlow, nothing_is_started_that_cannot_be_done) {
  FlowWorld w;
  const auto refused = [&](auto change) {
    gxf::Job job = w.diamond();
    change(job);
    const JobId id = w.place(job);
    const Status status = work(w, id);
    EXPECT_EQ(w.market.job(id).state, market::JobState::kMatched);
    return why(status);
  };
  EXPECT_EQ(refused([](gxf::Job& job) { job.nodes[2].kind = gxf::NodeKind::kOnnx; }), "flow.no_kind");
  EXPECT_EQ(refused([](gxf::Job& job) { job.nodes[3].limits.out_bytes = kResultBytesMax; }), "flow.too_large");
  EXPECT_EQ(refused([](gxf::Job& job) { job.nodes[1].limits.out_bytes = kJobBytesMax; }), "flow.too_large");
  EXPECT_EQ(refused([](gxf::Job& job) { job.inputs[1].size_bytes = 2; }), "flow.input_size");
  const JobId id = w.place(w.diamond());
  const Bytes good = w.blobs.at(crypto::blob_id(w.first));
  w.blobs[crypto::blob_id(w.first)] = to_bytes("z");
  EXPECT_EQ(why(work(w, id)), "flow.hash");
  w.blobs.erase(crypto::blob_id(w.first));
  EXPECT_EQ(why(work(w, id)), "blob.missing");
  w.blobs[crypto::blob_id(w.first)] = good;
  EXPECT_EQ(why(work(w, id)), "fine");
}

TEST(ProviderFlow, leaves_the_jobs_of_others_alone) {
  FlowWorld w;
  EXPECT_EQ(why(work(w, JobId{})), "flow.no_job");
  const JobId id = w.place(w.diamond());
  ProviderPorts ports = w.provider_ports();
  ProviderPorts other{.market = ports.market,
                      .blobs = ports.blobs,
                      .runner = ports.runner,
                      .journal = ports.journal,
                      .identity = w.market.who[2],
                      .clock = ports.clock,
                      .random = ports.random,
                      .network = ports.network,
                      .cpu_class = ports.cpu_class};
  runtime::RunControl control;
  EXPECT_EQ(why(run_matched_job(id, other, control)), "flow.not_ours");
}

TEST(PayerFlow, uploads_what_is_missing_and_orders_once) {
  int moments = 0;
  for (int at = 0;; ++at) {
    SCOPED_TRACE(text("crash at moment {}", at));
    FlowWorld w;
    gxf::Job job = w.diamond();
    gxf::sign(job, w.market.who[0], gxf::JobSigAlg::kMlDsa65);
    const Bytes bytes = gxf::encode(job);
    w.crash = {.at = at, .moment = 0};
    const auto first = submit_job(bytes, w.given(), w.payer_ports());
    if (first) break;
    ++moments;
    w.crash = {};
    const auto second = submit_job(bytes, w.given(), w.payer_ports());
    ASSERT_TRUE(second) << second.error().str();
    EXPECT_EQ(w.orders, 1);
    EXPECT_EQ(second->provider, w.market.who[1].id());
    EXPECT_TRUE(w.blobs.contains(crypto::blob_id(bytes)));
  }
  EXPECT_GT(moments, 8);
}

TEST(PayerFlow, refuses_before_anything_is_sent) {
  FlowWorld w;
  gxf::Job job = w.diamond();
  gxf::sign(job, w.market.who[0], gxf::JobSigAlg::kMlDsa65);
  const Bytes bytes = gxf::encode(job);
  const auto nothing_given = submit_job(bytes, {}, w.payer_ports());
  ASSERT_FALSE(nothing_given);
  EXPECT_EQ(nothing_given.error().id(), "flow.no_blob");
  PayerPorts elsewhere = w.payer_ports();
  elsewhere.params.network = {};
  EXPECT_EQ(submit_job(bytes, w.given(), elsewhere).error().id(), "gxf.network");
  std::map<BlobId, ByteView> swapped = w.given();
  swapped[crypto::blob_id(w.first)] = w.second;
  EXPECT_EQ(submit_job(bytes, swapped, w.payer_ports()).error().id(), "flow.hash");
  EXPECT_EQ(w.orders, 0);
}

TEST(PayerFlow, an_order_without_a_fit_is_told_so) {
  FlowWorld w;
  gxf::Job job = w.diamond();
  job.limit_total = Amount{1};
  gxf::sign(job, w.market.who[0], gxf::JobSigAlg::kMlDsa65);
  EXPECT_EQ(submit_job(gxf::encode(job), w.given(), w.payer_ports()).error().id(), "market.unmatched");
}

TEST(PayerFlow, collects_the_bundle_once_there_is_a_receipt) {
  FlowWorld w;
  const JobId id = w.place(w.diamond());
  const auto early = collect_receipt(id, w.payer_ports());
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().id(), "flow.no_receipt");
  EXPECT_EQ(early.error().kind(), Kind::kUnavailable);
  ASSERT_TRUE(work(w, id));
  const auto bundle = collect_receipt(id, w.payer_ports());
  ASSERT_TRUE(bundle) << bundle.error().str();
  EXPECT_EQ(crypto::blob_id(bundle->gxf), w.market.job(id).gxf_hash);
  const JobId closed = w.place(w.diamond());
  ASSERT_EQ(w.market.call(0, market::Method::kJobCancel, market::JobCancel{closed}).code, 0u);
  EXPECT_EQ(collect_receipt(closed, w.payer_ports()).error().kind(), Kind::kConflict);
  EXPECT_EQ(collect_receipt(JobId{}, w.payer_ports()).error().id(), "flow.no_job");
}

TEST(StepJournals, keep_find_and_forget) {
  const std::string dir = testing::TempDir() + text("/flow-steps-{}", static_cast<std::int64_t>(getpid()));
  auto store = kv::Store::open(dir, {.families = {"default", "steps"}});
  ASSERT_TRUE(store) << store.error().str();
  KvStepJournal stored(**store, kv::Family{1});
  MemStepJournal memory;
  JobId id, other;
  id.data.fill(1);
  for (StepJournal* journal : std::initializer_list<StepJournal*>{&stored, &memory}) {
    EXPECT_FALSE(journal->find(id, Step::kRan)->has_value());
    ASSERT_TRUE(journal->keep(id, Step::kRan, as_bytes("x"), Keep::kSynced));
    ASSERT_TRUE(journal->keep(id, Step::kSigned, as_bytes("y"), Keep::kSynced));
    ASSERT_TRUE(journal->keep(other, Step::kRan, as_bytes("z"), Keep::kSynced));
    EXPECT_EQ(**journal->find(id, Step::kRan), to_bytes("x"));
    ASSERT_TRUE(journal->forget(id));
    EXPECT_FALSE(journal->find(id, Step::kSigned)->has_value());
    EXPECT_EQ(**journal->find(other, Step::kRan), to_bytes("z"));
  }
}

TEST(CpuClass, has_a_name_that_fits_a_receipt) {
  EXPECT_FALSE(cpu_class().empty());
  EXPECT_LE(cpu_class().size(), receipt::kCpuClassMax);
}

}  // namespace
}  // namespace hanse::flow
