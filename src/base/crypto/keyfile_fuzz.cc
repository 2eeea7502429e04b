// Key files are read from places others may write to: any bytes give an error or a file that encodes the same key.
#include <cstdlib>

#include "base/crypto/keyfile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  const auto info = hanse::crypto::parse_key_file(content);
  if (info && hanse::crypto::account_id(info->public_key) != info->account) std::abort();
  // Sealed files would spend the time in scrypt.
  if (info && !info->encrypted) (void)hanse::crypto::unlock_key_file(content, "", {.allow_unencrypted = true});
  return 0;
}
