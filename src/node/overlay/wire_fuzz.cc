// Frames of anybody: what decodes encodes to the same bytes. The first byte chooses the frame.
#include "base/core/check.h"
#include "node/overlay/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  if (size == 0) return 0;
  const ByteView body(data + 1, size - 1);
  const auto same = [&](const auto& decoded) {
    if (decoded) check(equal(overlay::encode(*decoded), body), "there is one encoding");
  };
  switch (data[0] % 10) {
    case 0: same(overlay::decode_give(body)); break;
    case 1: same(overlay::decode_find(body)); break;
    case 2: same(overlay::decode_found(body)); break;
    case 3: same(overlay::decode_try(body)); break;
    case 4: same(overlay::decode_tried(body)); break;
    case 5: same(overlay::decode_others(body)); break;
    case 6: same(overlay::decode_publish(body)); break;
    case 7: same(overlay::decode_published(body)); break;
    case 8: same(overlay::decode_where(body)); break;
    default: same(overlay::decode_there(body)); break;
  }
  return 0;
}
