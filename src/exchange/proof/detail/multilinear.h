// Multilinear extensions: the one polynomial, linear in each variable, that takes given values at all points of 0 and 1
// (Thaler, "Proofs, Arguments, and Zero-Knowledge", 3.5). A table of 2^n values has n variables; the first one is the
// highest bit of the index. A matrix is a table whose row bits come first; what is missing to powers of two is zero.
// Threads: pure. Errors: those of tensor::matmul, which none of these shapes meet.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "base/core/result.h"
#include "exchange/proof/detail/field.h"

namespace hanse::proof {

constexpr unsigned log2_ceil(std::uint64_t n) { return n <= 1 ? 0 : static_cast<unsigned>(std::bit_width(n - 1)); }

// eq(point, x) for all x: 1 where x = point on zeros and ones, so that f(point) = sum of f(x) eq(point, x).
std::vector<Ext> eq_table(std::span<const Ext> point);
Ext eq(std::span<const Ext> point, std::span<const Ext> other);

std::vector<SmallSum::Factor> factors(std::span<const Ext> weights);
Ext dot(std::span<const SmallSum::Factor> weights, std::span<const std::int32_t> values);

// Takes the first variable of a table as r; the table is half as long then.
void fold(std::vector<Ext>& table, Ext r);

struct Cells {  // an int8 matrix, row-major, without padding
  std::uint32_t rows = 0, cols = 0;
  std::span<const std::int8_t> cells;
};
// out[j] = sum over i of weights[i] cells[i][j], cols values; and out[i] = sum over j of cells[i][j] weights[j]. The
// weights are taken apart into signed digits of base 256, so that both are exact int8 products of tensor::matmul.
Result<std::vector<Ext>> combine_rows(const Cells& matrix, std::span<const Ext> weights);
Result<std::vector<Ext>> combine_cols(const Cells& matrix, std::span<const Ext> weights);
Result<Ext> evaluate(const Cells& matrix, std::span<const Ext> row_point, std::span<const Ext> col_point);
Ext evaluate(std::span<const std::int32_t> cells, std::uint32_t cols, std::span<const Ext> row_point,
             std::span<const Ext> col_point);

}  // namespace hanse::proof
