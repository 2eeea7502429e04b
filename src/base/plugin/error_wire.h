// An Error as bytes, so that it crosses a plug-in's C boundary or a process boundary and arrives whole.
// Deterministic CBOR map: {0 kind u8, 1 id text, 2 message text, 3 code u32, 4 path text, 5 context array of text}.
// encode_error cuts what is over the limits and replaces bytes that are not UTF-8, so it cannot fail.
// Errors of decode_error: the codec.* ids; plugin.bad_error for a kind that does not exist.
// Threads: free functions, any.
#pragma once

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::plugin {

constexpr std::size_t kErrorIdMax = 64;
constexpr std::size_t kErrorTextMax = 2048;   // message and path, bytes each
constexpr std::size_t kErrorContextMax = 16;  // lines, kErrorTextMax bytes each
constexpr std::size_t kErrorSizeMax = 64 * 1024;

Bytes encode_error(const Error& error);
Result<Error> decode_error(ByteView bytes);

}  // namespace hanse::plugin
