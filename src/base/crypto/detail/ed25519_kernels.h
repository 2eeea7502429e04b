// What a back end of the Ed25519 batch does with many values at once: hashes, decodings, sums of a window.
// Threads: pure functions. Public data: variable time. Errors: none.
#pragma once

#include <span>
#include <string_view>

#include "base/crypto/detail/edwards.h"

namespace hanse::crypto::detail {

struct HashInput {
  const std::uint8_t* r;  // 32 bytes
  const std::uint8_t* a;  // 32 bytes
  ByteView message;
};

// Digits of points[i] stand from digits[i * stride] on, lowest window first, each at most 2^(width-1) in size. Windows
// from `short_windows` on have digits for the first `long_points` points only.
struct WindowInput {
  std::span<const NielsPoint> points;
  const std::int16_t* digits;
  std::size_t stride, windows, short_windows, long_points;
  int width;
};

struct Ed25519Kernels {
  std::string_view name;
  std::size_t lanes;                                                     // windows that are summed together
  void (*hash)(std::span<const HashInput> inputs, FixedBytes<64>* out);  // SHA-512(r || a || message)
  // decode_point of 32 bytes each; ok[i] = 0 where there is no point, and out[i] is then anything.
  void (*decode)(std::span<const std::uint8_t* const> encoded, NielsPoint* out, std::uint8_t* ok);
  void (*window_sums)(const WindowInput& input, Point* sums);  // sums[w] = sum of digit(i, w) * points[i]
};

const Ed25519Kernels& ed25519_portable();
const Ed25519Kernels* ed25519_ifma();  // null: this processor has none
}  // namespace hanse::crypto::detail
