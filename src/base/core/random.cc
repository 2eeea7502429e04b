#include "base/core/random.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "base/core/check.h"

namespace hanse {

namespace {

class SystemRandom final : public Random {
 public:
  void fill(ByteSpan out) override {
    while (!out.empty()) {
      const ssize_t n = getrandom(out.data(), out.size(), 0);
      if (n < 0) {
        check(errno == EINTR, "getrandom fails only when interrupted");
        continue;
      }
      out = out.subspan(static_cast<std::size_t>(n));
    }
  }
};

// FNV-1a: spreads a label over the counter's upper half; streams need distinct, not secret, positions.
std::uint64_t hash_label(std::string_view label) {
  std::uint64_t h = 0xcbf29ce484222325ull;
  for (char c : label) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return h;
}

}  // namespace

std::uint64_t Random::next_u64() {
  std::uint8_t buf[8];
  fill(buf);
  return load_le<std::uint64_t>(buf);
}

std::uint64_t Random::below(std::uint64_t bound) {
  check(bound > 0, "Random::below has a positive bound");
  const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % bound + 1) % bound;
  std::uint64_t v = next_u64();
  while (v > limit) v = next_u64();
  return v % bound;
}

Random& system_random() {
  static SystemRandom random;
  return random;
}

std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p0)};
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return c;
}

SeededRandom::SeededRandom(std::uint64_t seed, std::string_view label) {
  key_ = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  const std::uint64_t h = hash_label(label);
  counter_ = {0, 0, static_cast<std::uint32_t>(h), static_cast<std::uint32_t>(h >> 32)};
}

void SeededRandom::refill() {
  const auto words = philox4x32_10(counter_, key_);
  for (std::size_t i = 0; i < 4; ++i) store_le(block_.data() + 4 * i, words[i]);
  if (++counter_[0] == 0) ++counter_[1];
  used_ = 0;
}

void SeededRandom::fill(ByteSpan out) {
  for (std::uint8_t& b : out) {
    if (used_ == block_.size()) refill();
    b = block_[used_++];
  }
}

}  // namespace hanse
