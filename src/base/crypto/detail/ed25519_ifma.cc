// The kernels of ed25519_kernels.h for AVX-512 IFMA, eight lanes of 64 bits: eight hashes, sixteen decodings, eight
// windows at once. Only what stands below the pragma is compiled for AVX-512: see mldsa_avx2.cc.
// Field: five limbs of radix 2^51 as in field25519.h. A limb goes into a product by its low 52 bits, so every result is
// carried at once: limbs stay below 2^51 + 2^14. SHA-512 is FIPS 180-4, 6.4.
#include <algorithm>
#include <vector>

#include "base/crypto/detail/ed25519_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512ifma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512ifma")
#endif

#define HANSE_INLINE [[gnu::always_inline]] inline

namespace hanse::crypto::detail {
namespace {

constexpr std::size_t kLanes = 8;
using Word8 = __m512i;

HANSE_INLINE Word8 same(std::uint64_t v) { return _mm512_set1_epi64(static_cast<long long>(v)); }

struct Fe8 {
  Word8 v[5];
};

HANSE_INLINE Word8 times19(Word8 a) {
  return _mm512_add_epi64(_mm512_add_epi64(_mm512_slli_epi64(a, 4), _mm512_slli_epi64(a, 1)), a);
}

// Limbs below 2^60 become limbs below 2^51 + 2^14.
HANSE_INLINE Fe8 carry(const Fe8& a) {
  const Word8 mask = same(kFeMask);
  const Word8 c4 = _mm512_srli_epi64(a.v[4], 51);
  Fe8 out;
  out.v[0] = _mm512_madd52lo_epu64(_mm512_and_si512(a.v[0], mask), c4, same(19));
#pragma GCC unroll 4
  for (int i = 1; i < 5; ++i)
    out.v[i] = _mm512_add_epi64(_mm512_and_si512(a.v[i], mask), _mm512_srli_epi64(a.v[i - 1], 51));
  return out;
}

HANSE_INLINE Fe8 operator+(const Fe8& a, const Fe8& b) {
  Fe8 out;
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) out.v[i] = _mm512_add_epi64(a.v[i], b.v[i]);
  return carry(out);
}

HANSE_INLINE Fe8 operator-(const Fe8& a, const Fe8& b) {
  Fe8 out;  // a + 4p - b
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i)
    out.v[i] = _mm512_sub_epi64(_mm512_add_epi64(a.v[i], same(i == 0 ? 0x1fffffffffffb4 : 0x1ffffffffffffc)), b.v[i]);
  return carry(out);
}

// low[k] + 2 high[k] has weight 2^51k; what is beyond 2^255 comes back times 19.
HANSE_INLINE Fe8 reduce(const Word8* low, const Word8* high) {
  Word8 r[10];
#pragma GCC unroll 10
  for (int k = 0; k < 10; ++k) r[k] = _mm512_add_epi64(low[k], _mm512_add_epi64(high[k], high[k]));
  Fe8 out;
#pragma GCC unroll 5
  for (int k = 0; k < 5; ++k) out.v[k] = _mm512_add_epi64(r[k], times19(r[k + 5]));
  return carry(out);
}

HANSE_INLINE Fe8 operator*(const Fe8& a, const Fe8& b) {
  Word8 low[10], high[10];
#pragma GCC unroll 10
  for (int k = 0; k < 10; ++k) low[k] = high[k] = _mm512_setzero_si512();
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i)
#pragma GCC unroll 5
    for (int j = 0; j < 5; ++j) {
      low[i + j] = _mm512_madd52lo_epu64(low[i + j], a.v[i], b.v[j]);
      high[i + j + 1] = _mm512_madd52hi_epu64(high[i + j + 1], a.v[i], b.v[j]);
    }
  return reduce(low, high);
}

HANSE_INLINE Fe8 square(const Fe8& a) {
  Word8 low[10], high[10];
#pragma GCC unroll 10
  for (int k = 0; k < 10; ++k) low[k] = high[k] = _mm512_setzero_si512();
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i)
#pragma GCC unroll 5
    for (int j = i + 1; j < 5; ++j) {
      low[i + j] = _mm512_madd52lo_epu64(low[i + j], a.v[i], a.v[j]);
      high[i + j + 1] = _mm512_madd52hi_epu64(high[i + j + 1], a.v[i], a.v[j]);
    }
#pragma GCC unroll 10
  for (int k = 0; k < 10; ++k) {
    low[k] = _mm512_add_epi64(low[k], low[k]);
    high[k] = _mm512_add_epi64(high[k], high[k]);
  }
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) {
    low[2 * i] = _mm512_madd52lo_epu64(low[2 * i], a.v[i], a.v[i]);
    high[2 * i + 1] = _mm512_madd52hi_epu64(high[2 * i + 1], a.v[i], a.v[i]);
  }
  return reduce(low, high);
}

HANSE_INLINE Fe8 same(const Fe& a) { return {{same(a.v[0]), same(a.v[1]), same(a.v[2]), same(a.v[3]), same(a.v[4])}}; }

HANSE_INLINE Fe8 blend(__mmask8 mask, const Fe8& off, const Fe8& on) {
  Fe8 out;
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) out.v[i] = _mm512_mask_blend_epi64(mask, off.v[i], on.v[i]);
  return out;
}

// One lane's limb after another through memory: fields[f] of lane i is out[i * 5 * n + 5 * f ...].
HANSE_INLINE void spread(const Fe8* fields, std::size_t n, std::uint64_t* out) {
  alignas(64) std::uint64_t words[kLanes];
  for (std::size_t f = 0; f < 5 * n; ++f) {
    _mm512_store_si512(words, fields[f / 5].v[f % 5]);
    for (std::size_t lane = 0; lane < kLanes; ++lane) out[lane * 5 * n + f] = words[lane];
  }
}

// The canonical value, as fe_to_bytes finds it.
Fe8 canonical(const Fe8& a) {
  const Word8 mask = same(kFeMask);
  Fe8 t = carry(carry(carry(carry(carry(carry(a))))));
  Word8 q = _mm512_srli_epi64(_mm512_add_epi64(t.v[0], same(19)), 51);
  for (int i = 1; i < 5; ++i) q = _mm512_srli_epi64(_mm512_add_epi64(t.v[i], q), 51);
  t.v[0] = _mm512_add_epi64(t.v[0], times19(q));
  for (int i = 0; i < 4; ++i) {
    t.v[i + 1] = _mm512_add_epi64(t.v[i + 1], _mm512_srli_epi64(t.v[i], 51));
    t.v[i] = _mm512_and_si512(t.v[i], mask);
  }
  t.v[4] = _mm512_and_si512(t.v[4], mask);
  return t;
}

__mmask8 zeros(const Fe8& a) {
  const Fe8 t = canonical(a);
  const Word8 any =
      _mm512_or_si512(_mm512_or_si512(_mm512_or_si512(t.v[0], t.v[1]), _mm512_or_si512(t.v[2], t.v[3])), t.v[4]);
  return _mm512_testn_epi64_mask(any, any);
}

__mmask8 odds(const Fe8& a) { return _mm512_test_epi64_mask(canonical(a).v[0], same(1)); }

// Two at once: the chain of squares waits for products, not for the units that make them.
struct Fe16 {
  Fe8 a, b;
};
HANSE_INLINE Fe16 operator*(const Fe16& x, const Fe16& y) { return {x.a * y.a, x.b * y.b}; }
HANSE_INLINE Fe16 square(const Fe16& x) { return {square(x.a), square(x.b)}; }

Fe16 square_times(Fe16 x, int times) {
  for (int i = 0; i < times; ++i) x = square(x);
  return x;
}

// x^((p-5)/8), by the chain of field25519.cc.
Fe16 pow_p58(const Fe16& x) {
  const Fe16 x2 = square(x);
  const Fe16 x9 = square_times(x2, 2) * x;
  const Fe16 e5 = square(x9 * x2) * x9;
  const Fe16 e10 = square_times(e5, 5) * e5;
  const Fe16 e20 = square_times(e10, 10) * e10;
  const Fe16 e40 = square_times(e20, 20) * e20;
  const Fe16 e50 = square_times(e40, 10) * e10;
  const Fe16 e100 = square_times(e50, 50) * e50;
  const Fe16 e200 = square_times(e100, 100) * e100;
  return square_times(square_times(e200, 50) * e50, 2) * x;
}

// decode_point of edwards.cc before and after its power.
struct Half {
  Fe8 y, u, v, v3, base;
  __mmask8 sign = 0;

  explicit Half(const std::uint8_t* const* encoded) {
    alignas(64) std::uint64_t limbs[5][kLanes];
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const Fe fe = fe_from_bytes(encoded[lane]);
      for (std::size_t i = 0; i < 5; ++i) limbs[i][lane] = fe.v[i];
      sign = static_cast<__mmask8>(sign | (encoded[lane][31] >> 7) << lane);
    }
    for (std::size_t i = 0; i < 5; ++i) y.v[i] = _mm512_load_si512(limbs[i]);
    const Fe8 one = same(kFeOne), yy = square(y);
    u = yy - one;
    v = yy * same(kD) + one;
    v3 = square(v) * v;
    base = u * (square(v3) * v);
  }
  __mmask8 finish(const Fe8& power, NielsPoint* out) const {
    Fe8 x = u * v3 * power;
    const Fe8 vxx = square(x) * v;
    const __mmask8 good = zeros(vxx - u), turned = zeros(vxx + u);
    x = blend(good, x * same(kSqrtMinus1), x);
    const auto flip = static_cast<__mmask8>(odds(x) ^ sign);
    x = blend(flip, x, same(kFeZero) - x);
    const Fe8 niels[3] = {y + x, y - x, x * y * same(k2D)};
    spread(niels, 3, out[0].y_plus_x.v);
    return good | turned;
  }
};

void decode(std::span<const std::uint8_t* const> encoded, NielsPoint* out, std::uint8_t* ok) {
  static_assert(sizeof(NielsPoint) == 15 * sizeof(std::uint64_t));
  for (std::size_t at = 0; at < encoded.size(); at += 2 * kLanes) {
    const std::uint8_t* some[2 * kLanes];
    const std::size_t n = std::min(2 * kLanes, encoded.size() - at);
    for (std::size_t i = 0; i < 2 * kLanes; ++i) some[i] = encoded[at + std::min(i, n - 1)];
    const Half one(some), two(some + kLanes);
    const Fe16 power = pow_p58({one.base, two.base});
    NielsPoint points[2 * kLanes];
    const unsigned found = one.finish(power.a, points) | unsigned{two.finish(power.b, points + kLanes)} << kLanes;
    for (std::size_t i = 0; i < n; ++i) {
      out[at + i] = points[i];
      ok[at + i] = found >> i & 1;
    }
  }
}

struct Point8 {
  Fe8 x, y, z, t;
};

HANSE_INLINE Point8 from_completed(const Fe8& e, const Fe8& f, const Fe8& g, const Fe8& h) {
  return {e * f, g * h, f * g, e * h};
}

// Below 2^52 + 2^15: to be added to or taken from, not multiplied.
HANSE_INLINE Fe8 twice_loose(const Fe8& a) {
  Fe8 out;
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) out.v[i] = _mm512_add_epi64(a.v[i], a.v[i]);
  return out;
}

// p plus q, minus it in the lanes of `minus`.
HANSE_INLINE Point8 add(const Point8& p, const NielsPoint& q, __mmask8 minus) {
  const Fe8 plus = same(q.y_plus_x), less = same(q.y_minus_x);
  const Fe8 a = (p.y - p.x) * blend(minus, less, plus), b = (p.y + p.x) * blend(minus, plus, less);
  const Fe8 c = p.t * same(q.xy2d), d = twice_loose(p.z);
  const Fe8 down = d - c, up = d + c;
  return from_completed(b - a, blend(minus, down, up), blend(minus, up, down), b + a);
}

Point8 add(const Point8& p, const Point8& q) {
  const Fe8 a = (p.y - p.x) * (q.y - q.x), b = (p.y + p.x) * (q.y + q.x);
  const Fe8 c = p.t * q.t * same(k2D), d = twice_loose(p.z * q.z);
  return from_completed(b - a, d - c, d + c, b + a);
}

constexpr std::size_t kBucketWords = 24;  // four fields of five limbs, and up to whole cache lines

// Row i of eight words becomes column i.
HANSE_INLINE void transpose(Word8* r) {
  Word8 t[8], u[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm512_unpacklo_epi64(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi64(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i)
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; ++odd) {
      u[4 * i + odd] = _mm512_shuffle_i64x2(t[4 * i + odd], t[4 * i + 2 + odd], 0x88);
      u[4 * i + 2 + odd] = _mm512_shuffle_i64x2(t[4 * i + odd], t[4 * i + 2 + odd], 0xdd);
    }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i64x2(u[i], u[4 + i], 0x88);
    r[4 + i] = _mm512_shuffle_i64x2(u[i], u[4 + i], 0xdd);
  }
}

// Buckets of eight windows: those of one lane stand together, after the one that takes what is dropped.
class Buckets {
 public:
  using Places = std::array<std::uint64_t*, kLanes>;

  explicit Buckets(std::size_t each) : each_(each + 1), words_(each_ * kLanes * kBucketWords + kLanes) {
    first_ = words_.data();
    while (reinterpret_cast<std::uintptr_t>(first_) % 64 != 0) ++first_;
  }
  void clear() {
    std::fill(first_, first_ + each_ * kLanes * kBucketWords, 0);
    for (std::size_t b = 0; b < each_ * kLanes; ++b)  // y = z = 1
      first_[b * kBucketWords + 5] = first_[b * kBucketWords + 10] = 1;
  }
  // Of the bucket numbers, one a lane; 0 is the one that takes what is dropped.
  HANSE_INLINE Places places(Word8 bucket) const {
    const Word8 lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    const Word8 at = _mm512_add_epi64(_mm512_mul_epu32(lane, same(each_)), bucket);
    alignas(64) std::uint64_t words[kLanes];
    _mm512_store_si512(words, _mm512_mul_epu32(at, same(kBucketWords)));
    Places out;
    for (std::size_t i = 0; i < kLanes; ++i) out[i] = first_ + words[i];
    return out;
  }
  HANSE_INLINE static Point8 load(const Places& at) {
    Word8 w[kBucketWords];
#pragma GCC unroll 3
    for (std::size_t block = 0; block < 3; ++block) {
#pragma GCC unroll 8
      for (std::size_t i = 0; i < kLanes; ++i) w[8 * block + i] = _mm512_load_si512(at[i] + 8 * block);
      transpose(w + 8 * block);
    }
    return {{{w[0], w[1], w[2], w[3], w[4]}},
            {{w[5], w[6], w[7], w[8], w[9]}},
            {{w[10], w[11], w[12], w[13], w[14]}},
            {{w[15], w[16], w[17], w[18], w[19]}}};
  }
  HANSE_INLINE static void store(const Places& at, const Point8& p) {
    const Fe8* fields[] = {&p.x, &p.y, &p.z, &p.t};
    Word8 w[kBucketWords];
#pragma GCC unroll 24
    for (std::size_t i = 0; i < kBucketWords; ++i) w[i] = i < 20 ? fields[i / 5]->v[i % 5] : _mm512_setzero_si512();
#pragma GCC unroll 3
    for (std::size_t block = 0; block < 3; ++block) {
      transpose(w + 8 * block);
#pragma GCC unroll 8
      for (std::size_t i = 0; i < kLanes; ++i) _mm512_store_si512(at[i] + 8 * block, w[8 * block + i]);
    }
  }

 private:
  std::size_t each_;
  std::vector<std::uint64_t> words_;
  std::uint64_t* first_;
};

void window_sums(const WindowInput& in, Point* sums) {
  static_assert(sizeof(Point) == 20 * sizeof(std::uint64_t));
  const std::size_t each = std::size_t{1} << (in.width - 1);
  Buckets buckets(each);
  const Point8 identity{same(kFeZero), same(kFeOne), same(kFeOne), same(kFeZero)};
  for (std::size_t first = 0; first < in.windows; first += kLanes) {
    buckets.clear();
    const std::size_t n = first < in.short_windows ? in.points.size() : in.long_points;
    for (std::size_t i = 0; i < n; ++i) {
      const auto* digits = reinterpret_cast<const __m128i*>(in.digits + i * in.stride + first);
      const Word8 digit = _mm512_cvtepi16_epi64(_mm_loadu_si128(digits));
      const Buckets::Places at = buckets.places(_mm512_abs_epi64(digit));
      Buckets::store(at, add(Buckets::load(at), in.points[i], _mm512_movepi64_mask(digit)));
    }
    Point8 running = identity, total = identity;
    for (std::size_t b = each; b > 0; --b) {
      running = add(running, Buckets::load(buckets.places(same(b))));
      total = add(total, running);
    }
    Point lanes[kLanes];
    const Fe8 fields[] = {total.x, total.y, total.z, total.t};
    spread(fields, 4, lanes[0].x.v);
    std::copy_n(lanes, std::min(kLanes, in.windows - first), sums + first);
  }
}

// SHA-512 of r || a || message, eight at once.
alignas(64) constexpr std::uint64_t kRound[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
    0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
    0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
    0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
    0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
    0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
    0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817};
constexpr std::uint64_t kStart[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                     0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

constexpr std::size_t kBlock = 128;
std::size_t blocks_of(const HashInput& in) { return (64 + in.message.size() + 17 + kBlock - 1) / kBlock; }

// Block `number` of the padded text.
void padded_block(const HashInput& in, std::size_t number, std::uint8_t* out) {
  std::size_t at = 0;
  if (number == 0) {
    std::memcpy(out, in.r, 32);
    std::memcpy(out + 32, in.a, 32);
    at = 64;
  }
  const std::size_t from = number * kBlock + at - 64;  // of the message
  std::memset(out + at, 0, kBlock - at);
  if (from < in.message.size())
    std::memcpy(out + at, in.message.data() + from, std::min(kBlock - at, in.message.size() - from));
  if (from <= in.message.size() && in.message.size() < from + kBlock - at) out[at + in.message.size() - from] = 0x80;
  if (number + 1 == blocks_of(in)) store_be(out + kBlock - 8, std::uint64_t{64 + in.message.size()} * 8);
}

HANSE_INLINE Word8 xor3(Word8 a, Word8 b, Word8 c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }

void compress(Word8* state, __mmask8 lanes, const std::uint64_t (*words)[kLanes]) {
  Word8 w[16], s[8];
  for (int i = 0; i < 16; ++i) w[i] = _mm512_load_si512(words[i]);
  std::copy_n(state, 8, s);
#pragma GCC unroll 16
  for (int round = 0; round < 80; ++round) {
    const int at = round % 16;
    if (round >= 16) {
      const Word8 x = w[(at + 1) % 16], y = w[(at + 14) % 16];
      const Word8 s0 = xor3(_mm512_ror_epi64(x, 1), _mm512_ror_epi64(x, 8), _mm512_srli_epi64(x, 7));
      const Word8 s1 = xor3(_mm512_ror_epi64(y, 19), _mm512_ror_epi64(y, 61), _mm512_srli_epi64(y, 6));
      w[at] = _mm512_add_epi64(_mm512_add_epi64(w[at], s0), _mm512_add_epi64(w[(at + 9) % 16], s1));
    }
    const Word8 e1 = xor3(_mm512_ror_epi64(s[4], 14), _mm512_ror_epi64(s[4], 18), _mm512_ror_epi64(s[4], 41));
    const Word8 choice = _mm512_ternarylogic_epi64(s[4], s[5], s[6], 0xca);
    const Word8 t1 = _mm512_add_epi64(_mm512_add_epi64(_mm512_add_epi64(s[7], w[at]), same(kRound[round])),
                                      _mm512_add_epi64(e1, choice));
    const Word8 e0 = xor3(_mm512_ror_epi64(s[0], 28), _mm512_ror_epi64(s[0], 34), _mm512_ror_epi64(s[0], 39));
    const Word8 majority = _mm512_ternarylogic_epi64(s[0], s[1], s[2], 0xe8);
    const Word8 t2 = _mm512_add_epi64(e0, majority);
    s[7] = s[6];
    s[6] = s[5];
    s[5] = s[4];
    s[4] = _mm512_add_epi64(s[3], t1);
    s[3] = s[2];
    s[2] = s[1];
    s[1] = s[0];
    s[0] = _mm512_add_epi64(t1, t2);
  }
  for (int i = 0; i < 8; ++i) state[i] = _mm512_mask_add_epi64(state[i], lanes, state[i], s[i]);
}

void hash(std::span<const HashInput> inputs, FixedBytes<64>* out) {
  std::vector<std::size_t> order(inputs.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return blocks_of(inputs[a]) > blocks_of(inputs[b]); });
  for (std::size_t first = 0; first < order.size(); first += kLanes) {
    const std::size_t n = std::min(kLanes, order.size() - first);
    const std::size_t most = blocks_of(inputs[order[first]]);
    Word8 state[8];
    for (int i = 0; i < 8; ++i) state[i] = same(kStart[i]);
    for (std::size_t number = 0; number < most; ++number) {
      alignas(64) std::uint64_t words[16][kLanes] = {};
      unsigned lanes = 0;
      for (std::size_t lane = 0; lane < n; ++lane) {
        const HashInput& in = inputs[order[first + lane]];
        if (number >= blocks_of(in)) continue;
        lanes |= 1U << lane;
        std::uint8_t block[kBlock];
        padded_block(in, number, block);
        for (std::size_t i = 0; i < 16; ++i) words[i][lane] = load_be<std::uint64_t>(block + 8 * i);
      }
      compress(state, static_cast<__mmask8>(lanes), words);
    }
    alignas(64) std::uint64_t digest[8][kLanes];
    for (int i = 0; i < 8; ++i) _mm512_store_si512(digest[i], state[i]);
    for (std::size_t lane = 0; lane < n; ++lane)
      for (std::size_t i = 0; i < 8; ++i) store_be(out[order[first + lane]].data.data() + 8 * i, digest[i][lane]);
  }
}

constexpr Ed25519Kernels kKernels{"ifma", kLanes, hash, decode, window_sums};

}  // namespace

const Ed25519Kernels* ed25519_ifma() {
  static const bool there = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512ifma");
  return there ? &kKernels : nullptr;
}

}  // namespace hanse::crypto::detail

#undef HANSE_INLINE

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else

namespace hanse::crypto::detail {
const Ed25519Kernels* ed25519_ifma() { return nullptr; }
}  // namespace hanse::crypto::detail

#endif
