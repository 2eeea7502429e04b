// Numbers with a unit. A Height never adds to an Amount; conversions are spelled out.
//   Height   ledger block height, 0 = genesis
//   Amount   integer micro-tokens (ut), u64; sums go through add/sub, which refuse to wrap
// Durations and instants are std::int64_t with the unit in the name (_ns, _ms): the standard clock headers cost
// every file 0.8 s to compile.
#pragma once

#include <compare>
#include <cstdint>

namespace hanse {

template <class Tag>
struct Unit {
  std::uint64_t value = 0;
  friend auto operator<=>(const Unit&, const Unit&) = default;
};

struct Height : Unit<struct HeightTag> {
  constexpr Height plus(std::uint64_t blocks) const { return Height{value + blocks}; }
};

struct Amount : Unit<struct AmountTag> {
  // False (and out untouched) on overflow or underflow.
  [[nodiscard]] static bool add(Amount a, Amount b, Amount& out) {
    std::uint64_t v = 0;
    if (__builtin_add_overflow(a.value, b.value, &v)) return false;
    out = Amount{v};
    return true;
  }
  [[nodiscard]] static bool sub(Amount a, Amount b, Amount& out) {
    if (b.value > a.value) return false;
    out = Amount{a.value - b.value};
    return true;
  }
};

}  // namespace hanse
