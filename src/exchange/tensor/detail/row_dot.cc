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

void bytes_portable(const std::int8_t* a, std::size_t rows, std::size_t stride, std::size_t k, const std::uint8_t* u,
                    std::size_t vectors, std::int32_t* sums) {
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t d = 0; d < vectors; ++d) {
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < k; ++i) sum += a[r * stride + i] * u[d * stride + i];
      sums[r * vectors + d] += sum;
    }
}

#if defined(__x86_64__)
// vpmuldq multiplies the even int32 lanes to int64; the odd ones are shifted down first.
template <std::size_t kDots>
__attribute__((target("avx2"))) void dots_avx2(const std::int32_t* c, const std::int32_t* x, std::size_t n,
                                               std::int64_t* sums) {
  __m256i sum[kDots];
#pragma GCC unroll 8
  for (std::size_t d = 0; d < kDots; ++d) sum[d] = _mm256_setzero_si256();
  for (std::size_t i = 0; i + 8 <= n; i += 8) {
    const __m256i even = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c + i));
    const __m256i odd = _mm256_srli_epi64(even, 32);
#pragma GCC unroll 8
    for (std::size_t d = 0; d < kDots; ++d) {
      const __m256i xe = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + d * n + i));
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
  dots_portable(c + done, x + done, n - done, n, kDots, sums);
}

template <std::size_t kDots>
__attribute__((target("avx512f"))) void dots_avx512(const std::int32_t* c, const std::int32_t* x, std::size_t n,
                                                    std::int64_t* sums) {
  __m512i sum[kDots];
#pragma GCC unroll 8
  for (std::size_t d = 0; d < kDots; ++d) sum[d] = _mm512_setzero_si512();
  for (std::size_t i = 0; i + 16 <= n; i += 16) {
    const __m512i even = _mm512_loadu_si512(c + i);
    const __m512i odd = _mm512_srli_epi64(even, 32);
#pragma GCC unroll 8
    for (std::size_t d = 0; d < kDots; ++d) {
      const __m512i xe = _mm512_loadu_si512(x + d * n + i);
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
  dots_portable(c + done, x + done, n - done, n, kDots, sums);
}

// kRows rows by kVectors vectors over the first k / 64 * 64 entries; sums has `vectors` columns.
template <std::size_t kRows, std::size_t kVectors>
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void bytes_vnni(const std::int8_t* a, std::size_t k,
                                                                       const std::uint8_t* u, std::size_t vectors,
                                                                       std::int32_t* sums) {
  __m512i sum[kRows][kVectors];
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (std::size_t d = 0; d < kVectors; ++d) sum[r][d] = _mm512_setzero_si512();
  for (std::size_t i = 0; i + 64 <= k; i += 64) {
    __m512i row[kRows];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) row[r] = _mm512_loadu_si512(a + r * k + i);
#pragma GCC unroll 8
    for (std::size_t d = 0; d < kVectors; ++d) {
      const __m512i v = _mm512_loadu_si512(u + d * k + i);
#pragma GCC unroll 8
      for (std::size_t r = 0; r < kRows; ++r) sum[r][d] = _mm512_dpbusd_epi32(sum[r][d], v, row[r]);
    }
  }
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t d = 0; d < kVectors; ++d) sums[r * vectors + d] += _mm512_reduce_add_epi32(sum[r][d]);
}

// The same 16 entries at a time, widened to int16: vpmaddwd of values up to 255 * 128 is exact.
template <std::size_t kRows, std::size_t kVectors>
__attribute__((target("avx2"))) void bytes_avx2(const std::int8_t* a, std::size_t k, const std::uint8_t* u,
                                                std::size_t vectors, std::int32_t* sums) {
  __m256i sum[kRows][kVectors];
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (std::size_t d = 0; d < kVectors; ++d) sum[r][d] = _mm256_setzero_si256();
  for (std::size_t i = 0; i + 16 <= k; i += 16) {
    __m256i row[kRows];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r)
      row[r] = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + r * k + i)));
#pragma GCC unroll 8
    for (std::size_t d = 0; d < kVectors; ++d) {
      const __m256i v = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(u + d * k + i)));
#pragma GCC unroll 8
      for (std::size_t r = 0; r < kRows; ++r) sum[r][d] = _mm256_add_epi32(sum[r][d], _mm256_madd_epi16(v, row[r]));
    }
  }
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t d = 0; d < kVectors; ++d) {
      std::int32_t lanes[8];
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sum[r][d]);
      for (const std::int32_t lane : lanes) sums[r * vectors + d] += lane;
    }
}

using BytesStep = void (*)(const std::int8_t*, std::size_t, const std::uint8_t*, std::size_t, std::int32_t*);
struct BytesSteps {
  std::size_t width;  // entries a step takes at once
  BytesStep rows4x4, rows4x1, rows1x4, rows1x1;
};

void bytes_blocked(const BytesSteps& steps, const std::int8_t* a, std::size_t rows, std::size_t k,
                   const std::uint8_t* u, std::size_t vectors, std::int32_t* sums) {
  for (std::size_t r = 0; r < rows;) {
    const bool four = rows - r >= 4;
    for (std::size_t d = 0; d < vectors;) {
      const bool wide = vectors - d >= 4;
      const BytesStep step = four ? (wide ? steps.rows4x4 : steps.rows4x1) : (wide ? steps.rows1x4 : steps.rows1x1);
      step(a + r * k, k, u + d * k, vectors, sums + r * vectors + d);
      d += wide ? 4 : 1;
    }
    r += four ? 4 : 1;
  }
  const std::size_t done = k / steps.width * steps.width;
  bytes_portable(a + done, rows, k, k - done, u + done, vectors, sums);
}
#endif

}  // namespace

void row_dots(Backend backend, const std::int32_t* c, const std::int32_t* x, std::size_t n, std::size_t dots,
              std::int64_t* sums) {
  std::fill(sums, sums + dots, 0);
#if defined(__x86_64__)
  if (backend != Backend::kPortable) {
    for (std::size_t d = 0; d < dots;) {
      const bool four = dots - d >= 4, wide = backend != Backend::kAvx2;
      const auto step = wide ? (four ? dots_avx512<4> : dots_avx512<2>) : (four ? dots_avx2<4> : dots_avx2<2>);
      step(c, x + d * n, n, sums + d);
      d += four ? 4 : 2;
    }
    return;
  }
#endif
  (void)backend;
  dots_portable(c, x, n, n, dots, sums);
}

void byte_dots(Backend backend, const std::int8_t* a, std::size_t rows, std::size_t k, const std::uint8_t* u,
               std::size_t vectors, std::int32_t* sums) {
  std::fill(sums, sums + rows * vectors, 0);
#if defined(__x86_64__)
  static constexpr BytesSteps kAvx2{16, bytes_avx2<4, 4>, bytes_avx2<4, 1>, bytes_avx2<1, 4>, bytes_avx2<1, 1>};
  static constexpr BytesSteps kVnni{64, bytes_vnni<4, 4>, bytes_vnni<4, 1>, bytes_vnni<1, 4>, bytes_vnni<1, 1>};
  if (backend != Backend::kPortable)
    return bytes_blocked(backend == Backend::kVnni ? kVnni : kAvx2, a, rows, k, u, vectors, sums);
#endif
  (void)backend;
  bytes_portable(a, rows, k, k, u, vectors, sums);
}

}  // namespace hanse::tensor::detail
