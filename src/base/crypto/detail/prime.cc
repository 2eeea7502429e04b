#include "base/crypto/detail/prime.h"

#include <algorithm>

#include "base/crypto/detail/keccak.h"
#include "base/crypto/detail/mont320.h"
#include "base/crypto/detail/strong_lanes.h"

namespace hanse::crypto::detail {
namespace {

constexpr int kRounds = 40;
constexpr int kLucasTries = 1000;  // half of all D fit; only perfect squares never do

constexpr std::uint16_t kSmallPrimes[] = {3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,  47,
                                          53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103, 107, 109,
                                          113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191,
                                          193, 197, 199, 211, 223, 227, 229, 233, 239, 241, 251};

std::uint64_t remainder(const U320& n, std::uint32_t divisor) {
  std::uint64_t rest = 0;
  for (std::size_t i = 5; i-- > 0;) {
    rest = (rest << 32 | n[i] >> 32) % divisor;
    rest = (rest << 32 | (n[i] & 0xffffffff)) % divisor;
  }
  return rest;
}

bool has_small_factor(const U320& n) {
  const std::size_t count = std::size(kSmallPrimes);
  for (std::size_t i = 0; i < count;) {
    std::uint64_t product = 1;  // as many primes as one 32-bit division carries
    std::size_t end = i;
    while (end < count && product * kSmallPrimes[end] <= 0xffffffff) product *= kSmallPrimes[end++];
    const std::uint64_t rest = remainder(n, static_cast<std::uint32_t>(product));
    for (; i < end; ++i)
      if (rest % kSmallPrimes[i] == 0) return u320_bits(n) > 8 || n[0] != kSmallPrimes[i];
  }
  return false;
}

bool strong_test(const Mont320& m, std::uint32_t base) {
  U320 minus_one = m.n();
  minus_one[0] -= 1;
  const int twos = u320_twos(minus_one);
  U320 negative_one;
  u320_sub(m.n(), m.one(), negative_one);
  // Left to right over the odd part: multiplying by a base of 24 bits is five word products.
  U320 power = Mont320::small(m.one(), base);
  for (int bit = u320_bits(minus_one) - 1; bit-- > twos;) {
    power = m.square(power);
    if (u320_bit(minus_one, bit)) power = Mont320::small(power, base);
  }
  power = m.canonical(power);
  if (power == m.one()) return true;
  for (int i = 0; i < twos; ++i) {
    if (power == negative_one) return true;
    power = m.canonical(m.square(power));
  }
  return false;
}

// The Jacobi symbol (d / n) for |d| small and n odd (Cohen, "A Course in Computational Algebraic Number
// Theory", 1.4.10).
int jacobi(std::int64_t d, const U320& n) {
  std::uint64_t a = static_cast<std::uint64_t>(d < 0 ? -d : d);
  int sign = d < 0 && n[0] % 4 == 3 ? -1 : 1;
  const int twos = std::countr_zero(a);
  a >>= twos;
  if (twos % 2 == 1 && (n[0] % 8 == 3 || n[0] % 8 == 5)) sign = -sign;
  if (a % 4 == 3 && n[0] % 4 == 3) sign = -sign;
  std::uint64_t b = a;  // now (n mod b / b)
  a = remainder(n, static_cast<std::uint32_t>(b));
  while (a != 0) {
    const int t = std::countr_zero(a);
    a >>= t;
    if (t % 2 == 1 && (b % 8 == 3 || b % 8 == 5)) sign = -sign;
    if (a % 4 == 3 && b % 4 == 3) sign = -sign;
    std::swap(a, b);
    a %= b;
  }
  return b == 1 ? sign : 0;
}

// Selfridge's method A: the first of 5, -7, 9, -11, ... that is no square modulo n; 0 when none is found.
std::int64_t find_d(const U320& n) {
  std::int64_t d = 5;
  for (int i = 0; i < kLucasTries; ++i) {
    if (jacobi(d, n) == -1) return d;
    d = d < 0 ? -d + 2 : -d - 2;
  }
  return 0;
}

// Lucas sequences U, V and Q^k modulo n, P = 1.
class Lucas {
 public:
  Lucas(const Mont320& m, std::int64_t d)
      : m_(m), d_(residue(d)), q_(residue((1 - d) / 4)), u_(m.one()), v_(m.one()), qk_(q_) {}

  void twice() {  // from k to 2k
    u_ = m_.mul(u_, v_);
    v_ = m_.sub(m_.sub(m_.square(v_), qk_), qk_);
    qk_ = m_.square(qk_);
  }
  void next() {  // from k to k + 1
    const U320 du_v = m_.add(m_.mul(d_, u_), v_);
    u_ = m_.half(m_.add(u_, v_));
    v_ = m_.half(du_v);
    qk_ = m_.mul(qk_, q_);
  }
  bool u_is_zero() const { return m_.canonical(u_) == U320{}; }
  bool v_is_zero() const { return m_.canonical(v_) == U320{}; }

 private:
  U320 residue(std::int64_t value) const {
    const auto size = static_cast<std::uint32_t>(value < 0 ? -value : value);
    const U320 positive = m_.canonical(Mont320::small(m_.one(), size));
    return value < 0 ? m_.sub(U320{}, positive) : positive;
  }

  const Mont320& m_;
  U320 d_, q_, u_, v_, qk_;
};

bool lucas_test(const Mont320& m) {
  const std::int64_t d = find_d(m.n());
  if (d == 0) return false;
  U320 one{1};
  const U320 plus_one = u320_add(m.n(), one);
  const int twos = u320_twos(plus_one);
  Lucas lucas(m, d);
  for (int bit = u320_bits(plus_one) - 1; bit-- > twos;) {
    lucas.twice();
    if (u320_bit(plus_one, bit)) lucas.next();
  }
  if (lucas.u_is_zero()) return true;
  for (int i = 0; i < twos; ++i) {
    if (lucas.v_is_zero()) return true;
    lucas.twice();
  }
  return false;
}

}  // namespace

U320 u320_from_be(ByteView big_endian) {
  check(big_endian.size() <= 40, "a 320-bit number has at most 40 bytes");
  U320 out{};
  for (std::size_t i = 0; i < big_endian.size(); ++i)
    out[i / 8] |= static_cast<std::uint64_t>(big_endian[big_endian.size() - 1 - i]) << (8 * (i % 8));
  return out;
}

std::array<std::uint8_t, 40> u320_to_be(const U320& n) {
  std::array<std::uint8_t, 40> out;
  for (std::size_t i = 0; i < 5; ++i) store_be(out.data() + 8 * i, n[4 - i]);
  return out;
}

bool is_strong_probable_prime(const U320& n, std::uint32_t base) { return strong_test(Mont320(n), base); }
bool is_strong_lucas_probable_prime(const U320& n) { return lucas_test(Mont320(n)); }

namespace {

// What is asked of a number that has no small factor and passes the strong test to base 2.
bool passes_the_rest(const Mont320& m) {
  const U320& n = m.n();
  if (!lucas_test(m)) return false;
  Shake256 bases;
  bases.absorb(as_bytes("hanse/vdf/base"));
  std::uint8_t bytes[40];
  for (std::size_t i = 0; i < 5; ++i) store_le(bytes + 8 * i, n[i]);
  bases.absorb(bytes);
  std::array<StrongTest, kRounds> tests;
  for (StrongTest& test : tests) {
    std::uint8_t b[3];
    bases.squeeze(b);
    test = {.number = n, .base = static_cast<std::uint32_t>(b[0] | 2 | b[1] << 8 | b[2] << 16)};
  }
  if (lane_kernel() != nullptr && u320_bits(n) == kLaneBits)
    return strong_probable_primes(tests) == (std::uint64_t{1} << kRounds) - 1;
  return std::ranges::all_of(tests, [&](const StrongTest& test) { return strong_test(m, test.base); });
}

}  // namespace

bool is_prime(const U320& n) {
  if (has_small_factor(n)) return false;
  const Mont320 m(n);
  return strong_test(m, 2) && passes_the_rest(m);
}

U320 first_prime(const std::function<U320()>& next) {
  constexpr std::size_t kTogether = 16;  // about as many are tested until one is prime
  while (true) {
    std::array<StrongTest, kTogether> tests;
    for (std::size_t found = 0; found < kTogether;) {
      tests[found].number = next();
      if (has_small_factor(tests[found].number)) continue;
      ++found;
      if (lane_kernel() != nullptr) continue;
      if (const Mont320 m(tests[--found].number); strong_test(m, 2) && passes_the_rest(m)) return m.n();
    }
    const std::uint64_t passed = strong_probable_primes(tests);
    for (std::size_t i = 0; i < kTogether; ++i)
      if ((passed >> i & 1) != 0 && passes_the_rest(Mont320(tests[i].number))) return tests[i].number;
  }
}

}  // namespace hanse::crypto::detail
