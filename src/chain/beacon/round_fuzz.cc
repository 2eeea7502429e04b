// Rounds and parameters of anybody: what decodes encodes to the same bytes.
#include "base/core/check.h"
#include "chain/beacon/beacon.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const ByteView bytes(data, size);
  if (const auto round = beacon::decode_round(bytes)) check(equal(beacon::encode(*round), bytes), "one encoding");
  if (const auto params = beacon::decode_beacon_genesis(bytes))
    check(equal(beacon::encode_beacon_genesis(*params), bytes), "one encoding");
  if (const auto mine = beacon::decode_mine(bytes)) check(equal(beacon::encode(*mine), bytes), "one encoding");
  return 0;
}
