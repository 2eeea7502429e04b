// Arguments of calls and member lists: whatever decodes encodes to the same bytes.
#include <cstdlib>

#include "chain/stake/records.h"

using namespace hanse;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto join = stake::decode_join(bytes); join && !equal(stake::encode(*join), bytes)) std::abort();
  if (const auto rotation = stake::decode_rotation(bytes); rotation && !equal(stake::encode(*rotation), bytes))
    std::abort();
  if (const auto amount = stake::decode_amount(bytes); amount && !equal(stake::encode_amount(*amount), bytes))
    std::abort();
  if (const auto address = stake::decode_address(bytes); address && !equal(stake::encode_address(*address), bytes))
    std::abort();
  if (const auto slashed = stake::decode_slashed(bytes); slashed && !equal(stake::encode(*slashed), bytes))
    std::abort();
  if (const auto all = stake::decode_members(bytes); all && !equal(stake::encode_members(*all), bytes)) std::abort();
  if (const auto start = stake::decode_stake_genesis(bytes);
      start && !equal(stake::encode_stake_genesis(start->first, start->second), bytes))
    std::abort();
  return 0;
}
