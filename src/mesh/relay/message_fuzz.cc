// Any bytes give an error or a message that encodes to the same bytes.
#include <cstdlib>

#include "mesh/relay/message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const ByteView bytes(data, size);
  if (const auto m = relay::decode_message(bytes); m && !equal(relay::encode(*m), bytes)) std::abort();
  if (const auto c = relay::open_carried(bytes); c && !equal(relay::carry(*c), bytes)) std::abort();
  return 0;
}
