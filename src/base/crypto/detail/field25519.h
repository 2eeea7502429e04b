// Integers modulo p = 2^255 - 19 in five limbs of radix 2^51 (Bernstein et al., "High-speed high-security signatures",
// CHES 2011, section 4). Variable time: for public data only.
// Bounds: mul and square take limbs a, b with log2(a) + log2(b) < 108.4 and give limbs below 2^51 + 2^15 ("tight").
// add gives the plain sum; sub adds 4p first, so its second operand needs limbs below 2^53 - 76.
#pragma once

#include <cstdint>

#include "base/core/bytes.h"

namespace hanse::crypto::detail {

__extension__ typedef unsigned __int128 U128;

constexpr std::uint64_t kFeMask = (std::uint64_t{1} << 51) - 1;

struct Fe {
  std::uint64_t v[5];
};

constexpr Fe kFeZero{{0, 0, 0, 0, 0}};
constexpr Fe kFeOne{{1, 0, 0, 0, 0}};

inline Fe operator+(const Fe& a, const Fe& b) {
  return {{a.v[0] + b.v[0], a.v[1] + b.v[1], a.v[2] + b.v[2], a.v[3] + b.v[3], a.v[4] + b.v[4]}};
}

inline Fe operator-(const Fe& a, const Fe& b) {
  constexpr std::uint64_t k0 = 0x1fffffffffffb4, k = 0x1ffffffffffffc;  // 4p
  return {{a.v[0] + k0 - b.v[0], a.v[1] + k - b.v[1], a.v[2] + k - b.v[2], a.v[3] + k - b.v[3], a.v[4] + k - b.v[4]}};
}

inline Fe fe_carry(U128 r0, U128 r1, U128 r2, U128 r3, U128 r4) {
  r1 += static_cast<std::uint64_t>(r0 >> 51);
  r2 += static_cast<std::uint64_t>(r1 >> 51);
  r3 += static_cast<std::uint64_t>(r2 >> 51);
  r4 += static_cast<std::uint64_t>(r3 >> 51);
  std::uint64_t v0 = (static_cast<std::uint64_t>(r0) & kFeMask) + 19 * static_cast<std::uint64_t>(r4 >> 51);
  const std::uint64_t v1 = (static_cast<std::uint64_t>(r1) & kFeMask) + (v0 >> 51);
  v0 &= kFeMask;
  return {{v0, v1, static_cast<std::uint64_t>(r2) & kFeMask, static_cast<std::uint64_t>(r3) & kFeMask,
           static_cast<std::uint64_t>(r4) & kFeMask}};
}

inline Fe operator*(const Fe& a, const Fe& b) {
  const std::uint64_t a0 = a.v[0], a1 = a.v[1], a2 = a.v[2], a3 = a.v[3], a4 = a.v[4];
  const std::uint64_t b0 = b.v[0], b1 = b.v[1], b2 = b.v[2], b3 = b.v[3], b4 = b.v[4];
  const std::uint64_t c1 = 19 * b1, c2 = 19 * b2, c3 = 19 * b3, c4 = 19 * b4;
  const auto m = [](std::uint64_t x, std::uint64_t y) { return static_cast<U128>(x) * y; };
  return fe_carry(m(a0, b0) + m(a1, c4) + m(a2, c3) + m(a3, c2) + m(a4, c1),
                  m(a0, b1) + m(a1, b0) + m(a2, c4) + m(a3, c3) + m(a4, c2),
                  m(a0, b2) + m(a1, b1) + m(a2, b0) + m(a3, c4) + m(a4, c3),
                  m(a0, b3) + m(a1, b2) + m(a2, b1) + m(a3, b0) + m(a4, c4),
                  m(a0, b4) + m(a1, b3) + m(a2, b2) + m(a3, b1) + m(a4, b0));
}

inline Fe square(const Fe& a) {
  const std::uint64_t a0 = a.v[0], a1 = a.v[1], a2 = a.v[2], a3 = a.v[3], a4 = a.v[4];
  const std::uint64_t d0 = 2 * a0, d1 = 2 * a1, d2 = 2 * a2, c3 = 19 * a3, c4 = 19 * a4;
  const auto m = [](std::uint64_t x, std::uint64_t y) { return static_cast<U128>(x) * y; };
  return fe_carry(m(a0, a0) + m(d1, c4) + m(d2, c3), m(d0, a1) + m(d2, c4) + m(a3, c3),
                  m(d0, a2) + m(a1, a1) + m(2 * a3, c4), m(d0, a3) + m(d1, a2) + m(a4, c4),
                  m(d0, a4) + m(d1, a3) + m(a2, a2));
}

Fe square_times(Fe a, int times);
Fe invert(const Fe& a);                            // a^(p-2); 0 gives 0
Fe pow_p58(const Fe& a);                           // a^((p-5)/8)
Fe fe_from_bytes(const std::uint8_t* b);           // 32 bytes, top bit ignored, values >= p taken modulo p
void fe_to_bytes(const Fe& a, std::uint8_t* out);  // canonical
bool fe_is_zero(const Fe& a);
bool fe_is_odd(const Fe& a);  // lowest bit of the canonical value
bool fe_equal(const Fe& a, const Fe& b);

}  // namespace hanse::crypto::detail
