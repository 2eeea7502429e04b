#include "base/crypto/detail/edwards.h"

#include <memory>

namespace hanse::crypto::detail {
namespace {

constexpr Scalar kL{0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000};
// floor(2^512 / L), for Barrett's reduction.
constexpr std::array<std::uint64_t, 5> kMu{0xed9ce5a30a2c131b, 0x2106215d086329a7, 0xffffffffffffffeb,
                                           0xffffffffffffffff, 0xf};

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

Scalar reduce_wide(const std::uint8_t* bytes) {
  std::uint64_t x[8];
  for (int i = 0; i < 8; ++i) x[i] = load_le<std::uint64_t>(bytes + 8 * i);
  std::uint64_t product[13] = {};
  for (std::size_t i = 0; i < 8; ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < 5; ++j) {
      const U128 t = static_cast<U128>(x[i]) * kMu[j] + product[i + j] + carry;
      product[i + j] = static_cast<std::uint64_t>(t);
      carry = static_cast<std::uint64_t>(t >> 64);
    }
    product[i + 5] = carry;
  }
  // The quotient is at most two too small, so the remainder fits five limbs and two subtractions finish it.
  const std::uint64_t* q = product + 8;
  std::uint64_t ql[5] = {};
  for (std::size_t i = 0; i < 5; ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; i + j < 5; ++j) {
      const U128 t = static_cast<U128>(q[i]) * (j < 4 ? kL[j] : 0) + ql[i + j] + carry;
      ql[i + j] = static_cast<std::uint64_t>(t);
      carry = static_cast<std::uint64_t>(t >> 64);
    }
  }
  subtract_limbs(x, ql, 5);
  const std::uint64_t l[5] = {kL[0], kL[1], kL[2], kL[3], 0};
  for (;;) {
    std::uint64_t t[5] = {x[0], x[1], x[2], x[3], x[4]};
    if (subtract_limbs(t, l, 5)) return {x[0], x[1], x[2], x[3]};
    std::copy(t, t + 5, x);
  }
}

Scalar multiply_short(U128 a, const Scalar& b) {
  const std::uint64_t words[2] = {static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(a >> 64)};
  std::uint64_t product[8] = {};
  for (std::size_t i = 0; i < 2; ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const U128 t = static_cast<U128>(words[i]) * b[j] + product[i + j] + carry;
      product[i + j] = static_cast<std::uint64_t>(t);
      carry = static_cast<std::uint64_t>(t >> 64);
    }
    product[i + 4] = carry;
  }
  std::uint8_t bytes[64];
  for (std::size_t i = 0; i < 8; ++i) store_le(bytes + 8 * i, product[i]);
  return reduce_wide(bytes);
}

Scalar add_scalars(const Scalar& a, const Scalar& b) {
  Scalar sum;
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const U128 t = static_cast<U128>(a[i]) + b[i] + carry;
    sum[i] = static_cast<std::uint64_t>(t);
    carry = static_cast<std::uint64_t>(t >> 64);
  }
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
