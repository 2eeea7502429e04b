#include "exchange/runtime/job_kind.h"

#include <gtest/gtest.h>

#include "base/codec/cbor.h"
#include "exchange/runtime/call.h"

namespace hanse::runtime {
namespace {

RunRequest sample_request() {
  RunRequest q;
  q.job_id.data.fill(7);
  q.node = 0xFFFF;
  q.kind = "echo/v1";
  q.artifact = to_bytes(std::string_view("module"));
  q.inputs = {Bytes{1, 2, 3}, Bytes{}, Bytes(300, 9)};
  q.limits = {.gas = ~0ull, .mem_pages = 16, .wall_ms = 1000, .out_bytes = 4096};
  q.shape = {.level = 3, .seq = 131072, .batch = 1024, .tokens = 5, .dims = {1, 2, 0xFFFFFFFF}};
  q.precision = gxf::Precision::kBf16;
  q.params = {{0, to_bytes(std::string_view("echo/v1"))}, {1, std::int64_t{-5}}, {~0ull, std::int64_t{7}}};
  q.seed.data.fill(3);
  return q;
}

RunOutcome sample_outcome() {
  return {.status = RunStatus::kOk,
          .outputs = {Bytes{4, 5}, Bytes{}},
          .gas = 12345,
          .detail = "done",
          .kernel_class = "echo/1"};
}

TEST(JobKindRecord, request_survives_the_round_trip) {
  const auto q = sample_request();
  const auto bytes = encode_request(q);
  const auto back = decode_request(bytes);
  ASSERT_TRUE(back.has_value()) << back.error().str();
  EXPECT_EQ(back->job_id, q.job_id);
  EXPECT_EQ(back->node, q.node);
  EXPECT_EQ(back->kind, q.kind);
  EXPECT_EQ(back->artifact, q.artifact);
  EXPECT_EQ(back->inputs, q.inputs);
  EXPECT_EQ(back->limits.gas, q.limits.gas);
  EXPECT_EQ(back->limits.mem_pages, q.limits.mem_pages);
  EXPECT_EQ(back->limits.wall_ms, q.limits.wall_ms);
  EXPECT_EQ(back->limits.out_bytes, q.limits.out_bytes);
  EXPECT_EQ(back->shape.level, q.shape.level);
  EXPECT_EQ(back->shape.seq, q.shape.seq);
  EXPECT_EQ(back->shape.batch, q.shape.batch);
  EXPECT_EQ(back->shape.tokens, q.shape.tokens);
  EXPECT_EQ(back->shape.dims, q.shape.dims);
  EXPECT_EQ(back->precision, q.precision);
  EXPECT_EQ(back->params, q.params);
  EXPECT_EQ(back->seed, q.seed);
  EXPECT_EQ(encode_request(*back), bytes);
}

TEST(JobKindRecord, outcome_survives_the_round_trip) {
  const auto o = sample_outcome();
  const auto bytes = encode_outcome(o);
  const auto back = decode_outcome(bytes);
  ASSERT_TRUE(back.has_value()) << back.error().str();
  EXPECT_TRUE(compare_outcomes(o, *back).has_value());
  EXPECT_EQ(encode_outcome(*back), bytes);
}

TEST(JobKindRecord, steps_survive_the_round_trip_and_are_compared) {
  auto q = sample_request();
  q.steps = StepRange{.state = Bytes{1, 2}, .count = kStepsMax};
  const auto request = decode_request(encode_request(q));
  ASSERT_TRUE(request.has_value()) << request.error().str();
  ASSERT_TRUE(request->steps);
  EXPECT_EQ(request->steps->state, q.steps->state);
  EXPECT_EQ(request->steps->count, kStepsMax);
  q.steps->count = kStepsMax + 1;
  EXPECT_FALSE(decode_request(encode_request(q)).has_value());

  auto o = sample_outcome();
  o.steps.resize(2);
  o.steps[1].data.fill(5);
  o.state = Bytes{9};
  const auto bytes = encode_outcome(o);
  const auto back = decode_outcome(bytes);
  ASSERT_TRUE(back.has_value()) << back.error().str();
  EXPECT_TRUE(compare_outcomes(o, *back).has_value());
  EXPECT_EQ(encode_outcome(*back), bytes);
  auto other = o;
  other.steps[1].data[0] ^= 1;
  EXPECT_EQ(compare_outcomes(o, other).error().id(), "runtime.mismatch");
  other = o;
  other.state.clear();
  EXPECT_EQ(compare_outcomes(o, other).error().id(), "runtime.mismatch");
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(decode_outcome(ByteView(bytes).first(n)).has_value()) << n;
}

TEST(JobKindRecord, roots_that_are_none_are_refused) {
  auto o = sample_outcome();
  o.steps.resize(1);
  auto bytes = encode_outcome(o);
  // The roots lose a byte: their length is the byte before them.
  const auto at = bytes.size() - 32 - 2 - 1;
  ASSERT_EQ(bytes[at], 32);
  bytes[at] = 31;
  bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  EXPECT_EQ(decode_outcome(bytes).error().id(), "runtime.bad_steps");
}

TEST(JobKindRecord, every_cut_of_a_request_is_refused) {
  const auto bytes = encode_request(sample_request());
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(decode_request(ByteView(bytes).first(n)).has_value()) << n;
  auto longer = bytes;
  longer.push_back(0);
  const auto refused = decode_request(longer);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().id(), "codec.trailing");
}

TEST(JobKindRecord, bytes_that_decode_encode_to_themselves_after_any_flip) {
  const auto bytes = encode_outcome(sample_outcome());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto flipped = bytes;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1u << (bit % 8)));
    const auto back = decode_outcome(flipped);
    EXPECT_TRUE(!back || encode_outcome(*back) == flipped) << bit;
  }
}

TEST(JobKindRecord, refuses_enumerators_that_do_not_exist) {
  auto q = sample_request();
  for (const int precision : {0, 5}) {
    q.precision = static_cast<gxf::Precision>(precision);
    const auto refused = decode_request(encode_request(q));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().id(), "runtime.bad_enum");
  }
  q = sample_request();
  q.shape.level = 4;
  EXPECT_EQ(decode_request(encode_request(q)).error().id(), "runtime.bad_enum");
  auto o = sample_outcome();
  o.status = static_cast<RunStatus>(8);
  EXPECT_EQ(decode_outcome(encode_outcome(o)).error().id(), "runtime.bad_enum");
  EXPECT_EQ(run_status_name(o.status), "unknown");
}

TEST(JobKindRecord, limits_hold_on_both_sides) {
  auto q = sample_request();
  q.inputs.assign(kInputsMax, Bytes{});
  q.kind.assign(kKindNameMax, 'k');
  q.shape.dims.assign(kDimsMax, 1);
  EXPECT_TRUE(decode_request(encode_request(q)).has_value());
  q.inputs.emplace_back();
  EXPECT_EQ(decode_request(encode_request(q)).error().id(), "codec.too_large");
  q.inputs.clear();
  q.kind += 'k';
  EXPECT_EQ(decode_request(encode_request(q)).error().id(), "codec.too_large");
  q.kind = "k";
  q.shape.dims.push_back(1);
  EXPECT_EQ(decode_request(encode_request(q)).error().id(), "codec.too_large");
  q.shape.dims.clear();
  q.params.clear();
  for (std::uint64_t i = 0; i < kParamsMax; ++i) q.params[i] = std::int64_t{1};
  EXPECT_TRUE(decode_request(encode_request(q)).has_value());
  q.params[kParamsMax] = std::int64_t{1};
  EXPECT_EQ(decode_request(encode_request(q)).error().id(), "codec.too_large");
}

TEST(JobKindRecord, refuses_a_request_one_byte_over_64_mib) {
  auto q = sample_request();
  q.artifact.clear();
  const auto empty = encode_request(q).size();
  q.artifact.resize(kRequestSizeMax - empty - 4);  // a head of 5 bytes instead of 1
  EXPECT_EQ(encode_request(q).size(), kRequestSizeMax);
  EXPECT_TRUE(decode_request(encode_request(q)).has_value());
  q.artifact.push_back(0);
  EXPECT_EQ(decode_request(encode_request(q)).error().id(), "codec.too_large");
}

TEST(JobKindRecord, a_field_left_out_is_missing) {
  codec::CborWriter w;
  w.map(4);
  for (std::uint64_t k = 0; k < 4; ++k) {
    w.key(k);
    w.u64(0);
  }
  EXPECT_EQ(decode_outcome(w.take()).error().id(), "codec.missing");
}

TEST(JobKindRecord, detail_is_cut_between_letters) {
  RunOutcome o;
  o.detail.assign(kDetailMax - 1, 'x');
  o.detail += "\xC3\xA9";  // two bytes, the second one over
  const auto back = decode_outcome(encode_outcome(o));
  ASSERT_TRUE(back.has_value()) << back.error().str();
  EXPECT_EQ(back->detail, std::string(kDetailMax - 1, 'x'));
}

TEST(JobKindVerify, default_runs_again_and_compares_every_field) {
  struct Fixed final : JobKind {
    std::vector<std::string> names() const override { return {"fixed/v1"}; }
    Status check(const RunRequest&) const override { return {}; }
    Result<RunOutcome> run(const RunRequest&, RunControl&) override { return sample_outcome(); }
  } kind;
  EXPECT_TRUE(kind.verify(sample_request(), sample_outcome()).has_value());
  const auto differs = [&](auto change) {
    auto claimed = sample_outcome();
    change(claimed);
    const auto status = kind.verify(sample_request(), claimed);
    return !status && status.error().id() == "runtime.mismatch";
  };
  EXPECT_TRUE(differs([](RunOutcome& o) { o.status = RunStatus::kTrap; }));
  EXPECT_TRUE(differs([](RunOutcome& o) { ++o.gas; }));
  EXPECT_TRUE(differs([](RunOutcome& o) { o.detail += 'x'; }));
  EXPECT_TRUE(differs([](RunOutcome& o) { o.kernel_class = "other"; }));
  EXPECT_TRUE(differs([](RunOutcome& o) { o.outputs.pop_back(); }));
  EXPECT_TRUE(differs([](RunOutcome& o) { o.outputs[0][1] ^= 1; }));
}

TEST(RunControl, asks_its_source_and_its_flag) {
  int asked = 0;
  RunControl control([](void* ctx) { return *static_cast<int*>(ctx); }, &asked);
  EXPECT_FALSE(control.stop());
  asked = 1;
  EXPECT_TRUE(control.stop());
  asked = 0;
  control.request_stop();
  EXPECT_TRUE(control.stop());
}

TEST(Call, survives_the_round_trip_and_refuses_wrong_sizes) {
  const Bytes request{1, 2, 3}, prepared{4}, claimed{5, 6};
  auto bytes = encode_call({.op = CallOp::kVerify, .request = request, .prepared = prepared, .claimed = claimed});
  const auto call = decode_call(bytes);
  ASSERT_TRUE(call.has_value());
  EXPECT_EQ(call->op, CallOp::kVerify);
  EXPECT_TRUE(equal(call->request, request));
  EXPECT_TRUE(equal(call->prepared, prepared));
  EXPECT_TRUE(equal(call->claimed, claimed));
  for (const std::size_t n : {std::size_t{0}, kCallHeadSize - 1, kCallHeadSize + 3})
    EXPECT_EQ(decode_call(ByteView(bytes).first(n)).error().id(), "runtime.bad_call") << n;
  bytes[0] = 5;
  EXPECT_EQ(decode_call(bytes).error().id(), "runtime.bad_call");
}

}  // namespace
}  // namespace hanse::runtime
