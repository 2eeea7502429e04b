#include "exchange/proof/detail/field.h"

#include "base/core/random.h"
#include "exchange/proof/detail/ntt.h"

#include <gtest/gtest.h>
#include <set>

namespace hanse::proof {
namespace {

std::uint64_t slow_mod(UInt128 wide) { return static_cast<std::uint64_t>(wide % kPrime); }

TEST(Field, reduces_like_a_division) {
  SeededRandom random(1);
  const std::uint64_t edges[] = {0, 1, kEpsilon, kEpsilon + 1, kPrime - 1, kPrime, kPrime + 1, ~std::uint64_t{0}};
  for (const std::uint64_t high : edges)
    for (const std::uint64_t low : edges) {
      const UInt128 wide = static_cast<UInt128>(high) << 64 | low;
      EXPECT_EQ(reduce(wide).v, slow_mod(wide)) << high << " " << low;
    }
  for (int i = 0; i < 100'000; ++i) {
    const UInt128 wide = static_cast<UInt128>(random.next_u64()) << 64 | random.next_u64();
    ASSERT_EQ(reduce(wide).v, slow_mod(wide));
    const std::uint64_t a = random.next_u64() % kPrime, b = random.next_u64() % kPrime;
    ASSERT_EQ((Fp{a} + Fp{b}).v, slow_mod(static_cast<UInt128>(a) + b));
    ASSERT_EQ((Fp{a} - Fp{b} + Fp{b}).v, a);
  }
}

TEST(Field, takes_signed_numbers) {
  EXPECT_EQ(from_int(-1).v, kPrime - 1);
  EXPECT_EQ(from_int(INT64_MIN / 2) + from_int(-(INT64_MIN / 2)), Fp{0});
  const Int128 wide = -(static_cast<Int128>(1) << 96);
  EXPECT_EQ(from_wide(wide).v, 1u);  // 2^96 = -1
}

TEST(Field, pairs_are_a_field) {
  EXPECT_EQ(power({7}, (kPrime - 1) / 2), (Fp{kPrime - 1}));  // 7 is no square
  EXPECT_EQ((Ext{{0}, {1}} * Ext{{0}, {1}}), lift({7}));
  SeededRandom random(2);
  const auto draw = [&] { return Ext{{random.next_u64() % kPrime}, {random.next_u64() % kPrime}}; };
  for (int i = 0; i < 1000; ++i) {
    const Ext x = draw(), y = draw(), z = draw();
    ASSERT_EQ(x * y, y * x);
    ASSERT_EQ((x * y) * z, x * (y * z));
    ASSERT_EQ(x * (y + z), x * y + x * z);
  }
}

TEST(Encoder, gives_the_values_of_the_polynomial_at_all_roots_of_unity) {
  SeededRandom random(3);
  for (const unsigned log2 : {0u, 1u, 4u}) {
    const Encoder encoder(log2);
    std::vector<Fp> message(std::size_t{1} << log2), word(encoder.size());
    for (Fp& m : message) m = {random.next_u64() % kPrime};
    encoder.encode(message, word);
    std::multiset<std::uint64_t> want, got;
    const Fp root = power({7}, (kPrime - 1) / encoder.size());
    for (std::size_t i = 0; i < encoder.size(); ++i) {
      Fp sum;
      for (std::size_t j = message.size(); j-- > 0;) sum = sum * power(root, i) + message[j];
      want.insert(sum.v);
      got.insert(word[i].v);
    }
    EXPECT_EQ(got, want) << log2;
    EXPECT_EQ(power(root, encoder.size() / 2), (Fp{kPrime - 1}));
  }
}

TEST(Encoder, is_linear_over_pairs) {
  SeededRandom random(4);
  const Encoder encoder(3);
  std::vector<Fp> a(8), b(8), wa(32), wb(32);
  std::vector<Ext> both(8);
  for (std::size_t i = 0; i < 8; ++i) {
    a[i] = {random.next_u64() % kPrime};
    b[i] = {random.next_u64() % kPrime};
    both[i] = {a[i], b[i]};
  }
  encoder.encode(a, wa);
  encoder.encode(b, wb);
  const std::vector<Ext> word = encoder.encode(both);
  for (std::size_t i = 0; i < word.size(); ++i) EXPECT_EQ(word[i], (Ext{wa[i], wb[i]}));
}

}  // namespace
}  // namespace hanse::proof
