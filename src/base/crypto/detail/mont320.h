// Montgomery arithmetic modulo one odd n of at most 266 bits in five limbs, R = 2^320. Lazy: a residue is any number
// below 2n, so no product ends in a comparison; `small` goes beyond and is taken back by the next product or square.
#pragma once

#include <algorithm>
#include <bit>

#include "base/core/check.h"
#include "base/crypto/detail/field25519.h"
#include "base/crypto/detail/prime.h"

namespace hanse::crypto::detail {

inline int u320_bits(const U320& a) {
  for (std::size_t i = 5; i-- > 0;)
    if (a[i] != 0) return static_cast<int>(64 * i) + 64 - std::countl_zero(a[i]);
  return 0;
}
inline bool u320_bit(const U320& a, int bit) { return (a[static_cast<std::size_t>(bit) / 64] >> (bit % 64) & 1) != 0; }
inline int u320_twos(const U320& a) {
  int bit = 0;
  while (!u320_bit(a, bit)) ++bit;
  return bit;
}
inline U320 u320_add(const U320& a, const U320& b) {
  U320 out;
  U128 carry = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    carry += static_cast<U128>(a[i]) + b[i];
    out[i] = static_cast<std::uint64_t>(carry);
    carry >>= 64;
  }
  return out;
}
// True when a < b; out is a - b modulo 2^320.
inline bool u320_sub(const U320& a, const U320& b, U320& out) {
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    const U128 d = static_cast<U128>(a[i]) - b[i] - borrow;
    out[i] = static_cast<std::uint64_t>(d);
    borrow = static_cast<std::uint64_t>(d >> 64) & 1;
  }
  return borrow != 0;
}
// a - b, or a where that is negative; without a branch, as chance decides.
inline U320 u320_sub_if_not_less(const U320& a, const U320& b) {
  U320 out;
  const std::uint64_t keep = ~std::uint64_t{0} * static_cast<std::uint64_t>(u320_sub(a, b, out));
  for (std::size_t i = 0; i < 5; ++i) out[i] ^= (out[i] ^ a[i]) & keep;
  return out;
}
inline U320 u320_half(const U320& a) {
  U320 out;
  for (std::size_t i = 0; i < 5; ++i) out[i] = a[i] >> 1 | (i < 4 ? a[i + 1] << 63 : 0);
  return out;
}

class Mont320 {
 public:
  explicit Mont320(const U320& n) : n_(n), two_n_(u320_add(n, n)) {
    const int bits = u320_bits(n);
    check((n[0] & 1) != 0 && bits > 2 && bits <= 266, "a Montgomery modulus is odd and has 3 to 266 bits");
    std::uint64_t inverse = n[0];  // Newton: each round doubles the right bits, starting from three
    for (int i = 0; i < 5; ++i) inverse *= 2 - n[0] * inverse;
    minus_inverse_ = ~inverse + 1;
    U320 power{};  // 2^bits - n is 2^bits modulo n
    power[static_cast<std::size_t>(bits) / 64] = std::uint64_t{1} << (bits % 64);
    u320_sub(power, n, power);
    one_ = doubled(power, 320 - bits);
  }

  const U320& n() const { return n_; }
  const U320& one() const { return one_; }
  std::uint64_t minus_inverse() const { return minus_inverse_; }  // of n modulo 2^64

  // a * 2^times modulo n, for a below n. A quotient from the topmost 64 bits is too small by two at most.
  U320 doubled(U320 a, int times) const {
    const int bits = u320_bits(n_), below = std::max(bits - 64, 0), most = std::min(bits - 2, 56);
    const U128 divisor = static_cast<U128>(word_at(n_, below)) + 1;
    while (times > 0) {
      const int now = std::min(times, most);
      const auto quotient = static_cast<std::uint64_t>((static_cast<U128>(word_at(a, below)) << now) / divisor);
      u320_sub(scaled(a, std::uint64_t{1} << now), scaled(n_, quotient), a);
      a = u320_sub_if_not_less(u320_sub_if_not_less(a, n_), n_);
      times -= now;
    }
    return a;
  }

  U320 mul(const U320& a, const U320& b) const {
    std::uint64_t t[10] = {};
#pragma GCC unroll 5
    for (std::size_t i = 0; i < 5; ++i) {
      std::uint64_t carry = 0;
#pragma GCC unroll 5
      for (std::size_t j = 0; j < 5; ++j) {
        const U128 p = static_cast<U128>(a[i]) * b[j] + t[i + j] + carry;
        t[i + j] = static_cast<std::uint64_t>(p);
        carry = static_cast<std::uint64_t>(p >> 64);
      }
      t[i + 5] = carry;
    }
    return reduce(t);
  }

  U320 square(const U320& a) const {
    std::uint64_t t[10] = {};
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) {  // products of two different limbs, once each
      std::uint64_t carry = 0;
#pragma GCC unroll 4
      for (std::size_t j = i + 1; j < 5; ++j) {
        const U128 p = static_cast<U128>(a[i]) * a[j] + t[i + j] + carry;
        t[i + j] = static_cast<std::uint64_t>(p);
        carry = static_cast<std::uint64_t>(p >> 64);
      }
      t[i + 5] = carry;
    }
    U128 carry = 0;
    std::uint64_t out_bit = 0;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < 5; ++i) {  // doubled, and the squares on the diagonal
      const std::uint64_t low = t[2 * i] << 1 | out_bit, high = t[2 * i + 1] << 1 | t[2 * i] >> 63;
      out_bit = t[2 * i + 1] >> 63;
      const U128 p = static_cast<U128>(a[i]) * a[i];
      carry += static_cast<U128>(low) + static_cast<std::uint64_t>(p);
      t[2 * i] = static_cast<std::uint64_t>(carry);
      carry = (carry >> 64) + high + static_cast<std::uint64_t>(p >> 64);
      t[2 * i + 1] = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
    return reduce(t);
  }

  // a * factor without reduction, factor below 2^24: at most one before the next product.
  static U320 small(const U320& a, std::uint32_t factor) { return scaled(a, factor); }

  U320 add(const U320& a, const U320& b) const { return u320_sub_if_not_less(u320_add(a, b), two_n_); }
  U320 sub(const U320& a, const U320& b) const {
    U320 out;
    const bool negative = u320_sub(a, b, out);
    return u320_add(out, times(two_n_, negative));
  }
  U320 half(const U320& a) const { return u320_half(u320_add(a, times(n_, (a[0] & 1) != 0))); }

  // The one representative below n, also of what `small` gave.
  U320 canonical(const U320& a) const { return u320_sub_if_not_less(mul(a, one_), n_); }

 private:
  static U320 scaled(const U320& a, std::uint64_t factor) {  // modulo 2^320
    U320 out;
    U128 carry = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      carry += static_cast<U128>(a[i]) * factor;
      out[i] = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
    return out;
  }
  static std::uint64_t word_at(const U320& a, int bit) {  // 64 bits from that one on
    const std::size_t word = static_cast<std::size_t>(bit) / 64;
    const int shift = bit % 64;
    return shift == 0 || word == 4 ? a[word] >> shift : a[word] >> shift | a[word + 1] << (64 - shift);
  }
  static U320 times(const U320& a, bool bit) {
    U320 out;
    for (std::size_t i = 0; i < 5; ++i) out[i] = a[i] & (~std::uint64_t{0} * static_cast<std::uint64_t>(bit));
    return out;
  }
  U320 reduce(std::uint64_t* t) const {
    std::uint64_t top = 0;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < 5; ++i) {
      const std::uint64_t m = t[i] * minus_inverse_;
      std::uint64_t carry = 0;
#pragma GCC unroll 5
      for (std::size_t j = 0; j < 5; ++j) {
        const U128 p = static_cast<U128>(m) * n_[j] + t[i + j] + carry;
        t[i + j] = static_cast<std::uint64_t>(p);
        carry = static_cast<std::uint64_t>(p >> 64);
      }
      const U128 p = static_cast<U128>(t[i + 5]) + carry + top;
      t[i + 5] = static_cast<std::uint64_t>(p);
      top = static_cast<std::uint64_t>(p >> 64);
    }
    return {t[5], t[6], t[7], t[8], t[9]};
  }

  U320 n_, two_n_, one_;
  std::uint64_t minus_inverse_;
};

}  // namespace hanse::crypto::detail
