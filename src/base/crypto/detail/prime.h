// A primality test that every machine answers alike: no random bases, so that two verifiers agree on each number.
#pragma once

#include "base/crypto/detail/bignum.h"

namespace hanse::crypto::detail {

// n odd and above 2^64. Trial division, Baillie-PSW (strong base 2, strong Lucas with Selfridge's parameters; Baillie and
// Wagstaff, "Lucas Pseudoprimes", 1980), then 40 strong tests with 64-bit bases from SHAKE256("hanse/vdf/base" || n).
bool is_prime(const BIGNUM* n, BN_CTX* ctx);

// The parts, for tests.
bool is_strong_probable_prime(const BIGNUM* n, std::uint64_t base, BN_CTX* ctx);
bool is_strong_lucas_probable_prime(const BIGNUM* n, BN_CTX* ctx);

}  // namespace hanse::crypto::detail
