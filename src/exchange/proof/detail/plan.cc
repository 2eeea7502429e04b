#include "exchange/proof/detail/plan.h"

#include "base/core/text.h"
#include "exchange/proof/detail/commit.h"
#include "exchange/proof/detail/multilinear.h"

#include <algorithm>

namespace hanse::proof {

namespace {

// Largest first, each then lies at a multiple of its size. Answers the whole size.
unsigned lay_out(std::vector<Block*> blocks) {
  std::ranges::stable_sort(blocks, std::ranges::greater{}, &Block::log2);
  std::size_t end = 0;
  for (Block* block : blocks) {
    block->begin = end;
    end += std::size_t{1} << block->log2;
  }
  return log2_ceil(end);
}

constexpr std::uint64_t kNumberBytes = 8, kPairBytes = 16, kCountBytes = 4;

std::uint64_t dot_bytes(std::uint64_t variables) { return 2 * kPairBytes * variables; }

std::uint64_t fractions_bytes(std::uint64_t variables) {  // a level of l variables has 3 l + 4 pairs
  const std::uint64_t rounds = variables * (variables - 1) / 2;
  return kPairBytes * (2 + 3 * rounds + 4 * variables);
}

std::uint64_t evaluations_bytes(unsigned size_log2) {
  const Layout layout(size_log2);
  const std::uint64_t column = kNumberBytes * layout.rows() + Hash32::kSize * layout.word_log2();
  return dot_bytes(size_log2) + kPairBytes * (1 + 2 * layout.cols()) + kQueries * column;
}

}  // namespace

std::vector<Step> steps_of(const LayerShape& layer) {
  const auto out_of = [&](std::int64_t acc) {
    return static_cast<std::int32_t>(tensor::requantise(acc, layer.multiplier, layer.shift, layer.relu));
  };
  std::vector<Step> out;
  for (std::int64_t lo = kAccMin; lo <= kAccMax;) {  // requantise never falls
    const std::int32_t value = out_of(lo);
    std::int64_t hi = lo, beyond = kAccMax + 1;
    while (beyond - hi > 1) {
      const std::int64_t middle = hi + (beyond - hi) / 2;
      (out_of(middle) == value ? hi : beyond) = middle;
    }
    out.push_back({.out = value, .lo = lo, .hi = hi});
    lo = hi + 1;
  }
  return out;
}

Result<Plan> plan(std::span<const LayerShape> layers, std::uint32_t rows) {
  if (rows == 0 || rows > tensor::kDimMax)
    return fail(Kind::kInvalid, "tensor.dims", text("found {} rows, expected 1..{}", rows, tensor::kDimMax));
  Plan out{.rows = rows, .rows_log2 = log2_ceil(rows), .layers = std::vector<LayerPlan>(layers.size())};
  std::vector<Block*> model, run;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    LayerPlan& layer = out.layers[l];
    layer.shape = layers[l];
    layer.in_log2 = log2_ceil(layers[l].in);
    layer.out_log2 = log2_ceil(layers[l].out);
    layer.weights.log2 = layer.in_log2 + layer.out_log2;
    layer.bias.log2 = layer.out_log2;
    model.push_back(&layer.weights);
    model.push_back(&layer.bias);
    if (layers[l].raw) continue;
    layer.steps = steps_of(layers[l]);
    layer.out.log2 = out.rows_log2 + layer.out_log2;
    layer.limbs.fill(layer.out);
    for (Block& limb : layer.limbs) run.push_back(&limb);
    if (l + 1 < layers.size()) run.push_back(&layer.out);
  }
  out.model_log2 = lay_out(std::move(model));
  out.run_log2 = lay_out(std::move(run));
  if (out.model_log2 > kWeightsLog2Max || out.run_log2 > kRunLog2Max)
    return fail(Kind::kUnsupported, "proof.limit",
                text("found 2^{} cells in the model and 2^{} in the run after padding, expected at most 2^{} and 2^{}",
                     out.model_log2, out.run_log2, kWeightsLog2Max, kRunLog2Max));
  return out;
}

std::uint64_t proof_bytes(const Plan& plan) {
  std::uint64_t out = evaluations_bytes(plan.model_log2);
  if (plan.looks_up())
    out +=
        Hash32::kSize + kCountBytes * kLimbValues + fractions_bytes(plan.run_log2) + evaluations_bytes(plan.run_log2);
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    const LayerPlan& layer = plan.layers[l];
    out += 2 * kPairBytes + dot_bytes(layer.in_log2);  // bias and weight
    if (l > 0) out += kPairBytes;                      // the input
    if (layer.steps.empty()) continue;
    const std::size_t told = 1 + layer.limbs.size() + (l + 1 < plan.layers.size() ? 1 : 0);  // acc, limbs, q
    out += kCountBytes * layer.steps.size() + fractions_bytes(plan.rows_log2 + layer.out_log2) + kPairBytes * told;
  }
  return out;
}

}  // namespace hanse::proof
