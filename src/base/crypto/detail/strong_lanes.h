// Strong probable-prime tests of many numbers at once, for processors with AVX-512 IFMA (products of 52 bits): many
// bases of one number, or many candidates. The same answers as is_strong_probable_prime. Public data: variable time.
// Threads: values. Limits: numbers of exactly kLaneBits bits, at most kTestsMax. Errors: none.
#pragma once

#include <array>
#include <span>

#include "base/crypto/detail/prime.h"

namespace hanse::crypto::detail {

constexpr std::size_t kLanes = 8, kLimbs52 = 6, kTestsMax = 64;
constexpr int kLaneBits = 264;

using LaneWord = std::array<std::uint64_t, kLanes>;  // one limb of every lane

struct alignas(64) LaneState {
  std::array<LaneWord, kLimbs52> n, r;  // the number; a residue below 2^290, times 2^364
  LaneWord minus_inverse, base;         // of n modulo 2^52; below 2^24
};
// For each bit of n from `from` down to `to`: r squared, times base where the bit is set. Two states at once take
// little longer than one.
using LaneKernel = void (*)(LaneState& one, LaneState& other, int from, int to);
LaneKernel lane_kernel();  // null: this processor has none

struct StrongTest {
  U320 number;
  std::uint32_t base = 2;
};
std::uint64_t strong_probable_primes(std::span<const StrongTest> tests);  // bit i: test i passes. There is a kernel

}  // namespace hanse::crypto::detail
