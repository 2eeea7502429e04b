// Any bytes give an error or an offer that encodes to the same bytes; probes open under their key alone.
#include <cstdlib>

#include "mesh/nat/punch_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  using namespace hanse::nat;
  const ByteView bytes(data, size);
  if (const auto offer = decode_punch(bytes); offer && !equal(encode(*offer), bytes)) std::abort();
  if (const auto sync = decode_punch_sync(bytes); sync && !equal(encode(*sync), bytes)) std::abort();
  ProbeKey key, other;
  other.data[0] = 1;
  if (size != kProbeSize) return 0;
  Bytes probe = to_bytes(bytes);  // a MAC that fits lets the fields behind it be reached
  Probe sealed;
  sealed.type = static_cast<ProbeType>(data[1]);
  PathNonce::from(bytes.subspan(2, 8), sealed.path);
  if (data[30] != 0) sealed.observed = Endpoint{{data[30] == 6, {}}, 1};
  const Bytes good = seal_probe(sealed, key);
  if (const auto opened = open_probe(good, key); opened && *opened != sealed) std::abort();
  if (open_probe(good, other)) std::abort();
  (void)open_probe(probe, key);
  return 0;
}
