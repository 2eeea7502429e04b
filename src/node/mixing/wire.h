// What nodes of a mix say to each other beside cells: their keys. Pure, any thread. Bytes: proto/records/mesh.md.
// Limits: kKeysMax keys a frame. Errors: mixing.keys (invalid: not whole keys of the suite, epochs not ascending).
#pragma once

#include "exchange/router/key_ring.h"

namespace hanse::mixing {

constexpr std::uint64_t kMixProtocol = 0x32;
constexpr std::uint64_t kMixCap = 2;  // bit of HELLO's caps: speaks kMixProtocol
constexpr std::uint8_t kCell = 1, kKeys = 2;
constexpr std::size_t kKeysMax = router::kEpochsAheadMax + 2;

struct ToldKeys {
  std::uint32_t deep_per_1000s = 0;  // cells of the Deep lane that the node has seen lately
  std::vector<router::EpochPublic> keys;
};
Bytes encode_keys(const ToldKeys& told);
Result<ToldKeys> decode_keys(crypto::KemAlg kem, ByteView bytes);

}  // namespace hanse::mixing
