#include "base/crypto/detail/strong_lanes.h"

#include <algorithm>
#include <vector>

#include "base/crypto/detail/mont320.h"

namespace hanse::crypto::detail {
namespace {

constexpr std::uint64_t kMask52 = (std::uint64_t{1} << 52) - 1;
constexpr int kRadixBits = 364;

std::uint64_t limb52(const U320& a, std::size_t i) {
  const std::size_t at = 52 * i, word = at / 64, shift = at % 64;
  std::uint64_t out = a[word] >> shift;
  if (shift > 12 && word + 1 < 5) out |= a[word + 1] << (64 - shift);
  return out & kMask52;
}

U320 value_of(const LaneState& state, std::size_t lane) {
  U320 out{};
  for (std::size_t i = 0; i < kLimbs52; ++i) {
    const std::size_t at = 52 * i, word = at / 64, shift = at % 64;
    out[word] |= state.r[i][lane] << shift;
    if (shift > 12 && word + 1 < 5) out[word + 1] |= state.r[i][lane] >> (64 - shift);
  }
  return out;
}

// Sixteen tests. With fewer the last one is done again.
class Sixteen {
 public:
  explicit Sixteen(std::span<const StrongTest> tests) {
    places_.reserve(2 * kLanes);
    for (std::size_t at = 0; at < 2 * kLanes; ++at) {
      const StrongTest& test = tests[std::min(at, tests.size() - 1)];
      if (at > 0 && test.number == places_.back().m.n())
        places_.push_back(Place(places_.back()));
      else
        places_.emplace_back(test.number);
      set(halves_[at / kLanes], at % kLanes, places_.back(), test.base);
    }
  }

  std::uint64_t run(LaneKernel kernel) {
    int most = 0;
    for (const Place& place : places_) most = std::max(most, place.twos);
    constexpr int kFirst = kLaneBits - 2;  // the bit below the topmost
    if (most < kFirst) kernel(halves_[0], halves_[1], kFirst, most + 1);
    std::uint64_t passed = 0;
    for (int bit = std::min(most, kFirst); bit > 0; --bit) {
      kernel(halves_[0], halves_[1], bit, bit);
      for (std::size_t at = 0; at < 2 * kLanes; ++at) {
        const Place& place = places_[at];
        if (bit > place.twos) continue;  // base^((n - 1) / 2^bit) counts from there on
        const U320 power = place.m.canonical(value_of(halves_[at / kLanes], at % kLanes));
        if (power == place.negative_one || (bit == place.twos && power == place.one)) passed |= std::uint64_t{1} << at;
      }
    }
    return passed;
  }

 private:
  struct Place {
    explicit Place(const U320& n) : m(n), one(m.doubled(m.one(), kRadixBits - 320)) {
      check(u320_bits(n) == kLaneBits, "a lane's number has 264 bits");
      u320_sub(n, one, negative_one);
      U320 minus_one = n;
      minus_one[0] -= 1;
      twos = u320_twos(minus_one);
    }
    Mont320 m;
    U320 one{}, negative_one{};  // times 2^364
    int twos = 0;
  };
  static void set(LaneState& state, std::size_t lane, const Place& place, std::uint32_t base) {
    const U320 first = Mont320::small(place.one, base);
    for (std::size_t i = 0; i < kLimbs52; ++i) {
      state.n[i][lane] = limb52(place.m.n(), i);
      state.r[i][lane] = limb52(first, i);
    }
    state.minus_inverse[lane] = place.m.minus_inverse() & kMask52;
    state.base[lane] = base;
  }

  std::vector<Place> places_;  // of every lane
  std::array<LaneState, 2> halves_;
};

}  // namespace

std::uint64_t strong_probable_primes(std::span<const StrongTest> tests) {
  const LaneKernel kernel = lane_kernel();
  check(kernel != nullptr && tests.size() <= kTestsMax, "there is a kernel, and so many tests at most");
  std::uint64_t passed = 0;
  for (std::size_t at = 0; at < tests.size(); at += 2 * kLanes) {
    const auto some = tests.subspan(at, std::min(2 * kLanes, tests.size() - at));
    const std::uint64_t wanted = (std::uint64_t{1} << some.size()) - 1;
    passed |= (Sixteen(some).run(kernel) & wanted) << at;
  }
  return passed;
}

}  // namespace hanse::crypto::detail
