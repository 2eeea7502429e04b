// ML-DSA polynomials eight at a time: lane i of every element belongs to polynomial i, so the number theoretic
// transform needs no shuffles and one kernel serves portable code and AVX2. Arithmetic modulo q = 8380417 in signed
// 32-bit Montgomery form with R = 2^32, as in the CRYSTALS-Dilithium reference. Bounds are given per function.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hanse::crypto::detail {

constexpr std::int32_t kMlDsaQ = 8380417;
constexpr std::int32_t kMlDsaQInv = 58728449;  // q^-1 modulo 2^32
constexpr std::size_t kMlDsaN = 256;

struct alignas(32) Lanes {
  std::int32_t v[8];
};
using Wide = std::array<Lanes, kMlDsaN>;  // coefficient n of eight polynomials

// Powers of the 512th root of unity 1753 in bit-reversed order and Montgomery form (FIPS 204, appendix B).
constexpr std::array<std::int32_t, kMlDsaN> mldsa_zetas() {
  std::array<std::int32_t, kMlDsaN> out{};
  std::array<std::uint64_t, kMlDsaN> power{};
  power[0] = (std::uint64_t{1} << 32) % kMlDsaQ;
  for (std::size_t i = 1; i < kMlDsaN; ++i) power[i] = power[i - 1] * 1753 % kMlDsaQ;
  for (std::size_t i = 0; i < kMlDsaN; ++i) {
    std::size_t reversed = 0;
    for (std::size_t bit = 0; bit < 8; ++bit) reversed |= ((i >> bit) & 1) << (7 - bit);
    const auto z = static_cast<std::int32_t>(power[reversed]);
    out[i] = z > kMlDsaQ / 2 ? z - kMlDsaQ : z;
  }
  return out;
}
inline constexpr std::array<std::int32_t, kMlDsaN> kMlDsaZetas = mldsa_zetas();
constexpr std::int32_t kMlDsaScale = 41978;  // R^2 / 256: undoes the transform and one Montgomery division

constexpr std::int32_t mldsa_times_q_inv(std::int32_t v) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(v) * static_cast<std::uint32_t>(kMlDsaQInv));
}

struct MlDsaBackend {
  void (*transform)(Wide&);
  void (*transform_back)(Wide&);
  void (*multiply)(const Wide*, std::size_t, const Wide&, Wide&);
  const char* name;
};
const MlDsaBackend& mldsa_portable();
const MlDsaBackend* mldsa_avx2();     // null where the processor or the build lacks it
const MlDsaBackend& mldsa_backend();  // the best one here

}  // namespace hanse::crypto::detail
