// The door through which a room that speaks TLS uses a key without seeing its bytes.
// The handle is an EVP_PKEY, shared because OpenSSL counts its users; it stays valid after the SecretKey is gone.
// Threads: the handle is immutable. Errors: none. For the rooms that speak TLS: mesh/transport, mesh/gate.
#pragma once

#include <memory>
#include <optional>

#include "base/crypto/sign.h"

namespace hanse::crypto {

std::shared_ptr<void> tls_key(const SecretKey& key);
// Whose ML-DSA key it is: an EVP_PKEY that the other side showed. Nothing: null, or no ML-DSA-65 or ML-DSA-87 key.
std::optional<AccountId> tls_key_owner(const void* key);

}  // namespace hanse::crypto
