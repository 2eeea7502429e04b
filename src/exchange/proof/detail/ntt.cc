#include "exchange/proof/detail/ntt.h"

#include "base/core/check.h"

#include <algorithm>

namespace hanse::proof {

Encoder::Encoder(unsigned message_log2) : size_(std::size_t{1} << (message_log2 + kBlowupLog2)) {
  check(message_log2 + kBlowupLog2 <= 32, "p - 1 has 2^32 as a factor");
  Fp root = power({7}, (kPrime - 1) / size_);  // 7 generates the multiplicative group
  for (std::size_t half = size_ / 2; half > 0; half /= 2, root = root * root) {
    Fp at{1};
    for (std::size_t i = 0; i < half; ++i, at = at * root) roots_.push_back(at);
  }
}

// Decimation in frequency (Gentleman, Sande, 1966). At first only the front of the word is filled: what the other
// halves then get is the front times the roots.
void Encoder::encode(std::span<const Fp> message, std::span<Fp> word) const {
  check(word.size() == size_ && message.size() == size_ >> kBlowupLog2, "a word of the code");
  std::ranges::copy(message, word.begin());
  const std::size_t filled = message.size();
  const Fp* roots = roots_.data();
  for (std::size_t half = size_ / 2; half > 0; roots += half, half /= 2)
    for (std::size_t begin = 0; begin < size_; begin += 2 * half) {
      Fp* low = word.data() + begin;
      Fp* high = low + half;
      for (std::size_t i = 0; i < std::min(half, filled); ++i) {
        const Fp a = low[i];
        const Fp b = half >= filled ? Fp{} : high[i];
        low[i] = a + b;
        high[i] = (a - b) * roots[i];
      }
    }
}

std::vector<Ext> Encoder::encode(std::span<const Ext> message) const {
  std::vector<Fp> part(message.size()), a(size()), b(size());
  std::ranges::transform(message, part.begin(), [](Ext x) { return x.a; });
  encode(part, a);
  std::ranges::transform(message, part.begin(), [](Ext x) { return x.b; });
  encode(part, b);
  std::vector<Ext> out(size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = {a[i], b[i]};
  return out;
}

}  // namespace hanse::proof
