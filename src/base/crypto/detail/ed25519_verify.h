// One Ed25519 public key, decoded, with ZIP-215 verification (zips.z.cash/zip-0215): accepts exactly when S < L, A and
// R are encodings of curve points (any encoding) and [8](S*B - R - k*A) is the identity, k = SHA-512(R || A || M) over
// the bytes as received.
#pragma once

#include <string_view>

#include "base/crypto/detail/edwards.h"

namespace hanse::crypto::detail {

class Ed25519Key {
 public:
  static bool decode(const std::uint8_t* encoded, Ed25519Key& out);
  // Ed25519 has no context of its own: a context that is not empty stands before the message, closed by a zero byte.
  bool verify(const std::uint8_t* signature, std::string_view context, ByteView message) const;

 private:
  std::uint8_t encoded_[32];
  PointTable minus_a_;
};

}  // namespace hanse::crypto::detail
