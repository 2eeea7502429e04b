// A primality test that every machine answers alike: no random bases, so that two verifiers agree on each number.
// Numbers are odd, above 3 and have at most 266 bits. Public data: variable time.
#pragma once

#include <array>
#include <functional>

#include "base/core/bytes.h"

namespace hanse::crypto::detail {

using U320 = std::array<std::uint64_t, 5>;  // little-endian limbs

U320 u320_from_be(ByteView big_endian);  // at most 40 bytes
std::array<std::uint8_t, 40> u320_to_be(const U320& n);

// Trial division by primes below 256, Baillie-PSW (strong base 2, strong Lucas with Selfridge's parameters; Baillie and
// Wagstaff, "Lucas Pseudoprimes", 1980), then 40 strong tests with 24-bit bases from SHAKE256("hanse/vdf/base" || n as
// 40 bytes little-endian): three bytes a base, little-endian, with bit 1 set.
bool is_prime(const U320& n);
// The first prime of those that `next` gives, numbers of 264 bits. More may be taken from it than are needed.
U320 first_prime(const std::function<U320()>& next);

// The parts, for tests. A base is below 2^24.
bool is_strong_probable_prime(const U320& n, std::uint32_t base);
bool is_strong_lucas_probable_prime(const U320& n);

}  // namespace hanse::crypto::detail
