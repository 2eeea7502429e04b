// The back ends of the batch against one another, value by value.
#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/crypto/detail/ed25519_kernels.h"
#include "base/crypto/hash.h"

namespace hanse::crypto::detail {
namespace {

const Ed25519Kernels* other() {
  if (ed25519_ifma() == nullptr) std::printf("skipped: this processor has no AVX-512 IFMA\n");
  return ed25519_ifma();
}

// Random encodings, of which half are points, and all corners: y from 0 to 20 and from p - 20 on to 2^255 - 1, both
// signs.
std::vector<FixedBytes<32>> encodings(std::size_t random_ones) {
  SeededRandom random(11);
  std::vector<FixedBytes<32>> out(random_ones);
  for (FixedBytes<32>& e : out) random.fill(e.span());
  for (int sign = 0; sign < 2; ++sign)
    for (int low = 0; low < 60; ++low) {
      FixedBytes<32> e;
      if (low >= 21) e.data.fill(0xff);
      e.data[0] = static_cast<std::uint8_t>(low < 21 ? low : 256 - 60 + low);
      e.data[31] = static_cast<std::uint8_t>((e.data[31] & 0x7f) | sign << 7);
      out.push_back(e);
    }
  return out;
}

struct Decoded {
  std::vector<NielsPoint> points;
  std::vector<std::uint8_t> ok;
};

Decoded decode(const Ed25519Kernels& kernels, const std::vector<FixedBytes<32>>& encoded) {
  std::vector<const std::uint8_t*> views;
  for (const FixedBytes<32>& e : encoded) views.push_back(e.data.data());
  Decoded out{std::vector<NielsPoint>(views.size()), std::vector<std::uint8_t>(views.size(), 2)};
  kernels.decode(views, out.points.data(), out.ok.data());
  return out;
}

TEST(Ed25519Kernels, decode_alike) {
  const Ed25519Kernels* fast = other();
  if (fast == nullptr) return;
  const auto encoded = encodings(1000);
  const Decoded want = decode(ed25519_portable(), encoded), got = decode(*fast, encoded);
  for (std::size_t i = 0; i < encoded.size(); ++i) EXPECT_EQ(got.ok[i], want.ok[i]) << i;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (want.ok[i] == 0) continue;
    EXPECT_TRUE(fe_equal(got.points[i].y_plus_x, want.points[i].y_plus_x)) << i;
    EXPECT_TRUE(fe_equal(got.points[i].y_minus_x, want.points[i].y_minus_x)) << i;
    EXPECT_TRUE(fe_equal(got.points[i].xy2d, want.points[i].xy2d)) << i;
  }
}

TEST(Ed25519Kernels, hash_alike) {
  SeededRandom random(12);
  Bytes text(64 + 700);
  random.fill(text);
  for (const Ed25519Kernels* kernels : {&ed25519_portable(), ed25519_ifma()}) {
    if (kernels == nullptr) continue;
    std::vector<HashInput> inputs;
    for (std::size_t size = 0; size <= 700; ++size)
      inputs.push_back({text.data(), text.data() + 32, ByteView(text).subspan(64, size)});
    std::vector<FixedBytes<64>> out(inputs.size());
    kernels->hash(inputs, out.data());
    for (std::size_t size = 0; size <= 700; ++size)
      EXPECT_EQ(out[size], sha512({ByteView(text).first(64 + size)})) << kernels->name << " " << size;
  }
}

bool equal_points(const Point& a, const Point& b) {
  return fe_equal(a.x * b.z, b.x * a.z) && fe_equal(a.y * b.z, b.y * a.z) && fe_equal(a.t * b.z, b.t * a.z);
}

TEST(Ed25519Kernels, window_sums_alike) {
  const Ed25519Kernels* fast = other();
  if (fast == nullptr) return;
  Decoded some = decode(ed25519_portable(), encodings(200));
  std::vector<NielsPoint> points;
  for (std::size_t i = 0; i < some.ok.size(); ++i)
    if (some.ok[i] != 0) points.push_back(some.points[i]);
  for (int width = 3; width <= 9; ++width) {
    SCOPED_TRACE("width " + std::to_string(width));
    SeededRandom random(static_cast<std::uint64_t>(width));
    const std::size_t windows = 1 + random.below(40), short_windows = 1 + random.below(windows);
    const std::size_t stride = (windows + 7) / 8 * 8, longs = random.below(points.size());
    std::vector<std::int16_t> digits(points.size() * stride);
    const int half = 1 << (width - 1);
    for (std::size_t i = 0; i < points.size(); ++i)
      for (std::size_t w = 0; w < (i < longs ? windows : short_windows); ++w)
        digits[i * stride + w] =
            static_cast<std::int16_t>(static_cast<int>(random.below(static_cast<std::uint64_t>(2 * half + 1))) - half);
    const WindowInput input{points, digits.data(), stride, windows, short_windows, longs, width};
    std::vector<Point> want(windows), got(windows);
    ed25519_portable().window_sums(input, want.data());
    fast->window_sums(input, got.data());
    for (std::size_t w = 0; w < windows; ++w) EXPECT_TRUE(equal_points(got[w], want[w])) << w << " of " << windows;
  }
}

// Every number below 2^512 is q L + r; q of 259 bits here, and 2^512 - 1 from elsewhere.
TEST(Ed25519Scalars, reduce_gives_the_remainder) {
  constexpr Scalar kL{0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000};
  SeededRandom random(13);
  const auto limb = [&random] {
    const std::uint64_t kind = random.below(4);
    return kind == 0 ? 0 : kind == 1 ? ~std::uint64_t{0} : random.next_u64();
  };
  for (std::uint64_t round = 0; round < 20'000; ++round) {
    Scalar r{limb(), limb(), limb(), limb() >> 4};
    if (round % 3 == 0) r = {kL[0] - 1 - round % 5, kL[1], kL[2], kL[3]};
    if (!scalar_is_canonical(r)) continue;
    const std::uint64_t q[5] = {limb(), limb(), limb(), limb(), random.below(8)};
    std::array<std::uint64_t, 8> x{r[0], r[1], r[2], r[3]};
    for (std::size_t i = 0; i < 5; ++i) {
      std::uint64_t carry = 0;
      for (std::size_t j = 0; i + j < 8; ++j) {
        const U128 t = static_cast<U128>(q[i]) * (j < 4 ? kL[j] : 0) + x[i + j] + carry;
        x[i + j] = static_cast<std::uint64_t>(t);
        carry = static_cast<std::uint64_t>(t >> 64);
      }
    }
    ASSERT_EQ(reduce_words(x), r) << "round " << round;
  }
  std::array<std::uint64_t, 8> most;
  most.fill(~std::uint64_t{0});
  EXPECT_EQ(reduce_words(most),
            (Scalar{0xa40611e3449c0f00, 0xd00e1ba768859347, 0xceec73d217f5be65, 0x399411b7c309a3d}));
}

}  // namespace
}  // namespace hanse::crypto::detail
