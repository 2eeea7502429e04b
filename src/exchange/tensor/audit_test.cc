#include "exchange/tensor/audit.h"

#include "base/core/text.h"

#include <gtest/gtest.h>

namespace hanse::tensor {
namespace {

struct Product {
  MatmulShape shape;
  std::vector<std::int8_t> a, b;
  std::vector<std::int32_t> c;

  Product(const MatmulShape& s, Random& random) : shape(s), a(s.m * s.k), b(s.k * s.n), c(s.m * s.n) {
    random.fill({reinterpret_cast<std::uint8_t*>(a.data()), a.size()});
    random.fill({reinterpret_cast<std::uint8_t*>(b.data()), b.size()});
    EXPECT_TRUE(matmul(shape, a, b, c, {}));
  }
  Status audit_with(Random& random, Backend backend, std::uint32_t rounds = kAuditRounds) const {
    return audit(shape, a, b, c, random, {.rounds = rounds, .backend = backend});
  }
};

TEST(Audit, accepts_true_products_and_refuses_one_wrong_cell_on_every_back_end) {
  const std::uint64_t seed = 21;
  SeededRandom random(seed, "audit");
  for (int round = 0; round < 40; ++round) {
    const auto size = [&] { return static_cast<std::uint32_t>(1 + random.below(90)); };
    Product p({size(), size(), size()}, random);
    const std::size_t cell = random.below(p.c.size());
    const auto rounds = static_cast<std::uint32_t>(1 + random.below(kAuditRoundsMax));
    for (const Backend backend : available_backends()) {
      const Status good = p.audit_with(random, backend, rounds);
      ASSERT_TRUE(good) << good.error().str() << " seed " << seed << " " << backend_name(backend);
      const std::int32_t true_value = p.c[cell];
      for (const std::int32_t wrong : {true_value + 1, true_value - 1, true_value + 65'536, -true_value - 7}) {
        p.c[cell] = wrong;
        const Status bad = p.audit_with(random, backend, rounds);
        ASSERT_FALSE(bad) << "seed " << seed << " cell " << cell << " " << backend_name(backend);
        EXPECT_EQ(bad.error().id(), "tensor.audit_failed");
      }
      p.c[cell] = true_value;
    }
  }
}

TEST(Audit, refuses_two_errors_that_cancel_in_the_row_sum) {
  SeededRandom random(22, "cancel");
  Product p({9, 33, 20}, random);
  p.c[3] += 1;
  p.c[4] -= 1;
  EXPECT_FALSE(p.audit_with(random, Backend::kPortable));
}

TEST(Audit, refuses_a_product_of_swapped_rows) {
  SeededRandom random(23, "swap");
  Product p({2, 33, 20}, random);
  std::swap_ranges(p.c.begin(), p.c.begin() + 20, p.c.begin() + 20);
  EXPECT_FALSE(p.audit_with(random, Backend::kPortable));
}

TEST(Audit, holds_the_extremes_of_every_operand) {
  // A challenge of one repeated byte: 0xff is the largest digit, and a challenge of zeros sees nothing.
  class Fixed final : public Random {
   public:
    explicit Fixed(std::uint8_t byte) : byte_(byte) {}
    void fill(ByteSpan out) override { std::ranges::fill(out, byte_); }

   private:
    std::uint8_t byte_;
  };
  const std::uint32_t deep = kDimMax;
  for (const MatmulShape& s : {MatmulShape{1, deep, 1}, MatmulShape{1, 1, deep}, MatmulShape{1, 24, deep}})
    for (const int av : {-128, 127})
      for (const int bv : {-128, 127})
        for (const int digit : {0x00, 0x01, 0xff}) {
          const std::vector<std::int8_t> a(std::size_t{s.m} * s.k, static_cast<std::int8_t>(av));
          const std::vector<std::int8_t> b(std::size_t{s.k} * s.n, static_cast<std::int8_t>(bv));
          std::vector<std::int32_t> c(std::size_t{s.m} * s.n, static_cast<std::int32_t>(s.k) * av * bv);
          for (const Backend backend : available_backends()) {
            Fixed random(static_cast<std::uint8_t>(digit));
            const Status good = audit(s, a, b, c, random, {.backend = backend});
            ASSERT_TRUE(good) << good.error().str() << text(" {} {} {} {}", av, bv, digit, backend_name(backend));
            c.back() += c.back() > 0 ? -1 : 1;
            EXPECT_EQ(audit(s, a, b, c, random, {.backend = backend}).has_value(), digit == 0);
            c.back() -= c.back() > 0 ? -1 : 1;
          }
        }
}

TEST(Audit, is_exact_for_cells_no_product_can_have) {
  SeededRandom random(24, "range");
  for (const Backend backend : available_backends()) {
    MatmulShape s{1, 2, kDimMax};
    const std::vector<std::int8_t> a(2, 1), b(std::size_t{2} * kDimMax, 1);
    const std::vector<std::int32_t> c(kDimMax, std::numeric_limits<std::int32_t>::min());
    EXPECT_EQ(audit(s, a, b, c, random, {.backend = backend}).error().id(), "tensor.audit_failed");
  }
}

TEST(Audit, refuses_rounds_out_of_range_and_other_shapes) {
  SeededRandom random(25, "limits");
  Product p({2, 3, 4}, random);
  EXPECT_EQ(p.audit_with(random, Backend::kPortable, 0).error().id(), "tensor.rounds");
  EXPECT_TRUE(p.audit_with(random, Backend::kPortable, kAuditRoundsMax));
  EXPECT_EQ(p.audit_with(random, Backend::kPortable, kAuditRoundsMax + 1).error().id(), "tensor.rounds");
  p.c.pop_back();
  EXPECT_EQ(p.audit_with(random, Backend::kPortable).error().id(), "tensor.dims");
}

}  // namespace
}  // namespace hanse::tensor
