// Hex and base32 text of bytes.
//   hex      lower case out, either case in
//   base32   RFC 4648 alphabet in lower case without padding; encode_id adds a checksum for people's eyes
// Errors (Kind::kInvalid): codec.hex, codec.base32, codec.checksum, each naming the found character or length.
#pragma once

#include <string>
#include <string_view>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::codec {

std::string to_hex(ByteView bytes);
Result<Bytes> from_hex(std::string_view hex);
template <class Fixed>
Result<Fixed> fixed_from_hex(std::string_view hex) {
  TRY(const Bytes bytes, from_hex(hex));
  Fixed out;
  if (!Fixed::from(bytes, out))
    return fail(Kind::kInvalid, "codec.hex",
                "found " + std::to_string(bytes.size()) + " bytes, expected " + std::to_string(Fixed::kSize));
  return out;
}

std::string to_base32(ByteView bytes);
Result<Bytes> from_base32(std::string_view base32);

// "hanse1" + base32(payload || first 4 bytes of CRC-32C of the payload, big-endian): how an AccountId is shown and
// read.
std::string encode_id(ByteView payload);
Result<Bytes> decode_id(std::string_view shown);

}  // namespace hanse::codec
