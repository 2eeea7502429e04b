#include "base/crypto/detail/field25519.h"

namespace hanse::crypto::detail {
namespace {

Fe tight(const Fe& a) { return fe_carry(a.v[0], a.v[1], a.v[2], a.v[3], a.v[4]); }

struct Chain {
  Fe a11;      // a^11
  Fe a_2_250;  // a^(2^250 - 1)
};

// The addition chain of the reference implementation (ref10): 249 squarings and 11 products.
Chain chain(const Fe& a) {
  const Fe a2 = square(a);
  const Fe a9 = square_times(a2, 2) * a;
  const Fe a11 = a9 * a2;
  const Fe e5 = square(a11) * a9;
  const Fe e10 = square_times(e5, 5) * e5;
  const Fe e20 = square_times(e10, 10) * e10;
  const Fe e40 = square_times(e20, 20) * e20;
  const Fe e50 = square_times(e40, 10) * e10;
  const Fe e100 = square_times(e50, 50) * e50;
  const Fe e200 = square_times(e100, 100) * e100;
  return {a11, square_times(e200, 50) * e50};
}

}  // namespace

Fe square_times(Fe a, int times) {
  for (int i = 0; i < times; ++i) a = square(a);
  return a;
}

Fe invert(const Fe& a) {
  const Chain c = chain(a);
  return square_times(c.a_2_250, 5) * c.a11;
}

Fe pow_p58(const Fe& a) { return square_times(chain(a).a_2_250, 2) * a; }

Fe fe_from_bytes(const std::uint8_t* b) {
  return {{load_le<std::uint64_t>(b) & kFeMask, (load_le<std::uint64_t>(b + 6) >> 3) & kFeMask,
           (load_le<std::uint64_t>(b + 12) >> 6) & kFeMask, (load_le<std::uint64_t>(b + 19) >> 1) & kFeMask,
           (load_le<std::uint64_t>(b + 24) >> 12) & kFeMask}};
}

void fe_to_bytes(const Fe& a, std::uint8_t* out) {
  Fe t = tight(tight(a));
  // q = 1 exactly when t >= p: t + 19 then carries out of bit 255.
  std::uint64_t q = (t.v[0] + 19) >> 51;
  for (int i = 1; i < 5; ++i) q = (t.v[i] + q) >> 51;
  t.v[0] += 19 * q;
  for (int i = 0; i < 4; ++i) {
    t.v[i + 1] += t.v[i] >> 51;
    t.v[i] &= kFeMask;
  }
  t.v[4] &= kFeMask;
  store_le(out, t.v[0] | t.v[1] << 51);
  store_le(out + 8, t.v[1] >> 13 | t.v[2] << 38);
  store_le(out + 16, t.v[2] >> 26 | t.v[3] << 25);
  store_le(out + 24, t.v[3] >> 39 | t.v[4] << 12);
}

bool fe_is_zero(const Fe& a) {
  FixedBytes<32> bytes;
  fe_to_bytes(a, bytes.data.data());
  return bytes.is_zero();
}

bool fe_is_odd(const Fe& a) {
  std::uint8_t bytes[32];
  fe_to_bytes(a, bytes);
  return (bytes[0] & 1) != 0;
}

bool fe_equal(const Fe& a, const Fe& b) { return fe_is_zero(a - b); }

}  // namespace hanse::crypto::detail
