#include "exchange/tensor/detail/row_dot.h"

#include "exchange/tensor/detail/kernel.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hanse::tensor::detail {

namespace {

void dots_portable(const std::int32_t* c, const std::int32_t* x, std::size_t n, std::size_t stride, std::size_t dots,
                   std::int64_t* sums) {
  for (std::size_t d = 0; d < dots; ++d) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += std::int64_t{c[i]} * x[d * stride + i];
    sums[d] += sum;
  }
}

#if defined(__x86_64__)
// vpmuldq multiplies the even int32 lanes to int64; the odd ones are shifted down first.
template <std::size_t kDots>
__attribute__((target("avx2"))) void dots_avx2(const std::int32_t* c, const std::int32_t* x, std::size_t n,
                                               std::size_t stride, std::int64_t* sums) {
  __m256i sum[kDots];
#pragma GCC unroll 8
  for (std::size_t d = 0; d < kDots; ++d) sum[d] = _mm256_setzero_si256();
  for (std::size_t i = 0; i + 8 <= n; i += 8) {
    const __m256i even = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c + i));
    const __m256i odd = _mm256_srli_epi64(even, 32);
#pragma GCC unroll 8
    for (std::size_t d = 0; d < kDots; ++d) {
      const __m256i xe = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + d * stride + i));
      sum[d] = _mm256_add_epi64(sum[d], _mm256_mul_epi32(even, xe));
      sum[d] = _mm256_add_epi64(sum[d], _mm256_mul_epi32(odd, _mm256_srli_epi64(xe, 32)));
    }
  }
  for (std::size_t d = 0; d < kDots; ++d) {
    std::int64_t lanes[4];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sum[d]);
    sums[d] += lanes[0] + lanes[1] + lanes[2] + lanes[3];
  }
  const std::size_t done = n / 8 * 8;
  dots_portable(c + done, x + done, n - done, stride, kDots, sums);
}

template <std::size_t kDots>
__attribute__((target("avx512f"))) void dots_avx512(const std::int32_t* c, const std::int32_t* x, std::size_t n,
                                                    std::size_t stride, std::int64_t* sums) {
  __m512i sum[kDots];
#pragma GCC unroll 8
  for (std::size_t d = 0; d < kDots; ++d) sum[d] = _mm512_setzero_si512();
  for (std::size_t i = 0; i + 16 <= n; i += 16) {
    const __m512i even = _mm512_loadu_si512(c + i);
    const __m512i odd = _mm512_srli_epi64(even, 32);
#pragma GCC unroll 8
    for (std::size_t d = 0; d < kDots; ++d) {
      const __m512i xe = _mm512_loadu_si512(x + d * stride + i);
      sum[d] = _mm512_add_epi64(sum[d], _mm512_mul_epi32(even, xe));
      sum[d] = _mm512_add_epi64(sum[d], _mm512_mul_epi32(odd, _mm512_srli_epi64(xe, 32)));
    }
  }
  for (std::size_t d = 0; d < kDots; ++d) {
    std::int64_t lanes[8];
    _mm512_storeu_si512(lanes, sum[d]);
    for (const std::int64_t lane : lanes) sums[d] += lane;
  }
  const std::size_t done = n / 16 * 16;
  dots_portable(c + done, x + done, n - done, stride, kDots, sums);
}
#endif

}  // namespace

void row_dots(Backend backend, const std::int32_t* c, const std::int32_t* x, std::size_t n, std::size_t dots,
              std::int64_t* sums) {
  std::fill(sums, sums + dots, 0);
#if defined(__x86_64__)
  for (std::size_t d = 0; d < dots && backend != Backend::kPortable; d += 2) {
    const bool four = dots - d >= 4, wide = backend != Backend::kAvx2;
    const auto step = wide ? (four ? dots_avx512<4> : dots_avx512<2>) : (four ? dots_avx2<4> : dots_avx2<2>);
    step(c, x + d * n, n, n, sums + d);
    if (four) d += 2;
  }
  if (backend != Backend::kPortable) return;
#endif
  (void)backend;
  dots_portable(c, x, n, n, dots, sums);
}

std::uint32_t largest(const std::int32_t* c, std::size_t n) {
  std::int32_t low = 0, high = 0;
  for (std::size_t i = 0; i < n; ++i) {
    low = std::min(low, c[i]);
    high = std::max(high, c[i]);
  }
  return std::max(static_cast<std::uint32_t>(high), 0u - static_cast<std::uint32_t>(low));
}

}  // namespace hanse::tensor::detail
