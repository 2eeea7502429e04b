#include "exchange/tensor/tensor_kind.h"

#include "base/core/text.h"
#include "exchange/gxf/job_file.h"
#include "exchange/tensor/format.h"
#include "exchange/tensor/matmul.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace hanse::tensor {
namespace {

using runtime::RunControl;
using runtime::RunOutcome;
using runtime::RunRequest;
using runtime::RunStatus;

Bytes random_matrix(std::uint32_t rows, std::uint32_t cols, Random& random) {
  std::vector<std::int8_t> cells(std::size_t{rows} * cols);
  random.fill({reinterpret_cast<std::uint8_t*>(cells.data()), cells.size()});
  return encode_matrix(rows, cols, cells);
}

RunRequest matmul_request(std::uint32_t m, std::uint32_t k, std::uint32_t n) {
  SeededRandom random(31, "kind");
  RunRequest q;
  q.kind = kMatmulKind;
  q.inputs = {random_matrix(m, k, random), random_matrix(k, n, random)};
  q.limits = {.gas = 1'000'000'000, .mem_pages = 256, .wall_ms = 1000, .out_bytes = 1 << 20};
  return q;
}

RunRequest mlp_request(bool trace) {
  SeededRandom random(32, "mlp");
  std::vector<Layer> layers(3);
  const std::uint32_t sizes[] = {17, 9, 12, 4};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Layer& l = layers[i];
    l = {.in = sizes[i],
         .out = sizes[i + 1],
         .multiplier = 3,
         .shift = 9,
         .relu = i == 0,
         .raw = i == 2,
         .bias = std::vector<std::int32_t>(sizes[i + 1], 77),
         .weights = {}};
    if (l.raw) l.multiplier = 1, l.shift = 0;
    l.weights.resize(std::size_t{l.in} * l.out);
    random.fill({reinterpret_cast<std::uint8_t*>(l.weights.data()), l.weights.size()});
  }
  RunRequest q;
  q.kind = kMlpKind;
  q.artifact = encode_model(layers);
  q.inputs = {random_matrix(5, 17, random)};
  q.shape.batch = 5;
  q.limits = {.gas = 100'000, .mem_pages = 16, .wall_ms = 1000, .out_bytes = 4096};
  q.params = {{gxf::kParamKindName, to_bytes(kMlpKind)}, {kParamTrace, std::int64_t{trace}}};
  return q;
}

RunOutcome run(const RunRequest& request) {
  RunControl control;
  auto outcome = make_tensor_kind()->run(request, control);
  EXPECT_TRUE(outcome) << outcome.error().str();
  return outcome ? *outcome : RunOutcome{};
}

std::string verify_id(const RunRequest& request, const RunOutcome& claimed) {
  const Status done = make_tensor_kind()->verify(request, claimed);
  return done ? "ok" : std::string(done.error().id());
}

std::string check_id(const RunRequest& request) {
  const Status done = make_tensor_kind()->check(request);
  return done ? "ok" : std::string(done.error().id());
}

void flip(Bytes& bytes, std::size_t at) { bytes.at(at) ^= 1; }

TEST(TensorKind, multiplies_and_charges_the_exact_gas) {
  const RunRequest q = matmul_request(7, 33, 10);
  const RunOutcome done = run(q);
  ASSERT_EQ(done.status, RunStatus::kOk) << done.detail;
  // inputs 16+231 and 16+330 bytes: ceil(593/8) = 75; ceil(2310/16) = 145; output 16+280: ceil(296/8) = 37
  EXPECT_EQ(done.gas, 75u + 145 + 37);
  EXPECT_EQ(done.kernel_class, "int8-exact/1");
  ASSERT_EQ(done.outputs.size(), 1u);
  const auto c = decode_matrix(done.outputs[0]);
  ASSERT_TRUE(c);
  const auto a = *decode_matrix(q.inputs[0]), b = *decode_matrix(q.inputs[1]);
  std::int32_t cell = 0;
  for (std::size_t p = 0; p < 33; ++p) cell += int8_cells(a)[6 * 33 + p] * int8_cells(b)[p * 10 + 9];
  EXPECT_EQ(int32_cells(*c).back(), cell);
}

TEST(TensorKind, takes_b_as_artifact) {
  RunRequest q = matmul_request(3, 4, 5);
  const RunOutcome two = run(q);
  q.artifact = q.inputs[1];
  q.inputs.pop_back();
  EXPECT_EQ(run(q).outputs, two.outputs);
  EXPECT_EQ(run(q).gas, two.gas);
}

TEST(TensorKind, gives_the_same_outcome_on_every_back_end) {
  const RunRequest requests[] = {matmul_request(40, 70, 50), mlp_request(true), mlp_request(false)};
  for (const RunRequest& q : requests) {
    const RunOutcome first = run(q);
    ASSERT_EQ(first.status, RunStatus::kOk) << first.detail;
    for (const Backend backend : available_backends()) {
      setenv("HANSE_TENSOR_BACKEND", std::string(backend_name(backend)).c_str(), 1);
      EXPECT_TRUE(runtime::compare_outcomes(first, run(q))) << backend_name(backend);
      EXPECT_EQ(verify_id(q, first), "ok") << backend_name(backend);
    }
    unsetenv("HANSE_TENSOR_BACKEND");
  }
}

TEST(TensorKind, refuses_a_wrong_backend_override_as_the_workers_fault) {
  setenv("HANSE_TENSOR_BACKEND", "abacus", 1);
  RunControl control;
  const auto done = make_tensor_kind()->run(matmul_request(2, 2, 2), control);
  unsetenv("HANSE_TENSOR_BACKEND");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().id(), "tensor.backend");
}

TEST(TensorKind, checks_what_a_request_must_have) {
  EXPECT_EQ(check_id(matmul_request(2, 2, 2)), "ok");
  EXPECT_EQ(check_id(mlp_request(true)), "ok");
  RunRequest q = matmul_request(2, 2, 2);
  q.kind = "tensor.matmul/v2";
  EXPECT_EQ(check_id(q), "tensor.kind");
  q = matmul_request(2, 2, 2);
  q.precision = gxf::Precision::kBf16;
  EXPECT_EQ(check_id(q), "tensor.precision");
  q = matmul_request(2, 2, 2);
  q.inputs.pop_back();
  EXPECT_EQ(check_id(q), "tensor.inputs");
  q = matmul_request(2, 2, 2);
  q.artifact = q.inputs[1];
  EXPECT_EQ(check_id(q), "tensor.inputs");
  q = mlp_request(false);
  q.artifact.clear();
  EXPECT_EQ(check_id(q), "tensor.inputs");
  q = mlp_request(false);
  q.params[kParamTrace] = std::int64_t{2};
  EXPECT_EQ(check_id(q), "tensor.param");
  q = mlp_request(false);
  q.params[7] = std::int64_t{0};
  EXPECT_EQ(check_id(q), "tensor.param");
  q = mlp_request(false);
  q.params[gxf::kParamKindName] = to_bytes(kMatmulKind);
  EXPECT_EQ(check_id(q), "tensor.param");
}

TEST(TensorKind, stops_at_the_gas_limit_and_not_before) {
  RunRequest q = matmul_request(7, 33, 10);
  q.limits.gas = 257;
  EXPECT_EQ(run(q).status, RunStatus::kOk);
  q.limits.gas = 256;
  const RunOutcome short_of = run(q);
  EXPECT_EQ(short_of.status, RunStatus::kGasExhausted);
  EXPECT_EQ(short_of.gas, 256u);
  EXPECT_EQ(short_of.detail, "needs 257 gas, limit 256");
  EXPECT_TRUE(short_of.outputs.empty());
  EXPECT_EQ(verify_id(q, short_of), "ok");
  q.limits.gas = 74;  // not even the input
  EXPECT_EQ(run(q).detail, "needs 75 gas, limit 74");
}

TEST(TensorKind, stops_at_the_memory_and_output_limits_and_not_before) {
  RunRequest q = matmul_request(300, 300, 300);
  q.limits.out_bytes = 16 + 4 * 300 * 300;
  const std::uint64_t memory =
      2 * (16 + 90'000) + 4 * 90'000 + q.limits.out_bytes + matmul_scratch_bytes({300, 300, 300});
  q.limits.mem_pages = static_cast<std::uint32_t>((memory + kPageBytes - 1) / kPageBytes);
  EXPECT_EQ(run(q).status, RunStatus::kOk) << run(q).detail;
  q.limits.mem_pages -= 1;
  const RunOutcome memory_short = run(q);
  EXPECT_EQ(memory_short.status, RunStatus::kMemoryExceeded);
  EXPECT_EQ(memory_short.gas, 22'504u);  // 180032 / 8: the input only
  EXPECT_EQ(verify_id(q, memory_short), "ok");
  q.limits.mem_pages += 1;
  q.limits.out_bytes -= 1;
  EXPECT_EQ(run(q).status, RunStatus::kOutputTooLarge);
}

TEST(TensorKind, refuses_outputs_beyond_what_a_record_holds) {
  SeededRandom random(33, "wide");
  RunRequest q;
  q.kind = kMatmulKind;
  q.inputs = {random_matrix(kDimMax, 1, random), random_matrix(1, 256, random)};
  q.limits = {.gas = ~0ull, .mem_pages = 65'536, .wall_ms = 1000, .out_bytes = ~0u};
  EXPECT_EQ(run(q).status, RunStatus::kOutputTooLarge);
}

TEST(TensorKind, traps_on_inputs_that_do_not_fit_and_says_why) {
  const auto trap = [](RunRequest q) {
    const RunOutcome done = run(q);
    EXPECT_EQ(done.status, RunStatus::kTrap);
    EXPECT_EQ(verify_id(q, done), "ok");
    return done.detail.substr(0, done.detail.find(':'));
  };
  RunRequest q = matmul_request(2, 3, 4);
  q.inputs[1] = q.inputs[0];
  EXPECT_EQ(trap(q), "tensor.dims");
  q = matmul_request(2, 3, 4);
  q.shape.dims = {2, 3, 5};
  EXPECT_EQ(trap(q), "tensor.dims");
  q.shape.dims = {2, 3, 4};
  EXPECT_EQ(run(q).status, RunStatus::kOk);
  q.inputs[0].pop_back();
  EXPECT_EQ(trap(q), "tensor.truncated");
  q = matmul_request(2, 3, 4);
  q.inputs[0] = encode_matrix(1, 1, std::vector<std::int32_t>{5});
  EXPECT_EQ(trap(q), "tensor.type");
  q = mlp_request(false);
  q.shape.batch = 4;
  EXPECT_EQ(trap(q), "tensor.dims");
  q.shape.batch = 6;
  EXPECT_EQ(trap(q), "tensor.dims");
  q.shape.level = 1;
  EXPECT_EQ(run(q).status, RunStatus::kOk);
  q.artifact[0] = 'x';
  EXPECT_EQ(trap(q), "tensor.magic");
}

TEST(TensorKind, ends_as_cancelled_when_asked) {
  RunControl control;
  control.request_stop();
  const auto done = make_tensor_kind()->run(matmul_request(2, 2, 2), control);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->status, RunStatus::kCancelled);
  EXPECT_TRUE(done->outputs.empty());
  EXPECT_EQ(verify_id(matmul_request(2, 2, 2), *done), "tensor.unverifiable");
}

TEST(TensorKind, verify_refuses_any_changed_claim) {
  for (const RunRequest& q : {matmul_request(20, 30, 25), mlp_request(true), mlp_request(false)}) {
    const RunOutcome good = run(q);
    ASSERT_EQ(verify_id(q, good), "ok");
    for (std::size_t i = 0; i < good.outputs.size(); ++i) {
      RunOutcome bad = good;
      flip(bad.outputs[i], bad.outputs[i].size() - 1);
      EXPECT_NE(verify_id(q, bad), "ok") << q.kind << " output " << i;
      bad = good;
      flip(bad.outputs[i], 16);
      EXPECT_NE(verify_id(q, bad), "ok") << q.kind << " output " << i;
      bad = good;
      flip(bad.outputs[i], 8);  // another number of rows
      EXPECT_NE(verify_id(q, bad), "ok") << q.kind << " output " << i;
    }
    RunOutcome bad = good;
    bad.gas -= 1;
    EXPECT_EQ(verify_id(q, bad), "tensor.claim");
    bad = good;
    bad.status = RunStatus::kTrap;
    EXPECT_EQ(verify_id(q, bad), "tensor.claim");
    bad = good;
    bad.outputs.emplace_back();
    EXPECT_EQ(verify_id(q, bad), "tensor.claim");
    bad = good;
    bad.kernel_class = "f32/1";
    EXPECT_EQ(verify_id(q, bad), "tensor.claim");
  }
}

TEST(TensorKind, verify_of_a_product_is_an_audit) {
  const RunRequest q = matmul_request(20, 30, 25);
  RunOutcome bad = run(q);
  flip(bad.outputs[0], 16);
  EXPECT_EQ(verify_id(q, bad), "tensor.audit_failed");
  const RunRequest traced = mlp_request(true);
  bad = run(traced);
  flip(bad.outputs[2], 16);
  EXPECT_EQ(verify_id(traced, bad), "tensor.audit_failed");
  bad = run(traced);
  flip(bad.outputs[0], 16);
  EXPECT_EQ(verify_id(traced, bad), "tensor.claim");
}

Bytes read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

// The whole example: the script draws, trains and quantises; the job classifies digits from another seed.
TEST(Digits, example_classifies_digits_not_seen_in_training) {
  if (std::system("python3 -c '' >/dev/null 2>&1") != 0) {
    std::puts("skipped: python3 is not installed");
    return;
  }
  const std::string dir = testing::TempDir() + "hanse_digits";
  ASSERT_EQ(std::system(text("python3 examples/digits/make.py --out '{}' >/dev/null", dir).c_str()), 0);
  const Bytes job_file = read_whole("examples/digits/job.yaml");
  const auto draft = gxf::parse_job_file(as_text(job_file), "examples/digits");
  ASSERT_TRUE(draft) << draft.error().str();
  ASSERT_EQ(draft->uploads.size(), 2u);
  EXPECT_EQ(draft->uploads[0].path, "examples/digits/data/model.hml");
  EXPECT_EQ(draft->uploads[1].path, "examples/digits/data/test.htn");
  const gxf::Node& node = draft->job.nodes.at(0);
  RunRequest q;
  q.kind = as_text(std::get<Bytes>(node.params.at(gxf::kParamKindName)));
  q.artifact = read_whole(dir + "/model.hml");
  q.inputs = {read_whole(dir + "/test.htn")};
  q.limits = node.limits;
  q.shape = node.shape;
  q.precision = node.precision;
  q.params = node.params;
  const RunOutcome done = run(q);
  ASSERT_EQ(done.status, RunStatus::kOk) << done.detail;
  EXPECT_EQ(done.outputs[0], read_whole(dir + "/expected.htn")) << "the script's arithmetic differs from ours";
  std::ofstream(dir + "/output.htn", std::ios::binary)
      .write(reinterpret_cast<const char*>(done.outputs[0].data()),
             static_cast<std::streamsize>(done.outputs[0].size()));
  const std::string check = text("python3 examples/digits/check.py '{}/output.htn' --labels '{}/labels.txt'", dir, dir);
  EXPECT_EQ(std::system((check + " --least 240").c_str()), 0);  // of 256
  EXPECT_TRUE(runtime::compare_outcomes(done, run(q)));
  EXPECT_EQ(verify_id(q, done), "ok");
  EXPECT_NE(std::system((check + " --least 257 >/dev/null").c_str()), 0);
}

}  // namespace
}  // namespace hanse::tensor
