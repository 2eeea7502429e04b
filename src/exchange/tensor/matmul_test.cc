#include "exchange/tensor/matmul.h"

#include "base/core/random.h"
#include "base/core/text.h"
#include "exchange/runtime/job_kind.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace hanse::tensor {
namespace {

using Cells8 = std::vector<std::int8_t>;
using Cells32 = std::vector<std::int32_t>;

Cells8 random_cells(Random& random, std::size_t n) {
  Cells8 out(n);
  random.fill({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  return out;
}

// The definition, in int64: shares nothing with the blocked code.
Cells32 by_definition(const MatmulShape& s, const Cells8& a, const Cells8& b) {
  Cells32 c(std::size_t{s.m} * s.n);
  for (std::size_t i = 0; i < s.m; ++i)
    for (std::size_t j = 0; j < s.n; ++j) {
      std::int64_t sum = 0;
      for (std::size_t p = 0; p < s.k; ++p) sum += std::int64_t{a[i * s.k + p]} * b[p * s.n + j];
      c[i * s.n + j] = static_cast<std::int32_t>(sum);
    }
  return c;
}

void expect_exact(const MatmulShape& s, const Cells8& a, const Cells8& b, const std::string& what) {
  const Cells32 expected = by_definition(s, a, b);
  for (const Backend backend : available_backends()) {
    Cells32 c(expected.size(), 0x5a5a5a5a);  // old contents must not show
    const Status done = matmul(s, a, b, c, {.backend = backend});
    ASSERT_TRUE(done) << done.error().str();
    ASSERT_TRUE(c == expected) << backend_name(backend) << " " << s.m << "x" << s.k << "x" << s.n << " " << what;
  }
}

TEST(Matmul, equals_the_definition_on_every_back_end_and_rim_shape) {
  SeededRandom random(11, "rims");
  const std::uint32_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65, 67};
  for (const std::uint32_t m : {1u, 4u, 5u, 6u, 11u, 12u, 13u, 25u})
    for (const std::uint32_t k : sizes)
      for (const std::uint32_t n : sizes) {
        const MatmulShape s{m, k, n};
        expect_exact(s, random_cells(random, m * k), random_cells(random, k * n), "seed 11");
      }
}

TEST(Matmul, equals_the_definition_across_block_borders) {
  SeededRandom random(12, "blocks");
  const MatmulShape shapes[] = {{241, 1025, 33}, {239, 1023, 130}, {2, 2049, 1057}, {13, 515, 1025}, {12, 1024, 1024}};
  for (const MatmulShape& s : shapes)
    expect_exact(s, random_cells(random, s.m * s.k), random_cells(random, s.k * s.n), "seed 12");
}

TEST(Matmul, equals_the_definition_on_random_shapes) {
  const std::uint64_t seed = 13;
  SeededRandom random(seed, "shapes");
  for (int round = 0; round < 60; ++round) {
    const auto size = [&] { return static_cast<std::uint32_t>(1 + random.below(200)); };
    const MatmulShape s{size(), size(), size()};
    expect_exact(s, random_cells(random, s.m * s.k), random_cells(random, s.k * s.n), text("seed {}", seed));
  }
}

TEST(Matmul, does_not_saturate_at_the_extremes) {
  for (const int av : {-128, 127, -1})
    for (const int bv : {-128, 127, 1})
      for (const std::uint32_t k : {2u, 64u, 515u}) {
        const MatmulShape s{13, k, 34};
        expect_exact(s, Cells8(s.m * k, static_cast<std::int8_t>(av)), Cells8(k * s.n, static_cast<std::int8_t>(bv)),
                     text("{} * {}", av, bv));
      }
}

TEST(Matmul, holds_the_largest_sum_of_the_largest_depth) {
  const MatmulShape s{1, kDimMax, 2};
  const Cells8 low(kDimMax, -128);
  const Cells8 b(std::size_t{kDimMax} * 2, -128);
  for (const Backend backend : available_backends()) {
    Cells32 c(2);
    ASSERT_TRUE(matmul(s, low, b, c, {.backend = backend}));
    EXPECT_EQ(c[0], 1 << 30) << backend_name(backend);
    EXPECT_EQ(c[1], 1 << 30) << backend_name(backend);
  }
}

TEST(Matmul, refuses_dimensions_out_of_range_and_spans_that_differ) {
  const Cells8 cells(16);
  Cells32 c(16);
  const auto id = [&](const MatmulShape& s, std::size_t a, std::size_t b, std::size_t out) {
    const Status done = matmul(s, std::span(cells).first(a), std::span(cells).first(b), std::span(c).first(out), {});
    return done ? std::string("ok") : std::string(done.error().id());
  };
  EXPECT_EQ(id({2, 3, 4}, 6, 12, 8), "ok");
  EXPECT_EQ(id({0, 3, 4}, 0, 12, 0), "tensor.dims");
  EXPECT_EQ(id({2, 0, 4}, 0, 0, 8), "tensor.dims");
  EXPECT_EQ(id({2, 3, kDimMax + 1}, 6, 12, 8), "tensor.dims");
  EXPECT_EQ(id({2, 3, 4}, 5, 12, 8), "tensor.dims");
  EXPECT_EQ(id({2, 3, 4}, 6, 11, 8), "tensor.dims");
  EXPECT_EQ(id({2, 3, 4}, 6, 12, 9), "tensor.dims");
}

TEST(Matmul, stops_when_asked) {
  runtime::RunControl control;
  const Cells8 cells(64);
  Cells32 c(64);
  EXPECT_TRUE(matmul({8, 8, 8}, cells, cells, c, {.control = &control}));
  control.request_stop();
  const Status done = matmul({8, 8, 8}, cells, cells, c, {.control = &control});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().id(), "tensor.cancelled");
}

TEST(Backend, is_found_by_name_and_chosen_by_the_environment) {
  for (const Backend b : available_backends()) EXPECT_EQ(*find_backend(backend_name(b)), b);
  EXPECT_EQ(find_backend("sse9").error().id(), "tensor.backend");
  ASSERT_EQ(setenv("HANSE_TENSOR_BACKEND", "portable", 1), 0);
  EXPECT_EQ(*default_backend(), Backend::kPortable);
  ASSERT_EQ(setenv("HANSE_TENSOR_BACKEND", "gpu", 1), 0);
  EXPECT_EQ(default_backend().error().id(), "tensor.backend");
  ASSERT_EQ(unsetenv("HANSE_TENSOR_BACKEND"), 0);
  EXPECT_EQ(*default_backend(), available_backends().back());
}

}  // namespace
}  // namespace hanse::tensor
