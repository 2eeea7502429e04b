// Frames of any peer: what decodes encodes to the same bytes.
#include "base/core/check.h"
#include "mesh/gossip/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const ByteView frame(data, size);
  const auto any = gossip::decode(frame);
  if (!any) return 0;
  const Bytes again = std::visit([](const auto& m) { return gossip::encode(m); }, *any);
  check(equal(again, frame), "what decodes encodes to itself");
  return 0;
}
