// The ML-DSA verifier of our own against OpenSSL's signatures and its verdicts, on every back end.
#include <gtest/gtest.h>
#include <openssl/core_names.h>

#include "base/crypto/detail/mldsa_verify.h"
#include "base/crypto/detail/openssl.h"
#include "base/crypto/sign.h"

namespace hanse::crypto::detail {
namespace {

struct Set {
  SigAlg alg;
  const MlDsaParams& params;
  const char* openssl_name;
};
const Set kSets[] = {{SigAlg::kMlDsa44, kMlDsa44Params, "ML-DSA-44"},
                     {SigAlg::kMlDsa65, kMlDsa65Params, "ML-DSA-65"},
                     {SigAlg::kMlDsa87, kMlDsa87Params, "ML-DSA-87"}};

std::vector<const MlDsaBackend*> backends() {
  std::vector<const MlDsaBackend*> out{&mldsa_portable()};
  if (mldsa_avx2() != nullptr)
    out.push_back(mldsa_avx2());
  else
    std::printf("skipped: no AVX2 on this machine\n");
  return out;
}

bool openssl_verifies(const Set& set, ByteView key, ByteView message, ByteView signature) {
  const PkeyPtr pkey(EVP_PKEY_new_raw_public_key_ex(nullptr, set.openssl_name, nullptr, key.data(), key.size()));
  const MdCtxPtr ctx(EVP_MD_CTX_new());
  return pkey != nullptr &&
         EVP_DigestVerifyInit_ex(ctx.get(), nullptr, nullptr, nullptr, nullptr, pkey.get(), nullptr) == 1 &&
         EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

TEST(MlDsa, parameter_sizes_are_those_of_fips_204) {
  for (const Set& set : kSets) {
    const SigSizes sizes = *sig_sizes(static_cast<std::uint8_t>(set.alg));
    EXPECT_EQ(set.params.public_key_size(), sizes.public_key);
    EXPECT_EQ(set.params.signature_size(), sizes.signature);
  }
}

TEST(MlDsa, accepts_every_honest_signature_and_agrees_with_openssl_on_altered_ones) {
  SeededRandom random(11, "mldsa");
  for (const Set& set : kSets) {
    for (int round = 0; round < 12; ++round) {
      const SecretKey secret = SecretKey::generate(set.alg, random);
      Bytes message(random.below(700));
      random.fill(message);
      const Bytes signature = secret.sign("", message);
      Bytes altered = signature;
      altered[random.below(altered.size())] ^= static_cast<std::uint8_t>(1U << random.below(8));
      const bool expected = openssl_verifies(set, secret.public_key().bytes, message, altered);
      for (const MlDsaBackend* backend : backends()) {
        const MlDsaKey key(set.params, secret.public_key().bytes, *backend);
        EXPECT_TRUE(key.verify("", message, signature)) << set.openssl_name << " " << backend->name << " " << round;
        EXPECT_EQ(key.verify("", message, altered), expected) << set.openssl_name << " " << backend->name;
      }
    }
  }
}

TEST(MlDsa, back_ends_agree_on_the_largest_inputs) {
  SeededRandom random(13, "lanes");
  for (int round = 0; round < 50; ++round) {
    Wide a, matrix[8];
    const auto bounded = [&](std::uint64_t bound) {
      return static_cast<std::int32_t>(random.below(2 * bound + 1)) - static_cast<std::int32_t>(bound);
    };
    const bool extreme = round < 4;
    for (std::size_t n = 0; n < kMlDsaN; ++n) {
      for (std::size_t i = 0; i < 8; ++i) {
        a[n].v[i] = extreme ? ((round & 1) != 0 ? 1 : -1) * ((1 << 23) - 1) : bounded((1 << 23) - 1);
        for (Wide& column : matrix)
          column[n].v[i] = extreme ? (round & 2 ? 1 : -1) * (kMlDsaQ - 1) : bounded(kMlDsaQ - 1);
      }
    }
    std::vector<Wide> results;
    for (const MlDsaBackend* backend : backends()) {
      Wide v = a, w;
      backend->transform(v);
      backend->multiply(matrix, 8, v, w);
      for (const Lanes& lanes : w)
        for (const std::int32_t x : lanes.v) ASSERT_LT(std::abs(x), kMlDsaQ);
      backend->transform_back(w);
      for (const Lanes& lanes : w)
        for (const std::int32_t x : lanes.v) ASSERT_LT(std::abs(x), kMlDsaQ);
      results.push_back(w);
    }
    for (const Wide& w : results) EXPECT_EQ(std::memcmp(&w, &results[0], sizeof w), 0);
  }
}

// x -> transform -> transform_back gives x * R (the product with the matrix would divide it away).
TEST(MlDsa, transforming_back_undoes_the_transform) {
  SeededRandom random(17, "ntt");
  for (const MlDsaBackend* backend : backends()) {
    Wide a;
    for (Lanes& lanes : a)
      for (std::int32_t& v : lanes.v) v = static_cast<std::int32_t>(random.below(kMlDsaQ));
    Wide b = a;
    backend->transform(b);
    for (Lanes& lanes : b)
      for (std::int32_t& v : lanes.v) v %= kMlDsaQ;
    backend->transform_back(b);
    for (std::size_t n = 0; n < kMlDsaN; ++n) {
      for (std::size_t i = 0; i < 8; ++i) {
        const std::int64_t expected = (static_cast<std::int64_t>(a[n].v[i]) << 32) % kMlDsaQ;
        ASSERT_EQ((b[n].v[i] + kMlDsaQ) % kMlDsaQ, expected);
      }
    }
  }
}

}  // namespace
}  // namespace hanse::crypto::detail
