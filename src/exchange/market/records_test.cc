#include "exchange/market/audit.h"
#include "exchange/market/records.h"

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "exchange/market/calls.h"
#include "exchange/market/events.h"
#include "exchange/market/keys.h"
#include "exchange/market/view.h"

namespace hanse::market {
namespace {

template <class Fixed>
Fixed filled(std::uint8_t byte) {
  Fixed out;
  out.data.fill(byte);
  return out;
}

Job sample_job() {
  Job job;
  job.bid.job_id = filled<JobId>(1);
  job.bid.payer = filled<AccountId>(2);
  job.bid.precisions = 0b10;
  job.bid.seq = 2048;
  job.bid.batch = 1;
  job.bid.region_mask = 5;
  job.bid.work = {20, 40960};
  job.bid.limit_total = Amount{50'000};
  job.bid.expires = Height{99};
  job.gxf_hash = filled<BlobId>(3);
  job.state = JobState::kReceipted;
  job.provider = filled<AccountId>(4);
  job.ask_id = filled<AskId>(5);
  job.price = Amount{49'404};
  job.bond = Amount{49'404};
  job.submitted = job.matched = Height{10};
  job.started = Height{11};
  job.receipted = Height{12};
  job.deadline = Height{22};
  job.gas_limit = 1000;
  job.outputs_expected = 2;
  job.result = JobResult{.receipt_hash = filled<BlobId>(6),
                         .status = RunStatus::kOk,
                         .gas = 900,
                         .outputs = {{filled<BlobId>(7), 10}, {filled<BlobId>(8), 0}},
                         .steps = StepsRef{.count = kStepsMax, .root = filled<Hash32>(10), .list = filled<BlobId>(11)},
                         .paid = {},
                         .fee = {}};
  return job;
}

Provider sample_provider() {
  Provider p;
  p.account = filled<AccountId>(4);
  p.mldsa_key_id = filled<Hash32>(9);
  p.ed25519 = Bytes(32, 7);
  p.region = 63;
  p.precisions = kPrecisionsAll;
  p.capacity = kCapacityMax;
  p.bond = Amount{~0ull};
  return p;
}

Ask sample_ask() {
  Ask a;
  a.id = filled<AskId>(5);
  a.provider = filled<AccountId>(4);
  a.precisions = 0b110;
  a.max_seq = 131'072;
  a.max_batch = 1024;
  a.base_price = Amount{1000};
  a.valid_until = Height{1'000'000};
  return a;
}

// A record decodes to what was encoded, and no prefix, extension or single changed byte decodes to the same record.
template <class Record>
void expect_strict(const Record& record, Bytes (*encode)(const Record&), Result<Record> (*decode)(ByteView)) {
  const Bytes bytes = encode(record);
  const auto back = decode(bytes);
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(*back, record);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(decode(ByteView(bytes).first(n))) << "prefix of " << n;
    Bytes bad = bytes;
    bad[n] ^= 1;
    const auto changed = decode(bad);
    EXPECT_FALSE(changed && *changed == record) << "byte " << n;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode(longer));
}

TEST(Records, round_trip_and_are_strict) {
  expect_strict<Job>(sample_job(), encode_job, decode_job);
  Job fresh = sample_job();
  fresh.result.reset();
  expect_strict<Job>(fresh, encode_job, decode_job);
  for (Job hidden : {sample_job(), fresh}) {
    hidden.bid.is_private = true;
    expect_strict<Job>(hidden, encode_job, decode_job);
    hidden.payload = filled<BlobId>(12);
    expect_strict<Job>(hidden, encode_job, decode_job);
  }
  Ask takes = sample_ask();
  takes.takes_private = true;
  expect_strict<Ask>(takes, encode_ask, decode_ask);
  expect_strict<Provider>(sample_provider(), encode_provider, decode_provider);
  expect_strict<Ask>(sample_ask(), encode_ask, decode_ask);
  expect_strict<Params>({}, encode_params, decode_params);
  Totals totals;
  totals.volume = Amount{~0ull};
  expect_strict<Totals>(totals, encode_totals, decode_totals);
}

TEST(Records, have_steps_or_none_and_never_a_false_number_of_them) {
  Job job = sample_job();
  job.result->steps.reset();
  expect_strict<Job>(job, encode_job, decode_job);
  for (const std::uint32_t count : {1u, kStepsMax}) {
    job.result->steps = StepsRef{.count = count, .root = {}, .list = {}};
    EXPECT_TRUE(decode_job(encode_job(job))) << count;
  }
  for (const std::uint32_t count : {0u, kStepsMax + 1}) {
    job.result->steps->count = count;
    EXPECT_FALSE(decode_job(encode_job(job))) << count;
  }
}

TEST(Records, an_audit_has_a_witness_or_none) {
  Audit audit{.id = filled<JobId>(1), .challenger = filled<AccountId>(2), .deposit = Amount{3}, .verdicts = {}};
  EXPECT_EQ(*decode_audit(encode_audit(audit)), audit);
  audit.witness = filled<BlobId>(4);
  const Bytes bytes = encode_audit(audit);
  EXPECT_EQ(*decode_audit(bytes), audit);
  Bytes zeros = bytes;
  std::fill(zeros.end() - 32, zeros.end(), std::uint8_t{0});
  EXPECT_EQ(decode_audit(zeros).error().id(), "market.record");
  const JobChallenge call{.id = filled<JobId>(1), .witness = filled<BlobId>(4)};
  EXPECT_EQ(decode_job_challenge(encode(call))->witness, call.witness);
  EXPECT_TRUE(decode_job_challenge(encode(JobChallenge{.id = call.id}))->witness.is_zero());
}

// What says no is not written, so that there is one record for each meaning and those of before are read as they are.
TEST(Records, refuse_a_flag_that_says_no) {
  Ask ask = sample_ask();
  ask.takes_private = true;
  Bytes bytes = encode_ask(ask);
  ASSERT_EQ(bytes.back(), 1);
  bytes.back() = 0;
  EXPECT_EQ(decode_ask(bytes).error().id(), "market.record");
  Unmatched none;
  Bytes counts = encode_unmatched(none);
  none.counts.back() = 1;
  const Bytes more = encode_unmatched(none);
  EXPECT_EQ(*decode_unmatched(more), none);
  EXPECT_EQ(more.size(), counts.size() + 1);
  Bytes zero = more;
  zero.back() = 0;
  EXPECT_EQ(decode_unmatched(zero).error().id(), "market.record");
}

TEST(Records, refuse_one_output_more_than_a_job_has) {
  Job job = sample_job();
  job.result->outputs.assign(kOutputsMax, {});
  EXPECT_TRUE(decode_job(encode_job(job)));
  job.result->outputs.emplace_back();
  EXPECT_FALSE(decode_job(encode_job(job)));
}

TEST(Records, name_what_is_missing) {
  Job job = sample_job();
  job.state = JobState{0};
  const auto bad = decode_job(encode_job(job));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().id(), "market.record");
  EXPECT_EQ(bad.error().path(), "state");
}

TEST(Params, are_refused_at_their_bounds) {
  const auto refused = [](auto change) {
    Params p;
    change(p);
    const auto status = check_params(p);
    return !status && status.error().id() == "market.params";
  };
  EXPECT_TRUE(check_params(Params{}));
  EXPECT_TRUE(refused([](Params& p) { p.start_timeout = 0; }));
  EXPECT_FALSE(refused([](Params& p) { p.run_timeout = 1'000'000; }));
  EXPECT_TRUE(refused([](Params& p) { p.run_timeout = 1'000'001; }));
  EXPECT_TRUE(refused([](Params& p) { p.settle_window = 0; }));
  EXPECT_TRUE(refused([](Params& p) { p.fee_ppm = kPpm + 1; }));
  EXPECT_TRUE(refused([](Params& p) { p.bond.audit_ppm = 0; }));
  EXPECT_FALSE(refused([](Params& p) { p.bond.audit_ppm = kPpm; }));
  EXPECT_TRUE(refused([](Params& p) { p.bond.audit_ppm = kPpm + 1; }));
  EXPECT_TRUE(refused([](Params& p) { p.nostart_penalty_ppm = kPpm + 1; }));
  EXPECT_TRUE(refused([](Params& p) { p.noreceipt_penalty_ppm = kPpm + 1; }));
  EXPECT_FALSE(refused([](Params& p) { p.noreceipt_penalty_ppm = kPpm; }));
  EXPECT_TRUE(refused([](Params& p) { p.precisions = 1; }));
  EXPECT_TRUE(refused([](Params& p) { p.precisions = 0; }));
  EXPECT_TRUE(refused([](Params& p) { p.ask_span_max = 0; }));
  EXPECT_TRUE(refused([](Params& p) { p.job_span_max = 0; }));
  EXPECT_TRUE(refused([](Params& p) { p.kv_bytes_max = 0; }));
  EXPECT_TRUE(refused([](Params& p) { p.bond.gain_ppm = 100 * kPpm + 1; }));
}

TEST(Keys, order_asks_by_price_and_deadlines_by_height) {
  Ask cheap = sample_ask(), dear = sample_ask();
  cheap.base_price = Amount{255};
  cheap.provider = filled<AccountId>(0xff);
  dear.base_price = Amount{256};
  dear.provider = filled<AccountId>(0);
  EXPECT_LT(ask_index_key(gxf::Precision::kInt8, cheap), ask_index_key(gxf::Precision::kInt8, dear));
  EXPECT_LT(deadline_key(Height{255}, filled<JobId>(9)), deadline_key(Height{256}, filled<JobId>(1)));
  EXPECT_LE(ask_index_key(gxf::Precision::kInt8, cheap).size(), 128u);
}

TEST(Calls, round_trip) {
  const ProviderRegister reg{
      .region = 3, .precisions = 0b10, .isolation = 2, .capacity = 5, .bond = Amount{7}, .ed25519 = Bytes(32, 1)};
  const auto reg_back = decode_provider_register(encode(reg));
  ASSERT_TRUE(reg_back);
  EXPECT_EQ(encode(*reg_back), encode(reg));
  AskPost ask{.precisions = 2,
              .level_max = 3,
              .max_seq = 9,
              .max_batch = 8,
              .latency_ms = 7,
              .isolation = 1,
              .base_price = Amount{6},
              .unit_price = Amount{5},
              .capacity_cu = 4,
              .valid_until = Height{3}};
  const auto ask_back = decode_ask_post(encode(ask));
  ASSERT_TRUE(ask_back);
  EXPECT_EQ(encode(*ask_back), encode(ask));
  const JobReceipt receipt{.id = filled<JobId>(1),
                           .receipt_hash = filled<BlobId>(2),
                           .status = RunStatus::kTrap,
                           .gas = 12,
                           .outputs = {{filled<BlobId>(3), 4}}};
  const auto receipt_back = decode_job_receipt(encode(receipt));
  ASSERT_TRUE(receipt_back);
  EXPECT_EQ(encode(*receipt_back), encode(receipt));
  JobReceipt in_steps = receipt;
  in_steps.steps = StepsRef{.count = 3, .root = filled<Hash32>(5), .list = filled<BlobId>(6)};
  EXPECT_EQ(decode_job_receipt(encode(in_steps))->steps, in_steps.steps);
  EXPECT_EQ(decode_provider_unbond(encode(ProviderUnbond{Amount{77}}))->amount.value, 77u);
  EXPECT_EQ(decode_ask_withdraw(encode(AskWithdraw{filled<AskId>(9)}))->id, filled<AskId>(9));
  EXPECT_EQ(decode_job_start(encode(JobStart{filled<JobId>(9)}))->id, filled<JobId>(9));
  EXPECT_EQ(decode_job_cancel(encode(JobCancel{filled<JobId>(9)}))->id, filled<JobId>(9));
  // A status that only a stopping runner knows is no receipt.
  JobReceipt stopped = receipt;
  stopped.status = static_cast<RunStatus>(7);
  EXPECT_FALSE(decode_job_receipt(encode(stopped)));
}

TEST(Calls, a_body_names_a_known_kind) {
  const Bytes inner = {1, 2, 3};
  const Bytes body = encode_body(BodyKind::kJob, inner);
  const auto back = decode_body(body);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->kind, BodyKind::kJob);
  EXPECT_TRUE(equal(back->bytes, inner));
  const auto zero = decode_body(encode_body(BodyKind{0}, inner));
  ASSERT_FALSE(zero);
  EXPECT_EQ(zero.error().id(), "market.body");
  EXPECT_FALSE(decode_body(encode_body(BodyKind{4}, inner)));
}

TEST(Events, carry_the_fields_of_their_topic) {
  JobEvent full{.job_id = filled<JobId>(1),
                .provider = filled<AccountId>(2),
                .payer = filled<AccountId>(3),
                .gxf_hash = filled<BlobId>(4),
                .ask_id = filled<AskId>(5),
                .price = Amount{6},
                .attempt = 1,
                .deadline = Height{7},
                .receipt_hash = filled<BlobId>(8),
                .status = RunStatus::kTrap,
                .paid = Amount{9},
                .fee = Amount{10},
                .refund = Amount{11},
                .penalty = Amount{12},
                .reason = CloseReason::kNoStart};
  for (const Topic topic : {Topic::kMatched, Topic::kStarted, Topic::kReceipted, Topic::kSettled, Topic::kClosed,
                            Topic::kRequeued, Topic::kPayload}) {
    full.topic = topic;
    const Bytes bytes = encode_event(full);
    const auto back = decode_event(topic_name(topic), bytes);
    ASSERT_TRUE(back) << topic_name(topic) << back.error().str();
    EXPECT_EQ(encode_event(*back), bytes);
    EXPECT_EQ(back->job_id, full.job_id);
    EXPECT_EQ(back->provider, full.provider);
    EXPECT_EQ(back->price.value, topic == Topic::kMatched ? 6u : 0u);
    EXPECT_EQ(back->reason == CloseReason::kNoStart, topic == Topic::kClosed || topic == Topic::kRequeued);
  }
  full.payload = filled<BlobId>(14);
  EXPECT_EQ(decode_event("market.payload", encode_event(full))->payload, full.payload);
  const auto unknown = decode_event("market.other", encode_event(full));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().id(), "market.event");
}

TEST(View, queries_and_answers_round_trip) {
  const JobsQuery jobs{.by = JobsBy::kProvider,
                       .account = filled<AccountId>(1),
                       .after_height = Height{2},
                       .after_job = filled<JobId>(3),
                       .limit = kPageMax};
  const auto jobs_back = decode_jobs_query(encode_query(jobs));
  ASSERT_TRUE(jobs_back);
  EXPECT_EQ(encode_query(*jobs_back), encode_query(jobs));
  JobsQuery over = jobs;
  over.limit = kPageMax + 1;
  EXPECT_FALSE(decode_jobs_query(encode_query(over)));
  over.limit = 0;
  EXPECT_FALSE(decode_jobs_query(encode_query(over)));
  over = jobs;
  over.by = JobsBy{0};
  EXPECT_FALSE(decode_jobs_query(encode_query(over)));

  const auto list = decode_jobs(encode_list({encode_job(sample_job())}));
  ASSERT_TRUE(list);
  EXPECT_EQ(list->at(0), sample_job());
  EXPECT_FALSE(decode_asks(encode_list({encode_job(sample_job())})));

  Unmatched why{.asks_seen = 5, .scan_limit = true};
  why.counts[static_cast<std::size_t>(Constraint::kPrecision)] = 3;
  why.counts[static_cast<std::size_t>(Constraint::kLimit)] = 2;
  EXPECT_EQ(decode_unmatched(encode_unmatched(why)), why);
  EXPECT_EQ(why.str(), "none of 5 asks fits: precision 3, limit 2");
  EXPECT_EQ(Unmatched{}.str(), "there is no ask");
}

}  // namespace
}  // namespace hanse::market
