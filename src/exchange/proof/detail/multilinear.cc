#include "exchange/proof/detail/multilinear.h"

#include "base/core/check.h"
#include "exchange/tensor/matmul.h"

namespace hanse::proof {

namespace {

constexpr std::size_t kDigits = 9;  // of a number below 2^64, each in -128..127
constexpr std::size_t kVectors = 2 * kDigits;

// digits[v * stride_vector + i * stride_weight]: vectors 0..8 are those of a, 9..17 those of b.
struct Strides {
  std::size_t vector, weight;
};

std::vector<std::int8_t> digits_of(std::span<const Ext> weights, std::size_t count, Strides at) {
  std::vector<std::int8_t> out(kVectors * count);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t half = 0; half < 2; ++half) {
      Int128 left = half == 0 ? weights[i].a.v : weights[i].b.v;
      for (std::size_t d = 0; d < kDigits; ++d) {
        const auto digit = static_cast<std::int8_t>(static_cast<std::uint8_t>(left & 0xff));
        out[(half * kDigits + d) * at.vector + i * at.weight] = digit;
        left = (left - digit) >> 8;
      }
    }
  return out;
}

Ext join(const std::int32_t* products, Strides at, std::size_t i) {
  Int128 halves[2] = {};
  for (std::size_t half = 0; half < 2; ++half)
    for (std::size_t d = kDigits; d-- > 0;)
      halves[half] = halves[half] * 256 + products[(half * kDigits + d) * at.vector + i * at.weight];
  return {from_wide(halves[0]), from_wide(halves[1])};
}

Result<std::vector<Ext>> combine(const tensor::MatmulShape& shape, std::span<const std::int8_t> a,
                                 std::span<const std::int8_t> b, std::size_t count, Strides at) {
  TRY(const tensor::Backend backend, tensor::default_backend());
  std::vector<std::int32_t> products(std::size_t{shape.m} * shape.n);
  TRY_OK(tensor::matmul(shape, a, b, products, {.backend = backend}));
  std::vector<Ext> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = join(products.data(), at, i);
  return out;
}

}  // namespace

std::vector<Ext> eq_table(std::span<const Ext> point) {
  std::vector<Ext> out{kOne};
  out.reserve(std::size_t{1} << point.size());
  for (const Ext r : point) {
    out.resize(2 * out.size());
    for (std::size_t i = out.size() / 2; i-- > 0;) {
      const Ext one = out[i] * r;
      out[2 * i] = out[i] - one;
      out[2 * i + 1] = one;
    }
  }
  return out;
}

Ext eq(std::span<const Ext> point, std::span<const Ext> other) {
  check(point.size() == other.size(), "points of one space");
  Ext out = kOne;
  for (std::size_t i = 0; i < point.size(); ++i) {
    const Ext both = point[i] * other[i];
    out = out * (kOne - point[i] - other[i] + both + both);
  }
  return out;
}

std::vector<SmallSum::Factor> factors(std::span<const Ext> weights) {
  std::vector<SmallSum::Factor> out;
  out.reserve(weights.size());
  for (const Ext w : weights) out.emplace_back(w);
  return out;
}

Ext dot(std::span<const SmallSum::Factor> weights, std::span<const std::int32_t> values) {
  check(weights.size() == values.size(), "a weight for each value");
  SmallSum out;
  for (std::size_t i = 0; i < values.size(); ++i) out.add(weights[i], values[i]);
  return out.value();
}

void fold(std::vector<Ext>& table, Ext r) {
  const std::size_t half = table.size() / 2;
  for (std::size_t i = 0; i < half; ++i) table[i] += (table[half + i] - table[i]) * r;
  table.resize(half);
}

Result<std::vector<Ext>> combine_rows(const Cells& matrix, std::span<const Ext> weights) {
  check(weights.size() >= matrix.rows, "a weight for each row");
  const auto digits = digits_of(weights, matrix.rows, {.vector = matrix.rows, .weight = 1});
  return combine({kVectors, matrix.rows, matrix.cols}, digits, matrix.cells, matrix.cols,
                 {.vector = matrix.cols, .weight = 1});
}

Result<std::vector<Ext>> combine_cols(const Cells& matrix, std::span<const Ext> weights) {
  check(weights.size() >= matrix.cols, "a weight for each column");
  const auto digits = digits_of(weights, matrix.cols, {.vector = 1, .weight = kVectors});
  return combine({matrix.rows, matrix.cols, kVectors}, matrix.cells, digits, matrix.rows,
                 {.vector = 1, .weight = kVectors});
}

Result<Ext> evaluate(const Cells& matrix, std::span<const Ext> row_point, std::span<const Ext> col_point) {
  const std::vector<Ext> rows = eq_table(row_point), cols = eq_table(col_point);
  TRY(const std::vector<Ext> row, combine_rows(matrix, rows));
  Ext out;
  for (std::size_t j = 0; j < row.size(); ++j) out += row[j] * cols[j];
  return out;
}

Ext evaluate(std::span<const std::int32_t> cells, std::uint32_t cols, std::span<const Ext> row_point,
             std::span<const Ext> col_point) {
  const std::vector<Ext> rows = eq_table(row_point);
  const auto at_col = factors(eq_table(col_point));
  check(cols != 0 && cells.size() % cols == 0 && cells.size() / cols <= rows.size() && cols <= at_col.size(),
        "the point fits the matrix");
  Ext out;
  for (std::size_t i = 0; i < cells.size() / cols; ++i)
    out += rows[i] * dot(std::span(at_col).first(cols), cells.subspan(i * cols, cols));
  return out;
}

}  // namespace hanse::proof
