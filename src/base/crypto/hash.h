// Hashes.
//   blake3          BLAKE3-256 without a context: content addresses (BlobId), the same as `b3sum`
//   blake3(ctx, …)  BLAKE3-256 in derive-key mode under a context string "hanse/<type>/<version>": everything that is
//                   signed, hashed or stored as a record (BLAKE3 paper, section 2.3 "derive_key")
//   sha256, hmac_sha256, sha512, sha3_256, shake256   where a standard asks for them (OpenSSL)
// Threads: free functions any; a hasher object one thread at a time. Errors: none.
#pragma once

#include <initializer_list>
#include <string_view>

#include "base/core/bytes.h"
#include "base/core/ids.h"

namespace hanse::crypto {

Hash32 blake3(ByteView data);
Hash32 blake3(std::string_view context, std::initializer_list<ByteView> parts);
void blake3_xof(std::string_view context, std::initializer_list<ByteView> parts, ByteSpan out);
BlobId blob_id(ByteView data);  // blake3(data) with its narrower type

// For data that arrives in pieces.
class Blake3 {
 public:
  Blake3();  // no context
  explicit Blake3(std::string_view context);
  void update(ByteView data);
  Hash32 finish() const;  // may be called again after more updates

 private:
  alignas(16) std::uint8_t state_[1920];  // blake3_hasher, checked in hash.cc
};

Hash32 sha256(std::initializer_list<ByteView> parts);
FixedBytes<64> sha512(std::initializer_list<ByteView> parts);
Hash32 hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);  // RFC 2104
Hash32 sha3_256(std::initializer_list<ByteView> parts);
void shake256(std::initializer_list<ByteView> parts, ByteSpan out);

}  // namespace hanse::crypto
