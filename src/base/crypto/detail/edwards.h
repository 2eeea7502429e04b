// The twisted Edwards curve -x^2 + y^2 = 1 + d x^2 y^2 over 2^255 - 19 and its scalars. Variable time: public data
// only. Formulas: Hisil, Wong, Carter, Dawson, "Twisted Edwards Curves Revisited" (ASIACRYPT 2008), extended
// coordinates, a = -1.
#pragma once

#include <array>

#include "base/crypto/detail/field25519.h"

namespace hanse::crypto::detail {

// d, 2d and a root of -1.
constexpr Fe kD{{0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff}};
constexpr Fe k2D{{0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff}};
constexpr Fe kSqrtMinus1{{0x61b274a0ea0b0, 0x0d5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d}};

struct Point {  // x = X/Z, y = Y/Z, T = XY/Z
  Fe x, y, z, t;
};

constexpr Point kIdentity{kFeZero, kFeOne, kFeOne, kFeZero};

struct CachedPoint {  // ready to be added
  Fe y_plus_x, y_minus_x, z, t2d;
};

struct NielsPoint {  // the same with Z = 1
  Fe y_plus_x, y_minus_x, xy2d;
};

using Scalar = std::array<std::uint64_t, 4>;  // little-endian limbs

// ZIP-215 decoding: y may be p or more, "-0" is x = 0; false only when no curve point has this y.
bool decode_point(const std::uint8_t* encoded, Point& out);
Point negate(const Point& p);
CachedPoint cache(const Point& p);
NielsPoint affine_niels(const Point& p);  // of a point with Z = 1
Point add(const Point& p, const CachedPoint& q);
Point subtract(const Point& p, const CachedPoint& q);
Point add(const Point& p, const NielsPoint& q);
Point subtract(const Point& p, const NielsPoint& q);
Point double_times(const Point& p, int times);
bool is_identity(const Point& p);
Point base_point();

Scalar scalar_from_bytes(const std::uint8_t* bytes);         // 32 bytes, not reduced
bool scalar_is_canonical(const Scalar& s);                   // s < L
Scalar reduce_wide(const std::uint8_t* bytes);               // 64 bytes little-endian, modulo L
Scalar reduce_words(const std::array<std::uint64_t, 8>& x);  // the same of limbs

Scalar multiply_short(U128 a, const Scalar& b);        // a * b modulo L
Scalar add_scalars(const Scalar& a, const Scalar& b);  // modulo L, of two below L
Scalar negate_scalar(const Scalar& a);                 // modulo L, of one below L

// Odd multiples 1P, 3P, ... 15P of P and of 2^127 P: a scalar is cut in halves that share their doublings.
struct PointTable {
  std::array<CachedPoint, 8> low, high;
};
PointTable make_table(const Point& p);

// s*B + k*P for the point P of the table; s and k below 2^253.
Point double_base(const Scalar& s, const Scalar& k, const PointTable& table);

}  // namespace hanse::crypto::detail
