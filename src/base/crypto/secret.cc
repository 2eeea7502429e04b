#include "base/crypto/secret.h"

#include <openssl/crypto.h>

namespace hanse::crypto {

void wipe(ByteSpan bytes) {
  if (!bytes.empty()) OPENSSL_cleanse(bytes.data(), bytes.size());
}

bool equal_secret(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace hanse::crypto
