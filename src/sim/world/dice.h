// Seeded streams of chance for the simulator: one a component, so that taking a fault away does not change what the
// others draw. SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Integers only: the same seed gives the same run on
// every machine. One thread at a time. Errors: none.
#pragma once

#include <array>

#include "sim/check/mix.h"

namespace hanse::sim {

class Dice {
 public:
  explicit Dice(std::uint64_t seed = 0, std::uint64_t stream = 0) : state_(mix(mix(seed, 0x68616e7365), stream)) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t bound) {  // bound < 2^32
    return (next() >> 32) * bound >> 32;
  }
  std::int64_t between(std::int64_t low, std::int64_t high) {  // both included
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool chance(std::uint64_t in_10000) { return in_10000 != 0 && below(10'000) < in_10000; }
  // Log-normal with this median and sigma 0.6, from 64 quantiles.
  std::int64_t log_normal(std::int64_t median) {
    static constexpr std::array<std::uint16_t, 64> kQuantiles = {
        240,  311,  356,  392,  423,  451,  477,  502,  525,  548,  569,  591,  612,  632,  653,  673,
        693,  713,  733,  754,  774,  794,  815,  835,  856,  877,  899,  921,  943,  965,  989,  1012,
        1036, 1061, 1086, 1112, 1139, 1166, 1195, 1225, 1255, 1287, 1320, 1355, 1391, 1430, 1470, 1513,
        1558, 1606, 1658, 1714, 1775, 1841, 1915, 1997, 2090, 2198, 2324, 2479, 2676, 2947, 3374, 4368};
    return median * kQuantiles[next() >> 58] >> 10;
  }

 private:
  std::uint64_t state_;
};

}  // namespace hanse::sim
