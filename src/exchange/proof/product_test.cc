#include "exchange/proof/product.h"

#include "base/core/random.h"

#include <gtest/gtest.h>

namespace hanse::proof {
namespace {

struct Sample {
  tensor::MatmulShape shape;
  std::vector<std::int8_t> a, b;
  std::vector<std::int32_t> c;
  Product product() const { return {shape, a, b, c}; }
};

Sample sample(const tensor::MatmulShape& shape, std::uint64_t seed) {
  SeededRandom random(seed);
  Sample out{.shape = shape,
             .a = std::vector<std::int8_t>(std::size_t{shape.m} * shape.k),
             .b = std::vector<std::int8_t>(std::size_t{shape.k} * shape.n),
             .c = std::vector<std::int32_t>(std::size_t{shape.m} * shape.n)};
  for (auto* cells : {&out.a, &out.b})
    for (std::int8_t& cell : *cells) cell = static_cast<std::int8_t>(random.next_u64());
  for (std::size_t i = 0; i < shape.m; ++i)
    for (std::size_t j = 0; j < shape.n; ++j)
      for (std::size_t k = 0; k < shape.k; ++k)
        out.c[i * shape.n + j] += out.a[i * shape.k + k] * out.b[k * shape.n + j];
  return out;
}

std::string refusal(const Status& status) { return status ? "" : std::string(status.error().id()); }

TEST(Product, is_proved_in_every_shape) {
  for (const tensor::MatmulShape shape :
       {tensor::MatmulShape{1, 1, 1}, {1, 7, 1}, {3, 5, 2}, {16, 64, 16}, {33, 100, 65}}) {
    const Sample s = sample(shape, 1);
    const auto proof = prove_product(s.product());
    ASSERT_TRUE(proof.has_value());
    EXPECT_TRUE(verify_product(s.product(), *proof).has_value()) << shape.m << " " << shape.k << " " << shape.n;
    EXPECT_LE(proof->size(), 32u * 7);
  }
}

TEST(Product, with_one_other_number_is_refused) {
  Sample s = sample({9, 12, 10}, 2);
  const Bytes proof = *prove_product(s.product());
  for (std::size_t i = 0; i < s.c.size(); ++i) {
    ++s.c[i];
    EXPECT_EQ(refusal(verify_product(s.product(), proof)), "proof.sum");
    // nor does a prover who sticks to the wrong number find a proof
    EXPECT_EQ(refusal(verify_product(s.product(), *prove_product(s.product()))), "proof.sum");
    --s.c[i];
  }
  for (auto* cells : {&s.a, &s.b}) {
    (*cells)[5] = static_cast<std::int8_t>((*cells)[5] + 1);
    EXPECT_EQ(refusal(verify_product(s.product(), proof)), "proof.sum");
    (*cells)[5] = static_cast<std::int8_t>((*cells)[5] - 1);
  }
  EXPECT_TRUE(verify_product(s.product(), proof).has_value());
}

TEST(Product, with_a_damaged_proof_is_refused) {
  const Sample s = sample({4, 16, 4}, 3);
  const Bytes proof = *prove_product(s.product());
  for (std::size_t i = 0; i < proof.size(); ++i) {
    Bytes other = proof;
    other[i] ^= 0x10;
    EXPECT_FALSE(verify_product(s.product(), other).has_value()) << i;
    EXPECT_EQ(refusal(verify_product(s.product(), ByteView(proof).first(i))), "proof.bytes");
  }
  Bytes longer = proof;
  longer.push_back(0);
  EXPECT_EQ(refusal(verify_product(s.product(), longer)), "proof.bytes");
  Bytes beyond = proof;
  store_le(beyond.data(), ~std::uint64_t{0});
  const Status status = verify_product(s.product(), beyond);
  EXPECT_EQ(status.error().message(), "found a number of 18446744069414584321 or more in the proof");
}

TEST(Product, of_dimensions_out_of_range_is_refused) {
  Sample s = sample({4, 4, 4}, 4);
  Product p = s.product();
  p.shape.m = 0;
  EXPECT_EQ(refusal(verify_product(p, {})), "tensor.dims");
  p.shape.m = tensor::kDimMax + 1;
  EXPECT_EQ(std::string(prove_product(p).error().id()), "tensor.dims");
  p.shape.m = 5;
  EXPECT_EQ(refusal(verify_product(p, {})), "tensor.dims");
}

}  // namespace
}  // namespace hanse::proof
