// Any bytes: the decoders never fail but with an Error, and what decodes has views that lie inside the input.
#include "exchange/tensor/format.h"

#include "base/core/check.h"

namespace hanse::tensor {
namespace {

int one_input(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto m = decode_matrix(input)) {
    check(encoded_size(m->element, m->rows, m->cols) == size, "a matrix is its input");
    const Bytes again = m->element == Element::kInt8 ? encode_matrix(m->rows, m->cols, int8_cells(*m))
                                                     : encode_matrix(m->rows, m->cols, int32_cells(*m));
    check(equal(again, input), "a matrix has one encoding");
  }
  if (const auto model = decode_model(input)) {
    std::vector<Layer> layers;
    for (const auto& v : model->layers) {
      Layer l{.in = v.in,
              .out = v.out,
              .multiplier = v.multiplier,
              .shift = v.shift,
              .relu = v.relu,
              .raw = v.raw,
              .bias = {},
              .weights = {}};
      for (std::size_t i = 0; i < v.out; ++i)
        l.bias.push_back(static_cast<std::int32_t>(load_le<std::uint32_t>(v.bias.data() + 4 * i)));
      const auto* w = reinterpret_cast<const std::int8_t*>(v.weights.data());
      l.weights.assign(w, w + v.weights.size());
      layers.push_back(std::move(l));
    }
    check(equal(encode_model(layers), input), "a model has one encoding");
  }
  return 0;
}

}  // namespace
}  // namespace hanse::tensor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return hanse::tensor::one_input(data, size);
}
