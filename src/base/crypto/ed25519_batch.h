// Ed25519 signatures by the batch: one equation for all of them, and an exact verdict for each when it does not hold.
// Semantics: ZIP-215 (zips.z.cash/zip-0215), as in sign.h: an item is kOk exactly when verify() of sign.h with an
// empty context accepts it, but for chance: a batch with a false signature passes with probability 2^-126 at most.
// How: Bernstein, Duif, Lange, Schwabe, Yang, "High-speed high-security signatures" (CHES 2011), section 5: with random
// z of 128 bits (a sign and 127 bits), [8]((sum z S) B - sum z R - sum (z k) A) is the identity; equal keys share one
// term. The factor 8 is what makes the batch agree with single verification on points of small order. The sum is
// Pippenger's ("On the evaluation of powers and monomials", SIAM J. Comput. 9, 1980) with signed digits. A batch that
// fails is halved, down to kEd25519ExactMax items, which are verified singly.
// Back ends: "portable" everywhere, "ifma" on processors with AVX-512 IFMA; HANSE_ED25519_BACKEND names one, else the
// fastest is taken. All give the same verdicts.
// The coefficients must be unknown to whoever made the signatures: pass system_random() outside of tests.
// Threads: one instance a thread. Ownership: items are borrowed during verify. Variable time: public data only.
// Limits: kEd25519BatchMax items. False signatures cost their sender's peers a single verification and more each: give
// a peer that sends many of them batches of its own.
// Errors: crypto.batch_size (exhausted), crypto.batch_verdicts (invalid), crypto.ed25519_backend (unsupported).
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/core/bytes.h"
#include "base/core/random.h"
#include "base/core/result.h"

namespace hanse::crypto {

constexpr std::size_t kEd25519BatchMax = 4096;
constexpr std::size_t kEd25519ExactMax = 8;  // batches of up to so many are verified one by one

struct Ed25519Item {
  ByteView public_key, message, signature;  // 32 and 64 bytes; the message as signed
};

// The first thing found wrong, in this order.
enum class Ed25519Verdict : std::uint8_t { kOk, kBadLength, kBadScalar, kBadKey, kBadPoint, kBadEquation };

struct Ed25519BatchStats {
  std::size_t equations = 0;  // of many items
  std::size_t exact = 0;      // items verified singly
  std::size_t depth = 0;      // how often the batch was halved
};

class Ed25519Batch {
 public:
  // An empty name: HANSE_ED25519_BACKEND, and without that the fastest.
  static Result<Ed25519Batch> create(std::string_view backend = {});
  Ed25519Batch(Ed25519Batch&&) noexcept;
  Ed25519Batch& operator=(Ed25519Batch&&) noexcept;
  ~Ed25519Batch();

  std::string_view backend() const;
  // verdicts has the length of items; verdicts[i] is of items[i].
  Result<Ed25519BatchStats> verify(std::span<const Ed25519Item> items, std::span<Ed25519Verdict> verdicts,
                                   Random& random);

 private:
  struct Rep;
  explicit Ed25519Batch(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace hanse::crypto
