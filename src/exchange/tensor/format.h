// Tensors and int8 models as bytes. Layout: proto/records/tensor.md. Fixed little-endian fields, one encoding per
// value: what decodes re-encodes to itself, and nothing may follow.
// The decoded views borrow the input. Dimensions are 1..kDimMax each; a model has 1..kLayersMax layers.
// Threads: values. Errors (Kind::kInvalid): tensor.magic (not such a record), tensor.truncated (size differs from what
// the header asks), tensor.type (element type or rank), tensor.dims (a dimension out of range, or layers that do not
// fit together), tensor.model (layer count, multiplier, shift or flags out of range).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/result.h"
#include "exchange/tensor/matmul.h"

namespace hanse::tensor {

constexpr std::size_t kLayersMax = 64;
constexpr std::uint8_t kShiftMax = 62;
constexpr std::uint32_t kMultiplierMax = 0x7fff'ffff;

enum class Element : std::uint8_t { kInt8 = 1, kInt32 = 2 };

// A matrix, row-major. data has rows * cols * element size bytes, little-endian.
struct MatrixView {
  Element element = Element::kInt8;
  std::uint32_t rows = 0, cols = 0;
  ByteView data;
};
Result<MatrixView> decode_matrix(ByteView bytes);
std::span<const std::int8_t> int8_cells(const MatrixView& matrix);  // of an kInt8 matrix
std::vector<std::int32_t> int32_cells(const MatrixView& matrix);    // of an kInt32 matrix
std::uint64_t encoded_size(Element element, std::uint32_t rows, std::uint32_t cols);
Bytes encode_matrix(std::uint32_t rows, std::uint32_t cols, std::span<const std::int8_t> cells);
Bytes encode_matrix(std::uint32_t rows, std::uint32_t cols, std::span<const std::int32_t> cells);

// One layer: acc = X * W + bias in int64, then either the accumulator itself (raw, saturated to int32) or
// requantise(acc), with ReLU before the saturation to int8 when asked.
struct LayerView {
  std::uint32_t in = 0, out = 0;
  std::uint32_t multiplier = 1;  // 1..kMultiplierMax
  std::uint8_t shift = 0;        // 0..kShiftMax
  bool relu = false;
  bool raw = false;  // last layer only; multiplier 1, shift 0, no relu
  ByteView bias;     // out * int32
  ByteView weights;  // in x out, int8, row-major
};
struct ModelView {
  std::vector<LayerView> layers;
};
Result<ModelView> decode_model(ByteView bytes);

struct Layer {
  std::uint32_t in = 0, out = 0;
  std::uint32_t multiplier = 1;
  std::uint8_t shift = 0;
  bool relu = false;
  bool raw = false;
  std::vector<std::int32_t> bias;
  std::vector<std::int8_t> weights;
};
Bytes encode_model(std::span<const Layer> layers);

}  // namespace hanse::tensor
