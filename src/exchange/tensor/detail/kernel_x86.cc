#include "exchange/tensor/detail/kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

namespace hanse::tensor::detail {

namespace {

std::uint32_t load4(const std::int8_t* p) {
  std::uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}

std::uint32_t load_partial(const std::int8_t* p, std::size_t n) {
  std::uint32_t v = 0;
  std::memcpy(&v, p, n);
  return v;
}

std::uint32_t widen_pair(std::int8_t low, std::int8_t high) {
  return static_cast<std::uint16_t>(std::int16_t{low}) |
         static_cast<std::uint32_t>(static_cast<std::uint16_t>(std::int16_t{high})) << 16;
}

// Copies up to 16 of a row's columns; short rows and absent rows are filled with zeros.
__m128i load16(const std::int8_t* row, bool present, std::size_t cols) {
  if (!present || cols == 0) return _mm_setzero_si128();
  if (cols >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row));
  alignas(16) std::int8_t part[16] = {};
  std::memcpy(part, row, cols);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(part));
}

void store16(std::uint8_t* out, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(out), v); }

// --- pairs of int16, for vpmaddwd ---

template <std::size_t kMr>
void pack_a_pairs(const std::int8_t* a, std::size_t lda, std::size_t rows, std::size_t k, std::uint8_t* out) {
  const std::size_t groups = (k + 1) / 2;
  if (rows < kMr) std::memset(out, 0, groups * kMr * 4);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int8_t* row = a + r * lda;
    std::uint8_t* to = out + r * 4;
    for (std::size_t g = 0; g < k / 2; ++g, to += kMr * 4) {
      const std::uint32_t pair = widen_pair(row[2 * g], row[2 * g + 1]);
      std::memcpy(to, &pair, 4);
    }
    if (k % 2 != 0) {
      const std::uint32_t pair = widen_pair(row[k - 1], 0);
      std::memcpy(to, &pair, 4);
    }
  }
}

template <std::size_t kNr>
void pack_b_pairs(const std::int8_t* b, std::size_t ldb, std::size_t k, std::size_t cols, std::uint8_t* out) {
  std::memset(out, 0, kNr * 4);
  out += kNr * 4;
  const __m128i zero = _mm_setzero_si128();
  for (std::size_t k0 = 0; k0 < k; k0 += 2) {
    for (std::size_t c = 0; c < kNr; c += 16, out += 64) {
      const std::size_t left = cols > c ? cols - c : 0;
      const std::int8_t* from = b + k0 * ldb + c;
      const __m128i r0 = load16(from, true, left), r1 = load16(from + ldb, k0 + 1 < k, left);
      const __m128i low = _mm_unpacklo_epi8(r0, r1), high = _mm_unpackhi_epi8(r0, r1);  // pairs of int8
      const __m128i low_sign = _mm_cmpgt_epi8(zero, low), high_sign = _mm_cmpgt_epi8(zero, high);
      store16(out, _mm_unpacklo_epi8(low, low_sign));
      store16(out + 16, _mm_unpackhi_epi8(low, low_sign));
      store16(out + 32, _mm_unpacklo_epi8(high, high_sign));
      store16(out + 48, _mm_unpackhi_epi8(high, high_sign));
    }
  }
}

constexpr std::size_t kMrAvx2 = 6, kNrAvx2 = 16;

__attribute__((target("avx2"))) void tile_avx2(std::size_t groups, const std::uint8_t* a, const std::uint8_t* b,
                                               std::int32_t* out, std::size_t ldo, bool accumulate) {
  __m256i sum[kMrAvx2][2];
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kMrAvx2; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  b += kNrAvx2 * 4;
  for (std::size_t g = 0; g < groups; ++g, a += kMrAvx2 * 4, b += kNrAvx2 * 4) {
    const __m256i b0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
    const __m256i b1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + 32));
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kMrAvx2; ++r) {
      std::int32_t pair;
      std::memcpy(&pair, a + r * 4, 4);
      const __m256i ar = _mm256_set1_epi32(pair);
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(ar, b0));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(ar, b1));
    }
  }
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kMrAvx2; ++r) {
    auto* to = reinterpret_cast<__m256i*>(out + r * ldo);
    if (accumulate) {
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_loadu_si256(to));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_loadu_si256(to + 1));
    }
    _mm256_storeu_si256(to, sum[r][0]);
    _mm256_storeu_si256(to + 1, sum[r][1]);
  }
}

constexpr std::size_t kMrWide = 12, kNrWide = 32;

__attribute__((target("avx512f,avx512bw"))) void tile_avx512(std::size_t groups, const std::uint8_t* a,
                                                             const std::uint8_t* b, std::int32_t* out, std::size_t ldo,
                                                             bool accumulate) {
  __m512i sum[kMrWide][2];
#pragma GCC unroll 16
  for (std::size_t r = 0; r < kMrWide; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
  b += kNrWide * 4;
  for (std::size_t g = 0; g < groups; ++g, a += kMrWide * 4, b += kNrWide * 4) {
    const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < kMrWide; ++r) {
      std::int32_t pair;
      std::memcpy(&pair, a + r * 4, 4);
      const __m512i ar = _mm512_set1_epi32(pair);
      sum[r][0] = _mm512_add_epi32(sum[r][0], _mm512_madd_epi16(ar, b0));
      sum[r][1] = _mm512_add_epi32(sum[r][1], _mm512_madd_epi16(ar, b1));
    }
  }
#pragma GCC unroll 16
  for (std::size_t r = 0; r < kMrWide; ++r) {
    std::int32_t* to = out + r * ldo;
    if (accumulate) {
      sum[r][0] = _mm512_add_epi32(sum[r][0], _mm512_loadu_si512(to));
      sum[r][1] = _mm512_add_epi32(sum[r][1], _mm512_loadu_si512(to + 16));
    }
    _mm512_storeu_si512(to, sum[r][0]);
    _mm512_storeu_si512(to + 16, sum[r][1]);
  }
}

// --- groups of four int8, for vpdpbusd ---

void pack_a_vnni(const std::int8_t* a, std::size_t lda, std::size_t rows, std::size_t k, std::uint8_t* out) {
  const std::size_t groups = (k + 3) / 4;
  if (rows < kMrWide) std::memset(out, 0, groups * kMrWide * 4);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int8_t* row = a + r * lda;
    std::uint8_t* to = out + r * 4;
    for (std::size_t g = 0; g < k / 4; ++g, to += kMrWide * 4) {
      const std::uint32_t four = load4(row + 4 * g) ^ 0x8080'8080u;  // a + 128 as unsigned bytes
      std::memcpy(to, &four, 4);
    }
    if (k % 4 != 0) {
      const std::uint32_t four = load_partial(row + k / 4 * 4, k % 4) ^ 0x8080'8080u;
      std::memcpy(to, &four, 4);
    }
  }
}

// The header holds -128 * (column sum), so that the sum of (a + 128) * b ends as the sum of a * b. Intermediate sums
// may wrap around 2^32; the arithmetic is modular and the end result fits.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void pack_b_vnni(const std::int8_t* b, std::size_t ldb,
                                                                        std::size_t k, std::size_t cols,
                                                                        std::uint8_t* out) {
  std::uint8_t* const header = out;
  out += kNrWide * 4;
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  for (std::size_t k0 = 0; k0 < k; k0 += 4) {
    for (std::size_t c = 0; c < kNrWide; c += 16, out += 64) {
      const std::size_t left = cols > c ? cols - c : 0;
      const std::int8_t* from = b + k0 * ldb + c;
      const __m128i r0 = load16(from, true, left), r1 = load16(from + ldb, k0 + 1 < k, left);
      const __m128i r2 = load16(from + 2 * ldb, k0 + 2 < k, left), r3 = load16(from + 3 * ldb, k0 + 3 < k, left);
      const __m128i low01 = _mm_unpacklo_epi8(r0, r1), high01 = _mm_unpackhi_epi8(r0, r1);
      const __m128i low23 = _mm_unpacklo_epi8(r2, r3), high23 = _mm_unpackhi_epi8(r2, r3);
      store16(out, _mm_unpacklo_epi16(low01, low23));
      store16(out + 16, _mm_unpackhi_epi16(low01, low23));
      store16(out + 32, _mm_unpacklo_epi16(high01, high23));
      store16(out + 48, _mm_unpackhi_epi16(high01, high23));
      sum[c / 16] = _mm512_dpbusd_epi32(sum[c / 16], ones, _mm512_loadu_si512(out));
    }
  }
  for (std::size_t i = 0; i < 2; ++i)
    _mm512_storeu_si512(header + 64 * i, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sum[i], 7)));
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) void tile_vnni(std::size_t groups, const std::uint8_t* a,
                                                                      const std::uint8_t* b, std::int32_t* out,
                                                                      std::size_t ldo, bool accumulate) {
  __m512i sum[kMrWide][2];
  const __m512i start0 = _mm512_loadu_si512(b), start1 = _mm512_loadu_si512(b + 64);
#pragma GCC unroll 16
  for (std::size_t r = 0; r < kMrWide; ++r) {
    sum[r][0] = start0;
    sum[r][1] = start1;
  }
  for (std::size_t r = 0; r < kMrWide; ++r) {  // the end of the tile touches these lines after the whole depth
    __builtin_prefetch(out + r * ldo, 1);
    __builtin_prefetch(out + r * ldo + 16, 1);
  }
  b += kNrWide * 4;
  for (std::size_t g = 0; g < groups; ++g, a += kMrWide * 4, b += kNrWide * 4) {
    const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < kMrWide; ++r) {
      std::int32_t four;
      std::memcpy(&four, a + r * 4, 4);
      const __m512i ar = _mm512_set1_epi32(four);
      sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], ar, b0);
      sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], ar, b1);
    }
  }
#pragma GCC unroll 16
  for (std::size_t r = 0; r < kMrWide; ++r) {
    std::int32_t* to = out + r * ldo;
    if (accumulate) {
      sum[r][0] = _mm512_add_epi32(sum[r][0], _mm512_loadu_si512(to));
      sum[r][1] = _mm512_add_epi32(sum[r][1], _mm512_loadu_si512(to + 16));
    }
    _mm512_storeu_si512(to, sum[r][0]);
    _mm512_storeu_si512(to + 16, sum[r][1]);
  }
}

}  // namespace

const Kernel& avx2_kernel() {
  static const Kernel kernel{kMrAvx2, kNrAvx2, 2, pack_a_pairs<kMrAvx2>, pack_b_pairs<kNrAvx2>, tile_avx2};
  return kernel;
}

const Kernel& avx512_kernel() {
  static const Kernel kernel{kMrWide, kNrWide, 2, pack_a_pairs<kMrWide>, pack_b_pairs<kNrWide>, tile_avx512};
  return kernel;
}

const Kernel& vnni_kernel() {
  static const Kernel kernel{kMrWide, kNrWide, 4, pack_a_vnni, pack_b_vnni, tile_vnni};
  return kernel;
}

}  // namespace hanse::tensor::detail

#endif
