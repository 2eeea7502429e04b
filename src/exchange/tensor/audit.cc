#include "exchange/tensor/audit.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "exchange/tensor/detail/kernel.h"
#include "exchange/tensor/detail/row_dot.h"

#include <algorithm>

namespace hanse::tensor {

namespace {

__extension__ using Int128 = __int128;

constexpr std::size_t kDigits = 4;      // of x, unsigned base 256: x < 2^32
constexpr std::size_t kWideDigits = 7;  // of y = B * x, moved up: |y| < 2^55, see digits_of_y
constexpr std::int64_t kMove = (std::int64_t{1} << 55) - 1;

// sum of digits[d] * 256^d
template <class Wide>
Wide join(const std::int32_t* digits, std::size_t count) {
  Wide v = 0;
  for (std::size_t d = count; d-- > 0;) v = v * 256 + digits[d];
  return v;
}

// The challenge in the two shapes the audit reads it, vector after vector: each round's x as four vectors of digits,
// and as two of halves, x = halves[0] + 2^16 * halves[1].
struct Challenge {
  std::vector<std::uint8_t> digits;
  std::vector<std::int32_t> halves;
};

Challenge draw(std::size_t n, std::size_t rounds, Random& random) {
  Challenge out;
  out.digits.resize(rounds * kDigits * n);
  out.halves.resize(rounds * 2 * n);
  random.fill(out.digits);
  for (std::size_t h = 0; h < 2 * rounds; ++h)
    for (std::size_t j = 0; j < n; ++j)
      out.halves[h * n + j] = out.digits[2 * h * n + j] + 256 * out.digits[(2 * h + 1) * n + j];
  return out;
}

// y = B * x of each round as seven vectors of the digits of y + kMove, then one vector of ones: the dot products with
// the latter are what takes kMove out again. |y| <= n * 128 * (2^32 - 1) < 2^55, so the moved value is in [0, 2^56).
std::vector<std::uint8_t> digits_of_y(std::span<const std::int32_t> bx, std::size_t k, std::size_t rounds) {
  std::vector<std::uint8_t> out((rounds * kWideDigits + 1) * k, 1);
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t r = 0; r < rounds; ++r) {
      const auto y = join<std::int64_t>(bx.data() + (i * rounds + r) * kDigits, kDigits);
      check(y >= -kMove && y <= kMove, "B * x is below 2^55");
      auto moved = static_cast<std::uint64_t>(y + kMove);
      for (std::size_t d = 0; d < kWideDigits; ++d, moved >>= 8)
        out[(r * kWideDigits + d) * k + i] = static_cast<std::uint8_t>(moved);
    }
  return out;
}

Status check_shape(const MatmulShape& shape, std::size_t a, std::size_t b, std::size_t c) {
  const std::size_t m = shape.m, k = shape.k, n = shape.n;
  if (m == 0 || k == 0 || n == 0 || m > kDimMax || k > kDimMax || n > kDimMax)
    return fail(Kind::kInvalid, "tensor.dims", text("found {} x {} x {}, expected each 1..{}", m, k, n, kDimMax));
  if (a == m * k && b == k * n && c == m * n) return {};
  return fail(Kind::kInvalid, "tensor.dims", text("found spans of {}, {} and {} for {} x {} x {}", a, b, c, m, k, n));
}

}  // namespace

Status audit(const MatmulShape& shape, std::span<const std::int8_t> a, std::span<const std::int8_t> b,
             std::span<const std::int32_t> c, Random& random, const AuditOptions& options) {
  const std::size_t m = shape.m, k = shape.k, n = shape.n, rounds = options.rounds;
  if (!detail::backend_available(options.backend))
    return fail(Kind::kUnsupported, "tensor.backend",
                text("found back end '{}', which this machine cannot run", backend_name(options.backend)));
  if (rounds == 0 || rounds > kAuditRoundsMax)
    return fail(Kind::kInvalid, "tensor.rounds", text("found {} rounds, expected 1..{}", rounds, kAuditRoundsMax));
  TRY_OK(check_shape(shape, a.size(), b.size(), c.size()));

  const Challenge x = draw(n, rounds, random);
  std::vector<std::int32_t> bx(k * rounds * kDigits);
  detail::byte_dots(options.backend, b.data(), k, n, x.digits.data(), rounds * kDigits, bx.data());
  const std::vector<std::uint8_t> y = digits_of_y(bx, k, rounds);
  const std::size_t columns = rounds * kWideDigits + 1;
  std::vector<std::int32_t> ay(m * columns);
  detail::byte_dots(options.backend, a.data(), m, k, y.data(), columns, ay.data());

  for (std::size_t i = 0; i < m; ++i) {
    std::int64_t dots[detail::kDotsMax];
    detail::row_dots(options.backend, c.data() + i * n, x.halves.data(), n, 2 * rounds, dots);
    const std::int32_t* row = ay.data() + i * columns;
    for (std::size_t r = 0; r < rounds; ++r) {
      const Int128 left = join<Int128>(row + r * kWideDigits, kWideDigits) - Int128{row[columns - 1]} * kMove;
      const Int128 right = Int128{dots[2 * r]} + Int128{dots[2 * r + 1]} * 65'536;
      if (left != right)
        return fail(Kind::kCorrupt, "tensor.audit_failed", text("row {} of C is not that of the product", i));
    }
  }
  return {};
}

}  // namespace hanse::tensor
