// Journal records of every type: the first byte picks the type.
#include "chain/consensus/describe.h"

using namespace hanse;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  (void)consensus::describe_record(static_cast<std::uint8_t>(data[0] % 9), ByteView(data + 1, size - 1));
  return 0;
}
