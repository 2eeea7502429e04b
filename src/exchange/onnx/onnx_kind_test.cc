// The kind with ONNX Runtime behind it, in this process and in a sandboxed worker.
#include "exchange/onnx/onnx_kind.h"

#include "base/core/random.h"
#include "base/core/text.h"
#include "exchange/onnx/model_test.h"
#include "exchange/onnx/plugin_session.h"
#include "exchange/runtime/pool.h"
#include "exchange/tensor/format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

namespace hanse::onnx {
namespace {

using runtime::RunControl;
using runtime::RunOutcome;
using runtime::RunRequest;
using runtime::RunStatus;

runtime::JobKind& kind() {
  static const auto made = make_onnx_kind(std::move(*make_runtime_engine()));
  return *made;
}

constexpr gxf::Limits kLimits{.gas = 1'000'000, .mem_pages = 64, .wall_ms = 5000, .out_bytes = 1 << 20};

RunRequest request(Bytes model, std::vector<Bytes> inputs, gxf::Precision precision) {
  RunRequest q;
  q.kind = kOnnxKind;
  q.artifact = std::move(model);
  q.inputs = std::move(inputs);
  q.limits = kLimits;
  q.precision = precision;
  return q;
}

// y = relu(x w + b), x 2 x 3
RunRequest float_request() {
  ModelBuilder b;
  b.input("x", Element::kFloat, {0, 3}).output("y", Element::kFloat, {0, 2});
  b.constant<float>("w", Element::kFloat, {3, 2}, {1, -2, 3, -4, 5, -6})
      .constant<float>("b", Element::kFloat, {2}, {0.5, 0.25});
  b.node("MatMul", {"x", "w"}, {"p"}).node("Add", {"p", "b"}, {"s"}).node("Relu", {"s"}, {"y"});
  const std::vector<float> x{1, 2, 3, -1, -2, -3};
  return request(b.model(), {encode_value({{Element::kFloat, {2, 3}}, cells_of(x)})}, gxf::Precision::kBf16);
}

// int32 = x w, int8 by int8, then Relu: exact unless a weight is wide
RunRequest int8_request(const std::vector<std::int8_t>& w) {
  ModelBuilder b;
  b.input("x", Element::kInt8, {0, 3}).output("y", Element::kInt32, {0, 2});
  b.constant("w", Element::kInt8, {3, 2}, w);
  b.node("MatMulInteger", {"x", "w"}, {"p"}).node("Relu", {"p"}, {"y"});
  const std::vector<std::int8_t> x{127, -128, 3, -1, 2, 100};
  return request(b.model(), {tensor::encode_matrix(2, 3, x)}, gxf::Precision::kInt8);
}

RunOutcome run(const RunRequest& q) {
  RunControl control;
  auto outcome = kind().run(q, control);
  EXPECT_TRUE(outcome) << outcome.error().str();
  return outcome ? *outcome : RunOutcome{};
}

template <class T>
std::vector<T> values(const Bytes& output) {
  const ValueView v = *decode_value(output);
  std::vector<T> out(v.data.size() / sizeof(T));
  std::memcpy(out.data(), v.data.data(), v.data.size());
  return out;
}

std::string verify_id(const RunRequest& q, const RunOutcome& claimed) {
  const Status held = kind().verify(q, claimed);
  return held ? "ok" : std::string(held.error().id());
}

TEST(OnnxKind, infers_with_floats) {
  const RunRequest q = float_request();
  const RunOutcome outcome = run(q);
  ASSERT_EQ(outcome.status, RunStatus::kOk) << outcome.detail;
  EXPECT_EQ(outcome.kernel_class, kFloatClass);
  EXPECT_EQ(values<float>(outcome.outputs[0]), (std::vector<float>{22.5, 0, 0, 28.25}));
  const std::uint64_t in = q.artifact.size() + q.inputs[0].size(), out = outcome.outputs[0].size();
  EXPECT_EQ(outcome.gas, (in + 7) / 8 + (2 * 3 * 2 + 15) / 16 + 3 * 4 + (out + 7) / 8);
}

TEST(OnnxKind, infers_exactly_with_integers) {
  const RunOutcome outcome = run(int8_request({1, -2, 63, -64, 5, -6}));
  ASSERT_EQ(outcome.status, RunStatus::kOk) << outcome.detail;
  EXPECT_EQ(outcome.kernel_class, kExactClass);
  EXPECT_EQ(values<std::int32_t>(outcome.outputs[0]),
            (std::vector<std::int32_t>{0, 127 * -2 + 128 * 64 - 18, -1 + 126 + 500, 0}));
}

TEST(OnnxKind, refuses_int8_work_that_is_not_exact_everywhere) {
  for (const RunRequest& q : {int8_request({1, -2, 64, -64, 5, -6}), int8_request({1, -2, 63, -65, 5, -6})}) {
    const RunOutcome outcome = run(q);
    EXPECT_EQ(outcome.status, RunStatus::kTrap);
    EXPECT_TRUE(outcome.detail.starts_with("onnx.exact")) << outcome.detail;
    EXPECT_EQ(verify_id(q, outcome), "ok");
    RunRequest wide = q;
    wide.precision = gxf::Precision::kFp8;  // no promise is asked for
    EXPECT_EQ(run(wide).status, RunStatus::kOk);
  }
  RunRequest q = float_request();
  q.params = {{kParamExact, std::int64_t{1}}};
  EXPECT_TRUE(run(q).detail.starts_with("onnx.exact"));
  q.precision = gxf::Precision::kInt8;
  q.params = {};
  EXPECT_TRUE(run(q).detail.starts_with("onnx.exact"));
}

TEST(OnnxKind, gives_back_what_does_not_fit_as_an_outcome_that_is_verified) {
  const auto status = [](RunRequest q, auto change) {
    change(q);
    const RunOutcome outcome = run(q);
    EXPECT_EQ(verify_id(q, outcome), "ok");
    return outcome.status;
  };
  const std::uint64_t gas = run(float_request()).gas;
  EXPECT_EQ(status(float_request(), [&](RunRequest& q) { q.limits.gas = gas; }), RunStatus::kOk);
  EXPECT_EQ(status(float_request(), [&](RunRequest& q) { q.limits.gas = gas - 1; }), RunStatus::kGasExhausted);
  EXPECT_EQ(status(float_request(),
                   [&](RunRequest& q) {
                     q.limits.gas = 1;
                     q.artifact.pop_back();
                   }),
            RunStatus::kGasExhausted);
  EXPECT_EQ(status(float_request(), [](RunRequest& q) { q.limits.mem_pages = 0; }), RunStatus::kMemoryExceeded);
  EXPECT_EQ(status(float_request(), [](RunRequest& q) { q.limits.out_bytes = 31; }), RunStatus::kOutputTooLarge);
  EXPECT_EQ(status(float_request(), [](RunRequest& q) { q.artifact.pop_back(); }), RunStatus::kTrap);
  EXPECT_EQ(status(float_request(), [](RunRequest& q) { q.inputs[0].pop_back(); }), RunStatus::kTrap);
  EXPECT_EQ(status(float_request(), [](RunRequest& q) { q.inputs.clear(); }), RunStatus::kTrap);
}

TEST(OnnxKind, verifies_integers_to_the_bit_and_floats_to_a_tolerance) {
  const RunRequest exact = int8_request({1, -2, 63, -64, 5, -6});
  RunOutcome claim = run(exact);
  EXPECT_EQ(verify_id(exact, claim), "ok");
  claim.outputs[0].back() ^= 1;
  EXPECT_EQ(verify_id(exact, claim), "runtime.mismatch");
  claim = run(exact);
  ++claim.gas;
  EXPECT_EQ(verify_id(exact, claim), "runtime.mismatch");

  const RunRequest near = float_request();
  const auto moved = [&](float by) {
    RunOutcome out = run(near);
    std::vector<float> cells = values<float>(out.outputs[0]);
    cells[0] += by;
    out.outputs[0] = encode_value({{Element::kFloat, {2, 2}}, cells_of(cells)});
    return verify_id(near, out);
  };
  EXPECT_EQ(moved(0.02f), "ok");
  EXPECT_EQ(moved(0.03f), "onnx.claim");
  EXPECT_EQ(moved(NAN), "onnx.claim");
  EXPECT_EQ(moved(INFINITY), "onnx.claim");
  RunOutcome other = run(near);
  other.outputs.clear();
  EXPECT_EQ(verify_id(near, other), "onnx.claim");
  other = run(near);
  other.kernel_class = kExactClass;
  EXPECT_EQ(verify_id(near, other), "runtime.mismatch");
  other.status = RunStatus::kTimeout;
  EXPECT_EQ(verify_id(near, other), "onnx.unverifiable");
}

TEST(OnnxKind, says_what_it_cannot_take_before_any_work) {
  RunRequest q = float_request();
  q.kind = "wasm/v1";
  EXPECT_EQ(kind().check(q).error().id(), "onnx.kind");
  q.kind = kOnnxKind;
  q.params = {{kParamExact, std::int64_t{2}}};
  EXPECT_EQ(kind().check(q).error().id(), "onnx.param");
  q.params = {{9, std::int64_t{1}}};
  EXPECT_EQ(kind().check(q).error().id(), "onnx.param");
}

// Every operator that the plan takes, once through the runtime: the planned type is the given one.
TEST(OnnxKind, plans_the_types_that_the_runtime_gives) {
  const auto unary = [](std::string_view op, const std::vector<Attr>& attributes = {}, std::int64_t opset = 19) {
    ModelBuilder b;
    b.opset = opset;
    b.input("x", Element::kFloat, {2, 3}).output("y", Element::kFloat, {2, 3}).node(op, {"x"}, {"y"}, attributes);
    return b;
  };
  std::vector<std::pair<std::string, ModelBuilder>> models;
  for (const char* op :
       {"Relu", "LeakyRelu", "Sigmoid", "Tanh", "Erf", "Exp", "Sqrt", "Neg", "Abs", "Softmax", "Identity", "Clip"})
    models.emplace_back(op, unary(op));
  const auto add = [&](std::string_view op, Element y, const std::vector<std::string>& inputs, auto more,
                       const std::vector<Attr>& attributes = {}, const std::vector<std::string>& outputs = {"y"}) {
    ModelBuilder b;
    b.input("x", Element::kFloat, {2, 3}).output("y", y, {});
    more(b);
    models.emplace_back(op, b.node(op, inputs, outputs, attributes));
  };
  const auto none = [](ModelBuilder&) {};
  const auto scale = [](ModelBuilder& b) {
    b.constant<float>("scale", Element::kFloat, {}, {0.5}).constant<std::int8_t>("zero", Element::kInt8, {}, {1});
  };
  const auto list = [](std::vector<std::int64_t> values) {
    return [values](ModelBuilder& b) {
      b.constant("list", Element::kInt64, {static_cast<std::uint32_t>(values.size())}, values);
    };
  };
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Min", "Max"}) add(op, Element::kFloat, {"x", "x"}, none);
  add("Cast", Element::kInt32, {"x"}, none, {attr_int("to", 6)});
  add("Cast", Element::kBfloat16, {"x"}, none, {attr_int("to", 16)});
  add("Cast", Element::kFloat8e4m3, {"x"}, none, {attr_int("to", 17)});
  add("QuantizeLinear", Element::kInt8, {"x", "scale", "zero"}, scale);
  add("QuantizeLinear", Element::kUint8, {"x", "scale"}, scale);
  add("DynamicQuantizeLinear", Element::kUint8, {"x"}, none, {}, {"y", "y_scale", "y_zero"});
  add("LayerNormalization", Element::kFloat, {"x", "w"},
      [](ModelBuilder& b) { b.constant<float>("w", Element::kFloat, {3}, {1, 2, 3}); });
  add("Gemm", Element::kFloat, {"x", "x"}, none, {attr_int("transB", 1), attr_float("alpha", 0.5f)});
  add("Reshape", Element::kFloat, {"x", "list"}, list({3, -1}));
  add("Unsqueeze", Element::kFloat, {"x", "list"}, list({1, -1}));
  add("Flatten", Element::kFloat, {"x"}, none, {attr_int("axis", 0)});
  add("Transpose", Element::kFloat, {"x"}, none);
  add("Concat", Element::kFloat, {"x", "x"}, none, {attr_int("axis", -1)});
  add("Gather", Element::kFloat, {"x", "list"}, list({1, 0, 1}), {attr_int("axis", 1)});
  add("Constant", Element::kFloat, {}, none,
      {attr_tensor("value", tensor_message("", Element::kFloat, {1}, Bytes{0, 0, 0, 0}))});
  {
    ModelBuilder b;
    b.input("x", Element::kFloat, {2, 3}).output("y", Element::kFloat, {2, 3});
    scale(b);
    b.node("QuantizeLinear", {"x", "scale", "zero"}, {"q"}).node("DequantizeLinear", {"q", "scale", "zero"}, {"y"});
    models.emplace_back("DequantizeLinear", b);
  }
  {
    ModelBuilder b;
    b.input("x", Element::kFloat, {2, 3}).output("y", Element::kInt8, {2, 2});
    scale(b);
    b.constant<std::int8_t>("w", Element::kInt8, {3, 2}, {1, 2, 3, 4, 5, 6})
        .node("QuantizeLinear", {"x", "scale", "zero"}, {"q"});
    b.node("QLinearMatMul", {"q", "scale", "zero", "w", "scale", "zero", "scale", "zero"}, {"y"});
    models.emplace_back("QLinearMatMul", b);
  }
  {
    ModelBuilder b;
    b.input("x", Element::kFloat, {2, 3}).output("y", Element::kFloat, {6});
    list({2})(b);
    b.constant<std::int64_t>("flat", Element::kInt64, {3}, {1, 6, 1})
        .constant<std::int64_t>("ends", Element::kInt64, {2}, {0, 2});
    b.node("Reshape", {"x", "flat"}, {"r"}).node("Squeeze", {"r", "ends"}, {"y"});
    models.emplace_back("Squeeze", b);
  }
  const std::vector<float> x{1, 2, 3, 4, 5, 6};
  const Bytes input = encode_value({{Element::kFloat, {2, 3}}, cells_of(x)});
  for (const auto& [op, builder] : models) {
    RunControl control;
    const auto outcome = kind().run(request(builder.model(), {input}, gxf::Precision::kBf16), control);
    ASSERT_TRUE(outcome) << op << ": " << outcome.error().str();
    EXPECT_EQ(outcome->status, RunStatus::kOk) << op << ": " << outcome->detail;
  }
}

// What ONNX Runtime finds wrong is the fault of the job, not of who runs it.
TEST(OnnxKind, traps_where_the_runtime_refuses_what_was_planned) {
  ModelBuilder index;
  index.input("x", Element::kInt32, {4}).input("at", Element::kInt64, {1}).output("y", Element::kInt32, {1});
  index.node("Gather", {"x", "at"}, {"y"});
  const auto gather = [&](std::int64_t at) {
    const std::vector<std::int64_t> list{at};
    return request(
        index.model(),
        {encode_value({{Element::kInt32, {4}}, Bytes(16)}), encode_value({{Element::kInt64, {1}}, cells_of(list)})},
        gxf::Precision::kInt8);
  };
  const RunOutcome inside = run(gather(3)), outside = run(gather(4));
  EXPECT_EQ(inside.status, RunStatus::kOk) << inside.detail;
  EXPECT_EQ(outside.status, RunStatus::kTrap);
  EXPECT_EQ(outside.detail, "onnx.data");
  EXPECT_EQ(outside.gas, inside.gas);
  EXPECT_TRUE(runtime::is_exact(inside.kernel_class));
  EXPECT_FALSE(runtime::is_exact(outside.kernel_class));
  EXPECT_EQ(verify_id(gather(4), outside), "ok");

  ModelBuilder unknown;  // an attribute that Relu does not have
  unknown.input("x", Element::kFloat, {4}).output("y", Element::kFloat, {4});
  unknown.node("Relu", {"x"}, {"y"}, {attr_int("slope", 1)});
  const RunRequest q =
      request(unknown.model(), {encode_value({{Element::kFloat, {4}}, Bytes(16)})}, gxf::Precision::kBf16);
  const RunOutcome refused = run(q);
  EXPECT_EQ(refused.status, RunStatus::kTrap);
  EXPECT_EQ(refused.detail, "onnx.refused");
  EXPECT_EQ(refused.gas, (q.artifact.size() + q.inputs[0].size() + 7) / 8);
  EXPECT_EQ(verify_id(q, refused), "ok");
}

// The same bytes must say the same to this reader, which counts gas, and to ONNX Runtime, which works: a field of
// another wire type is unknown to protobuf.
TEST(OnnxKind, reads_no_number_that_the_runtime_does_not_see) {
  ModelBuilder b;  // x x^T is one number, x^T x a million
  b.input("x", Element::kFloat, {1, 1000}).output("y", Element::kFloat, {});
  const auto seen_and_not = [](std::string_view name, std::uint64_t seen) {
    return Attr{std::string(name), Message().text(1, name).number(3, seen).eight(3, 1 - seen).number(20, 2)};
  };
  b.node("Gemm", {"x", "x"}, {"y"}, {seen_and_not("transA", 1), seen_and_not("transB", 0)});
  const RunOutcome outcome =
      run(request(b.model(), {encode_value({{Element::kFloat, {1, 1000}}, Bytes(4000)})}, gxf::Precision::kBf16));
  EXPECT_EQ(outcome.status, RunStatus::kTrap);
  EXPECT_TRUE(outcome.detail.starts_with("onnx.model")) << outcome.detail;
}

TEST(OnnxPlugin, infers_in_the_sandbox_and_stops_when_asked) {
  runtime::PoolOptions options;
  options.plugins = {(std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../lib/hanse/onnx.so").string()};
  auto pool = runtime::Pool::start(std::move(options));
  ASSERT_TRUE(pool) << pool.error().str();
  EXPECT_EQ((*pool)->kinds(), std::vector<std::string>{std::string(kOnnxKind)});
  for (const RunRequest& q : {float_request(), int8_request({1, -2, 63, -64, 5, -6})}) {
    RunControl control;
    const auto outcome = (*pool)->run(q, (*pool)->level(), control);
    ASSERT_TRUE(outcome) << outcome.error().str();
    const Status same = runtime::compare_outcomes(run(q), *outcome);
    EXPECT_TRUE(same) << same.error().str();
    EXPECT_TRUE((*pool)->verify(q, *outcome, (*pool)->level(), control));
  }
  EXPECT_EQ((*pool)->counters().crashes, 0u);
}

TEST(OnnxKind, ends_when_it_is_told_to_stop) {
  ModelBuilder b;  // 64 products of 512^3
  b.input("x", Element::kFloat, {512, 512}).output("y64", Element::kFloat, {512, 512});
  std::string last = "x";
  for (int i = 1; i <= 64; ++i) b.node("MatMul", {std::exchange(last, text("y{}", i)), "x"}, {text("y{}", i)});
  RunRequest q =
      request(b.model(), {encode_value({{Element::kFloat, {512, 512}}, Bytes(512 * 512 * 4)})}, gxf::Precision::kBf16);
  q.limits = {.gas = ~0ull, .mem_pages = 4096, .wall_ms = 60'000, .out_bytes = 1 << 26};
  RunControl control;
  control.request_stop();
  const auto outcome = kind().run(q, control);
  ASSERT_TRUE(outcome) << outcome.error().str();
  EXPECT_EQ(outcome->status, RunStatus::kCancelled);
}

}  // namespace
}  // namespace hanse::onnx
