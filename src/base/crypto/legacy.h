// Broken and outdated functions that wire formats of others still ask for. Nothing of Hanse's own may use them.
//   hmac_sha1   MESSAGE-INTEGRITY of STUN and TURN (RFC 8489, 14.5)
//   md5         the key of a TURN user where the server knows nothing better (RFC 8489, 9.2.2)
// Threads: any. Errors: none.
#pragma once

#include <initializer_list>

#include "base/core/bytes.h"

namespace hanse::crypto {

FixedBytes<20> hmac_sha1(ByteView key, std::initializer_list<ByteView> parts);  // RFC 2104
FixedBytes<16> md5(std::initializer_list<ByteView> parts);

}  // namespace hanse::crypto
