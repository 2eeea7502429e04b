#include "exchange/tensor/format.h"

#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::tensor {

namespace {

constexpr std::string_view kMatrixMagic = "HTN1", kModelMagic = "HML1";
constexpr std::size_t kMatrixHead = 16, kModelHead = 8, kLayerHead = 16;
constexpr std::uint8_t kFlagRelu = 1, kFlagRaw = 2;

std::size_t element_size(Element e) { return e == Element::kInt8 ? 1 : 4; }

bool good_dim(std::uint32_t d) { return d >= 1 && d <= kDimMax; }

Status check_magic(ByteView bytes, std::string_view magic, std::size_t head, std::string_view what) {
  if (bytes.size() < magic.size() || as_text(bytes.first(magic.size())) != magic)
    return fail(Kind::kInvalid, "tensor.magic", text("found other bytes, expected a {} starting with {}", what, magic));
  if (bytes.size() < head)
    return fail(Kind::kInvalid, "tensor.truncated",
                text("found {} bytes, expected a {} of at least {}", bytes.size(), what, head));
  return {};
}

Bytes matrix_head(Element element, std::uint32_t rows, std::uint32_t cols) {
  Bytes out(encoded_size(element, rows, cols));
  std::memcpy(out.data(), kMatrixMagic.data(), kMatrixMagic.size());
  out[4] = static_cast<std::uint8_t>(element);
  out[5] = 2;  // rank
  store_le(out.data() + 8, rows);
  store_le(out.data() + 12, cols);
  return out;
}

Result<LayerView> decode_layer_head(ByteView head, std::size_t index, std::size_t count) {
  LayerView layer;
  layer.in = load_le<std::uint32_t>(head.data());
  layer.out = load_le<std::uint32_t>(head.data() + 4);
  layer.multiplier = load_le<std::uint32_t>(head.data() + 8);
  layer.shift = head[12];
  const std::uint8_t flags = head[13];
  layer.relu = (flags & kFlagRelu) != 0;
  layer.raw = (flags & kFlagRaw) != 0;
  if (!good_dim(layer.in) || !good_dim(layer.out))
    return fail(Kind::kInvalid, "tensor.dims",
                text("found layer {} of {} x {}, expected each 1..{}", index, layer.in, layer.out, kDimMax));
  if (layer.multiplier == 0 || layer.multiplier > kMultiplierMax || layer.shift > kShiftMax)
    return fail(Kind::kInvalid, "tensor.model",
                text("found multiplier {} and shift {} in layer {}, expected 1..{} and at most {}", layer.multiplier,
                     layer.shift, index, kMultiplierMax, kShiftMax));
  if (flags > (kFlagRelu | kFlagRaw) || head[14] != 0 || head[15] != 0)
    return fail(Kind::kInvalid, "tensor.model", text("found unknown flags in layer {}", index));
  if (layer.raw && (index + 1 != count || layer.relu || layer.multiplier != 1 || layer.shift != 0))
    return fail(Kind::kInvalid, "tensor.model",
                text("found raw layer {} of {}, expected the last one, without requantisation or relu", index, count));
  return layer;
}

}  // namespace

std::uint64_t encoded_size(Element element, std::uint32_t rows, std::uint32_t cols) {
  return kMatrixHead + std::uint64_t{rows} * cols * element_size(element);
}

Result<MatrixView> decode_matrix(ByteView bytes) {
  TRY_OK(check_magic(bytes, kMatrixMagic, kMatrixHead, "matrix"));
  if ((bytes[4] != 1 && bytes[4] != 2) || bytes[5] != 2 || bytes[6] != 0 || bytes[7] != 0)
    return fail(Kind::kInvalid, "tensor.type",
                text("found element {}, rank {}, expected element 1 (int8) or 2 (int32), rank 2", bytes[4], bytes[5]));
  MatrixView m{.element = static_cast<Element>(bytes[4]),
               .rows = load_le<std::uint32_t>(bytes.data() + 8),
               .cols = load_le<std::uint32_t>(bytes.data() + 12),
               .data = bytes.subspan(kMatrixHead)};
  if (!good_dim(m.rows) || !good_dim(m.cols))
    return fail(Kind::kInvalid, "tensor.dims", text("found {} x {}, expected each 1..{}", m.rows, m.cols, kDimMax));
  if (const std::uint64_t size = encoded_size(m.element, m.rows, m.cols); bytes.size() != size)
    return fail(Kind::kInvalid, "tensor.truncated",
                text("found {} bytes, expected {} for {} x {}", bytes.size(), size, m.rows, m.cols));
  return m;
}

std::span<const std::int8_t> int8_cells(const MatrixView& matrix) {
  check(matrix.element == Element::kInt8, "int8 cells of an int8 matrix");
  return {reinterpret_cast<const std::int8_t*>(matrix.data.data()), matrix.data.size()};
}

std::vector<std::int32_t> int32_cells(const MatrixView& matrix) {
  check(matrix.element == Element::kInt32, "int32 cells of an int32 matrix");
  std::vector<std::int32_t> out(matrix.data.size() / 4);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<std::int32_t>(load_le<std::uint32_t>(matrix.data.data() + 4 * i));
  return out;
}

Bytes encode_matrix(std::uint32_t rows, std::uint32_t cols, std::span<const std::int8_t> cells) {
  check(good_dim(rows) && good_dim(cols) && cells.size() == std::size_t{rows} * cols, "a matrix fits its dimensions");
  Bytes out = matrix_head(Element::kInt8, rows, cols);
  std::memcpy(out.data() + kMatrixHead, cells.data(), cells.size());
  return out;
}

Bytes encode_matrix(std::uint32_t rows, std::uint32_t cols, std::span<const std::int32_t> cells) {
  check(good_dim(rows) && good_dim(cols) && cells.size() == std::size_t{rows} * cols, "a matrix fits its dimensions");
  Bytes out = matrix_head(Element::kInt32, rows, cols);
  for (std::size_t i = 0; i < cells.size(); ++i)
    store_le(out.data() + kMatrixHead + 4 * i, static_cast<std::uint32_t>(cells[i]));
  return out;
}

Result<ModelView> decode_model(ByteView bytes) {
  TRY_OK(check_magic(bytes, kModelMagic, kModelHead, "model"));
  const std::size_t count = load_le<std::uint16_t>(bytes.data() + 4);
  if (count == 0 || count > kLayersMax || bytes[6] != 0 || bytes[7] != 0)
    return fail(Kind::kInvalid, "tensor.model", text("found {} layers, expected 1..{}", count, kLayersMax));
  ModelView model;
  model.layers.reserve(count);
  ByteView rest = bytes.subspan(kModelHead);
  for (std::size_t i = 0; i < count; ++i) {
    if (rest.size() < kLayerHead)
      return fail(Kind::kInvalid, "tensor.truncated",
                  text("found the end inside the head of layer {} of {}", i, count));
    TRY(LayerView layer, decode_layer_head(rest.first(kLayerHead), i, count));
    if (i > 0 && layer.in != model.layers.back().out)
      return fail(Kind::kInvalid, "tensor.dims",
                  text("found layer {} with {} inputs, expected {}", i, layer.in, model.layers.back().out));
    rest = rest.subspan(kLayerHead);
    const std::uint64_t bias = std::uint64_t{layer.out} * 4, weights = std::uint64_t{layer.in} * layer.out;
    if (rest.size() < bias + weights)
      return fail(Kind::kInvalid, "tensor.truncated",
                  text("found {} bytes for layer {}, expected {}", rest.size(), i, bias + weights));
    layer.bias = rest.first(bias);
    layer.weights = rest.subspan(bias, weights);
    rest = rest.subspan(bias + weights);
    model.layers.push_back(layer);
  }
  if (!rest.empty())
    return fail(Kind::kInvalid, "tensor.truncated", text("found {} bytes after the last layer", rest.size()));
  return model;
}

Bytes encode_model(std::span<const Layer> layers) {
  check(!layers.empty() && layers.size() <= kLayersMax, "a model has layers");
  Bytes out(kModelHead);
  std::memcpy(out.data(), kModelMagic.data(), kModelMagic.size());
  store_le(out.data() + 4, static_cast<std::uint16_t>(layers.size()));
  for (const Layer& layer : layers) {
    check(layer.bias.size() == layer.out && layer.weights.size() == std::size_t{layer.in} * layer.out,
          "a layer fits its dimensions");
    std::uint8_t head[kLayerHead] = {};
    store_le(head, layer.in);
    store_le(head + 4, layer.out);
    store_le(head + 8, layer.multiplier);
    head[12] = layer.shift;
    head[13] = static_cast<std::uint8_t>((layer.relu ? kFlagRelu : 0) | (layer.raw ? kFlagRaw : 0));
    append(out, head);
    for (const std::int32_t b : layer.bias) {
      std::uint8_t le[4];
      store_le(le, static_cast<std::uint32_t>(b));
      append(out, le);
    }
    append(out, {reinterpret_cast<const std::uint8_t*>(layer.weights.data()), layer.weights.size()});
  }
  return out;
}

}  // namespace hanse::tensor
