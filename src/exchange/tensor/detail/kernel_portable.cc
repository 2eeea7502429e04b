#include "exchange/tensor/detail/kernel.h"

#include <cstring>

namespace hanse::tensor::detail {

namespace {

constexpr std::size_t kMr = 4, kNr = 16, kGroup = 2;

void store_pair(std::uint8_t* out, std::int16_t low, std::int16_t high) {
  const std::int16_t pair[2] = {low, high};
  std::memcpy(out, pair, 4);
}

void pack_a(const std::int8_t* a, std::size_t lda, std::size_t rows, std::size_t k, std::uint8_t* out) {
  for (std::size_t g = 0; g * kGroup < k; ++g) {
    const std::size_t k0 = g * kGroup;
    for (std::size_t r = 0; r < kMr; ++r) {
      const std::int8_t* row = a + r * lda + k0;
      store_pair(out + (g * kMr + r) * 4, r < rows ? row[0] : 0, r < rows && k0 + 1 < k ? row[1] : 0);
    }
  }
}

void pack_b(const std::int8_t* b, std::size_t ldb, std::size_t k, std::size_t cols, std::uint8_t* out) {
  std::memset(out, 0, kNr * 4);
  out += kNr * 4;
  for (std::size_t k0 = 0; k0 < k; k0 += kGroup, out += kNr * 4) {
    for (std::size_t c = 0; c < kNr; ++c) {
      const std::int8_t* column = b + k0 * ldb + c;
      store_pair(out + c * 4, c < cols ? column[0] : 0, c < cols && k0 + 1 < k ? column[ldb] : 0);
    }
  }
}

void tile(std::size_t groups, const std::uint8_t* a, const std::uint8_t* b, std::int32_t* out, std::size_t ldo,
          bool accumulate) {
  std::int32_t sum[kMr][kNr] = {};
  b += kNr * 4;
  for (std::size_t g = 0; g < groups; ++g, a += kMr * 4, b += kNr * 4) {
    std::int16_t av[kMr * 2], bv[kNr * 2];
    std::memcpy(av, a, sizeof av);
    std::memcpy(bv, b, sizeof bv);
    for (std::size_t r = 0; r < kMr; ++r)
      for (std::size_t c = 0; c < kNr; ++c) sum[r][c] += av[r * 2] * bv[c * 2] + av[r * 2 + 1] * bv[c * 2 + 1];
  }
  for (std::size_t r = 0; r < kMr; ++r)
    for (std::size_t c = 0; c < kNr; ++c) out[r * ldo + c] = sum[r][c] + (accumulate ? out[r * ldo + c] : 0);
}

}  // namespace

const Kernel& portable_kernel() {
  static const Kernel kernel{kMr, kNr, kGroup, pack_a, pack_b, tile};
  return kernel;
}

}  // namespace hanse::tensor::detail
