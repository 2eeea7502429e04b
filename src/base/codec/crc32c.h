// CRC-32C (Castagnoli, polynomial 0x1EDC6F41, RFC 3720 appendix B.4): finds accidents in files and typing, not attacks.
// Pure; any thread. Errors: none.
#pragma once

#include "base/core/bytes.h"

namespace hanse::codec {

// Continue a sum by passing what the bytes before gave.
std::uint32_t crc32c(ByteView data, std::uint32_t before = 0);

}  // namespace hanse::codec
