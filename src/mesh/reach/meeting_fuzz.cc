// Any bytes give an error or a meeting that encodes to the same bytes.
#include <cstdlib>

#include "mesh/reach/detail/meetings.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const ByteView bytes(data, size);
  const auto meeting = reach::detail::decode_meeting(bytes);
  if (meeting && !equal(reach::detail::encode(*meeting), bytes)) std::abort();
  return 0;
}
