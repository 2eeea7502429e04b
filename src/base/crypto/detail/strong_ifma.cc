// The kernel of strong_lanes.h. Only what stands below the pragma is compiled for AVX-512: see mldsa_avx2.cc.
#include "base/crypto/detail/strong_lanes.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512ifma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512ifma")
#endif

namespace hanse::crypto::detail {
namespace {

constexpr int kSteps = 7;  // of the reduction: R = 2^364, so that what `small` leaves is taken back by one square

inline __m512i low(__m512i sum, __m512i a, __m512i b) { return _mm512_madd52lo_epu64(sum, a, b); }
inline __m512i high(__m512i sum, __m512i a, __m512i b) { return _mm512_madd52hi_epu64(sum, a, b); }
inline __m512i load(const LaneWord& from) { return _mm512_load_si512(from.data()); }

struct Vec {
  __m512i v[kLimbs52];
};

// Limbs of 52 bits again; the topmost keeps what is beyond.
[[gnu::always_inline]] inline void carry(Vec& a, __m512i mask) {
#pragma GCC unroll 6
  for (std::size_t i = 0; i + 1 < kLimbs52; ++i) {
    a.v[i + 1] = _mm512_add_epi64(a.v[i + 1], _mm512_srli_epi64(a.v[i], 52));
    a.v[i] = _mm512_and_si512(a.v[i], mask);
  }
}

// a * a / R modulo n, below 2n for a below 2^290.
[[gnu::always_inline]] inline Vec square(const Vec& a, const Vec& n, __m512i minus_inverse, __m512i mask) {
  const __m512i zero = _mm512_setzero_si512(), unit = _mm512_set1_epi64(1);
  __m512i t[2 * kLimbs52 + 2];
#pragma GCC unroll 14  // else a string instruction clears it
  for (std::size_t i = 0; i < 2 * kLimbs52 + 2; ++i) t[i] = zero;
#pragma GCC unroll 6
  for (std::size_t i = 0; i < kLimbs52; ++i)
#pragma GCC unroll 6
    for (std::size_t j = i + 1; j < kLimbs52; ++j) {
      t[i + j] = low(t[i + j], a.v[i], a.v[j]);
      t[i + j + 1] = high(t[i + j + 1], a.v[i], a.v[j]);
    }
#pragma GCC unroll 6
  for (std::size_t i = 0; i < kLimbs52; ++i) {
    t[2 * i] = low(_mm512_add_epi64(t[2 * i], t[2 * i]), a.v[i], a.v[i]);
    t[2 * i + 1] = high(_mm512_add_epi64(t[2 * i + 1], t[2 * i + 1]), a.v[i], a.v[i]);
  }
#pragma GCC unroll 7
  for (std::size_t i = 0; i < kSteps; ++i) {
    const __m512i m = low(zero, t[i], minus_inverse);
    // t[i] + low(m * n[0]) is 0 modulo 2^52: what it carries is known without the product.
    const __m512i carried = _mm512_mask_add_epi64(_mm512_srli_epi64(t[i], 52), _mm512_test_epi64_mask(t[i], mask),
                                                  _mm512_srli_epi64(t[i], 52), unit);
    t[i + 1] = high(_mm512_add_epi64(t[i + 1], carried), m, n.v[0]);
    const __m512i next = low(zero, m, n.v[1]);
    t[i + 2] = high(t[i + 2], m, n.v[1]);
    t[i + 1] = _mm512_add_epi64(t[i + 1], next);
#pragma GCC unroll 4
    for (std::size_t j = 2; j < kLimbs52; ++j) {
      t[i + j] = low(t[i + j], m, n.v[j]);
      t[i + j + 1] = high(t[i + j + 1], m, n.v[j]);
    }
  }
  Vec out;
#pragma GCC unroll 6
  for (std::size_t i = 0; i < kLimbs52; ++i) out.v[i] = t[i + kSteps];
  carry(out, mask);
  return out;
}

[[gnu::always_inline]] inline Vec small(const Vec& a, __m512i base, __m512i mask) {
  Vec out;
  __m512i above = _mm512_setzero_si512();
#pragma GCC unroll 6
  for (std::size_t i = 0; i < kLimbs52; ++i) {
    out.v[i] = low(above, a.v[i], base);
    above = high(_mm512_setzero_si512(), a.v[i], base);
  }
  carry(out, mask);
  return out;
}

struct Lane8 {
  Vec n, r;
  __m512i minus_inverse, base;

  explicit Lane8(const LaneState& from) : minus_inverse(load(from.minus_inverse)), base(load(from.base)) {
#pragma GCC unroll 6
    for (std::size_t i = 0; i < kLimbs52; ++i) {
      n.v[i] = load(from.n[i]);
      r.v[i] = load(from.r[i]);
    }
  }
  [[gnu::always_inline]] void step(int bit, __m512i mask) {
    const __m512i place = _mm512_set1_epi64(1LL << (bit % 52));
    const __mmask8 set = _mm512_test_epi64_mask(n.v[bit / 52], place);
    const Vec times = small(r, base, mask);
#pragma GCC unroll 6
    for (std::size_t i = 0; i < kLimbs52; ++i) r.v[i] = _mm512_mask_mov_epi64(r.v[i], set, times.v[i]);
  }
};

void run(LaneState& one, LaneState& other, int from, int to) {
  const __m512i mask = _mm512_set1_epi64((1LL << 52) - 1);
  Lane8 a(one), b(other);
  for (int bit = from; bit >= to; --bit) {
    a.r = square(a.r, a.n, a.minus_inverse, mask);
    b.r = square(b.r, b.n, b.minus_inverse, mask);
    a.step(bit, mask);
    b.step(bit, mask);
  }
#pragma GCC unroll 6
  for (std::size_t i = 0; i < kLimbs52; ++i) {
    _mm512_store_si512(one.r[i].data(), a.r.v[i]);
    _mm512_store_si512(other.r[i].data(), b.r.v[i]);
  }
}

}  // namespace

LaneKernel lane_kernel() {
  static const bool there = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma");
  return there ? run : nullptr;
}

}  // namespace hanse::crypto::detail

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else

namespace hanse::crypto::detail {
LaneKernel lane_kernel() { return nullptr; }
}  // namespace hanse::crypto::detail

#endif
