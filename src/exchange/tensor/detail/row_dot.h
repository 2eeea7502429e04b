// Dot products of matrix rows with a few vectors at once: what the audit does instead of a product.
#pragma once

#include <cstddef>
#include <cstdint>

#include "exchange/tensor/matmul.h"

namespace hanse::tensor::detail {

constexpr std::size_t kDotsMax = 8;  // two halves of each round's x

// sums[d] = dot(c, x + d * n) for d < dots. Exact for entries of x in [0, 2^16) and n <= 2^16, whatever c: below
// 2^31 * 2^16 * (2^16 - 1) < 2^63.
void row_dots(Backend backend, const std::int32_t* c, const std::int32_t* x, std::size_t n, std::size_t dots,
              std::int64_t* sums);

// sums[r * vectors + d] = dot(row r of a, u + d * k) for all rows of a, int8 by unsigned bytes. Exact for k <= 2^16:
// at most 2^16 * 128 * 255 < 2^31.
void byte_dots(Backend backend, const std::int8_t* a, std::size_t rows, std::size_t k, const std::uint8_t* u,
               std::size_t vectors, std::int32_t* sums);

}  // namespace hanse::tensor::detail
