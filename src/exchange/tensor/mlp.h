// Integer inference of a multi-layer perceptron: for each layer acc = X * W + bias, then requantisation to int8.
//
//   requantise(acc) = saturate_int8( round( acc * multiplier / 2^shift ) ),   halves rounded away from zero
// (Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
// 2018, section 2.2, with an unrestricted shift.) |acc| < 2^30 + 2^31 and multiplier < 2^31, so int64 holds it exactly.
// Everything is integer: the result has the same bits on every machine and back end.
//
// Shapes: x is rows x layers[0].in, the result rows x last layer's out: int8, or int32 when the last layer is raw.
// Threads: pure. Errors: tensor.dims (x does not fit the model), and those of matmul.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/core/result.h"
#include "exchange/tensor/format.h"
#include "exchange/tensor/matmul.h"

namespace hanse::tensor {

std::int8_t requantise(std::int64_t acc, std::uint32_t multiplier, std::uint8_t shift, bool relu);

struct Activations {
  std::vector<std::int8_t> int8;    // when the layer requantises
  std::vector<std::int32_t> int32;  // when the layer is raw
};
// What a layer does with the product X * W (rows x out). Linear in its size.
Activations finish_layer(const LayerView& layer, std::uint32_t rows, std::span<const std::int32_t> product);

struct MlpResult {
  std::uint32_t rows = 0, cols = 0;
  Activations out;
  std::vector<std::vector<std::int32_t>> products;  // X * W of each layer, kept when traced
};
struct MlpOptions {
  MatmulOptions matmul;
  bool keep_products = false;
};
Result<MlpResult> run_mlp(const ModelView& model, std::uint32_t rows, std::span<const std::int8_t> x,
                          const MlpOptions& options);

}  // namespace hanse::tensor
