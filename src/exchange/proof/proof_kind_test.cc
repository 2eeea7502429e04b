#include "exchange/proof/proof_kind.h"

#include "base/core/random.h"
#include "base/core/text.h"
#include "exchange/tensor/tensor_kind.h"

#include <gtest/gtest.h>

namespace hanse::proof {
namespace {

using runtime::RunControl;
using runtime::RunOutcome;
using runtime::RunRequest;
using runtime::RunStatus;

struct Shape {
  std::vector<std::uint32_t> widths;
  bool raw = true;
};

Bytes model_of(const Shape& shape, std::uint64_t seed) {
  SeededRandom random(seed, "proof kind");
  std::vector<tensor::Layer> layers;
  for (std::size_t l = 0; l + 1 < shape.widths.size(); ++l) {
    const bool raw = shape.raw && l + 2 == shape.widths.size();
    tensor::Layer layer{
        shape.widths[l], shape.widths[l + 1], raw ? 1u : 300'000u, std::uint8_t(raw ? 0 : 24), !raw, raw, {}, {}};
    layer.bias.assign(layer.out, 77);
    layer.weights.resize(std::size_t{layer.in} * layer.out);
    random.fill({reinterpret_cast<std::uint8_t*>(layer.weights.data()), layer.weights.size()});
    layers.push_back(std::move(layer));
  }
  return tensor::encode_model(layers);
}

Bytes commitment_to(const Bytes& model) {
  return encode(MlpProver::commit(*tensor::decode_model(model))->commitment());
}

RunRequest request_of(const Shape& shape, std::uint32_t rows, std::uint64_t seed = 7) {
  SeededRandom random(seed, "proof kind input");
  std::vector<std::int8_t> x(std::size_t{rows} * shape.widths[0]);
  random.fill({reinterpret_cast<std::uint8_t*>(x.data()), x.size()});
  RunRequest q;
  q.kind = kMlpProofKind;
  q.artifact = model_of(shape, seed);
  q.inputs = {tensor::encode_matrix(rows, shape.widths[0], x)};
  q.shape.batch = static_cast<std::uint16_t>(rows);
  q.limits = {.gas = ~0ull, .mem_pages = 65'536, .wall_ms = 60'000, .out_bytes = 1 << 26};
  q.params[kParamCommitment] = commitment_to(q.artifact);
  return q;
}
const Shape kSmall{{20, 12, 4}};

RunOutcome run(const RunRequest& q) {
  RunControl control;
  auto outcome = make_proof_kind()->run(q, control);
  EXPECT_TRUE(outcome) << outcome.error().str();
  return outcome ? std::move(*outcome) : RunOutcome{};
}

std::string refusal(const RunRequest& q, const RunOutcome& claimed) {
  const Status status = make_proof_kind()->verify(q, claimed);
  return status ? "" : std::string(status.error().id());
}

RunRequest without_artifact(RunRequest q) {
  q.artifact.clear();
  return q;
}

TEST(ProofKind, gives_the_output_of_the_tensor_kind_and_a_proof_that_needs_no_model) {
  for (const auto& [shape, rows] : std::vector<std::pair<Shape, std::uint32_t>>{
           {kSmall, 5}, {{{9, 30, 7}, false}, 16}, {{{3, 2}}, 1}, {{{1, 1}, false}, 1}, {{{33, 17, 64, 5}}, 3}}) {
    const RunRequest q = request_of(shape, rows);
    const RunOutcome done = run(q);
    ASSERT_EQ(done.status, RunStatus::kOk) << done.detail;
    EXPECT_EQ(done.kernel_class, kProofKernelClass);
    EXPECT_TRUE(runtime::is_exact(done.kernel_class));
    RunRequest plain = q;
    plain.kind = tensor::kMlpKind;
    plain.params.clear();
    RunControl control;
    EXPECT_EQ(done.outputs[0], tensor::make_tensor_kind()->run(plain, control)->outputs[0]);
    EXPECT_EQ(refusal(without_artifact(q), done), "");
    EXPECT_TRUE(runtime::compare_outcomes(done, run(q)));  // the same bytes again
  }
}

TEST(ProofKind, takes_gas_for_what_its_header_lists) {
  const RunRequest q = request_of(kSmall, 5);
  // The table of the model: 32 x 16 + 16 x 4 + 16 + 4 = 596 cells, so 1024. That of the run: 6 limbs and q of 8 x 16
  // cells, so 1024; the last layer is raw.
  const std::uint64_t read = (q.inputs[0].size() + 8 + 16 * 2 + 32 + 7) / 8;
  const std::uint64_t model = (q.artifact.size() + 7) / 8 + 512 * 1024;
  const RunOutcome done = run(q);
  const std::uint64_t out_bytes = done.outputs[0].size() + done.outputs[1].size();
  const std::uint64_t rest = (5 * (20 * 12 + 12 * 4) + 15) / 16 + 5 * 12 + 640 * 1024 + (out_bytes + 7) / 8;
  EXPECT_EQ(done.gas, read + model + rest);

  RunRequest tight = q;
  tight.limits.gas = done.gas;
  EXPECT_EQ(run(tight).status, RunStatus::kOk);
  tight.limits.gas = done.gas - 1;
  RunOutcome refused = run(tight);
  EXPECT_EQ(refused.status, RunStatus::kGasExhausted);
  EXPECT_EQ(refused.gas, done.gas - 1);
  EXPECT_EQ(refusal(without_artifact(tight), refused), "");
  tight.limits.gas = read - 1;
  EXPECT_EQ(run(tight).gas, read - 1);

  RunRequest small = q;
  small.limits.out_bytes = static_cast<std::uint32_t>(out_bytes);
  EXPECT_EQ(run(small).status, RunStatus::kOk);
  --small.limits.out_bytes;
  refused = run(small);
  EXPECT_EQ(refused.status, RunStatus::kOutputTooLarge);
  EXPECT_EQ(refused.gas, read);
  EXPECT_EQ(refusal(without_artifact(small), refused), "");
  small = q;
  small.limits.mem_pages = 16;  // less than the base
  EXPECT_EQ(run(small).status, RunStatus::kMemoryExceeded);
  EXPECT_EQ(run(small).gas, read);
  small.limits.mem_pages = 21;  // the base of 16, 4 for two tables, and one for the rest
  EXPECT_EQ(run(small).status, RunStatus::kMemoryExceeded) << "a proof of " << out_bytes;
  small.limits.mem_pages = 16 + 4 + static_cast<std::uint32_t>(out_bytes / 65'536 + 1);
  EXPECT_EQ(run(small).status, RunStatus::kOk);

  RunRequest other = q;
  other.artifact.back() ^= 1;
  refused = run(other);
  EXPECT_EQ(refused.status, RunStatus::kTrap);
  EXPECT_EQ(refused.gas, read + model);
}

TEST(ProofKind, knows_the_size_of_a_proof_from_the_shapes) {
  std::uint64_t seed = 1;
  for (const auto& [shape, rows] : std::vector<std::pair<Shape, std::uint32_t>>{{{{1, 1}}, 1},
                                                                                {{{1, 1}, false}, 2},
                                                                                {{{40, 3, 3, 3, 70}, false}, 9},
                                                                                {{{64, 24, 10}}, 256},
                                                                                {{{2, 100}, false}, 1}}) {
    RunRequest q = request_of(shape, rows, ++seed);
    const RunOutcome done = run(q);
    q.limits.out_bytes = static_cast<std::uint32_t>(done.outputs[0].size() + done.outputs[1].size());
    EXPECT_EQ(run(q).status, RunStatus::kOk) << "seed " << seed;
    --q.limits.out_bytes;
    EXPECT_EQ(run(q).status, RunStatus::kOutputTooLarge) << "seed " << seed;
  }
}

TEST(ProofKind, refuses_any_claim_that_is_altered) {
  const RunRequest q = request_of({{20, 12, 4}, false}, 5);
  const RunOutcome done = run(q);
  const auto with = [&](auto change) {
    RunOutcome claim = done;
    change(claim);
    return refusal(without_artifact(q), claim);
  };
  EXPECT_NE(with([](RunOutcome& c) { c.outputs[0].back() ^= 1; }), "");
  EXPECT_EQ(with([](RunOutcome& c) { c.outputs[0].pop_back(); }), "proof.output");
  EXPECT_EQ(with([](RunOutcome& c) { c.outputs[1].pop_back(); }), "proof.bytes");
  EXPECT_EQ(with([](RunOutcome& c) { c.outputs[1].push_back(0); }), "proof.bytes");
  SeededRandom random(3, "altered proofs");
  for (int i = 0; i < 40; ++i) {
    const std::size_t at = random.next_u64() % done.outputs[1].size();
    EXPECT_NE(with([&](RunOutcome& c) { c.outputs[1][at] ^= 1u << random.next_u64() % 8; }), "") << "byte " << at;
  }
  EXPECT_EQ(with([](RunOutcome& c) { ++c.gas; }), "proof.claim");
  EXPECT_EQ(with([](RunOutcome& c) { c.outputs.pop_back(); }), "proof.claim");
  EXPECT_EQ(with([](RunOutcome& c) { c.kernel_class = "int8-exact/1"; }), "proof.claim");
  EXPECT_EQ(with([](RunOutcome& c) { c.detail = "x"; }), "proof.claim");
  EXPECT_EQ(with([](RunOutcome& c) {
              c.status = RunStatus::kGasExhausted;
              c.outputs.clear();
            }),
            "proof.claim");
  EXPECT_EQ(with([](RunOutcome& c) { c.status = RunStatus::kTimeout; }), "proof.unverifiable");
}

TEST(ProofKind, proves_for_the_committed_model_only) {
  const RunRequest q = request_of(kSmall, 5);
  RunRequest swapped = q;
  swapped.artifact.back() ^= 0x40;
  const RunOutcome trapped = run(swapped);
  EXPECT_EQ(trapped.status, RunStatus::kTrap);
  EXPECT_TRUE(trapped.detail.contains("root")) << trapped.detail;
  EXPECT_EQ(refusal(swapped, trapped), "");
  EXPECT_EQ(refusal(q, trapped), "runtime.mismatch");
  EXPECT_EQ(refusal(without_artifact(q), trapped), "proof.unverifiable");
  // Whoever proves for another model, with the commitment that goes with it, has proved another statement.
  swapped.params[kParamCommitment] = commitment_to(swapped.artifact);
  const RunOutcome other = run(swapped);
  ASSERT_EQ(other.status, RunStatus::kOk);
  EXPECT_EQ(refusal(without_artifact(swapped), other), "");
  EXPECT_NE(refusal(without_artifact(q), other), "");
  RunRequest wider = q;
  wider.artifact = model_of({{20, 13, 4}}, 7);
  EXPECT_EQ(run(wider).status, RunStatus::kTrap);
  wider.artifact.clear();
  EXPECT_EQ(run(wider).status, RunStatus::kTrap);
}

TEST(ProofKind, traps_where_the_parts_do_not_fit) {
  const RunRequest q = request_of(kSmall, 5);
  const auto with = [&](auto change) {
    RunRequest other = q;
    change(other);
    const RunOutcome out = run(other);
    EXPECT_EQ(refusal(without_artifact(other), out), "");
    return std::pair(out.status, out.gas);
  };
  const auto trap = [&](const Bytes& x, const Bytes& commitment) {
    return std::pair(RunStatus::kTrap, (x.size() + commitment.size() + 7) / 8);
  };
  const Bytes x = q.inputs[0], c = std::get<Bytes>(q.params.at(kParamCommitment));
  EXPECT_EQ(with([](RunRequest& r) { r.params[kParamCommitment] = Bytes{1, 2}; }), trap(x, {1, 2}));
  EXPECT_EQ(with([](RunRequest& r) { r.inputs[0] = {1}; }), trap({1}, c));
  EXPECT_EQ(with([](RunRequest& r) { r.shape.batch = 6; }), trap(x, c));
  EXPECT_EQ(with([](RunRequest& r) {
              r.shape.level = 1;
              r.shape.batch = 4;
            }),
            trap(x, c));
  EXPECT_EQ(with([](RunRequest& r) {
              r.shape.level = 1;
              r.shape.batch = 6;
            }).first,
            RunStatus::kOk);
  const Bytes narrow = tensor::encode_matrix(5, 1, std::vector<std::int8_t>(5));
  EXPECT_EQ(with([&](RunRequest& r) { r.inputs[0] = narrow; }), trap(narrow, c));
  const Bytes wide = tensor::encode_matrix(5, 20, std::vector<std::int32_t>(100));
  EXPECT_EQ(with([&](RunRequest& r) { r.inputs[0] = wide; }), trap(wide, c));
}

TEST(ProofKind, of_another_form_is_no_request) {
  const auto why = [](auto change) {
    RunRequest q = request_of(kSmall, 2);
    change(q);
    const Status status = make_proof_kind()->check(q);
    return status ? "" : std::string(status.error().id());
  };
  EXPECT_EQ(why([](RunRequest& q) { q.params[gxf::kParamKindName] = to_bytes(kMlpProofKind); }), "");
  EXPECT_EQ(why([](RunRequest& q) { q.kind = "proof.mlp/v2"; }), "proof.request");
  EXPECT_EQ(why([](RunRequest& q) { q.precision = gxf::Precision::kFp8; }), "proof.request");
  EXPECT_EQ(why([](RunRequest& q) { q.inputs.push_back({}); }), "proof.request");
  EXPECT_EQ(why([](RunRequest& q) { q.params.erase(kParamCommitment); }), "proof.request");
  EXPECT_EQ(why([](RunRequest& q) { q.params[kParamCommitment] = std::int64_t{1}; }), "proof.request");
  EXPECT_EQ(why([](RunRequest& q) { q.params[2] = std::int64_t{1}; }), "proof.request");
  EXPECT_EQ(why([](RunRequest& q) { q.params[gxf::kParamKindName] = to_bytes("tensor.mlp/v1"); }), "proof.request");
}

TEST(ProofKind, ends_between_its_steps_when_it_is_stopped) {
  RunControl control;
  control.request_stop();
  const auto out = make_proof_kind()->run(request_of(kSmall, 2), control);
  EXPECT_EQ(out->status, RunStatus::kCancelled);
}

}  // namespace
}  // namespace hanse::proof
