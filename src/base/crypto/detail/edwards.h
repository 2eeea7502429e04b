// The twisted Edwards curve -x^2 + y^2 = 1 + d x^2 y^2 over 2^255 - 19 and its scalars. Variable time: public data
// only. Formulas: Hisil, Wong, Carter, Dawson, "Twisted Edwards Curves Revisited" (ASIACRYPT 2008), extended
// coordinates, a = -1.
#pragma once

#include <array>

#include "base/crypto/detail/field25519.h"

namespace hanse::crypto::detail {

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

Scalar scalar_from_bytes(const std::uint8_t* bytes);  // 32 bytes, not reduced
bool scalar_is_canonical(const Scalar& s);            // s < L
Scalar reduce_wide(const std::uint8_t* bytes);        // 64 bytes little-endian, modulo L

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
