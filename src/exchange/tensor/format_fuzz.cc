// Any bytes: the decoders never fail but with an Error, and what decodes has views that lie inside the input.
#include "exchange/tensor/format.h"

#include "base/core/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;
  const ByteView input(data, size);
  if (const auto m = tensor::decode_matrix(input)) {
    check(tensor::encoded_size(m->element, m->rows, m->cols) == size, "a matrix is its input");
    const Bytes again = m->element == tensor::Element::kInt8
                            ? tensor::encode_matrix(m->rows, m->cols, tensor::int8_cells(*m))
                            : tensor::encode_matrix(m->rows, m->cols, tensor::int32_cells(*m));
    check(equal(again, input), "a matrix has one encoding");
  }
  if (const auto model = tensor::decode_model(input)) {
    std::vector<tensor::Layer> layers;
    for (const auto& v : model->layers) {
      tensor::Layer l{.in = v.in, .out = v.out, .multiplier = v.multiplier, .shift = v.shift, .relu = v.relu,
                      .raw = v.raw, .bias = {}, .weights = {}};
      for (std::size_t i = 0; i < v.out; ++i)
        l.bias.push_back(static_cast<std::int32_t>(load_le<std::uint32_t>(v.bias.data() + 4 * i)));
      const auto* w = reinterpret_cast<const std::int8_t*>(v.weights.data());
      l.weights.assign(w, w + v.weights.size());
      layers.push_back(std::move(l));
    }
    check(equal(tensor::encode_model(layers), input), "a model has one encoding");
  }
  return 0;
}
