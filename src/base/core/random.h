// Randomness as a port. system_random() is the kernel's generator and the only source for keys, nonces and salts.
// SeededRandom is Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011): counter-based,
// so a stream is named by (seed, label) and does not depend on the order in which other streams are drawn. It is for
// simulation, tests and jobs that must repeat; it is not secret.
// Threads: system_random() any; SeededRandom one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/core/bytes.h"

namespace hanse {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(ByteSpan out) = 0;

  std::uint64_t next_u64();
  std::uint64_t below(std::uint64_t bound);  // uniform in [0, bound), bound > 0; rejection, no modulo bias
};

Random& system_random();

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed, std::string_view label = {});
  void fill(ByteSpan out) override;

 private:
  void refill();

  std::array<std::uint32_t, 2> key_{};
  std::array<std::uint32_t, 4> counter_{};
  std::array<std::uint8_t, 16> block_{};
  std::size_t used_ = 16;
};

// One Philox4x32-10 block; public so that the published known answers can be checked against it.
std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

}  // namespace hanse
