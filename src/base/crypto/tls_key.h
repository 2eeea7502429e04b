// The door through which a room that speaks TLS uses a key without seeing its bytes.
// The handle is an EVP_PKEY, shared because OpenSSL counts its users; it stays valid after the SecretKey is gone.
// Threads: the handle is immutable. Errors: none. For mesh/transport alone.
#pragma once

#include <memory>

#include "base/crypto/sign.h"

namespace hanse::crypto {

std::shared_ptr<void> tls_key(const SecretKey& key);

}  // namespace hanse::crypto
