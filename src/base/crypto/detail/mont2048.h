// Montgomery arithmetic modulo one odd n of 2048 bits, for processors with AVX-512 IFMA (products of 52 bits). R =
// 2^2080. A residue has forty digits of 52 bits and is any number below 2^2064; what comes out is below 2n + 2^2048.
// How: the product's 80 digits lose the lowest eight four times, each time d goes and d * (2^-416 mod n) comes in eight
// digits higher; so no quotient is waited for but that of the fifth time, Montgomery's ("Modular multiplication without
// trial division", Math. Comp. 44, 1985) with digits of 416 bits. Public data: variable time.
// Threads: values; one Mont2048 serves many threads. Errors: none.
#pragma once

#include <array>

#include "base/crypto/detail/bignum.h"

namespace hanse::crypto::detail {

constexpr std::size_t kDigits52 = 40, kBlock52 = 8;

struct alignas(64) Residue2048 {
  std::array<std::uint64_t, kDigits52> digits{};  // lowest first, each below 2^52
};

// The row s of a table is its number moved up by s digits.
struct alignas(64) Mont2048Tables {
  template <std::size_t kSize>
  using Rows = std::array<std::array<std::uint64_t, kSize>, kBlock52>;
  Rows<kDigits52 + kBlock52> fold, n;  // 2^-416 modulo n; n
  Rows<kBlock52> minus_inverse;        // of n modulo 2^416, without what the row moves beyond
};

struct Mont2048Kernels {
  // a * b / R; out may be a or b.
  void (*multiply)(const Mont2048Tables& n, const Residue2048& a, const Residue2048& b, Residue2048& out);
  void (*square)(const Mont2048Tables& n, Residue2048& a, std::uint64_t times);
};
const Mont2048Kernels* mont2048_ifma();  // null: this processor has none

class Mont2048 {
 public:
  explicit Mont2048(const BIGNUM* n);  // there are kernels

  const Residue2048& one() const { return one_; }
  void multiply(Residue2048& a, const Residue2048& b) const { kernels_.multiply(tables_, a, b, a); }
  void square(Residue2048& a, std::uint64_t times) const { kernels_.square(tables_, a, times); }
  Residue2048 residue(const BIGNUM* a) const;  // of a below 2^2064
  BnPtr number(const Residue2048& a) const;    // below n
  // a^e * b^f modulo n, by Straus ("Addition chains of vectors", Amer. Math. Monthly 70, 1964) with sliding windows.
  BnPtr power2(const BIGNUM* a, const BIGNUM* e, const BIGNUM* b, const BIGNUM* f) const;

 private:
  Mont2048Kernels kernels_;
  BnPtr n_;
  Mont2048Tables tables_;
  Residue2048 one_, radix_squared_;
};

// The digits of a number below 2^2080, and back.
Residue2048 digits52(const BIGNUM* a);
BnPtr number52(const Residue2048& a);

}  // namespace hanse::crypto::detail
