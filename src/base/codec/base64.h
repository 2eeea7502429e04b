// Base64 text of bytes (RFC 4648, section 4): the standard alphabet with padding. Reading is strict: no blanks, padded,
// the unused bits of the last character zero, so every byte string has one text.
// Messages tell places, never characters: the text may be a secret. Pure; any thread. Errors: codec.base64 (invalid).
#pragma once

#include <string>
#include <string_view>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::codec {

std::string to_base64(ByteView bytes);
Result<Bytes> from_base64(std::string_view base64);

}  // namespace hanse::codec
