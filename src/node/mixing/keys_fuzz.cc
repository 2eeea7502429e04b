// Keys come from peers: any bytes give a verdict, and what is taken is written as it was read.
#include "base/core/check.h"
#include "node/mixing/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const ByteView bytes(data, size);
  if (const auto told = mixing::decode_keys(crypto::KemAlg::kXWing, bytes))
    check(equal(mixing::encode_keys(*told), bytes), "keys have one form");
  return 0;
}
