// Key encapsulation: ML-KEM-768 and ML-KEM-1024 (FIPS 203) and X-Wing (draft-connolly-cfrg-xwing-kem: X25519 and
// ML-KEM-768, safe while either holds). The shared secret has 32 bytes.
// Sizes in bytes:   seed   public key   ciphertext
//   ML-KEM-768       64      1184         1088
//   ML-KEM-1024      64      1568         1568
//   X-Wing           32      1216         1120
// Decapsulating an altered ciphertext gives another secret, not an error (implicit rejection); only a wrong length or
// an X25519 point of small order is an error.
// Threads: keys are immutable after creation and may be shared.
// Errors: crypto.bad_key, crypto.bad_seed, crypto.bad_ciphertext (all invalid).
#pragma once

#include <memory>
#include <string_view>

#include "base/core/random.h"
#include "base/core/result.h"
#include "base/crypto/secret.h"

namespace hanse::crypto {

enum class KemAlg : std::uint8_t { kMlKem768 = 1, kMlKem1024 = 2, kXWing = 3 };

struct KemSizes {
  std::size_t seed, public_key, ciphertext;
};
Result<KemSizes> kem_sizes(std::uint8_t alg);  // crypto.bad_key for an unknown number
std::string_view kem_alg_name(KemAlg alg);     // "mlkem768", "mlkem1024", "xwing"

using SharedSecret = Secret<32>;

struct KemPublicKey {
  KemAlg alg = KemAlg::kXWing;
  Bytes bytes;
  friend bool operator==(const KemPublicKey&, const KemPublicKey&) = default;
};

struct Encapsulation {
  Bytes ciphertext;
  SharedSecret secret;
};
Result<Encapsulation> encapsulate(const KemPublicKey& key, Random& random);

class KemSecretKey {
 public:
  static Result<KemSecretKey> from_seed(KemAlg alg, ByteView seed);
  static KemSecretKey generate(KemAlg alg, Random& random);
  KemSecretKey(KemSecretKey&&) noexcept;
  KemSecretKey& operator=(KemSecretKey&&) noexcept;
  ~KemSecretKey();  // wipes

  const KemPublicKey& public_key() const;
  Result<SharedSecret> decapsulate(ByteView ciphertext) const;

 private:
  struct Rep;
  explicit KemSecretKey(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace hanse::crypto
