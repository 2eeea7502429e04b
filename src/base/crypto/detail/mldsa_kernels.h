// The loops of ML-DSA's arithmetic over any vector of eight 32-bit lanes. A back end includes this after switching its
// instruction set on, since a template takes the target of the place where it is defined.
#pragma once

#include "base/crypto/detail/mldsa_lanes.h"

namespace hanse::crypto::detail {

// Vec gives load, store, add, sub, times(v, c): v * c / R, and Sum: 64-bit sums of products with one reduction.
template <class Vec>
struct MlDsaKernels {
  // |input| < 2^23 gives |output| < 2^23 + 8q.
  static void transform(Wide& a) {
    std::size_t k = 0;
    for (std::size_t length = 128; length > 0; length /= 2) {
      for (std::size_t start = 0; start < kMlDsaN; start += 2 * length) {
        const std::int32_t zeta = kMlDsaZetas[++k];
        for (std::size_t j = start; j < start + length; ++j) {
          const Vec x = Vec::load(a[j]), t = Vec::load(a[j + length]).times(zeta);
          (x - t).store(a[j + length]);
          (x + t).store(a[j]);
        }
      }
    }
  }
  // |input| < q gives |output| < q: sums stay below 256 q < 2^31.
  static void transform_back(Wide& a) {
    std::size_t k = kMlDsaN;
    for (std::size_t length = 1; length < kMlDsaN; length *= 2) {
      for (std::size_t start = 0; start < kMlDsaN; start += 2 * length) {
        const std::int32_t zeta = -kMlDsaZetas[--k];
        for (std::size_t j = start; j < start + length; ++j) {
          const Vec x = Vec::load(a[j]), y = Vec::load(a[j + length]);
          (x + y).store(a[j]);
          (x - y).times(zeta).store(a[j + length]);
        }
      }
    }
    for (Lanes& lane : a) Vec::load(lane).times(kMlDsaScale).store(lane);
  }
  // out lane i = sum over columns c of matrix[c] lane i * vector lane c, divided by R. At most eight columns with
  // |matrix| < q and |vector| < 2^27: sums stay below 2^53, outputs below q.
  static void multiply(const Wide* matrix, std::size_t columns, const Wide& vector, Wide& out) {
    for (std::size_t n = 0; n < kMlDsaN; ++n) {
      typename Vec::Sum sum;
      for (std::size_t c = 0; c < columns; ++c) sum.add_product(Vec::load(matrix[c][n]), vector[n].v[c]);
      sum.reduce().store(out[n]);
    }
  }
};

}  // namespace hanse::crypto::detail
