// Hybrid logical clock (Kulkarni et al., OPODIS 2014): 48 bits of wall milliseconds, 16 bits of counter. Values of one
// node ascend strictly, and are above everything it has observed. A value more than kHlcAheadMs ahead of the own clock
// is refused, so that no peer can drag the clock away (mesh.md 5.15). Plain value; one thread at a time. Errors: none.
#pragma once

#include <algorithm>
#include <cstdint>

namespace hanse::gossip {

constexpr std::int64_t kHlcAheadMs = 60'000;

constexpr std::uint64_t hlc_of(std::int64_t wall_ms) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(wall_ms, 0)) << 16;
}
constexpr std::int64_t hlc_ms(std::uint64_t hlc) { return static_cast<std::int64_t>(hlc >> 16); }

class Hlc {
 public:
  std::uint64_t next(std::int64_t wall_ms) { return last_ = std::max(last_ + 1, hlc_of(wall_ms)); }
  bool observe(std::uint64_t remote, std::int64_t wall_ms) {  // false: too far ahead, nothing changed
    if (hlc_ms(remote) > wall_ms + kHlcAheadMs) return false;
    last_ = std::max(last_, remote);
    return true;
  }

 private:
  std::uint64_t last_ = 0;
};

}  // namespace hanse::gossip
