// Any bytes give an error or a message whose encoding decodes to the same message again.
#include <cstdlib>

#include "mesh/nat/stun.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  using namespace hanse::nat;
  const ByteView bytes(data, size);
  const Result<StunMessage> message = decode_stun(bytes);
  if (!message) return 0;
  const Bytes key(20, 7);
  (void)integrity_ok(*message, bytes, Integrity::kSha1, key);
  (void)integrity_ok(*message, bytes, Integrity::kSha256, key);
  for (const Integrity integrity : {Integrity::kNone, Integrity::kSha1, Integrity::kSha256}) {
    const StunSeal seal{integrity, key, true};
    const Bytes first = encode_stun(*message, seal);
    if (first.size() > kStunBytesMax) continue;  // seals made it longer
    const Result<StunMessage> again = decode_stun(first);
    if (!again || !again->fingerprint || encode_stun(*again, seal) != first) std::abort();
    if (integrity != Integrity::kNone && !integrity_ok(*again, first, integrity, key)) std::abort();
  }
  return 0;
}
