#include "exchange/proof/product.h"

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/proof/detail/multilinear.h"
#include "exchange/proof/detail/sumcheck.h"

namespace hanse::proof {

namespace {

constexpr std::string_view kStatement = "hanse/proof-product/1";

template <class T>
ByteView raw(std::span<const T> cells) {
  static_assert(std::endian::native == std::endian::little);
  return {reinterpret_cast<const std::uint8_t*>(cells.data()), cells.size_bytes()};
}

Status check_dims(const Product& p) {
  const auto [m, k, n] = p.shape;
  for (const std::uint32_t d : {m, k, n})
    if (d == 0 || d > tensor::kDimMax)
      return fail(Kind::kInvalid, "tensor.dims", text("found dimension {}, expected 1..{}", d, tensor::kDimMax));
  if (p.a.size() != std::size_t{m} * k || p.b.size() != std::size_t{k} * n || p.c.size() != std::size_t{m} * n)
    return fail(Kind::kInvalid, "tensor.dims",
                text("found {}, {} and {} cells, expected {} x {} times {} x {}", p.a.size(), p.b.size(), p.c.size(), m,
                     k, k, n));
  return {};
}

struct Corner {  // where C is evaluated
  std::vector<Ext> row, col;
};
Corner start(Transcript& t, const Product& p) {
  std::uint8_t shape[12];
  store_le(shape, p.shape.m);
  store_le(shape + 4, p.shape.k);
  store_le(shape + 8, p.shape.n);
  const Hash32 all = crypto::blake3("hanse/proof-matrices/1", {shape, raw(p.a), raw(p.b), raw(p.c)});
  t.absorb(all.view());
  std::vector<Ext> row = t.draw(log2_ceil(p.shape.m));
  return {std::move(row), t.draw(log2_ceil(p.shape.n))};
}

}  // namespace

Result<Bytes> prove_product(const Product& p) {
  TRY_OK(check_dims(p));
  Writer out(kStatement);
  const Corner at = start(out, p);
  TRY(std::vector<Ext> a, combine_rows({p.shape.m, p.shape.k, p.a}, eq_table(at.row)));
  TRY(std::vector<Ext> b, combine_cols({p.shape.k, p.shape.n, p.b}, eq_table(at.col)));
  const std::size_t padded = std::size_t{1} << log2_ceil(p.shape.k);
  a.resize(padded);
  b.resize(padded);
  (void)prove_dot(out, a, b);
  return std::move(out).finish();
}

Status verify_product(const Product& p, ByteView proof) {
  TRY_OK(check_dims(p));
  Reader in(kStatement, proof);
  const Corner at = start(in, p);
  const Ext claim = evaluate(p.c, p.shape.n, at.row, at.col);
  const DotClaim reached = check_dot(in, claim, log2_ceil(p.shape.k));
  TRY_OK(in.finish({}));
  TRY(const Ext a, evaluate(Cells{p.shape.m, p.shape.k, p.a}, at.row, reached.point));
  TRY(const Ext b, evaluate(Cells{p.shape.k, p.shape.n, p.b}, reached.point, at.col));
  if (a * b != reached.value)
    return fail(Kind::kCorrupt, "proof.sum", "found another product at the last point, expected that of the factors");
  return {};
}

}  // namespace hanse::proof
