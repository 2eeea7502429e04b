#include "exchange/receipt/verify.h"

#include "base/crypto/hash.h"
#include "exchange/receipt/receipt_world_test.h"

namespace hanse::receipt {
namespace {

std::string failed_check(const Report& report) {
  return report.checks.empty() || report.checks.back().holds ? "" : report.checks.back().name;
}

TEST(Verify, reaches_paid_for_a_settled_job) {
  ReceiptWorld w;
  w.settle_a_job();
  const Report report = verify(w.bundle(), w.genesis);
  ASSERT_TRUE(report.status) << report.status.error().str();
  EXPECT_EQ(report.level, Level::kPaid);
  EXPECT_EQ(report.receipt, w.receipt);
  EXPECT_EQ(report.checks.size(), 6u);
  EXPECT_TRUE(verify_output(report.receipt, 0, w.output));
  Bytes other = w.output;
  other[0] ^= 1;
  EXPECT_EQ(verify_output(report.receipt, 0, other).error().id(), "receipt.output");
  EXPECT_EQ(verify_output(report.receipt, 1, w.output).error().id(), "receipt.no_output");
}

TEST(Verify, reaches_included_before_the_payment) {
  ReceiptWorld w;
  w.receipt_a_job();
  const Report report = verify(w.bundle(), w.genesis);
  ASSERT_TRUE(report.status) << report.status.error().str();
  EXPECT_EQ(report.level, Level::kIncluded);
}

TEST(Verify, a_receipt_that_an_audit_refuted_is_not_true) {
  ReceiptWorld w;
  w.receipt_a_job();
  const market::Job before = w.market->job(w.order.job_id);
  market::Job job = before;
  job.state = market::JobState::kClosed;
  job.reason = market::CloseReason::kFalse;
  job.deadline = {};
  auction::write_job(w.market->state, job, before);
  const Report report = verify(w.bundle(), w.genesis);
  ASSERT_FALSE(report.status);
  EXPECT_EQ(report.status.error().id(), "receipt.refuted");
  EXPECT_EQ(failed_check(report), "record");
  EXPECT_EQ(report.level, Level::kSigned);
}

TEST(Verify, a_failed_run_has_a_true_receipt_too) {
  ReceiptWorld w;
  w.settle_a_job(market::RunStatus::kTrap);
  const Report report = verify(w.bundle(), w.genesis);
  ASSERT_TRUE(report.status) << report.status.error().str();
  EXPECT_EQ(report.level, Level::kPaid);
  EXPECT_EQ(report.job.result->status, market::RunStatus::kTrap);
}

TEST(Verify, no_byte_of_the_file_can_change) {
  ReceiptWorld w("testnet", 1);  // one validator: a third of the signatures to try
  w.settle_a_job();
  const Bytes file = encode(w.bundle());
  ASSERT_TRUE(verify(*decode_bundle(file), w.genesis).status);
  std::size_t reached = 0;
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes bad = file;
    bad[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
    const auto bundle = decode_bundle(bad);
    if (!bundle) continue;
    ++reached;
    ASSERT_FALSE(verify(*bundle, w.genesis).status) << "bit " << i % 8 << " of byte " << i;
  }
  EXPECT_GT(reached, file.size() * 9 / 10);
}

TEST(Verify, no_prefix_is_accepted) {
  ReceiptWorld w;
  w.settle_a_job();
  const Bytes file = encode(w.bundle());
  for (std::size_t n = 0; n < file.size(); n += 97) {
    const auto bundle = decode_bundle(ByteView(file).first(n));
    ASSERT_FALSE(bundle);
    EXPECT_EQ(bundle.error().id(), "receipt.bundle");
    EXPECT_EQ(bundle.error().kind(), Kind::kCorrupt);
  }
}

TEST(Verify, another_network_is_refused) {
  ReceiptWorld w, other("othernet");
  w.settle_a_job();
  const Report report = verify(w.bundle(), other.genesis);
  EXPECT_EQ(report.level, Level::kSigned);
  EXPECT_EQ(failed_check(report), "network");
  EXPECT_EQ(report.status.error().id(), "receipt.network");
}

TEST(Verify, too_few_validators_are_refused) {
  ReceiptWorld w;
  w.settle_a_job();
  ReceiptBundle bundle = w.bundle();
  bundle.job_proof = light::encode(w.prove(market::job_key(w.order.job_id), {0, 1}));
  const Report report = verify(bundle, w.genesis);
  EXPECT_EQ(failed_check(report), "certificate");
  EXPECT_EQ(report.status.error().id(), "light.cert_weight");
  EXPECT_EQ(report.level, Level::kSigned);
}

TEST(Verify, the_proof_of_another_record_or_of_none_is_refused) {
  ReceiptWorld w;
  w.settle_a_job();
  ReceiptBundle bundle = w.bundle();
  bundle.job_proof = light::encode(w.prove(to_bytes(market::kTotalsKey), w.everyone()));
  EXPECT_EQ(verify(bundle, w.genesis).status.error().id(), "receipt.unrecorded");
  const Bytes key = market::job_key(w.order.job_id);
  w.market->state.erase(key);
  bundle.job_proof = light::encode(w.prove(key, w.everyone()));
  EXPECT_EQ(verify(bundle, w.genesis).status.error().id(), "receipt.unrecorded");
}

TEST(Verify, the_steps_of_the_receipt_are_those_of_the_record) {
  ReceiptWorld same, other;
  same.steps = other.steps = market::StepsRef{.count = 4, .root = {}, .list = {}};
  same.settle_a_job();
  EXPECT_TRUE(verify(same.bundle(), same.genesis).status);
  other.recorded_steps = market::StepsRef{.count = 5, .root = {}, .list = {}};
  other.settle_a_job();
  EXPECT_EQ(verify(other.bundle(), other.genesis).status.error().id(), "receipt.job");
}

TEST(Verify, a_second_receipt_for_the_same_job_is_not_the_recorded_one) {
  ReceiptWorld w;
  w.settle_a_job();
  SeededRandom random(2);
  const Stamp stamp{.network = w.market->network, .wall_ms = 1};
  w.signed_receipt = encode(sign_receipt(w.receipt, w.market->who[1], stamp, random));
  const Report report = verify(w.bundle(), w.genesis);
  EXPECT_EQ(report.level, Level::kSigned);
  EXPECT_EQ(failed_check(report), "record");
  EXPECT_EQ(report.status.error().id(), "receipt.job");
}

TEST(Verify, a_receipt_that_says_other_than_its_record_is_refused) {
  const auto lie = [](auto change) {
    ReceiptWorld w;
    w.order = w.market->plain_job(0);
    EXPECT_EQ(w.market->submit(0, w.order).code, 0u);
    w.gxf = gxf::encode(w.order);
    EXPECT_EQ(w.market->call(1, market::Method::kJobStart, market::JobStart{w.order.job_id}).code, 0u);
    const Receipt truth = w.receipt_for(market::RunStatus::kOk);
    Receipt told = truth;
    change(told);
    SeededRandom random(1);
    w.signed_receipt =
        encode(sign_receipt(told, w.market->who[1], {.network = w.market->network, .wall_ms = 1}, random));
    w.receipt = truth;
    w.record();
    const Report report = verify(w.bundle(), w.genesis);
    return report.status ? "fine" : failed_check(report) + " " + std::string(report.status.error().id());
  };
  EXPECT_EQ(lie([](Receipt&) {}), "fine");
  EXPECT_EQ(lie([](Receipt& r) { r.gas += 1; }), "record receipt.job");
  EXPECT_EQ(lie([](Receipt& r) { r.price.value += 1; }), "record receipt.job");
  EXPECT_EQ(lie([](Receipt& r) { r.outputs[0].size_bytes += 1; }), "record receipt.job");
  EXPECT_EQ(lie([](Receipt& r) {
              r.status = market::RunStatus::kTrap;
              r.outputs.clear();
            }),
            "record receipt.job");
  EXPECT_EQ(lie([](Receipt& r) { r.artifacts[0].data[0] ^= 1; }), "job receipt.job");
  EXPECT_EQ(lie([](Receipt& r) { r.inputs.push_back({}); }), "job receipt.job");
  EXPECT_EQ(lie([](Receipt& r) { r.gxf_hash.data[0] ^= 1; }), "job receipt.job");
  EXPECT_EQ(lie([](Receipt& r) { r.job_id.data[0] ^= 1; }), "job receipt.job");
  EXPECT_EQ(lie([](Receipt& r) { r.provider.data[0] ^= 1; }), "signatures receipt.provider");
}

TEST(Receipt, refuses_subjects_that_are_not_its_claims) {
  ReceiptWorld w;
  w.receipt_a_job();
  auto signed_receipt = *decode_signed_receipt(w.signed_receipt);
  Body body = *decode_body(decode_envelope(signed_receipt.envelope)->body);
  body.subjects[0].digest[0] ^= 1;
  signed_receipt.envelope = encode(seal(body, w.market->who[1]));
  const auto opened = open_receipt(signed_receipt);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().id(), "receipt.subject");
}

TEST(Receipt, claims_and_signed_receipts_are_strict) {
  ReceiptWorld w;
  w.receipt_a_job();
  const Bytes claims = encode_claims(w.receipt);
  EXPECT_EQ(*decode_claims(claims), w.receipt);
  Receipt many = w.receipt;
  many.outputs.assign(market::kOutputsMax, {});
  EXPECT_TRUE(decode_claims(encode_claims(many)));
  many.outputs.emplace_back();
  EXPECT_FALSE(decode_claims(encode_claims(many)));
  Receipt in_steps = w.receipt;
  in_steps.steps = market::StepsRef{.count = market::kStepsMax, .root = {}, .list = {}};
  EXPECT_EQ(*decode_claims(encode_claims(in_steps)), in_steps);
  for (const std::uint32_t count : {0u, market::kStepsMax + 1}) {
    in_steps.steps->count = count;
    EXPECT_FALSE(decode_claims(encode_claims(in_steps))) << count;
  }
  Bytes wrong = claims;
  wrong[1] = 1;  // key 0 -> 1
  EXPECT_EQ(decode_claims(wrong).error().id(), "receipt.claims");
  auto short_key = *decode_signed_receipt(w.signed_receipt);
  short_key.mldsa.bytes.pop_back();
  EXPECT_EQ(decode_signed_receipt(encode(short_key)).error().id(), "receipt.claims");
}

}  // namespace
}  // namespace hanse::receipt
