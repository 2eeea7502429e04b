#include "exchange/tensor/audit.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "exchange/tensor/detail/row_dot.h"

#include <algorithm>

namespace hanse::tensor {

namespace {

__extension__ using Int128 = __int128;

constexpr std::size_t kDigits = 4;      // of x: |x| <= 128 * (256^4 - 1) / 255 < 2^31.01
constexpr std::size_t kWideDigits = 7;  // of y = B * x: |y| <= 2^16 * 2^7 * |x| < 2^54.02 <= 127 * (256^7 - 1) / 255

// sum of digits[d] * 256^d
template <class Digit, class Wide>
Wide join(const Digit* digits, std::size_t count) {
  Wide v = 0;
  for (std::size_t d = count; d-- > 0;) v = v * 256 + digits[d];
  return v;
}

// The signed base-256 digits of v, each in [-128, 127].
void split(std::int64_t v, std::int8_t* digits) {
  for (std::size_t d = 0; d < kWideDigits; ++d) {
    digits[d] = static_cast<std::int8_t>(static_cast<std::uint8_t>(v & 0xff));
    v = (v - digits[d]) / 256;
  }
  check(v == 0, "seven digits hold B * x");
}

// The challenge in the two shapes the audit reads it: int8 digits as an n x (rounds * 4) matrix, and each round's
// entries cut into a low half in [0, 2^16) and a signed high half, x = low + 2^16 * high.
struct Challenge {
  std::vector<std::int8_t> digits;
  std::vector<std::int32_t> halves;
};

Challenge draw(std::size_t n, std::size_t rounds, Random& random) {
  Challenge out;
  out.digits.resize(n * rounds * kDigits);
  out.halves.resize(2 * rounds * n);
  random.fill({reinterpret_cast<std::uint8_t*>(out.digits.data()), out.digits.size()});
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t r = 0; r < rounds; ++r) {
      const auto x = join<std::int8_t, std::int64_t>(out.digits.data() + (j * rounds + r) * kDigits, kDigits);
      out.halves[2 * r * n + j] = static_cast<std::int32_t>(x & 0xffff);
      out.halves[(2 * r + 1) * n + j] = static_cast<std::int32_t>(x >> 16);
    }
  return out;
}

std::vector<std::int8_t> digits_of_y(std::span<const std::int32_t> products, std::size_t k, std::size_t rounds) {
  std::vector<std::int8_t> out(k * rounds * kWideDigits);
  for (std::size_t i = 0; i < k * rounds; ++i)
    split(join<std::int32_t, std::int64_t>(products.data() + i * kDigits, kDigits), out.data() + i * kWideDigits);
  return out;
}

}  // namespace

Status audit(const MatmulShape& shape, std::span<const std::int8_t> a, std::span<const std::int8_t> b,
             std::span<const std::int32_t> c, Random& random, const AuditOptions& options) {
  const std::size_t m = shape.m, k = shape.k, n = shape.n, rounds = options.rounds;
  if (rounds == 0 || rounds > kAuditRoundsMax)
    return fail(Kind::kInvalid, "tensor.rounds", text("found {} rounds, expected 1..{}", rounds, kAuditRoundsMax));
  if (c.size() != m * n)
    return fail(Kind::kInvalid, "tensor.dims", text("found {} cells of C, expected {} x {}", c.size(), m, n));

  const Challenge x = draw(n, rounds, random);
  const auto x_cols = static_cast<std::uint32_t>(rounds * kDigits);
  std::vector<std::int32_t> bx(k * x_cols);
  TRY_OK(matmul({shape.k, shape.n, x_cols}, b, x.digits, bx, options.matmul));
  const std::vector<std::int8_t> y = digits_of_y(bx, k, rounds);
  const auto y_cols = static_cast<std::uint32_t>(rounds * kWideDigits);
  std::vector<std::int32_t> ay(m * y_cols);
  TRY_OK(matmul({shape.m, shape.k, y_cols}, a, y, ay, options.matmul));

  const std::uint64_t cell_max = std::uint64_t{k} << 14;
  for (std::size_t i = 0; i < m; ++i) {
    const std::int32_t* row = c.data() + i * n;
    if (detail::largest(row, n) > cell_max)
      return fail(Kind::kCorrupt, "tensor.audit_failed", text("found a cell above {} in row {}", cell_max, i));
    std::int64_t dots[detail::kDotsMax];
    detail::row_dots(options.matmul.backend, row, x.halves.data(), n, 2 * rounds, dots);
    for (std::size_t r = 0; r < rounds; ++r) {
      const Int128 right = Int128{dots[2 * r]} + Int128{dots[2 * r + 1]} * 65'536;
      const auto left = join<std::int32_t, Int128>(ay.data() + (i * rounds + r) * kWideDigits, kWideDigits);
      if (left != right)
        return fail(Kind::kCorrupt, "tensor.audit_failed", text("row {} of C is not that of the product", i));
    }
  }
  return {};
}

}  // namespace hanse::tensor
