// Authenticated encryption (AES-256-GCM, NIST SP 800-38D) and key derivation (HKDF-SHA-256, RFC 5869).
// A sealed message carries what opening it needs, so no counter is kept anywhere:
//   version u8 = 1 | key id u8 | nonce 12 | ciphertext | tag 16          30 bytes more than the plaintext
// Version and key id are authenticated together with the caller's associated data. Nonces are random: one key seals at
// most 2^32 messages (SP 800-38D, 8.3), then it is refused. Plaintexts have at most kSealedMax bytes.
// Threads: an AeadKey may be shared; seal counts atomically.
// Errors: crypto.sealed_format (invalid), crypto.open_failed (denied: wrong key, associated data or altered bytes),
//   crypto.key_exhausted (exhausted), crypto.too_large (exhausted), crypto.bad_key (invalid), crypto.hkdf_length
//   (invalid).
#pragma once

#include <atomic>

#include "base/core/random.h"
#include "base/core/result.h"
#include "base/crypto/secret.h"

namespace hanse::crypto {

constexpr std::size_t kAeadOverhead = 30;
constexpr std::size_t kSealedMax = std::size_t{1} << 30;

struct AeadOptions {
  std::uint8_t key_id = 0;                           // which of the reader's keys sealed this
  std::uint64_t seals_max = std::uint64_t{1} << 32;  // lower to rotate earlier
};

class AeadKey {
 public:
  explicit AeadKey(Secret<32> key, AeadOptions options = {});
  static Result<AeadKey> from_bytes(ByteView key, AeadOptions options = {});  // 32 bytes
  AeadKey(AeadKey&& other) noexcept;

  Result<Bytes> seal(ByteView associated, ByteView plaintext, Random& random) const;
  Result<SecureBytes> open(ByteView associated, ByteView sealed) const;

 private:
  Secret<32> key_;
  AeadOptions options_;
  mutable std::atomic<std::uint64_t> seals_{0};
};

// The key id a sealed message names, to choose the key before opening.
Result<std::uint8_t> sealed_key_id(ByteView sealed);

// The bare algorithm for formats that fix their own nonce. A nonce must never serve one key twice.
using GcmNonce = FixedBytes<12, struct GcmNonceTag>;
struct GcmInput {
  const Secret<32>& key;
  const GcmNonce& nonce;
  ByteView associated;
};
Result<Bytes> gcm_seal(const GcmInput& in, ByteView plaintext);  // ciphertext || tag 16
Result<SecureBytes> gcm_open(const GcmInput& in, ByteView ciphertext_and_tag);

struct HkdfInput {
  ByteView key_material;
  ByteView salt;
  ByteView info;
};
Status hkdf_sha256(const HkdfInput& in, ByteSpan out);  // at most 8160 bytes

}  // namespace hanse::crypto
