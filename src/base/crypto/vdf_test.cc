#include "base/crypto/vdf.h"

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/core/text.h"
#include "base/crypto/detail/bignum.h"
#include "base/crypto/detail/keccak.h"
#include "base/crypto/detail/mont320.h"
#include "base/crypto/detail/prime.h"
#include "base/crypto/detail/strong_lanes.h"
#include "base/crypto/hash.h"

namespace hanse::crypto {
namespace {

using namespace detail;  // NOLINT: big number helpers of this room

Hash32 seed_of(std::uint64_t n) {
  std::uint8_t number[8];
  store_le(number, n);
  return blake3("hanse/test/1", {number});
}

VdfElement negated(const VdfElement& a) {
  const BnPtr n = bn_bytes(vdf_modulus().view()), v = bn_bytes(a.view());
  must(BN_sub(v.get(), n.get(), v.get()));
  VdfElement out;
  BN_bn2binpad(v.get(), out.data.data(), 256);
  return out;
}

// The definition, by one exponentiation with the exponent written out.
VdfElement slow_power(const VdfElement& x, const BIGNUM* exponent) {
  const BnCtxPtr ctx = bn_ctx();
  const BnPtr n = bn_bytes(vdf_modulus().view()), base = bn_bytes(x.view()), out = bn();
  must(BN_mod_exp(out.get(), base.get(), exponent, n.get(), ctx.get()));
  VdfElement element;
  BN_bn2binpad(out.get(), element.data.data(), 256);
  const VdfElement other = negated(element);
  return std::min(element, other);
}

TEST(Vdf, output_is_the_definition_and_its_proof_verifies_at_awkward_step_counts) {
  for (const std::uint64_t steps :
       {1U, 7U, 8U, 9U, 127U, 128U, 129U, 255U, 263U, 264U, 265U, 271U, 300U, 1000U, 4099U, 20000U}) {
    const Hash32 seed = seed_of(steps);
    const auto proof = vdf_eval(seed, steps);
    ASSERT_TRUE(proof);
    const BnPtr exponent = bn();
    must(BN_set_bit(exponent.get(), static_cast<int>(steps)));
    EXPECT_EQ(proof->y, slow_power(vdf_input(seed), exponent.get())) << steps;
    const auto verified = vdf_verify(seed, steps, *proof);
    EXPECT_TRUE(verified) << steps << " " << (verified ? "" : verified.error().str());
    EXPECT_FALSE(vdf_verify(seed, steps + 1, *proof)) << steps;
    EXPECT_FALSE(vdf_verify(seed_of(steps + 1), steps, *proof)) << steps;
  }
}

TEST(Vdf, every_other_element_is_refused) {
  const Hash32 seed = seed_of(1);
  const VdfProof good = *vdf_eval(seed, 1000);
  VdfProof bad = good;
  bad.y.data[255] ^= 1;
  EXPECT_EQ(vdf_verify(seed, 1000, bad).error().id(), "crypto.bad_vdf");
  bad = good;
  bad.pi.data[255] ^= 1;
  EXPECT_EQ(vdf_verify(seed, 1000, bad).error().id(), "crypto.bad_vdf");
  // Without one encoding for {a, N - a}, these would be second proofs of second outputs.
  EXPECT_FALSE(vdf_verify(seed, 1000, {negated(good.y), negated(good.pi)}));
  EXPECT_FALSE(vdf_verify(seed, 1000, {negated(good.y), good.pi}));
  EXPECT_FALSE(vdf_verify(seed, 1000, {good.y, negated(good.pi)}));
  EXPECT_FALSE(vdf_verify(seed, 1000, {good.y, VdfElement{}}));
  EXPECT_FALSE(vdf_verify(seed, 1000, {VdfElement{}, VdfElement{}}));
  EXPECT_FALSE(vdf_verify(seed, 1000, {vdf_modulus(), vdf_modulus()}));
  EXPECT_TRUE(vdf_verify(seed, 1000, good));
}

TEST(Vdf, steps_outside_their_range_are_refused) {
  const VdfProof proof = *vdf_eval(seed_of(1), 1);
  EXPECT_EQ(vdf_eval(seed_of(1), 0).error().id(), "crypto.vdf_steps");
  EXPECT_EQ(vdf_eval(seed_of(1), kVdfStepsMax + 1).error().id(), "crypto.vdf_steps");
  EXPECT_EQ(vdf_verify(seed_of(1), 0, proof).error().id(), "crypto.vdf_steps");
  EXPECT_EQ(vdf_verify(seed_of(1), kVdfStepsMax + 1, proof).error().id(), "crypto.vdf_steps");
  EXPECT_EQ(vdf_verify(seed_of(1), kVdfStepsMax, proof).error().id(), "crypto.bad_vdf");
}

TEST(Vdf, evaluation_stops_when_told) {
  const std::atomic<bool> stop{true};
  EXPECT_EQ(vdf_eval(seed_of(1), kVdfStepsMax, &stop).error().id(), "crypto.vdf_stopped");
}

TEST(Vdf, modulus_is_the_challenge_number) {
  const BnPtr n = bn_bytes(vdf_modulus().view());
  char* digits = BN_bn2dec(n.get());
  const std::string decimal = digits;
  OPENSSL_free(digits);
  EXPECT_EQ(decimal.size(), 617U);
  EXPECT_TRUE(decimal.starts_with("25195908475657893494027183240048398571429282126204"));
  EXPECT_TRUE(decimal.ends_with("12010397122822120720357"));
}

TEST(Prime, agrees_with_openssl_on_numbers_of_every_length) {
  SeededRandom random(7, "primes");
  const BnCtxPtr ctx = bn_ctx();
  int primes = 0;
  for (int i = 0; i < 6000; ++i) {
    const std::size_t size = i % 2 == 0 ? 33 : 2 + random.below(32);
    Bytes bytes(size);
    random.fill(bytes);
    bytes[0] |= 0x80;
    bytes[size - 1] |= 1;
    const BnPtr n = bn_bytes(bytes);
    const bool expected = BN_check_prime(n.get(), ctx.get(), nullptr) == 1;
    ASSERT_EQ(is_prime(u320_from_be(bytes)), expected) << text("{}", ByteView(bytes));
    primes += expected;
  }
  EXPECT_GT(primes, 50);
}

U320 odd_number_of_264_bits(Random& random) {
  Bytes bytes(33);
  random.fill(bytes);
  bytes[0] |= 0x80;
  bytes[32] |= 1;
  return u320_from_be(bytes);
}

TEST(Prime, tests_of_many_at_once_agree_with_tests_of_one) {
  if (lane_kernel() == nullptr) GTEST_SKIP() << "this processor has no AVX-512 IFMA";
  SeededRandom random(9, "strong lanes");
  std::vector<StrongTest> tests;
  // Numbers that fail, primes, and those whose n - 1 has many twos; bases from 2 to the largest.
  while (tests.size() < 2'000) {
    U320 n = odd_number_of_264_bits(random);
    if (tests.size() % 3 == 1)
      n = first_prime([&] { return odd_number_of_264_bits(random); });
    else if (tests.size() % 3 == 2)
      n[0] = n[0] >> random.below(64) << 63 | 1;
    const std::uint32_t base = tests.size() % 5 == 0 ? 2 : 2 + static_cast<std::uint32_t>(random.below(0xfffffe));
    tests.push_back({n, base});
  }
  std::size_t passes = 0;
  for (std::size_t at = 0, count = 1; at < tests.size(); at += count, count = count % kTestsMax + 1) {
    const auto some = std::span(tests).subspan(at, std::min(count, tests.size() - at));
    const std::uint64_t passed = strong_probable_primes(some);
    for (std::size_t i = 0; i < some.size(); ++i) {
      const bool expected = is_strong_probable_prime(some[i].number, some[i].base);
      ASSERT_EQ((passed >> i & 1) != 0, expected) << at + i;
      passes += expected ? 1 : 0;
    }
    if (some.size() < 64) ASSERT_EQ(passed >> some.size(), 0u);
  }
  EXPECT_GT(passes, 600u);
}

TEST(Prime, the_first_of_a_row_is_that_which_a_test_of_each_finds) {
  SeededRandom random(10, "first prime");
  for (int i = 0; i < 20; ++i) {
    const U320 from = odd_number_of_264_bits(random);
    const auto counted = [&](std::uint64_t n) {
      U320 out = from;
      out[0] = from[0] + 2 * n;
      return out;
    };
    std::uint64_t at = 0, expected = 0;
    const U320 found = first_prime([&] { return counted(at++); });
    while (!is_prime(counted(expected))) ++expected;
    EXPECT_EQ(found, counted(expected)) << i;
  }
}

TEST(Prime, montgomery_arithmetic_agrees_with_openssl) {
  SeededRandom random(8, "mont320");
  const BnCtxPtr ctx = bn_ctx();
  for (int i = 0; i < 500; ++i) {
    Bytes n_bytes(33), a_bytes(33), b_bytes(33);
    for (Bytes* b : {&n_bytes, &a_bytes, &b_bytes}) random.fill(*b);
    n_bytes[0] |= 0x80;
    n_bytes[32] |= 1;
    if (i % 10 == 0) std::fill(n_bytes.begin(), n_bytes.end(), std::uint8_t{0xff});
    if (i % 5 == 0) std::fill(a_bytes.begin(), a_bytes.end(), std::uint8_t{0xff});
    const Mont320 m(u320_from_be(n_bytes));
    const BnPtr n = bn_bytes(n_bytes), a = bn_bytes(a_bytes), b = bn_bytes(b_bytes), r = bn(), expected = bn();
    must(BN_mod_mul(expected.get(), a.get(), b.get(), n.get(), ctx.get()));
    // a * b / R * R: one product divides by R, `canonical` of a product with R * R would undo it, so multiply back
    // here.
    U320 product = m.mul(u320_from_be(a_bytes), u320_from_be(b_bytes));
    for (int bit = 0; bit < 320; ++bit) product = m.add(product, product);
    product = m.canonical(product);
    std::uint8_t bytes[40];
    for (std::size_t limb = 0; limb < 5; ++limb) store_be(bytes + 32 - 8 * limb, product[limb]);
    EXPECT_EQ(BN_cmp(bn_bytes(bytes).get(), expected.get()), 0) << i;
    EXPECT_EQ(m.canonical(m.square(u320_from_be(a_bytes))),
              m.canonical(m.mul(u320_from_be(a_bytes), u320_from_be(a_bytes))));
    const U320 residue = m.mul(u320_from_be(a_bytes), m.one());
    EXPECT_EQ(m.canonical(m.square(Mont320::small(residue, 0xffffff))),
              m.canonical(m.square(m.canonical(Mont320::small(residue, 0xffffff)))));
  }
}

// Strong pseudoprimes of one test are caught by the other: that is why there are two. 3825123056546413051 passes the
// bases 2 to 31 (Jaeschke 1993); 5459, 5777 and 10877 are the first strong Lucas pseudoprimes (OEIS A217255).
TEST(Prime, pseudoprimes_of_one_half_fail_the_other) {
  const U320 jaeschke{3825123056546413051U};
  for (const std::uint32_t base : {2U, 3U, 5U, 7U, 11U, 13U, 17U, 19U, 23U, 29U, 31U})
    EXPECT_TRUE(is_strong_probable_prime(jaeschke, base)) << base;
  EXPECT_FALSE(is_strong_probable_prime(jaeschke, 37));
  EXPECT_FALSE(is_strong_lucas_probable_prime(jaeschke));
  for (const std::uint64_t n : {5459U, 5777U, 10877U}) {
    EXPECT_TRUE(is_strong_lucas_probable_prime({n})) << n;
    EXPECT_FALSE(is_strong_probable_prime({n}, 2)) << n;
  }
  const U320 square{1194649};  // 1093^2, a base-2 strong pseudoprime and a perfect square
  EXPECT_TRUE(is_strong_probable_prime(square, 2));
  EXPECT_FALSE(is_strong_lucas_probable_prime(square));
}

TEST(Shake, agrees_with_openssl_at_every_length_and_split) {
  Bytes data(600);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 7);
  for (std::size_t n = 0; n <= data.size(); n += n < 300 ? 1 : 37) {
    const ByteView view = ByteView(data).first(n);
    Bytes expected(500), got(500);
    shake256({view}, expected);
    Shake256 shake;
    shake.absorb(view.first(n / 3));
    shake.absorb(view.subspan(n / 3));
    shake.squeeze(ByteSpan(got).first(n % 140));
    shake.squeeze(ByteSpan(got).subspan(n % 140));
    ASSERT_EQ(got, expected) << n;
  }
  // SHAKE128 of nothing (FIPS 202 examples).
  Shake128 empty;
  FixedBytes<16> out;
  empty.squeeze(out.span());
  EXPECT_EQ(text("{}", out), "7f9c2ba4e88f827d616045507605853e");
}

}  // namespace
}  // namespace hanse::crypto
