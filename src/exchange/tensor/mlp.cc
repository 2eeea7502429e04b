#include "exchange/tensor/mlp.h"

#include "base/core/check.h"
#include "base/core/text.h"

#include <algorithm>
#include <limits>

namespace hanse::tensor {

namespace {

template <class T>
T saturate(std::int64_t v) {
  return static_cast<T>(std::clamp<std::int64_t>(v, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

}  // namespace

std::int8_t requantise(std::int64_t acc, std::uint32_t multiplier, std::uint8_t shift, bool relu) {
  const std::int64_t scaled = acc * multiplier;
  const std::int64_t half = shift == 0 ? 0 : std::int64_t{1} << (shift - 1);
  const std::int64_t size = ((scaled < 0 ? -scaled : scaled) + half) >> shift;
  const std::int64_t rounded = scaled < 0 ? -size : size;
  return saturate<std::int8_t>(relu ? std::max<std::int64_t>(rounded, 0) : rounded);
}

Activations finish_layer(const LayerView& layer, std::uint32_t rows, std::span<const std::int32_t> product) {
  check(product.size() == std::size_t{rows} * layer.out, "a product fits its layer");
  std::vector<std::int32_t> bias(layer.out);
  for (std::size_t j = 0; j < bias.size(); ++j)
    bias[j] = static_cast<std::int32_t>(load_le<std::uint32_t>(layer.bias.data() + 4 * j));
  Activations out;
  if (layer.raw) {
    out.int32.resize(product.size());
    for (std::size_t i = 0; i < product.size(); ++i)
      out.int32[i] = saturate<std::int32_t>(std::int64_t{product[i]} + bias[i % layer.out]);
    return out;
  }
  out.int8.resize(product.size());
  for (std::size_t r = 0, i = 0; r < rows; ++r)
    for (std::size_t j = 0; j < layer.out; ++j, ++i)
      out.int8[i] = requantise(std::int64_t{product[i]} + bias[j], layer.multiplier, layer.shift, layer.relu);
  return out;
}

Result<MlpResult> run_mlp(const ModelView& model, std::uint32_t rows, std::span<const std::int8_t> x,
                          const MlpOptions& options) {
  check(!model.layers.empty(), "a decoded model has layers");
  if (x.size() != std::size_t{rows} * model.layers[0].in)
    return fail(Kind::kInvalid, "tensor.dims",
                text("found {} inputs for {} rows, expected {} a row", x.size(), rows, model.layers[0].in));
  MlpResult result{.rows = rows, .cols = model.layers.back().out, .out = {}, .products = {}};
  std::vector<std::int32_t> product;
  for (const LayerView& layer : model.layers) {
    product.resize(std::size_t{rows} * layer.out);
    const std::span<const std::int8_t> weights(reinterpret_cast<const std::int8_t*>(layer.weights.data()),
                                               layer.weights.size());
    TRY_OK(matmul({rows, layer.in, layer.out}, x, weights, product, options.matmul));
    result.out = finish_layer(layer, rows, product);
    x = result.out.int8;
    if (options.keep_products) result.products.push_back(product);
  }
  return result;
}

}  // namespace hanse::tensor
