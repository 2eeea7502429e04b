// The story of a private job: nobody but its provider and its payer sees its inputs and outputs.
#include <gtest/gtest.h>

#include "exchange/flow/audit_flow.h"
#include "exchange/flow/flow_world_test.h"

namespace hanse::flow {
namespace {

constexpr std::uint8_t kWallet[64] = {1}, kNode[64] = {2};

// The diamond of FlowWorld, private, ordered and matched.
struct PrivateFlow : FlowWorld {
  PrivateFlow() {
    using hanse::market::Method;
    const auto ask = market.find_only_ask(1)->id;
    EXPECT_EQ(market.call(1, Method::kAskWithdraw, hanse::market::AskWithdraw{ask}).code, 0u);
    EXPECT_EQ(market.call(1, Method::kProviderKey, hanse::market::ProviderKey{key.public_key().bytes}).code, 0u);
    EXPECT_EQ(market.add_ask(1).code, 0u);
    job = diamond();
    job.extensions[gxf::kExtensionPrivate] = {1};
    secret = payload::job_secret(kWallet, market.network, job.nonce);
    std::uint32_t index = 0;
    for (gxf::JobInput& input : job.inputs) {
      const Bytes blob = payload::input_blob(secret, index, plain[index]);
      input.id = crypto::blob_id(blob);
      input.size_bytes = blob.size();
      ++index;
    }
    gxf::sign(job, market.who[0], gxf::JobSigAlg::kMlDsa65);
    id = job.job_id;
    EXPECT_TRUE(submit_job(gxf::encode(job), given(), payer_ports()));
  }
  Bytes sealed() const { return *payload::seal(job, secret, plain, market.who[1].id(), key.public_key()); }
  void give(ByteView bytes) {
    const BlobId blob = *put(bytes);
    const auto result =
        market.call(0, hanse::market::Method::kJobPayload, hanse::market::JobPayload{.id = id, .blob = blob});
    EXPECT_EQ(result.code, 0u) << result.error_id;
  }
  Status work() {
    ProviderPorts ports = provider_ports();
    ports.key = &key;
    runtime::RunControl control;
    return run_matched_job(id, ports, control);
  }
  std::string why() {
    const Status done = work();
    return done ? "" : std::string(done.error().id());
  }
  Result<std::optional<bool>> judge() {
    runtime::RunControl control;
    return judge_receipt(record(), {}, {.market = *this, .blobs = *this, .runner = *this}, control)
        .transform([](const Judgement& j) { return j.holds; });
  }
  hanse::market::Job record() const { return FlowWorld::market.job(id); }

  crypto::KemSecretKey key = payload::provider_key(kNode);
  std::vector<Bytes> plain = {first, second};
  gxf::Job job;
  payload::JobSecret secret;
  JobId id;
};

TEST(PrivateFlow, runs_when_the_payload_is_there_and_seals_what_comes_out) {
  PrivateFlow w;
  EXPECT_EQ(w.why(), "flow.awaits_payload");
  EXPECT_EQ(w.record().state, market::JobState::kMatched);
  EXPECT_TRUE(w.requests.empty());
  w.give(w.sealed());
  ASSERT_EQ(w.why(), "");
  const market::Job done = w.record();
  ASSERT_EQ(done.state, market::JobState::kReceipted);
  ASSERT_EQ(done.result->outputs.size(), 2u);
  const std::string expected = "[3:6 [2:6 [0:6 a b]] [1:6 [0:6 a b]]]";
  const Bytes& output = w.blobs.at(done.result->outputs[0].id);
  EXPECT_EQ(output.size(), expected.size() + payload::kOutputOverheadBytes);
  EXPECT_EQ(done.result->outputs[0].size_bytes, output.size());
  EXPECT_EQ(as_text(*payload::open_output(w.secret, w.id, 0, output)), expected);
  for (const auto& [_, blob] : w.blobs) EXPECT_EQ(as_text(blob).find("[0:6 a b]"), std::string_view::npos);
  for (const gxf::JobInput& input : w.job.inputs) EXPECT_FALSE(w.blobs.contains(input.id));
}

TEST(PrivateFlow, a_trap_tells_nothing_of_the_data) {
  PrivateFlow w;
  w.give(w.sealed());
  w.failing_node = 1;
  ASSERT_EQ(w.why(), "");
  const auto told = receipt::open_receipt(*receipt::decode_signed_receipt(w.blobs.at(w.record().result->receipt_hash)));
  EXPECT_EQ(told->receipt.status, market::RunStatus::kTrap);
  EXPECT_EQ(told->receipt.detail, "");
}

TEST(PrivateFlow, a_payload_that_is_not_the_jobs_ends_it_before_the_start) {
  const auto why_with = [](auto change) {
    PrivateFlow w;
    Bytes bytes = w.sealed();
    change(w, bytes);
    w.give(bytes);
    const std::string why = w.why();
    EXPECT_EQ(w.record().state, market::JobState::kMatched);
    return why;
  };
  EXPECT_EQ(why_with([](PrivateFlow&, Bytes& b) { b.back() ^= 1; }), "payload.sealed");
  EXPECT_EQ(why_with([](PrivateFlow&, Bytes& b) { b.pop_back(); }), "payload.size");
  EXPECT_EQ(why_with([](PrivateFlow& w, Bytes&) { w.key = payload::provider_key(kWallet); }), "payload.sealed");
  PrivateFlow w;
  const BlobId nowhere{};
  ASSERT_EQ(w.market.call(0, market::Method::kJobPayload, market::JobPayload{.id = w.id, .blob = nowhere}).code, 0u);
  EXPECT_EQ(w.why(), "blob.missing");
}

TEST(PrivateFlow, is_judged_when_its_payer_reveals_its_inputs) {
  PrivateFlow w;
  w.give(w.sealed());
  ASSERT_EQ(w.why(), "");
  EXPECT_EQ(w.judge().error().id(), "blob.missing");
  const auto opened =
      payload::open_own(w.job, w.blobs.at(*w.record().payload), w.market.who[1].id(), w.secret, w.key.public_key());
  for (const Bytes& blob : opened->blobs) ASSERT_TRUE(w.put(blob));
  EXPECT_EQ(*w.judge(), true);
  w.failing_node = 3;  // now the receipt says what the work does not
  EXPECT_EQ(*w.judge(), false);
}

}  // namespace
}  // namespace hanse::flow
