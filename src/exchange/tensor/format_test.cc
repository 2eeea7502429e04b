#include "exchange/tensor/format.h"

#include "exchange/tensor/mlp.h"

#include <gtest/gtest.h>

namespace hanse::tensor {
namespace {

std::vector<Layer> small_model() {
  return {
      {.in = 3, .out = 2, .multiplier = 3, .shift = 4, .relu = true, .bias = {5, -6}, .weights = {1, 2, 3, 4, 5, 6}},
      {.in = 2, .out = 1, .raw = true, .bias = {-7}, .weights = {-128, 127}}};
}

std::string model_error(Bytes bytes) {
  const auto model = decode_model(bytes);
  return model ? "ok" : std::string(model.error().id());
}
std::string matrix_error(Bytes bytes) {
  const auto matrix = decode_matrix(bytes);
  return matrix ? "ok" : std::string(matrix.error().id());
}
Bytes with_byte(Bytes bytes, std::size_t at, std::uint8_t value) {
  bytes.at(at) = value;
  return bytes;
}

TEST(Matrix, has_the_bytes_of_the_record_page) {
  const std::vector<std::int8_t> cells = {1, -2, 3, 4, 5, -128};
  const Bytes bytes = encode_matrix(2, 3, cells);
  EXPECT_EQ(bytes, (Bytes{'H', 'T', 'N', '1', 1, 2, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 0xfe, 3, 4, 5, 0x80}));
  const auto back = decode_matrix(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->rows, 2u);
  EXPECT_EQ(back->cols, 3u);
  EXPECT_TRUE(std::ranges::equal(int8_cells(*back), cells));
  const std::vector<std::int32_t> wide = {-1, 0x01020304};
  const Bytes wide_bytes = encode_matrix(1, 2, wide);
  EXPECT_EQ(wide_bytes.size(), encoded_size(Element::kInt32, 1, 2));
  EXPECT_EQ(int32_cells(*decode_matrix(wide_bytes)), wide);
}

TEST(Matrix, refuses_everything_that_is_not_one) {
  const std::vector<std::int8_t> cells = {1, 2, 3, 4};
  const Bytes good = encode_matrix(2, 2, cells);
  EXPECT_EQ(matrix_error(good), "ok");
  EXPECT_EQ(matrix_error({}), "tensor.magic");
  EXPECT_EQ(matrix_error(with_byte(good, 3, '2')), "tensor.magic");
  EXPECT_EQ(matrix_error(Bytes(good.begin(), good.begin() + 15)), "tensor.truncated");
  EXPECT_EQ(matrix_error(Bytes(good.begin(), good.end() - 1)), "tensor.truncated");
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(matrix_error(longer), "tensor.truncated");
  EXPECT_EQ(matrix_error(with_byte(good, 4, 2)), "tensor.truncated");
  for (const std::size_t at : {4u, 5u, 6u, 7u}) EXPECT_EQ(matrix_error(with_byte(good, at, 9)), "tensor.type") << at;
  EXPECT_EQ(matrix_error(with_byte(good, 8, 0)), "tensor.dims");
  EXPECT_EQ(matrix_error(with_byte(with_byte(good, 10, 1), 8, 0)), "tensor.truncated");  // 65536 rows are allowed
  EXPECT_EQ(matrix_error(with_byte(good, 10, 1)), "tensor.dims");                        // 65538 are not
  EXPECT_EQ(matrix_error(with_byte(good, 15, 0xff)), "tensor.dims");
}

TEST(Model, decodes_what_was_encoded_and_nothing_else) {
  const Bytes good = encode_model(small_model());
  const auto model = decode_model(good);
  ASSERT_TRUE(model) << model.error().str();
  ASSERT_EQ(model->layers.size(), 2u);
  EXPECT_EQ(model->layers[0].multiplier, 3u);
  EXPECT_TRUE(model->layers[0].relu);
  EXPECT_TRUE(model->layers[1].raw);
  EXPECT_EQ(model->layers[1].weights.size(), 2u);
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_NE(model_error(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(cut))), "ok") << cut;
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(model_error(longer), "tensor.truncated");
}

TEST(Model, refuses_fields_out_of_range) {
  const Bytes good = encode_model(small_model());
  constexpr std::size_t kFirst = 8, kSecond = 8 + 16 + 8 + 6;
  EXPECT_EQ(model_error(with_byte(good, 0, 'x')), "tensor.magic");
  EXPECT_EQ(model_error(with_byte(good, 4, 0)), "tensor.model");
  EXPECT_EQ(model_error(with_byte(good, 4, kLayersMax + 1)), "tensor.model");
  const std::vector<Layer> layers = small_model();
  const Bytes one = encode_model(std::span(layers).first(1));
  EXPECT_EQ(model_error(with_byte(one, 4, kLayersMax)), "tensor.truncated");
  EXPECT_EQ(model_error(with_byte(one, 4, kLayersMax + 1)), "tensor.model");
  EXPECT_EQ(model_error(with_byte(good, 6, 1)), "tensor.model");
  EXPECT_EQ(model_error(with_byte(good, kFirst, 0)), "tensor.dims");
  EXPECT_EQ(model_error(with_byte(good, kFirst + 6, 2)), "tensor.dims");
  EXPECT_EQ(model_error(with_byte(good, kFirst + 8, 0)), "tensor.model");
  EXPECT_EQ(model_error(with_byte(good, kFirst + 11, 0x80)), "tensor.model");
  EXPECT_EQ(model_error(with_byte(good, kFirst + 12, kShiftMax)), "ok");
  EXPECT_EQ(model_error(with_byte(good, kFirst + 12, kShiftMax + 1)), "tensor.model");
  EXPECT_EQ(model_error(with_byte(good, kFirst + 13, 4)), "tensor.model");
  EXPECT_EQ(model_error(with_byte(good, kFirst + 13, 2)), "tensor.model");  // raw, but not the last layer
  EXPECT_EQ(model_error(with_byte(good, kFirst + 15, 1)), "tensor.model");
  EXPECT_EQ(model_error(with_byte(good, kSecond, 3)), "tensor.dims");
  EXPECT_EQ(model_error(with_byte(good, kSecond + 8, 2)), "tensor.model");   // raw with a multiplier
  EXPECT_EQ(model_error(with_byte(good, kSecond + 13, 3)), "tensor.model");  // raw with relu
}

TEST(Requantise, rounds_halves_away_from_zero_and_saturates) {
  EXPECT_EQ(requantise(5, 1, 1, false), 3);     // 2.5
  EXPECT_EQ(requantise(-5, 1, 1, false), -3);   // -2.5
  EXPECT_EQ(requantise(9, 1, 2, false), 2);     // 2.25
  EXPECT_EQ(requantise(-11, 1, 2, false), -3);  // -2.75
  EXPECT_EQ(requantise(7, 3, 0, false), 21);
  EXPECT_EQ(requantise(127, 1, 0, false), 127);
  EXPECT_EQ(requantise(128, 1, 0, false), 127);
  EXPECT_EQ(requantise(-128, 1, 0, false), -128);
  EXPECT_EQ(requantise(-129, 1, 0, false), -128);
  EXPECT_EQ(requantise(-5, 1, 0, true), 0);
  EXPECT_EQ(requantise(5, 1, 0, true), 5);
  const std::int64_t largest = (std::int64_t{1} << 30) + (std::int64_t{1} << 31);
  EXPECT_EQ(requantise(largest, kMultiplierMax, kShiftMax, false), 1);  // 1.4999...
  EXPECT_EQ(requantise(-largest, kMultiplierMax, kShiftMax, false), -1);
  EXPECT_EQ(requantise(largest, kMultiplierMax, 0, false), 127);
}

TEST(Mlp, computes_a_model_worked_by_hand) {
  const Bytes bytes = encode_model(small_model());
  const auto model = decode_model(bytes);
  ASSERT_TRUE(model);
  // x = (10, -20, 30): products 10-60+150 = 100 and 20-80+180 = 120; with bias 105 and 114; * 3/16 = 19.6875, 21.375
  const std::vector<std::int8_t> x = {10, -20, 30, -100, -100, -100};
  for (const Backend backend : available_backends()) {
    const auto result = run_mlp(*model, 2, x, {.matmul = {.backend = backend}, .keep_products = true});
    ASSERT_TRUE(result);
    EXPECT_EQ(result->products[0], (std::vector<std::int32_t>{100, 120, -900, -1200}));
    EXPECT_EQ(result->out.int32, (std::vector<std::int32_t>{20 * -128 + 21 * 127 - 7, -7}));
  }
  EXPECT_EQ(run_mlp(*model, 3, x, {}).error().id(), "tensor.dims");
}

TEST(Mlp, saturates_a_raw_layer_to_int32) {
  Layer layer{.in = 1, .out = 2, .raw = true, .bias = {INT32_MAX, INT32_MIN}, .weights = {1, -1}};
  const Bytes bytes = encode_model({&layer, 1});
  const auto model = decode_model(bytes);
  ASSERT_TRUE(model);
  const std::vector<std::int8_t> x = {1};
  EXPECT_EQ(run_mlp(*model, 1, x, {})->out.int32, (std::vector<std::int32_t>{INT32_MAX, INT32_MIN}));
}

}  // namespace
}  // namespace hanse::tensor
