// Dot products of one row of int32 with several int32 vectors whose entries are at most 2^16 in size.
// Exact when |c| <= 2^30 and n <= 2^16: each sum is at most 2^62.
#pragma once

#include <cstddef>
#include <cstdint>

#include "exchange/tensor/matmul.h"

namespace hanse::tensor::detail {

constexpr std::size_t kDotsMax = 8;  // two halves of each round's x

// sums[d] = dot(c[0..n), x + d * n) for d < dots.
void row_dots(Backend backend, const std::int32_t* c, const std::int32_t* x, std::size_t n, std::size_t dots,
              std::int64_t* sums);

// Largest |c| of a row, as an unsigned number.
std::uint32_t largest(const std::int32_t* c, std::size_t n);

}  // namespace hanse::tensor::detail
