// Owners for OpenSSL big numbers, private to this room. Running out of memory ends the process.
#pragma once

#include <openssl/bn.h>

#include "base/core/bytes.h"
#include "base/core/check.h"
#include "base/crypto/detail/openssl.h"

namespace hanse::crypto::detail {

using BnPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using BnCtxPtr = std::unique_ptr<BN_CTX, Freer<BN_CTX_free>>;
using MontPtr = std::unique_ptr<BN_MONT_CTX, Freer<BN_MONT_CTX_free>>;

// Every BN call below fails only for lack of memory or by our own misuse.
inline void must(int ok) { check(ok == 1, "big number arithmetic succeeds"); }

inline BnPtr bn() {
  BnPtr n(BN_new());
  check(n != nullptr, "memory for a big number");
  return n;
}
inline BnPtr bn(const BIGNUM* from) {
  BnPtr n(BN_dup(from));
  check(n != nullptr, "memory for a big number");
  return n;
}
inline BnPtr bn_word(std::uint64_t w) {
  BnPtr n = bn();
  must(BN_set_word(n.get(), w));
  return n;
}
inline BnPtr bn_bytes(ByteView big_endian) {
  BnPtr n(BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), nullptr));
  check(n != nullptr, "memory for a big number");
  return n;
}
inline BnCtxPtr bn_ctx() {
  BnCtxPtr ctx(BN_CTX_new());
  check(ctx != nullptr, "memory for big number scratch");
  return ctx;
}
inline MontPtr bn_mont(const BIGNUM* modulus, BN_CTX* ctx) {
  MontPtr mont(BN_MONT_CTX_new());
  check(mont != nullptr, "memory for a Montgomery context");
  must(BN_MONT_CTX_set(mont.get(), modulus, ctx));
  return mont;
}

}  // namespace hanse::crypto::detail
