// The AVX2 back end. Only what stands below the pragma is compiled for AVX2: standard headers stay portable, so no
// shared inline function can carry AVX2 code to a processor without it.
#include "base/crypto/detail/mldsa_lanes.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#include "base/crypto/detail/mldsa_kernels.h"

namespace hanse::crypto::detail {
namespace {

// The even lanes of four 64-bit differences a - t * q have their value in the upper half.
inline __m256i join_high(__m256i even, __m256i odd) {
  return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
}

struct Avx2Vec {
  __m256i x;

  static Avx2Vec load(const Lanes& from) { return {_mm256_load_si256(reinterpret_cast<const __m256i*>(from.v))}; }
  void store(Lanes& to) const { _mm256_store_si256(reinterpret_cast<__m256i*>(to.v), x); }
  friend Avx2Vec operator+(const Avx2Vec& a, const Avx2Vec& b) { return {_mm256_add_epi32(a.x, b.x)}; }
  friend Avx2Vec operator-(const Avx2Vec& a, const Avx2Vec& b) { return {_mm256_sub_epi32(a.x, b.x)}; }
  Avx2Vec times(std::int32_t c) const {
    const __m256i factor = _mm256_set1_epi32(c), factor_q_inv = _mm256_set1_epi32(mldsa_times_q_inv(c));
    const __m256i q = _mm256_set1_epi32(kMlDsaQ), odd = _mm256_srli_epi64(x, 32);
    const __m256i t_even = _mm256_mul_epi32(_mm256_mul_epi32(x, factor_q_inv), q);
    const __m256i t_odd = _mm256_mul_epi32(_mm256_mul_epi32(odd, factor_q_inv), q);
    return {join_high(_mm256_sub_epi64(_mm256_mul_epi32(x, factor), t_even),
                      _mm256_sub_epi64(_mm256_mul_epi32(odd, factor), t_odd))};
  }

  struct Sum {
    __m256i even, odd;
    Sum() : even(_mm256_setzero_si256()), odd(_mm256_setzero_si256()) {}
    void add_product(const Avx2Vec& v, std::int32_t c) {
      const __m256i factor = _mm256_set1_epi32(c);
      even = _mm256_add_epi64(even, _mm256_mul_epi32(v.x, factor));
      odd = _mm256_add_epi64(odd, _mm256_mul_epi32(_mm256_srli_epi64(v.x, 32), factor));
    }
    Avx2Vec reduce() const {
      const __m256i q = _mm256_set1_epi32(kMlDsaQ), q_inv = _mm256_set1_epi32(kMlDsaQInv);
      const __m256i t_even = _mm256_mul_epi32(_mm256_mul_epi32(even, q_inv), q);
      const __m256i t_odd = _mm256_mul_epi32(_mm256_mul_epi32(odd, q_inv), q);
      return {join_high(_mm256_sub_epi64(even, t_even), _mm256_sub_epi64(odd, t_odd))};
    }
  };
};

void transform(Wide& a) { MlDsaKernels<Avx2Vec>::transform(a); }
void transform_back(Wide& a) { MlDsaKernels<Avx2Vec>::transform_back(a); }
void multiply(const Wide* matrix, std::size_t columns, const Wide& vector, Wide& out) {
  MlDsaKernels<Avx2Vec>::multiply(matrix, columns, vector, out);
}

}  // namespace
}  // namespace hanse::crypto::detail

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace hanse::crypto::detail {

const MlDsaBackend* mldsa_avx2() {
  static constexpr MlDsaBackend backend{transform, transform_back, multiply, "avx2"};
  return __builtin_cpu_supports("avx2") ? &backend : nullptr;
}

}  // namespace hanse::crypto::detail

#else

namespace hanse::crypto::detail {

const MlDsaBackend* mldsa_avx2() { return nullptr; }

}  // namespace hanse::crypto::detail

#endif
