#include "base/crypto/detail/prime.h"

#include "base/crypto/detail/keccak.h"

namespace hanse::crypto::detail {
namespace {

constexpr int kRounds = 40;
constexpr int kLucasTries = 1000;  // half of all D fit; only perfect squares never do

constexpr std::uint16_t kSmallPrimes[] = {
    3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,  47,  53,  59,  61,  67,  71,  73,
    79,  83,  89,  97,  101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179,
    181, 191, 193, 197, 199, 211, 223, 227, 229, 233, 239, 241, 251, 257, 263, 269, 271, 277, 281, 283};

bool has_small_factor(const BIGNUM* n) {
  for (const std::uint16_t p : kSmallPrimes)
    if (BN_mod_word(n, p) == 0) return true;
  return false;
}

// n - 1 = odd * 2^twos, and what the strong test needs of n.
class StrongTest {
 public:
  StrongTest(const BIGNUM* n, BN_CTX* ctx)
      : ctx_(ctx), mont_(bn_mont(n, ctx)), minus_one_(bn(n)), odd_(bn()), n_minus_one_mont_(bn()), one_mont_(bn()) {
    must(BN_sub_word(minus_one_.get(), 1));
    while (!BN_is_bit_set(minus_one_.get(), twos_)) ++twos_;
    must(BN_rshift(odd_.get(), minus_one_.get(), twos_));
    must(BN_to_montgomery(n_minus_one_mont_.get(), minus_one_.get(), mont_.get(), ctx));
    must(BN_to_montgomery(one_mont_.get(), BN_value_one(), mont_.get(), ctx));
  }

  bool passes(std::uint64_t base) {
    // Left to right; a step that multiplies by the base is a product with a one-word number.
    const BnPtr a = bn_word(base), power = bn();
    must(BN_to_montgomery(a.get(), a.get(), mont_.get(), ctx_));
    check(BN_copy(power.get(), a.get()) != nullptr, "memory for a copy");
    for (int bit = BN_num_bits(odd_.get()) - 1; bit-- > 0;) {
      square(power.get());
      if (BN_is_bit_set(odd_.get(), bit)) must(BN_mod_mul_montgomery(power.get(), power.get(), a.get(), mont_.get(), ctx_));
    }
    if (BN_cmp(power.get(), one_mont_.get()) == 0) return true;
    for (int i = 0; i < twos_; ++i) {
      if (BN_cmp(power.get(), n_minus_one_mont_.get()) == 0) return true;
      square(power.get());
    }
    return false;
  }

 private:
  void square(BIGNUM* v) { must(BN_mod_mul_montgomery(v, v, v, mont_.get(), ctx_)); }

  BN_CTX* ctx_;
  MontPtr mont_;
  BnPtr minus_one_, odd_, n_minus_one_mont_, one_mont_;
  int twos_ = 0;
};

// Selfridge's method A: the first of 5, -7, 9, -11, ... that is no square modulo n. 0 when none is found.
long find_d(const BIGNUM* n, BN_CTX* ctx) {
  const BnPtr d = bn();
  long value = 5;
  for (int i = 0; i < kLucasTries; ++i) {
    must(BN_set_word(d.get(), static_cast<BN_ULONG>(value < 0 ? -value : value)));
    BN_set_negative(d.get(), value < 0);
    const int jacobi = BN_kronecker(d.get(), n, ctx);
    if (jacobi == -1) return value;
    value = value < 0 ? -value + 2 : -value - 2;
  }
  return 0;
}

// Lucas sequences modulo n in Montgomery form, P = 1.
class Lucas {
 public:
  Lucas(const BIGNUM* n, long d, BN_CTX* ctx)
      : n_(n), ctx_(ctx), mont_(bn_mont(n, ctx)), d_(residue(d)), q_(residue((1 - d) / 4)), u_(residue(1)), v_(residue(1)),
        qk_(bn(q_.get())), t_(bn()) {}

  void twice() {  // U, V, Q^k from k to 2k
    mul(u_.get(), u_.get(), v_.get());
    mul(v_.get(), v_.get(), v_.get());
    must(BN_mod_sub_quick(v_.get(), v_.get(), qk_.get(), n_));
    must(BN_mod_sub_quick(v_.get(), v_.get(), qk_.get(), n_));
    mul(qk_.get(), qk_.get(), qk_.get());
  }
  void next() {  // from k to k + 1
    mul(t_.get(), d_.get(), u_.get());
    must(BN_mod_add_quick(t_.get(), t_.get(), v_.get(), n_));  // D U + V
    must(BN_mod_add_quick(u_.get(), u_.get(), v_.get(), n_));  // U + V
    halve(u_.get());
    halve(t_.get());
    std::swap(v_, t_);
    mul(qk_.get(), qk_.get(), q_.get());
  }
  bool u_is_zero() const { return BN_is_zero(u_.get()); }
  bool v_is_zero() const { return BN_is_zero(v_.get()); }

 private:
  BnPtr residue(long value) {
    BnPtr r = bn_word(static_cast<BN_ULONG>(value < 0 ? -value : value));
    must(BN_nnmod(r.get(), r.get(), n_, ctx_));
    if (value < 0 && !BN_is_zero(r.get())) must(BN_sub(r.get(), n_, r.get()));
    must(BN_to_montgomery(r.get(), r.get(), mont_.get(), ctx_));
    return r;
  }
  void mul(BIGNUM* r, const BIGNUM* a, const BIGNUM* b) { must(BN_mod_mul_montgomery(r, a, b, mont_.get(), ctx_)); }
  void halve(BIGNUM* a) {
    if (BN_is_odd(a)) must(BN_add(a, a, n_));
    must(BN_rshift1(a, a));
  }

  const BIGNUM* n_;
  BN_CTX* ctx_;
  MontPtr mont_;
  BnPtr d_, q_, u_, v_, qk_, t_;
};

}  // namespace

bool is_strong_probable_prime(const BIGNUM* n, std::uint64_t base, BN_CTX* ctx) { return StrongTest(n, ctx).passes(base); }

bool is_strong_lucas_probable_prime(const BIGNUM* n, BN_CTX* ctx) {
  const long d = find_d(n, ctx);
  if (d == 0) return false;
  const BnPtr plus_one = bn(n), odd = bn();
  must(BN_add_word(plus_one.get(), 1));
  int twos = 0;
  while (!BN_is_bit_set(plus_one.get(), twos)) ++twos;
  must(BN_rshift(odd.get(), plus_one.get(), twos));
  Lucas lucas(n, d, ctx);
  for (int bit = BN_num_bits(odd.get()) - 1; bit-- > 0;) {
    lucas.twice();
    if (BN_is_bit_set(odd.get(), bit)) lucas.next();
  }
  if (lucas.u_is_zero()) return true;
  for (int i = 0; i < twos; ++i) {
    if (lucas.v_is_zero()) return true;
    lucas.twice();
  }
  return false;
}

bool is_prime(const BIGNUM* n, BN_CTX* ctx) {
  if (has_small_factor(n)) return false;
  StrongTest test(n, ctx);
  if (!test.passes(2) || !is_strong_lucas_probable_prime(n, ctx)) return false;
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(n)));
  BN_bn2bin(n, bytes.data());
  Shake256 bases;
  bases.absorb(as_bytes("hanse/vdf/base"));
  bases.absorb(bytes);
  for (int i = 0; i < kRounds; ++i) {
    std::uint8_t base[8];
    bases.squeeze(base);
    if (!test.passes(load_le<std::uint64_t>(base) | 2)) return false;
  }
  return true;
}

}  // namespace hanse::crypto::detail
