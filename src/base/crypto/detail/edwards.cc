#include "base/crypto/detail/edwards.h"

#include <algorithm>

namespace hanse::crypto::detail {
namespace {

constexpr Scalar kL{0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000};
constexpr std::uint64_t kTop = (std::uint64_t{1} << 60) - 1;  // bits of the fourth limb below 2^252

constexpr int kHalfBits = 127;
constexpr int kDigits = kHalfBits + 2;
constexpr int kWidthPoint = 5;  // digits up to 15: 8 odd multiples
constexpr int kWidthBase = 8;   // digits up to 127: 64 odd multiples

// A sum or double before its last multiplications: the next step decides whether T is worth a product.
struct Completed {
  Fe e, f, g, h;
};

struct Projective {
  Fe x, y, z;
};

Projective without_t(const Completed& c) { return {c.e * c.f, c.g * c.h, c.f * c.g}; }
Point with_t(const Completed& c) { return {c.e * c.f, c.g * c.h, c.f * c.g, c.e * c.h}; }

Completed twice(const Projective& p) {
  const Fe a = square(p.x), b = square(p.y), zz = square(p.z);
  const Fe h = a + b;
  return {square(p.x + p.y) - h, (zz + zz + a) - b, b - a, h};
}

Completed sum(const Point& p, const CachedPoint& q) {
  const Fe a = (p.y - p.x) * q.y_minus_x, b = (p.y + p.x) * q.y_plus_x;
  const Fe c = p.t * q.t2d, zz = p.z * q.z, d = zz + zz;
  return {b - a, d - c, d + c, b + a};
}

Completed difference(const Point& p, const CachedPoint& q) {
  const Fe a = (p.y - p.x) * q.y_plus_x, b = (p.y + p.x) * q.y_minus_x;
  const Fe c = p.t * q.t2d, zz = p.z * q.z, d = zz + zz;
  return {b - a, d + c, d - c, b + a};
}

Completed sum(const Point& p, const NielsPoint& q) {
  const Fe a = (p.y - p.x) * q.y_minus_x, b = (p.y + p.x) * q.y_plus_x, c = p.t * q.xy2d, d = p.z + p.z;
  return {b - a, d - c, d + c, b + a};
}

Completed difference(const Point& p, const NielsPoint& q) {
  const Fe a = (p.y - p.x) * q.y_plus_x, b = (p.y + p.x) * q.y_minus_x, c = p.t * q.xy2d, d = p.z + p.z;
  return {b - a, d + c, d - c, b + a};
}

template <std::size_t N>
void odd_multiples(const Point& p, std::array<Point, N>& out) {
  const CachedPoint two = cache(double_times(p, 1));
  out[0] = p;
  for (std::size_t i = 1; i < N; ++i) out[i] = with_t(sum(out[i - 1], two));
}

NielsPoint to_niels(const Point& p) {
  const Fe z = invert(p.z), x = p.x * z, y = p.y * z;
  return {y + x, y - x, x * y * k2D};
}

struct BaseTable {
  std::array<NielsPoint, 64> low, high;  // odd multiples of B and of 2^127 B
};

BaseTable make_base_table() {
  BaseTable table;
  std::array<Point, 64> points;
  const Point base = base_point();
  odd_multiples(base, points);
  for (std::size_t i = 0; i < points.size(); ++i) table.low[i] = to_niels(points[i]);
  odd_multiples(double_times(base, kHalfBits), points);
  for (std::size_t i = 0; i < points.size(); ++i) table.high[i] = to_niels(points[i]);
  return table;
}

const BaseTable& base_table() {
  static const BaseTable table = make_base_table();
  return table;
}

// Signed digits, each zero or odd and below 2^(width-1) in size, of the 127-bit number (high:low).
using Digits = std::array<std::int8_t, kDigits>;
void recode(U128 n, int width, Digits& out) {
  out.fill(0);
  for (int i = 0; n != 0; ++i, n >>= 1) {
    if ((n & 1) == 0) continue;
    int digit = static_cast<int>(static_cast<std::uint64_t>(n) & ((1U << width) - 1));
    if (digit >= 1 << (width - 1)) digit -= 1 << width;
    out[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(digit);
    // A 127-bit n stays below 2^128: a negative digit adds less than 2^7 to a number whose low bits it clears.
    n -= static_cast<U128>(static_cast<__int128_t>(digit));
  }
}

U128 low_half(const Scalar& s) { return (static_cast<U128>(s[1] & ~(std::uint64_t{1} << 63)) << 64) | s[0]; }
U128 high_half(const Scalar& s) {
  const U128 upper = (static_cast<U128>(s[3]) << 64) | s[2];
  return upper << 1 | s[1] >> 63;
}

template <class Table>
void add_digit(Completed& acc, int digit, const Table& table) {
  if (digit > 0) acc = sum(with_t(acc), table[static_cast<std::size_t>(digit) / 2]);
  if (digit < 0) acc = difference(with_t(acc), table[static_cast<std::size_t>(-digit) / 2]);
}

// a -= b over n limbs; true when it borrowed.
bool subtract_limbs(std::uint64_t* a, const std::uint64_t* b, std::size_t n) {
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const U128 d = static_cast<U128>(a[i]) - b[i] - borrow;
    a[i] = static_cast<std::uint64_t>(d);
    borrow = static_cast<std::uint64_t>(d >> 64) & 1;
  }
  return borrow != 0;
}

void add_limbs(Scalar& a, const Scalar& b) {
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const U128 t = static_cast<U128>(a[i]) + b[i] + carry;
    a[i] = static_cast<std::uint64_t>(t);
    carry = static_cast<std::uint64_t>(t >> 64);
  }
}

// What is below and from bit 252 on.
template <std::size_t N>
Scalar low_words(const std::array<std::uint64_t, N>& x) {
  return {x[0], x[1], x[2], N > 3 ? x[std::min<std::size_t>(N - 1, 3)] & kTop : 0};
}
template <std::size_t M, std::size_t N>
std::array<std::uint64_t, M> high_words(const std::array<std::uint64_t, N>& x) {
  std::array<std::uint64_t, M> out{};
  for (std::size_t i = 0; i < M && i + 3 < N; ++i) out[i] = x[i + 3] >> 60 | (i + 4 < N ? x[i + 4] << 4 : 0);
  return out;
}

// c = L - 2^252 has two limbs.
template <std::size_t M>
std::array<std::uint64_t, M + 2> times_c(const std::array<std::uint64_t, M>& x) {
  std::array<std::uint64_t, M + 2> out{};
  for (std::size_t i = 0; i < M; ++i) {
    const U128 low = static_cast<U128>(x[i]) * kL[0] + out[i];
    const U128 high = static_cast<U128>(x[i]) * kL[1] + out[i + 1] + static_cast<std::uint64_t>(low >> 64);
    out[i] = static_cast<std::uint64_t>(low);
    out[i + 1] = static_cast<std::uint64_t>(high);
    out[i + 2] = static_cast<std::uint64_t>(high >> 64);
  }
  return out;
}

}  // namespace

bool decode_point(const std::uint8_t* encoded, Point& out) {
  const Fe y = fe_from_bytes(encoded);
  const Fe yy = square(y);
  const Fe u = yy - kFeOne, v = yy * kD + kFeOne;
  const Fe v3 = square(v) * v;
  Fe x = u * v3 * pow_p58(u * (square(v3) * v));  // RFC 8032, 5.1.3: the candidate root of u/v
  const Fe vxx = square(x) * v;
  if (!fe_equal(u, vxx)) {  // u is not tight: it may not be what is taken away
    if (!fe_is_zero(vxx + u)) return false;
    x = x * kSqrtMinus1;
  }
  if (fe_is_odd(x) != ((encoded[31] >> 7) != 0)) x = kFeZero - x;
  x = x * kFeOne;  // tight limbs
  out = {x, y, kFeOne, x * y};
  return true;
}

Point negate(const Point& p) { return {(kFeZero - p.x) * kFeOne, p.y, p.z, (kFeZero - p.t) * kFeOne}; }

CachedPoint cache(const Point& p) { return {p.y + p.x, p.y - p.x, p.z, p.t * k2D}; }

Point base_point() {
  std::uint8_t encoded[32];  // y = 4/5, x even
  for (auto& b : encoded) b = 0x66;
  encoded[0] = 0x58;
  Point b;
  decode_point(encoded, b);
  return b;
}

NielsPoint affine_niels(const Point& p) { return {(p.y + p.x) * kFeOne, (p.y - p.x) * kFeOne, p.t * k2D}; }

Point add(const Point& p, const CachedPoint& q) { return with_t(sum(p, q)); }

Point add(const Point& p, const NielsPoint& q) { return with_t(sum(p, q)); }

Point subtract(const Point& p, const NielsPoint& q) { return with_t(difference(p, q)); }

Point subtract(const Point& p, const CachedPoint& q) { return with_t(difference(p, q)); }

Point double_times(const Point& p, int times) {
  Projective q{p.x, p.y, p.z};
  for (int i = 1; i < times; ++i) q = without_t(twice(q));
  return with_t(twice(q));
}

bool is_identity(const Point& p) { return fe_is_zero(p.x) && fe_equal(p.y, p.z); }

Scalar scalar_from_bytes(const std::uint8_t* bytes) {
  return {load_le<std::uint64_t>(bytes), load_le<std::uint64_t>(bytes + 8), load_le<std::uint64_t>(bytes + 16),
          load_le<std::uint64_t>(bytes + 24)};
}

bool scalar_is_canonical(const Scalar& s) {
  Scalar t = s;
  return subtract_limbs(t.data(), kL.data(), t.size());
}

// 2^252 = -c modulo L: x = low + 2^252 high is low - c high, and what is above bit 252 of c high goes the same way
// twice more. Two L keep the sum from falling below zero; it is below 6 L.
Scalar reduce_words(const std::array<std::uint64_t, 8>& x) {
  const auto first = times_c(high_words<5>(x));
  const auto second = times_c(high_words<3>(first));
  const auto third = times_c(high_words<1>(second));
  Scalar sum = low_words(x), take = low_words(first);
  add_limbs(sum, low_words(second));
  add_limbs(sum, {2 * kL[0], 2 * kL[1] + (kL[0] >> 63), 0, 2 * kL[3]});
  add_limbs(take, {third[0], third[1], third[2], 0});
  subtract_limbs(sum.data(), take.data(), 4);
  for (;;) {
    Scalar t = sum;
    if (subtract_limbs(t.data(), kL.data(), 4)) return sum;
    sum = t;
  }
}

Scalar reduce_wide(const std::uint8_t* bytes) {
  std::array<std::uint64_t, 8> x;
  for (std::size_t i = 0; i < 8; ++i) x[i] = load_le<std::uint64_t>(bytes + 8 * i);
  return reduce_words(x);
}

Scalar multiply_short(U128 a, const Scalar& b) {
  const std::uint64_t words[2] = {static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(a >> 64)};
  std::array<std::uint64_t, 8> product{};
  for (std::size_t i = 0; i < 2; ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const U128 t = static_cast<U128>(words[i]) * b[j] + product[i + j] + carry;
      product[i + j] = static_cast<std::uint64_t>(t);
      carry = static_cast<std::uint64_t>(t >> 64);
    }
    product[i + 4] = carry;
  }
  return reduce_words(product);
}

Scalar add_scalars(const Scalar& a, const Scalar& b) {
  Scalar sum = a;
  add_limbs(sum, b);
  Scalar reduced = sum;
  return subtract_limbs(reduced.data(), kL.data(), 4) ? sum : reduced;
}

Scalar negate_scalar(const Scalar& a) {
  if (a == Scalar{}) return a;
  Scalar out = kL;
  subtract_limbs(out.data(), a.data(), 4);
  return out;
}

PointTable make_table(const Point& p) {
  PointTable table;
  std::array<Point, 8> points;
  odd_multiples(p, points);
  for (std::size_t i = 0; i < points.size(); ++i) table.low[i] = cache(points[i]);
  odd_multiples(double_times(p, kHalfBits), points);
  for (std::size_t i = 0; i < points.size(); ++i) table.high[i] = cache(points[i]);
  return table;
}

Point double_base(const Scalar& s, const Scalar& k, const PointTable& table) {
  const BaseTable& base = base_table();
  Digits s_low, s_high, k_low, k_high;
  recode(low_half(s), kWidthBase, s_low);
  recode(high_half(s), kWidthBase, s_high);
  recode(low_half(k), kWidthPoint, k_low);
  recode(high_half(k), kWidthPoint, k_high);
  Completed acc{kFeZero, kFeOne, kFeOne, kFeOne};  // the identity: X = 0, Y = Z = 1
  for (std::size_t i = kDigits; i-- > 0;) {
    acc = twice(without_t(acc));
    add_digit(acc, s_low[i], base.low);
    add_digit(acc, s_high[i], base.high);
    add_digit(acc, k_low[i], table.low);
    add_digit(acc, k_high[i], table.high);
  }
  return with_t(acc);
}

}  // namespace hanse::crypto::detail
