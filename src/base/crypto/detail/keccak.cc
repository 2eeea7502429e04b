#include "base/crypto/detail/keccak.h"

#include <algorithm>
#include <bit>

namespace hanse::crypto::detail {
namespace {

constexpr std::uint64_t kRound[24] = {0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
                                      0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
                                      0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
                                      0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
                                      0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
                                      0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

// rho offsets in the order in which pi visits the lanes, starting from lane 1 (FIPS 202, 3.2.2 and 3.2.3).
constexpr int kTurn[24] = {1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44};
constexpr std::size_t kNext[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                   15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};

void permute(std::array<std::uint64_t, 25>& state) {
  std::uint64_t a[25];
  std::copy(state.begin(), state.end(), a);
  for (const std::uint64_t constant : kRound) {
    std::uint64_t c[5], d[5];
#pragma GCC unroll 5
    for (std::size_t x = 0; x < 5; ++x) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#pragma GCC unroll 5
    for (std::size_t x = 0; x < 5; ++x) d[x] = c[(x + 4) % 5] ^ std::rotl(c[(x + 1) % 5], 1);
#pragma GCC unroll 25
    for (std::size_t i = 0; i < 25; ++i) a[i] ^= d[i % 5];
    std::uint64_t moving = a[1];
#pragma GCC unroll 24
    for (std::size_t i = 0; i < 24; ++i) {
      const std::uint64_t there = a[kNext[i]];
      a[kNext[i]] = std::rotl(moving, kTurn[i]);
      moving = there;
    }
#pragma GCC unroll 5
    for (std::size_t y = 0; y < 25; y += 5) {
      const std::uint64_t r0 = a[y], r1 = a[y + 1], r2 = a[y + 2], r3 = a[y + 3], r4 = a[y + 4];
      a[y] = r0 ^ (~r1 & r2);
      a[y + 1] = r1 ^ (~r2 & r3);
      a[y + 2] = r2 ^ (~r3 & r4);
      a[y + 3] = r3 ^ (~r4 & r0);
      a[y + 4] = r4 ^ (~r0 & r1);
    }
    a[0] ^= constant;
  }
  std::copy(a, a + 25, state.begin());
}

}  // namespace

template <std::size_t Rate>
void Shake<Rate>::absorb(ByteView data) {
  for (std::size_t i = 0; i < data.size();) {
    if (at_ % 8 == 0 && data.size() - i >= 8) {
      state_[at_ / 8] ^= load_le<std::uint64_t>(data.data() + i);
      at_ += 8;
      i += 8;
    } else {
      state_[at_ / 8] ^= static_cast<std::uint64_t>(data[i]) << (8 * (at_ % 8));
      ++at_;
      ++i;
    }
    if (at_ == Rate) {
      permute(state_);
      at_ = 0;
    }
  }
}

template <std::size_t Rate>
void Shake<Rate>::pad() {
  state_[at_ / 8] ^= std::uint64_t{0x1f} << (8 * (at_ % 8));
  state_[Rate / 8 - 1] ^= std::uint64_t{1} << 63;
  at_ = Rate;
  squeezing_ = true;
}

template <std::size_t Rate>
void Shake<Rate>::squeeze(ByteSpan out) {
  if (!squeezing_) pad();
  for (std::size_t i = 0; i < out.size();) {
    if (at_ == Rate) {
      permute(state_);
      at_ = 0;
    }
    if (at_ % 8 == 0 && out.size() - i >= 8) {
      store_le(out.data() + i, state_[at_ / 8]);
      at_ += 8;
      i += 8;
    } else {
      out[i++] = static_cast<std::uint8_t>(state_[at_ / 8] >> (8 * (at_ % 8)));
      ++at_;
    }
  }
}

template class Shake<168>;
template class Shake<136>;

}  // namespace hanse::crypto::detail
