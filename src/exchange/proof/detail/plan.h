// Where everything of a model and of a run lies, the same for prover and verifier: which follows from shapes alone.
// Threads: values. Errors: proof.limit, tensor.dims.
#pragma once

#include <array>

#include "exchange/proof/inference.h"

namespace hanse::proof {

constexpr std::int64_t kAccMin = -(std::int64_t{1} << 31), kAccMax = (std::int64_t{1} << 31) - 1;
constexpr unsigned kLimbBits = 11;
constexpr std::size_t kLimbs = 3;  // of a distance below 2^33
constexpr std::size_t kLimbValues = 1u << kLimbBits;
constexpr std::int64_t kOutMove = 128;  // q + 128 is not negative, so that it may lie among the limbs

struct Block {
  std::size_t begin = 0;
  unsigned log2 = 0;
};

struct Step {  // requantise gives out for lo <= acc <= hi
  std::int32_t out = 0;
  std::int64_t lo = 0, hi = 0;
};
std::vector<Step> steps_of(const LayerShape& layer);  // in order of out, without those that no acc reaches

struct LayerPlan {
  LayerShape shape;
  unsigned in_log2 = 0, out_log2 = 0;
  Block weights, bias;                    // of the model
  std::array<Block, 2 * kLimbs> limbs{};  // of the run: those of acc - lo, then those of hi - acc
  Block out;                              // of the run; not for the last layer, whose output is public
  std::vector<Step> steps;                // empty for a raw layer
};

struct Plan {
  std::uint32_t rows = 0;
  unsigned rows_log2 = 0, model_log2 = 0, run_log2 = 0;
  std::vector<LayerPlan> layers{};
  bool looks_up() const { return !layers[0].steps.empty(); }  // one raw layer alone has nothing to look up
};
Result<Plan> plan(std::span<const LayerShape> layers, std::uint32_t rows);
std::uint64_t proof_bytes(const Plan& plan);  // of every proof of such a run (proto/records/proof.md)

}  // namespace hanse::proof
