// Quick 64-bit mixing for the simulator: keys of sets, trace hashes, unforgeable tokens. Nothing here is cryptographic.
// Pure; any thread. Errors: none.
#pragma once

#include "base/core/bytes.h"

namespace hanse::sim {

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = (a ^ 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
  x ^= b + 0x2545f4914f6cdd1du + (x >> 29);
  x *= 0xc4ceb9fe1a85ec53u;
  return x ^ (x >> 32);
}

inline std::uint64_t mix_bytes(ByteView bytes) {
  std::uint64_t h = bytes.size() * 0x9e3779b97f4a7c15u;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t w;
    std::memcpy(&w, bytes.data() + i, 8);
    h = (h ^ w) * 0x9fb21c651e98df25u;
    h ^= h >> 31;
  }
  for (; i < bytes.size(); ++i) h = (h ^ bytes[i]) * 0x100000001b3u;
  return mix(h, bytes.size());
}

}  // namespace hanse::sim
