#include "base/crypto/detail/mont2048.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/core/random.h"
#include "base/core/text.h"
#include "base/crypto/vdf.h"

namespace hanse::crypto {
namespace {

using namespace detail;  // NOLINT: big number helpers of this room

constexpr std::uint64_t kOnes = (std::uint64_t{1} << 52) - 1;

class Mont2048Test : public testing::Test {
 protected:
  void SetUp() override {
    if (mont2048_ifma() == nullptr) GTEST_SKIP() << "this processor has no AVX-512 IFMA";
  }
  BnPtr random_number(std::size_t bytes) {
    Bytes number(bytes);
    random_.fill(number);
    return bn_bytes(number);
  }
  BnPtr random_modulus() {
    const BnPtr n = random_number(256);
    must(BN_set_bit(n.get(), 2047));
    must(BN_set_bit(n.get(), 0));
    return bn(n.get());
  }
  // Digits of nothing but zeros, ones and what makes a carry run on, or of chance; below 2^2064 (the top one has 36
  // bits).
  Residue2048 random_residue() {
    Residue2048 out;
    const std::uint64_t plain = random_.below(4);
    for (std::uint64_t& digit : out.digits) {
      const std::uint64_t kinds[] = {0, 1, kOnes, kOnes - 1, random_.below(kOnes + 1)};
      digit = kinds[plain == 0 ? 4 : random_.below(plain == 1 ? 5 : 3)];
    }
    out.digits.back() &= (std::uint64_t{1} << 36) - 1;
    return out;
  }

  SeededRandom random_{11, "mont2048"};
  BnCtxPtr ctx_ = bn_ctx();
};

// `got` is a * b / 2^2080 modulo n, in forty digits and below 2n + 2^2048.
void expect_product(const BIGNUM* n, const Residue2048& a, const Residue2048& b, const Residue2048& got, BN_CTX* ctx) {
  const BnPtr expected = bn(), back = bn(), limit = bn(n);
  must(BN_mod_mul(expected.get(), number52(a).get(), number52(b).get(), n, ctx));
  must(BN_lshift(back.get(), number52(got).get(), 2080));
  must(BN_nnmod(back.get(), back.get(), n, ctx));
  ASSERT_EQ(BN_cmp(back.get(), expected.get()), 0);
  must(BN_lshift1(limit.get(), limit.get()));
  const BnPtr more = bn();
  must(BN_set_bit(more.get(), 2048));
  must(BN_add(limit.get(), limit.get(), more.get()));
  ASSERT_LT(BN_cmp(number52(got).get(), limit.get()), 0);
  for (const std::uint64_t digit : got.digits) ASSERT_LE(digit, kOnes);
}

TEST_F(Mont2048Test, products_and_squares_agree_with_openssl) {
  std::vector<BnPtr> moduli;
  moduli.push_back(bn_bytes(vdf_modulus().view()));
  moduli.push_back(bn_bytes(Bytes(256, 0xff)));
  moduli.push_back(bn());
  must(BN_set_bit(moduli.back().get(), 2047));
  must(BN_set_bit(moduli.back().get(), 0));
  for (int i = 0; i < 3; ++i) moduli.push_back(random_modulus());
  for (const BnPtr& n : moduli) {
    const Mont2048 m(n.get());
    const BnPtr above = bn(n.get()), below = bn(n.get()), twice = bn();
    must(BN_add_word(above.get(), 1));
    must(BN_sub_word(below.get(), 1));
    must(BN_lshift1(twice.get(), n.get()));
    Residue2048 ones;  // 2^2064 - 1
    ones.digits.fill(kOnes);
    ones.digits.back() >>= 16;
    std::vector<Residue2048> values{
        Residue2048{},         digits52(BN_value_one()), digits52(n.get()), digits52(above.get()),
        digits52(below.get()), digits52(twice.get()),    m.one(),           ones};
    for (int i = 0; i < 40; ++i) values.push_back(random_residue());
    for (const Residue2048& a : values) {
      Residue2048 square = a;
      m.square(square, 1);
      ASSERT_NO_FATAL_FAILURE(expect_product(n.get(), a, a, square, ctx_.get()));
      for (const Residue2048& b : values) {
        Residue2048 product = a;
        m.multiply(product, b);
        ASSERT_NO_FATAL_FAILURE(expect_product(n.get(), a, b, product, ctx_.get()));
      }
    }
  }
}

TEST_F(Mont2048Test, numbers_come_back_and_double_exponentiations_agree_with_openssl) {
  const BnPtr n = bn_bytes(vdf_modulus().view()), expected = bn();
  const MontPtr mont = bn_mont(n.get(), ctx_.get());
  const Mont2048 m(n.get());
  for (int i = 0; i < 40; ++i) {
    const BnPtr a = random_number(256), b = random_number(256);
    must(BN_nnmod(a.get(), a.get(), n.get(), ctx_.get()));
    must(BN_nnmod(b.get(), b.get(), n.get(), ctx_.get()));
    EXPECT_EQ(BN_cmp(m.number(m.residue(a.get())).get(), a.get()), 0);
    // Also with exponents 0 and 1, and of very different lengths.
    const BnPtr e = i < 3 ? bn_word(static_cast<std::uint64_t>(i)) : random_number(1 + random_.below(33)),
                f = random_number(i % 2 == 0 ? 33 : 1);
    must(BN_mod_exp2_mont(expected.get(), a.get(), e.get(), b.get(), f.get(), n.get(), ctx_.get(), mont.get()));
    EXPECT_EQ(BN_cmp(m.power2(a.get(), e.get(), b.get(), f.get()).get(), expected.get()), 0) << i;
  }
  const BnPtr zero = bn();
  EXPECT_TRUE(BN_is_zero(m.number(m.residue(zero.get())).get()));
  EXPECT_TRUE(BN_is_zero(m.number(m.residue(n.get())).get()));
  EXPECT_TRUE(BN_is_one(m.number(m.one()).get()));
}

TEST_F(Mont2048Test, a_hundred_thousand_squarings_end_where_those_of_openssl_end) {
  const BnPtr n = bn_bytes(vdf_modulus().view()), a = bn_bytes(vdf_input(Hash32{}).view());
  const MontPtr mont = bn_mont(n.get(), ctx_.get());
  const Mont2048 m(n.get());
  Residue2048 ours = m.residue(a.get());
  must(BN_to_montgomery(a.get(), a.get(), mont.get(), ctx_.get()));
  for (int i = 0; i < 100; ++i) {
    m.square(ours, 1'000);
    for (int j = 0; j < 1'000; ++j) must(BN_mod_mul_montgomery(a.get(), a.get(), a.get(), mont.get(), ctx_.get()));
    const BnPtr theirs = bn();
    must(BN_from_montgomery(theirs.get(), a.get(), mont.get(), ctx_.get()));
    ASSERT_EQ(BN_cmp(m.number(ours).get(), theirs.get()), 0) << 1'000 * (i + 1);
  }
}

class VdfBackend : public testing::Test {
 protected:
  VdfBackend() {
    if (const char* set = std::getenv("HANSE_VDF_BACKEND"); set != nullptr) before_ = set;
  }
  ~VdfBackend() override {
    if (before_.empty())
      ::unsetenv("HANSE_VDF_BACKEND");
    else
      ::setenv("HANSE_VDF_BACKEND", before_.c_str(), 1);
  }
  std::string before_;
};

TEST_F(VdfBackend, all_give_the_same_bytes_and_verify_each_others_proofs) {
  std::vector<const char*> names{"portable"};
  if (mont2048_ifma() != nullptr) names.push_back("ifma");
  for (const std::uint64_t steps : {1U, 8U, 127U, 128U, 129U, 263U, 264U, 1000U, 20'001U, 100'000U}) {
    Hash32 seed;
    store_le(seed.data.data(), steps);
    std::vector<VdfProof> proofs;
    for (const char* name : names) {
      ::setenv("HANSE_VDF_BACKEND", name, 1);
      proofs.push_back(*vdf_eval(seed, steps));
      EXPECT_EQ(proofs.back(), proofs.front()) << name << " " << steps;
    }
    for (const char* name : names) {
      ::setenv("HANSE_VDF_BACKEND", name, 1);
      EXPECT_TRUE(vdf_verify(seed, steps, proofs.front())) << name << " " << steps;
      VdfProof bad = proofs.front();
      bad.pi.data[255] ^= 1;
      EXPECT_EQ(vdf_verify(seed, steps, bad).error().id(), "crypto.bad_vdf") << name;
      EXPECT_EQ(vdf_verify(seed, steps + 1, proofs.front()).error().id(), "crypto.bad_vdf") << name;
      const std::atomic<bool> stop{true};
      EXPECT_EQ(vdf_eval(seed, steps, &stop).error().id(), "crypto.vdf_stopped") << name;
    }
  }
}

TEST_F(VdfBackend, an_unknown_one_is_refused) {
  const VdfProof proof = *vdf_eval(Hash32{}, 10);
  ::setenv("HANSE_VDF_BACKEND", "abacus", 1);
  EXPECT_EQ(vdf_eval(Hash32{}, 10).error().id(), "crypto.vdf_backend");
  EXPECT_EQ(vdf_verify(Hash32{}, 10, proof).error().id(), "crypto.vdf_backend");
}

}  // namespace
}  // namespace hanse::crypto
