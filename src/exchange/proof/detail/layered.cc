#include "exchange/proof/detail/layered.h"

#include "base/crypto/hash.h"

namespace hanse::proof {

namespace {

template <class T>
ByteView raw_bytes(std::span<const T> cells) {
  static_assert(std::endian::native == std::endian::little);
  return {reinterpret_cast<const std::uint8_t*>(cells.data()), cells.size_bytes()};
}

}  // namespace

void absorb_statement(Transcript& t, const Commitment& model, std::uint32_t rows, std::span<const std::int8_t> x,
                      const tensor::Activations& y) {
  std::uint8_t rows_le[4];
  store_le(rows_le, rows);
  const Hash32 all = crypto::blake3("hanse/proof-run/1", {encode(model), rows_le, raw_bytes(x),
                                                          raw_bytes(std::span(y.int8)), raw_bytes(std::span(y.int32))});
  t.absorb(all.view());
}

Result<Trace> run(std::span<const tensor::Layer> layers, std::uint32_t rows, std::span<const std::int8_t> x) {
  TRY(const tensor::Backend backend, tensor::default_backend());
  Trace out;
  out.in.emplace_back(x.begin(), x.end());
  for (const tensor::Layer& layer : layers) {
    std::vector<std::int32_t> product(std::size_t{rows} * layer.out);
    TRY_OK(tensor::matmul({rows, layer.in, layer.out}, out.in.back(), layer.weights, product, {.backend = backend}));
    std::vector<std::int64_t>& acc = out.acc.emplace_back(product.size());
    for (std::size_t i = 0; i < acc.size(); ++i) acc[i] = std::int64_t{product[i]} + layer.bias[i % layer.out];
    if (layer.raw) {
      out.out.int32.assign(acc.begin(), acc.end());
      return out;
    }
    std::vector<std::int8_t> q(acc.size());
    for (std::size_t i = 0; i < q.size(); ++i)
      q[i] = tensor::requantise(acc[i], layer.multiplier, layer.shift, layer.relu);
    if (out.acc.size() < layers.size())
      out.in.push_back(std::move(q));
    else
      out.out.int8 = std::move(q);
  }
  return out;
}

std::vector<Ext> join(std::span<const Ext> a, std::span<const Ext> b) {
  std::vector<Ext> out(a.begin(), a.end());
  out.insert(out.end(), b.begin(), b.end());
  return out;
}

Corner split(std::span<const Ext> point, std::size_t row_log2) {
  const auto at = point.begin() + static_cast<std::ptrdiff_t>(row_log2);
  return {{point.begin(), at}, {at, point.end()}};
}

}  // namespace hanse::proof
