// One ML-DSA public key, decoded for verification (FIPS 204, algorithms 3 and 8): the matrix A is expanded and t1
// transformed once, 50 to 66 KB a key, which is most of the work of a first check. Public data only: variable time.
// Written because OpenSSL expands A anew each time and Botan 3 knows no context string.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/crypto/detail/mldsa_lanes.h"
#include "base/core/bytes.h"

namespace hanse::crypto::detail {

struct MlDsaParams {
  std::size_t k, l, tau, challenge_size, omega;
  std::int32_t beta, gamma1, gamma2;
  unsigned z_bits, w1_bits;

  std::size_t public_key_size() const { return 32 + 320 * k; }
  std::size_t signature_size() const { return challenge_size + 32 * z_bits * l + omega + k; }
};
inline constexpr MlDsaParams kMlDsa44Params{4, 4, 39, 32, 80, 78, 1 << 17, (kMlDsaQ - 1) / 88, 18, 6};
inline constexpr MlDsaParams kMlDsa65Params{6, 5, 49, 48, 55, 196, 1 << 19, (kMlDsaQ - 1) / 32, 20, 4};
inline constexpr MlDsaParams kMlDsa87Params{8, 7, 60, 64, 75, 120, 1 << 19, (kMlDsaQ - 1) / 32, 20, 4};

class MlDsaKey {
 public:
  // Every byte string of public_key_size is a key.
  MlDsaKey(const MlDsaParams& params, ByteView public_key, const MlDsaBackend& backend = mldsa_backend());
  // signature has signature_size bytes, context at most 255.
  bool verify(std::string_view context, ByteView message, ByteView signature) const;

 private:
  const MlDsaParams& p_;
  const MlDsaBackend& backend_;
  FixedBytes<64> key_hash_;   // tr
  std::vector<Wide> matrix_;  // columns of A, then -t1 * 2^13, all transformed; lane = row
};

}  // namespace hanse::crypto::detail
