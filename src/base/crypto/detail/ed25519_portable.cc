#include <algorithm>
#include <vector>

#include "base/crypto/detail/ed25519_kernels.h"
#include "base/crypto/hash.h"

namespace hanse::crypto::detail {
namespace {

void hash(std::span<const HashInput> inputs, FixedBytes<64>* out) {
  for (const HashInput& in : inputs) *out++ = sha512({ByteView(in.r, 32), ByteView(in.a, 32), in.message});
}

void decode(std::span<const std::uint8_t* const> encoded, NielsPoint* out, std::uint8_t* ok) {
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Point p;
    ok[i] = decode_point(encoded[i], p) ? 1 : 0;
    if (ok[i] != 0) out[i] = affine_niels(p);
  }
}

void window_sums(const WindowInput& in, Point* sums) {
  std::vector<Point> buckets(std::size_t{1} << (in.width - 1));
  for (std::size_t w = 0; w < in.windows; ++w) {
    std::ranges::fill(buckets, kIdentity);
    const std::size_t n = w < in.short_windows ? in.points.size() : in.long_points;
    for (std::size_t i = 0; i < n; ++i) {
      const int digit = in.digits[i * in.stride + w];
      if (digit == 0) continue;
      Point& bucket = buckets[static_cast<std::size_t>(std::abs(digit)) - 1];
      bucket = digit > 0 ? add(bucket, in.points[i]) : subtract(bucket, in.points[i]);
    }
    Point running = kIdentity, total = kIdentity;  // sum of b * bucket[b] by running sums from the top
    for (std::size_t b = buckets.size(); b-- > 0;) {
      running = add(running, cache(buckets[b]));
      total = add(total, cache(running));
    }
    sums[w] = total;
  }
}

}  // namespace

const Ed25519Kernels& ed25519_portable() {
  static constexpr Ed25519Kernels kKernels{"portable", 1, hash, decode, window_sums};
  return kKernels;
}

}  // namespace hanse::crypto::detail
