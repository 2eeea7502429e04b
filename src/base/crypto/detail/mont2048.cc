#include "base/crypto/detail/mont2048.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace hanse::crypto::detail {
namespace {

constexpr int kDigitBits = 52, kRadixBits = kDigitBits * kDigits52, kBlockBits = kDigitBits * kBlock52;
constexpr std::uint64_t kMask = (std::uint64_t{1} << kDigitBits) - 1;

template <std::size_t kSize>
Mont2048Tables::Rows<kSize> rows(const BIGNUM* a) {
  const Residue2048 digits = digits52(a);
  Mont2048Tables::Rows<kSize> out{};
  for (std::size_t s = 0; s < out.size(); ++s)
    std::copy_n(digits.digits.begin(), std::min(kSize - s, kDigits52), out[s].begin() + static_cast<std::ptrdiff_t>(s));
  return out;
}

BnPtr power_of_two(int bits) {
  BnPtr out = bn();
  must(BN_set_bit(out.get(), bits));
  return out;
}

// One base of a product of powers: its odd powers, and where the exponent's windows end.
class Windows {
 public:
  Windows(const Mont2048& m, const BIGNUM* base, const BIGNUM* exponent) {
    powers_[0] = m.residue(base);
    Residue2048 square = powers_[0];
    m.square(square, 1);
    for (std::size_t i = 1; i < powers_.size(); ++i) {
      powers_[i] = powers_[i - 1];
      m.multiply(powers_[i], square);
    }
    at_.resize(static_cast<std::size_t>(BN_num_bits(exponent)));
    for (int top = BN_num_bits(exponent); top-- > 0;) {
      if (BN_is_bit_set(exponent, top) == 0) continue;
      int end = std::max(0, top - kWidth + 1);
      while (BN_is_bit_set(exponent, end) == 0) ++end;
      std::uint8_t window = 0;
      for (int bit = top; bit >= end; --bit)
        window = static_cast<std::uint8_t>(window << 1 | BN_is_bit_set(exponent, bit));
      at_[static_cast<std::size_t>(end)] = window;
      top = end;
    }
  }
  std::size_t bits() const { return at_.size(); }
  const Residue2048* at(std::size_t bit) const {  // null: no window ends here
    return bit < at_.size() && at_[bit] != 0 ? &powers_[at_[bit] / 2] : nullptr;
  }

 private:
  static constexpr int kWidth = 5;
  std::array<Residue2048, 1 << (kWidth - 1)> powers_;
  std::vector<std::uint8_t> at_;
};

}  // namespace

Residue2048 digits52(const BIGNUM* a) {
  std::array<std::uint8_t, kRadixBits / 8 + 8> bytes{};
  check(BN_bn2lebinpad(a, bytes.data(), kRadixBits / 8) == kRadixBits / 8, "a residue has 2080 bits at most");
  Residue2048 out;
  for (std::size_t i = 0; i < kDigits52; ++i) {
    const std::size_t bit = kDigitBits * i;
    out.digits[i] = load_le<std::uint64_t>(bytes.data() + bit / 8) >> (bit % 8) & kMask;
  }
  return out;
}

BnPtr number52(const Residue2048& a) {
  std::array<std::uint8_t, kRadixBits / 8 + 8> bytes{};
  for (std::size_t i = 0; i < kDigits52; ++i) {
    std::uint8_t* at = bytes.data() + kDigitBits * i / 8;
    store_le(at, load_le<std::uint64_t>(at) | a.digits[i] << (kDigitBits * i % 8));
  }
  BnPtr out(BN_lebin2bn(bytes.data(), kRadixBits / 8, nullptr));
  check(out != nullptr, "memory for a big number");
  return out;
}

Mont2048::Mont2048(const BIGNUM* n) : kernels_(*mont2048_ifma()), n_(bn(n)) {
  check(BN_num_bits(n) == 2048 && BN_is_odd(n), "the modulus is odd and has 2048 bits");
  const BnCtxPtr ctx = bn_ctx();
  const BnPtr block = power_of_two(kBlockBits), inverse = bn();
  check(BN_mod_inverse(inverse.get(), block.get(), n, ctx.get()) != nullptr, "two is a unit modulo an odd number");
  tables_.fold = rows<kDigits52 + kBlock52>(inverse.get());
  tables_.n = rows<kDigits52 + kBlock52>(n);
  check(BN_mod_inverse(inverse.get(), n, block.get(), ctx.get()) != nullptr, "an odd number is a unit modulo 2^416");
  must(BN_sub(inverse.get(), block.get(), inverse.get()));
  tables_.minus_inverse = rows<kBlock52>(inverse.get());
  const BnPtr radix = power_of_two(kRadixBits), square = power_of_two(2 * kRadixBits);
  must(BN_nnmod(radix.get(), radix.get(), n, ctx.get()));
  must(BN_nnmod(square.get(), square.get(), n, ctx.get()));
  one_ = digits52(radix.get());
  radix_squared_ = digits52(square.get());
}

Residue2048 Mont2048::residue(const BIGNUM* a) const {
  Residue2048 out = digits52(a);
  multiply(out, radix_squared_);
  return out;
}

BnPtr Mont2048::number(const Residue2048& a) const {
  Residue2048 unit;
  unit.digits[0] = 1;
  multiply(unit, a);
  BnPtr out = number52(unit);
  while (BN_cmp(out.get(), n_.get()) >= 0) must(BN_sub(out.get(), out.get(), n_.get()));
  return out;
}

BnPtr Mont2048::power2(const BIGNUM* a, const BIGNUM* e, const BIGNUM* b, const BIGNUM* f) const {
  const std::array<Windows, 2> both{Windows(*this, a, e), Windows(*this, b, f)};
  Residue2048 power = one_;
  std::uint64_t squarings = 0;  // that are due
  for (std::size_t bit = std::max(both[0].bits(), both[1].bits()); bit-- > 0;) {
    ++squarings;
    for (const Windows& windows : both) {
      const Residue2048* times = windows.at(bit);
      if (times == nullptr) continue;
      square(power, std::exchange(squarings, 0));
      multiply(power, *times);
    }
  }
  square(power, squarings);
  return number(power);
}

}  // namespace hanse::crypto::detail
