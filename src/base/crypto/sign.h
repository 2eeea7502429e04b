// Signatures: Ed25519 with ZIP-215 verification and ML-DSA (FIPS 204), and the identity that owns one of each.
// Sizes in bytes: seeds 32; Ed25519 pk 32, sig 64; ML-DSA-65 pk 1952, sig 3309; ML-DSA-87 pk 2592, sig 4627.
// ML-DSA signs (context, message) with FIPS 204's context string, at most 255 bytes, hedged; Ed25519 has no context, so
// it signs context || 0x00 || message when the context is not empty and the plain message otherwise.
// Ed25519 accepts exactly what ZIP-215 accepts: cofactored equation, S < L, permissive point decoding.
// Threads: keys and verifiers are immutable after creation and may be shared.
// Errors: crypto.bad_key (invalid), crypto.bad_signature (denied), crypto.bad_seed (invalid).
#pragma once

#include <memory>
#include <string_view>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/random.h"
#include "base/core/result.h"

namespace hanse::crypto {

enum class SigAlg : std::uint8_t { kEd25519 = 1, kMlDsa44 = 2, kMlDsa65 = 3, kMlDsa87 = 4 };

struct SigSizes {
  std::size_t public_key, signature;
};
Result<SigSizes> sig_sizes(std::uint8_t alg);  // crypto.bad_key for an unknown number
std::string_view sig_alg_name(SigAlg alg);     // "ed25519", "mldsa65", ...

struct PublicKey {
  SigAlg alg = SigAlg::kMlDsa65;
  Bytes bytes;
  friend bool operator==(const PublicKey&, const PublicKey&) = default;
};

// BLAKE3-256("hanse/id/1", alg || public key): the name of an ML-DSA key's owner everywhere.
AccountId account_id(const PublicKey& key);
// SHA-256(alg || public key): how an attestation envelope names the key of a signature (attestation.md 5.3).
Hash32 key_id(const PublicKey& key);

class SecretKey {
 public:
  static Result<SecretKey> from_seed(SigAlg alg, ByteView seed);  // seed: 32 bytes, FIPS 204 xi or RFC 8032 key
  static SecretKey generate(SigAlg alg, Random& random);
  SecretKey(SecretKey&&) noexcept;
  SecretKey& operator=(SecretKey&&) noexcept;
  ~SecretKey();  // wipes

  const PublicKey& public_key() const;
  Bytes sign(std::string_view context, ByteView message) const;
  // A secret that follows from this key alone, the same each time; another for each context. It tells nothing of the
  // key.
  Hash32 derive(std::string_view context) const;

 private:
  friend std::shared_ptr<void> tls_key(const SecretKey& key);  // tls_key.h
  struct Rep;
  explicit SecretKey(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

// Keeps a key decoded: an Ed25519 table of 3 KB, or the expanded ML-DSA matrix of 40 to 64 KB, which is most of the
// work of a single check. create fails on a key of the wrong length and on Ed25519 bytes that are no curve point; every
// byte string of the right length is an ML-DSA key.
class Verifier {
 public:
  static Result<Verifier> create(const PublicKey& key);
  Verifier(Verifier&&) noexcept;
  Verifier& operator=(Verifier&&) noexcept;
  ~Verifier();
  Status verify(std::string_view context, ByteView message, ByteView signature) const;

 private:
  struct Rep;
  explicit Verifier(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

Status verify(const PublicKey& key, std::string_view context, ByteView message, ByteView signature);

// One ML-DSA key that names the account and one Ed25519 key beside it. Both come from one 32-byte seed: the ML-DSA key
// from the seed itself, the Ed25519 key from BLAKE3("hanse/identity-ed25519/1", seed).
class Identity {
 public:
  static Result<Identity> from_seed(ByteView seed, SigAlg alg = SigAlg::kMlDsa65);
  static Identity generate(Random& random, SigAlg alg = SigAlg::kMlDsa65);

  const AccountId& id() const { return id_; }
  const SecretKey& mldsa() const { return mldsa_; }
  const SecretKey& ed25519() const { return ed25519_; }

 private:
  Identity(SecretKey mldsa, SecretKey ed25519);
  SecretKey mldsa_;
  SecretKey ed25519_;
  AccountId id_;
};

}  // namespace hanse::crypto
