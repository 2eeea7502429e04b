// The kernels of mont2048.h. Only what stands below the pragma is compiled for AVX-512: see mldsa_avx2.cc.
// Eight digits stand in one register, a block; a sum of products is carried when it becomes a factor. That a carry
// makes a digit overflow again happens once in some 2^40 random digits: the fast path carries once and tells whether
// that was enough; where it was not, the exact path does the same product again.
#include "base/crypto/detail/mont2048.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512ifma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512ifma")
#endif

#define HANSE_INLINE [[gnu::always_inline]] inline

namespace hanse::crypto::detail {
namespace {

using Block = __m512i;
constexpr int kBlocks = kDigits52 / kBlock52;  // of a residue

HANSE_INLINE Block zero() { return _mm512_setzero_si512(); }
HANSE_INLINE Block mask() { return _mm512_set1_epi64((1LL << 52) - 1); }
HANSE_INLINE Block low(Block sum, Block a, Block b) { return _mm512_madd52lo_epu64(sum, a, b); }
HANSE_INLINE Block high(Block sum, Block a, Block b) { return _mm512_madd52hi_epu64(sum, a, b); }
HANSE_INLINE Block load(const std::uint64_t* from) { return _mm512_load_si512(from); }
HANSE_INLINE Block same(const std::uint64_t* from) { return _mm512_set1_epi64(static_cast<long long>(*from)); }
// The block moved up by kBy digits, with the topmost ones of the block below.
template <int kBy>
HANSE_INLINE Block up(Block a, Block below) {
  return _mm512_alignr_epi64(a, below, 8 - kBy);
}

// Carries kCount blocks, lowest first; what leaves the topmost is `out`. Bits of `over` tell of digits that are still
// above the mask.
template <bool kExact, int kCount>
HANSE_INLINE void carry(Block* a, Block& out, unsigned& over) {
  unsigned above;
  out = zero();
  do {
    Block carried[kCount];
#pragma GCC unroll 5
    for (int k = 0; k < kCount; ++k) carried[k] = _mm512_srli_epi64(a[k], 52);
    above = 0;
#pragma GCC unroll 5
    for (int k = 0; k < kCount; ++k) {
      const Block from_below = up<1>(carried[k], k == 0 ? zero() : carried[k == 0 ? 0 : k - 1]);
      a[k] = _mm512_add_epi64(_mm512_and_si512(a[k], mask()), from_below);
      above |= _mm512_cmpgt_epu64_mask(a[k], mask());
    }
    out = _mm512_add_epi64(out, up<1>(zero(), carried[kCount - 1]));
  } while (kExact && above != 0);
  over |= above;
}

// t + the product of the eight digits and the number whose rows stand in the table. The lowest block is summed first,
// as others wait for it, and in four parts.
template <std::size_t kSize>
HANSE_INLINE Block lowest(Block t, const Block* digits, const Mont2048Tables::Rows<kSize>& rows) {
  Block sum[4] = {t, zero(), zero(), zero()};
#pragma GCC unroll 8
  for (std::size_t s = 0; s < kBlock52; ++s) {
    sum[s & 1] = low(sum[s & 1], digits[s], load(rows[s].data()));
    if (s < 7) sum[2 + (s & 1)] = high(sum[2 + (s & 1)], digits[s], load(rows[s + 1 < 8 ? s + 1 : 0].data()));
  }
  return _mm512_add_epi64(_mm512_add_epi64(sum[0], sum[1]), _mm512_add_epi64(sum[2], sum[3]));
}
HANSE_INLINE void others(Block* lows, Block* highs, const Block* digits,
                         const Mont2048Tables::Rows<kDigits52 + kBlock52>& rows) {
#pragma GCC unroll 5
  for (int k = 1; k <= kBlocks; ++k) {
#pragma GCC unroll 8
    for (std::size_t s = 0; s < kBlock52; ++s) {
      const int at = 8 * k;
      if (k < kBlocks || s > 0) lows[k] = low(lows[k], digits[s], load(rows[s].data() + at));
      if (s < 7) highs[k] = high(highs[k], digits[s], load(rows[s + 1 < 8 ? s + 1 : 0].data() + at));
      if (s == 7) highs[k] = high(highs[k], digits[s], load(rows[0].data() + at - 8));
    }
  }
}

HANSE_INLINE void spread(Block eight, Block* digits) {
  alignas(64) std::uint64_t kept[kBlock52];
  _mm512_store_si512(kept, eight);
  asm volatile("" : "+m"(kept));  // through memory: a load spreads a digit beside the multipliers
#pragma GCC unroll 8
  for (std::size_t s = 0; s < kBlock52; ++s) digits[s] = same(kept + s);
}

// What the blocks of b are multiplied by in a square, where each block j of digits meets only the blocks up to its own:
// those below it doubled, and its own with the bit that doubling hands up.
struct Doubled {
  Block below[kBlocks], own[kBlocks];
};
HANSE_INLINE Doubled doubled(const Block* b, unsigned& over) {
  Doubled out;
  Block bits = zero();
#pragma GCC unroll 5
  for (int k = 0; k < kBlocks; ++k) {
    const Block bits_below = bits;
    bits = _mm512_srli_epi64(b[k], 51);
    out.own[k] = _mm512_add_epi64(b[k], up<1>(zero(), bits_below));
    over |= _mm512_cmpgt_epu64_mask(out.own[k], mask());
    // (2b & mask) | the bits handed up
    out.below[k] = _mm512_ternarylogic_epi64(_mm512_slli_epi64(b[k], 1), up<1>(bits, bits_below), mask(), 0xec);
  }
  return out;
}

// The 80 digits of a * b, not carried. At each place p of a block: the low halves of the products with a's digits p,
// and the high halves of those with its digits p - 1. Even and odd places are summed apart, from the top.
template <bool kSquare>
HANSE_INLINE void whole(const std::uint64_t* a, const Block* b, Block* t, unsigned& over) {
  Doubled twice;
  if (kSquare) twice = doubled(b, over);
  Block sums[2][2 * kBlocks];
#pragma GCC unroll 10
  for (int k = 0; k < 2 * kBlocks; ++k) sums[0][k] = sums[1][k] = zero();
#pragma GCC unroll 8
  for (int p = 7; p >= 0; --p) {
    Block* sum = sums[p & 1];
    if (p < 6) {
#pragma GCC unroll 10
      for (int k = 2 * kBlocks - 1; k >= 0; --k) sum[k] = up<2>(sum[k], k == 0 ? zero() : sum[k == 0 ? 0 : k - 1]);
    }
#pragma GCC unroll 9
    for (int k = 0; k < 2 * kBlocks - 1; ++k) {
#pragma GCC unroll 5
      for (int j = 0; j < kBlocks; ++j) {
        const int i = k - j;
        if (i < 0 || i >= kBlocks || (kSquare && i > j)) continue;
        const Block factor = !kSquare ? b[i] : i < j ? twice.below[i] : twice.own[i];
        sum[k] = low(sum[k], same(a + 8 * j + p), factor);
        const int above = p == 0 ? 1 : 0;
        sum[k + above] = high(sum[k + above], same(a + 8 * j + (p + 7) % 8), factor);
      }
    }
  }
#pragma GCC unroll 10
  for (int k = 0; k < 2 * kBlocks; ++k)
    t[k] = _mm512_add_epi64(sums[0][k], up<1>(sums[1][k], k == 0 ? zero() : sums[1][k == 0 ? 0 : k - 1]));
}

// False when it has to be done exactly; out is then as before.
template <bool kSquare, bool kExact>
HANSE_INLINE bool product(const Mont2048Tables& n, const Residue2048& a, const Residue2048& b, Residue2048& out) {
  Block factor[kBlocks], t[2 * kBlocks + 1], highs[2 * kBlocks + 1], digits[kBlock52], carried;
#pragma GCC unroll 5
  for (int k = 0; k < kBlocks; ++k) factor[k] = load(b.digits.data() + 8 * k);
  unsigned over = 0;
  whole<kSquare>(a.digits.data(), factor, t, over);
  t[2 * kBlocks] = zero();
#pragma GCC unroll 11
  for (int k = 0; k <= 2 * kBlocks; ++k) highs[k] = zero();
#pragma GCC unroll 4
  for (int f = 0; f < 4; ++f) {
    Block* at = t + f;
    carry<kExact, 1>(at, carried, over);
    spread(at[0], digits);
    at[1] = _mm512_add_epi64(_mm512_add_epi64(at[1], highs[f + 1]), carried);
    at[1] = lowest(at[1], digits, n.fold);
    others(at + 1, highs + f + 1, digits, n.fold);
  }
  Block* at = t + 4;
  carry<kExact, 1>(at, carried, over);
  spread(at[0], digits);
  Block quotient = lowest(zero(), digits, n.minus_inverse), dropped;
  carry<kExact, 1>(&quotient, dropped, over);
  spread(quotient, digits);
  // The lowest block becomes a multiple of 2^416: its topmost digit, rounded up, is what it hands on.
  const Block gone = _mm512_srli_epi64(_mm512_add_epi64(lowest(at[0], digits, n.n), mask()), 52);
  others(at, highs + 4, digits, n.n);
#pragma GCC unroll 5
  for (int k = 1; k <= kBlocks; ++k) at[k] = _mm512_add_epi64(at[k], highs[4 + k]);
  at[1] = _mm512_add_epi64(at[1], _mm512_add_epi64(carried, up<1>(zero(), gone)));
  carry<kExact, kBlocks>(at + 1, dropped, over);
  if (!kExact && over != 0) return false;
#pragma GCC unroll 5
  for (int k = 0; k < kBlocks; ++k) _mm512_store_si512(out.digits.data() + 8 * k, at[k + 1]);
  return true;
}

[[gnu::noinline, gnu::cold]] void multiply_exactly(const Mont2048Tables& n, const Residue2048& a, const Residue2048& b,
                                                   Residue2048& out) {
  product<false, true>(n, a, b, out);
}

void multiply(const Mont2048Tables& n, const Residue2048& a, const Residue2048& b, Residue2048& out) {
  if (!product<false, false>(n, a, b, out)) multiply_exactly(n, a, b, out);
}

void square(const Mont2048Tables& n, Residue2048& a, std::uint64_t times) {
  for (; times > 0; --times)
    if (!product<true, false>(n, a, a, a)) multiply_exactly(n, a, a, a);
}

constexpr Mont2048Kernels kKernels{multiply, square};

}  // namespace

const Mont2048Kernels* mont2048_ifma() {
  static const bool there = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma");
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
const Mont2048Kernels* mont2048_ifma() { return nullptr; }
}  // namespace hanse::crypto::detail

#endif
