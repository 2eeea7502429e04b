// The field of the proofs: integers modulo p = 2^64 - 2^32 + 1 ("Goldilocks"), and pairs a + b X with X^2 = 7, of which
// there are about 2^128; challenges are drawn from the latter. 7 is no square modulo p, so the pairs are a field.
// Shapes: Fp holds its least value, below p. Reduction: 2^64 = 2^32 - 1 and 2^96 = -1 modulo p.
// Threads: values. Errors: none.
#pragma once

#include <cstdint>

namespace hanse::proof {

__extension__ using UInt128 = unsigned __int128;
__extension__ using Int128 = __int128;

constexpr std::uint64_t kPrime = 0xffff'ffff'0000'0001;
constexpr std::uint64_t kEpsilon = 0xffff'ffff;  // 2^64 modulo p

struct Fp {
  std::uint64_t v = 0;
  friend bool operator==(const Fp&, const Fp&) = default;
};

[[gnu::always_inline]] constexpr Fp reduce(UInt128 wide) {
  const auto low = static_cast<std::uint64_t>(wide), high = static_cast<std::uint64_t>(wide >> 64);
  std::uint64_t t = low - (high >> 32);
  if (low < (high >> 32)) t -= kEpsilon;
  const std::uint64_t more = (high & kEpsilon) * kEpsilon;
  std::uint64_t sum = t + more;
  if (sum < more) sum += kEpsilon;
  return {sum >= kPrime ? sum - kPrime : sum};
}

[[gnu::always_inline]] constexpr Fp operator+(Fp a, Fp b) {
  const std::uint64_t sum = a.v + b.v;
  return {sum < a.v || sum >= kPrime ? sum - kPrime : sum};
}
[[gnu::always_inline]] constexpr Fp operator-(Fp a, Fp b) { return {a.v >= b.v ? a.v - b.v : a.v - b.v + kPrime}; }
[[gnu::always_inline]] constexpr Fp operator*(Fp a, Fp b) { return reduce(static_cast<UInt128>(a.v) * b.v); }

constexpr Fp from_int(std::int64_t value) {  // |value| < p
  return {value >= 0 ? static_cast<std::uint64_t>(value) : kPrime - static_cast<std::uint64_t>(-value)};
}
constexpr Fp from_wide(Int128 value) {
  if (value >= 0) return reduce(static_cast<UInt128>(value));
  return Fp{0} - reduce(static_cast<UInt128>(-value));
}

constexpr Fp power(Fp base, std::uint64_t exponent) {
  Fp out{1};
  for (; exponent != 0; exponent >>= 1, base = base * base)
    if ((exponent & 1) != 0) out = out * base;
  return out;
}

struct Ext {
  Fp a, b;
  friend bool operator==(const Ext&, const Ext&) = default;
};

[[gnu::always_inline]] constexpr Ext operator+(Ext x, Ext y) { return {x.a + y.a, x.b + y.b}; }
[[gnu::always_inline]] constexpr Ext operator-(Ext x, Ext y) { return {x.a - y.a, x.b - y.b}; }
[[gnu::always_inline]] constexpr Fp reduce_sum(UInt128 x, UInt128 y) {
  const UInt128 sum = x + y;
  const Fp low = reduce(sum);
  return sum < x ? low - Fp{kEpsilon + 1} : low;  // 2^128 = -2^32
}
[[gnu::always_inline]] constexpr Ext operator*(Ext x, Ext y) {
  const Fp high = x.b * y.b;
  return {reduce_sum(static_cast<UInt128>(x.a.v) * y.a.v, static_cast<UInt128>(high.v) * 7),
          reduce_sum(static_cast<UInt128>(x.a.v) * y.b.v, static_cast<UInt128>(x.b.v) * y.a.v)};
}
[[gnu::always_inline]] constexpr Ext operator*(Ext x, Fp y) { return {x.a * y, x.b * y}; }
[[gnu::always_inline]] constexpr Ext& operator+=(Ext& x, Ext y) { return x = x + y; }

// A sum of pairs times small integers, reduced once: at most 2^31 terms of |integer| <= 2^31.
class SmallSum {
 public:
  struct Factor {  // a pair between -p / 2 and p / 2
    std::int64_t a, b;
    explicit Factor(Ext x) : a(centre(x.a)), b(centre(x.b)) {}
    static std::int64_t centre(Fp x) {
      return x.v > kPrime / 2 ? -static_cast<std::int64_t>(kPrime - x.v) : static_cast<std::int64_t>(x.v);
    }
  };
  [[gnu::always_inline]] void add(const Factor& x, std::int64_t times) {
    a_ += static_cast<Int128>(x.a) * times;
    b_ += static_cast<Int128>(x.b) * times;
  }
  Ext value() const { return {from_wide(a_), from_wide(b_)}; }

 private:
  Int128 a_ = 0, b_ = 0;
};

constexpr Ext lift(Fp x) { return {x, {}}; }
constexpr Ext kOne{{1}, {0}};

}  // namespace hanse::proof
