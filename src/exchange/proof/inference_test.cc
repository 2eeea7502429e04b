#include "exchange/proof/inference.h"

#include "base/core/random.h"
#include "base/core/text.h"
#include "exchange/proof/detail/layered.h"

#include <gtest/gtest.h>

namespace hanse::proof {
namespace {

using tensor::Layer;

struct Shape {
  std::vector<std::uint32_t> widths;
  bool raw = false, relu = true;
};

std::vector<Layer> layers_of(const Shape& shape, Random& random) {
  std::vector<Layer> out;
  for (std::size_t l = 0; l + 1 < shape.widths.size(); ++l) {
    const bool last = l + 2 == shape.widths.size();
    Layer layer;
    layer.in = shape.widths[l];
    layer.out = shape.widths[l + 1];
    layer.raw = shape.raw && last;
    if (!layer.raw) {
      layer.multiplier = 1 + static_cast<std::uint32_t>(random.next_u64() % 500'000);
      layer.shift = static_cast<std::uint8_t>(24 + random.next_u64() % 4);
      layer.relu = shape.relu && !last;
    }
    layer.bias.resize(layer.out);
    layer.weights.resize(std::size_t{layer.in} * layer.out);
    for (auto& b : layer.bias) b = static_cast<std::int32_t>(random.next_u64() % 20'001) - 10'000;
    for (auto& w : layer.weights) w = static_cast<std::int8_t>(random.next_u64());
    out.push_back(std::move(layer));
  }
  return out;
}

std::vector<std::int8_t> input(std::uint32_t rows, std::uint32_t in, Random& random) {
  std::vector<std::int8_t> out(std::size_t{rows} * in);
  for (auto& x : out) x = static_cast<std::int8_t>(random.next_u64());
  return out;
}

struct Case {  // one model, one run
  std::vector<Layer> layers;
  Bytes model;
  std::uint32_t rows = 0;
  std::vector<std::int8_t> x;

  Case(const Shape& shape, std::uint32_t row_count, std::uint64_t seed) : rows(row_count) {
    SeededRandom random(seed);
    layers = layers_of(shape, random);
    model = tensor::encode_model(layers);
    x = input(rows, layers[0].in, random);
  }
  MlpProver prover() const { return std::move(*MlpProver::commit(*tensor::decode_model(model))); }
};

std::string refusal(const Status& status) { return status ? "" : std::string(status.error().id()); }

TEST(Inference, is_proved_and_is_what_the_model_computes) {
  const std::pair<Shape, std::uint32_t> cases[] = {
      {{{5, 3}, false, false}, 1},  {{{5, 3}, true, false}, 2},      {{{1, 1}}, 1},
      {{{7, 12, 4}, true}, 3},      {{{16, 16, 16, 16}, false}, 8},  {{{30, 9, 17, 2}, true}, 5},
      {{{64, 100, 10}, false}, 17}, {{{3, 200, 1}, true, true}, 33},
  };
  std::uint64_t seed = 100;
  for (const auto& [shape, rows] : cases) {
    SCOPED_TRACE(text("seed {}", ++seed));
    const Case c(shape, rows, seed);
    const MlpProver prover = c.prover();
    const auto proved = prover.prove(rows, c.x);
    ASSERT_TRUE(proved.has_value()) << proved.error().str();
    const auto plain = tensor::run_mlp(*tensor::decode_model(c.model), rows, c.x, {});
    EXPECT_EQ(proved->out.int8, plain->out.int8);
    EXPECT_EQ(proved->out.int32, plain->out.int32);
    const Status held = verify_mlp(prover.commitment(), rows, c.x, proved->out, proved->proof);
    EXPECT_TRUE(held.has_value()) << held.error().str();
  }
}

TEST(Inference, with_one_other_number_of_the_output_is_refused) {
  for (const bool raw : {false, true}) {
    const Case c({{6, 10, 5}, raw}, 3, 7);
    const MlpProver prover = c.prover();
    Inference good = *prover.prove(c.rows, c.x);
    for (std::size_t i = 0; i < 15; ++i) {
      tensor::Activations other = good.out;
      if (raw)
        other.int32[i] += 1;
      else
        other.int8[i] = static_cast<std::int8_t>(other.int8[i] ^ 1);
      EXPECT_FALSE(verify_mlp(prover.commitment(), c.rows, c.x, other, good.proof).has_value());
    }
    for (std::size_t i = 0; i < c.x.size(); ++i) {
      auto x = c.x;
      x[i] = static_cast<std::int8_t>(x[i] ^ 1);
      EXPECT_FALSE(verify_mlp(prover.commitment(), c.rows, x, good.out, good.proof).has_value());
    }
  }
}

TEST(Inference, of_another_model_is_refused) {
  const Case c({{6, 10, 5}}, 2, 8);
  const Commitment committed = c.prover().commitment();
  const auto try_with = [&](auto change) {
    Case other = c;
    change(other.layers);
    other.model = tensor::encode_model(other.layers);
    const MlpProver swapped = other.prover();
    const Inference run = *swapped.prove(c.rows, c.x);
    EXPECT_TRUE(verify_mlp(swapped.commitment(), c.rows, c.x, run.out, run.proof).has_value());
    return refusal(verify_mlp(committed, c.rows, c.x, run.out, run.proof));
  };
  EXPECT_NE(try_with([](std::vector<Layer>& l) { l[0].weights[3] = static_cast<std::int8_t>(l[0].weights[3] ^ 1); }),
            "");
  EXPECT_NE(try_with([](std::vector<Layer>& l) { l[1].bias[1] += 1; }), "");
  EXPECT_NE(try_with([](std::vector<Layer>& l) { l[0].shift -= 1; }), "");
  EXPECT_NE(try_with([](std::vector<Layer>& l) { l[0].relu = false; }), "");
}

// A prover that knows the statement it must prove and proves another trace, or other layers than it has committed to,
// as well as it can.
std::string cheat(
    const Case& c, const std::function<void(Trace&)>& change,
    const std::function<void(std::vector<Layer>&)>& swap = [](std::vector<Layer>&) {}) {
  const Commitment model = c.prover().commitment();
  const Plan plan = *proof::plan(model.layers, c.rows);
  std::vector<std::int32_t> table(std::size_t{1} << plan.model_log2);
  for (std::size_t l = 0; l < c.layers.size(); ++l) {
    const LayerPlan& at = plan.layers[l];
    for (std::size_t i = 0; i < c.layers[l].weights.size(); ++i)
      table[at.weights.begin + ((i / c.layers[l].out) << at.out_log2) + i % c.layers[l].out] = c.layers[l].weights[i];
    for (std::size_t j = 0; j < c.layers[l].out; ++j) table[at.bias.begin + j] = c.layers[l].bias[j];
  }
  const Committed weights(std::move(table));
  EXPECT_EQ(weights.root(), model.root);
  std::vector<Layer> used = c.layers;
  swap(used);
  Trace trace = *run(used, c.rows, c.x);
  change(trace);
  Writer out(kInference);
  absorb_statement(out, model, c.rows, c.x, trace.out);
  EXPECT_TRUE(prove_trace(plan, used, weights, trace, out).has_value());
  return refusal(verify_mlp(model, c.rows, c.x, trace.out, std::move(out).finish()));
}

TEST(Inference, of_a_trace_that_is_not_the_models_is_refused_where_it_leaves_it) {
  const Case c({{6, 10, 8, 5}}, 3, 9);
  EXPECT_EQ(cheat(c, [](Trace&) {}), "");
  EXPECT_EQ(cheat(c,
                  [](Trace& t) {
                    t.acc[1][4] += 1'000'000'000;
                    t.in[2][4] = 127;
                  }),
            "proof.sum");                  // not x W + bias
  const auto wrong_step = [&](Trace& t) {  // all that follows is right
    t.in[1][7] = static_cast<std::int8_t>(t.in[1][7] ^ 1);
    Trace rest = *run(std::span(c.layers).subspan(1), c.rows, t.in[1]);
    t.in[2] = rest.in[1];
    std::ranges::copy(rest.acc, t.acc.begin() + 1);
    t.out = rest.out;
  };
  EXPECT_EQ(cheat(c, wrong_step), "proof.lookup");
  EXPECT_EQ(cheat(c, [](Trace& t) { t.out.int8[2] = static_cast<std::int8_t>(t.out.int8[2] ^ 1); }), "proof.lookup");
  EXPECT_EQ(cheat(c, [](Trace& t) { t.in[0][0] = static_cast<std::int8_t>(t.in[0][0] ^ 1); }), "proof.sum");  // other x
}

// All of such a run fits together; only that the values are not those of the commitment gives it away.
TEST(Inference, with_weights_or_biases_that_are_not_the_committed_ones_is_refused_at_the_opening) {
  for (const bool raw : {false, true}) {
    const Case c({{6, 10, 5}, raw}, 3, 17);
    const auto with = [&](const std::function<void(std::vector<Layer>&)>& swap) {
      return cheat(c, [](Trace&) {}, swap);
    };
    for (const std::size_t l : {0u, 1u}) {
      EXPECT_EQ(with([&](std::vector<Layer>& layers) { layers[l].bias[2] += 1'000; }), "proof.opening") << l;
      EXPECT_EQ(with([&](std::vector<Layer>& layers) { layers[l].weights[7] ^= 1; }), "proof.opening") << l;
    }
  }
}

TEST(Lookups, hold_cells_to_their_table_and_its_counts) {
  const Ext random_alpha{{0x0123'4567'89ab'cdef}, {0xfedc'ba98'7654'3210}};
  const auto verdict = [](Ext alpha, const std::vector<std::uint64_t>& cells,
                          const std::vector<std::uint32_t>& counts) {
    FractionClaim sum{.top = {}, .bottom = kOne, .point = {}, .value = {}};
    for (const std::uint64_t cell : cells) {
      const Ext den = alpha - lift({cell});
      sum.top = sum.top * den + sum.bottom;
      sum.bottom = sum.bottom * den;
    }
    return refusal(
        same_sum(sum, counts, std::vector<Ext>{alpha - lift({3}), alpha - lift({5}), alpha - lift({7})}, "x"));
  };
  EXPECT_EQ(verdict(random_alpha, {3, 5, 3, 3}, {3, 1, 0}), "");
  EXPECT_EQ(verdict(random_alpha, {3, 5, 3, 3}, {2, 2, 0}), "proof.lookup");
  EXPECT_EQ(verdict(random_alpha, {3, 5, 3, 3}, {3, 1, 1}), "proof.lookup");
  for (const std::vector<std::uint32_t>& counts :
       std::vector<std::vector<std::uint32_t>>{{3, 1, 0}, {3, 0, 0}, {3, 0, 1}, {4, 0, 0}})
    EXPECT_EQ(verdict(random_alpha, {3, 6, 3, 3}, counts), "proof.lookup");  // 6 is not in the table
  EXPECT_EQ(verdict(lift({3}), {3, 6}, {2, 0, 0}), "proof.lookup");          // both sums are over zero
  EXPECT_EQ(verdict(lift({6}), {3, 6}, {2, 0, 0}), "proof.lookup");
  EXPECT_EQ(verdict(lift({7}), {3, 6}, {2, 0, 0}), "proof.lookup");
}

TEST(Inference, with_any_damaged_part_of_its_proof_is_refused) {
  const Case c({{6, 10, 5}}, 2, 10);
  const MlpProver prover = c.prover();
  const Inference good = *prover.prove(c.rows, c.x);
  for (std::size_t i = 0; i < good.proof.size(); i += 61) {
    Bytes other = good.proof;
    other[i] ^= 1;
    EXPECT_FALSE(verify_mlp(prover.commitment(), c.rows, c.x, good.out, other).has_value()) << i;
  }
  Bytes last = good.proof;
  last.back() ^= 1;  // of a path in the opening of the run
  EXPECT_EQ(refusal(verify_mlp(prover.commitment(), c.rows, c.x, good.out, last)), "proof.opening");
  for (const std::size_t size : {std::size_t{0}, good.proof.size() / 2, good.proof.size() - 1})
    EXPECT_EQ(refusal(verify_mlp(prover.commitment(), c.rows, c.x, good.out, ByteView(good.proof).first(size))),
              "proof.bytes");
  Bytes longer = good.proof;
  longer.push_back(0);
  EXPECT_EQ(refusal(verify_mlp(prover.commitment(), c.rows, c.x, good.out, longer)), "proof.bytes");
}

// Root, counts, sums, values and rounds: nothing of them may be moved, nor two counts against each other.
TEST(Inference, with_any_number_told_before_the_openings_moved_is_refused) {
  for (const bool raw : {false, true}) {
    const Case c({{3, 2, 2}, raw}, 2, 15);
    const MlpProver prover = c.prover();
    const Inference good = *prover.prove(c.rows, c.x);
    const Plan plan = *proof::plan(prover.commitment().layers, c.rows);
    const auto held = [&](const Bytes& proof) {
      return verify_mlp(prover.commitment(), c.rows, c.x, good.out, proof).has_value();
    };
    std::size_t counts = kLimbValues;
    for (const LayerPlan& layer : plan.layers) counts += layer.steps.size();
    // Behind the counts no more than the numbers of a few sums and products, then the combinations of the first
    // opening.
    for (std::size_t at = 0; at < 32 + 4 * counts + 4096; at += at < 32 + 4 * kLimbValues ? 36 : 8) {
      Bytes other = good.proof;
      store_le(other.data() + at, load_le<std::uint32_t>(other.data() + at) + 1);
      EXPECT_FALSE(held(other)) << at;
    }
    for (std::size_t i = 0; i + 1 < counts; i += 29) {
      Bytes other = good.proof;
      std::uint8_t* at = other.data() + 32 + 4 * i;
      store_le(at, load_le<std::uint32_t>(at) + 1);
      store_le(at + 4, load_le<std::uint32_t>(at + 4) - 1);
      EXPECT_FALSE(held(other)) << i;
    }
    EXPECT_TRUE(held(good.proof));
  }
}

TEST(Inference, with_another_number_of_the_commitment_or_other_rows_is_refused) {
  const Case c({{3, 2, 2}}, 2, 16);
  const MlpProver prover = c.prover();
  const Inference good = *prover.prove(c.rows, c.x);
  const Bytes committed = encode(prover.commitment());
  int read = 0;
  for (std::size_t bit = 0; bit < 8 * committed.size(); ++bit) {
    Bytes other = committed;
    other[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    const auto changed = decode_commitment(other);
    if (!changed) continue;
    ++read;
    EXPECT_FALSE(verify_mlp(*changed, c.rows, c.x, good.out, good.proof).has_value()) << bit;
  }
  EXPECT_GT(read, 256 + 2 * 31);  // the root, multipliers, shifts and relu
  EXPECT_FALSE(verify_mlp(prover.commitment(), 1, std::span(c.x).first(3), good.out, good.proof).has_value());
}

// What a stranger claims costs no memory before it is refused: 64 layers of 2^32 weights each.
TEST(Commitment, of_more_than_can_be_proved_is_refused_by_its_shapes) {
  Commitment huge{
      .layers = std::vector<LayerShape>(tensor::kLayersMax, {.in = tensor::kDimMax, .out = tensor::kDimMax}),
      .root = {}};
  huge = *decode_commitment(encode(huge));
  const std::vector<std::int8_t> x(tensor::kDimMax);
  EXPECT_EQ(refusal(verify_mlp(huge, 1, x, {}, {})), "proof.limit");
}

TEST(Inference, beyond_its_limits_is_refused) {
  Case c({{6, 10, 5}}, 2, 11);
  c.layers[0].bias[0] = INT32_MAX;
  const auto range = MlpProver::commit(*tensor::decode_model(tensor::encode_model(c.layers)));
  EXPECT_EQ(range.error().str(),
            "proof.limit: found accumulators up to 2147581951 in layer 0, expected at most 2147483647");
  c.layers[0].bias[0] = INT32_MAX - 6 * 16'384;
  EXPECT_TRUE(MlpProver::commit(*tensor::decode_model(tensor::encode_model(c.layers))).has_value());

  const LayerShape wide{.in = 4096, .out = 4096}, wider{.in = 4096, .out = 4097};
  EXPECT_EQ(plan(std::span(&wide, 1), 1).error().id(), "proof.limit");  // the bias takes it past 2^24
  const LayerShape fits{.in = 4096, .out = 2048};
  EXPECT_TRUE(plan(std::span(&fits, 1), 1).has_value());
  EXPECT_EQ(plan(std::span(&wider, 1), 1).error().id(), "proof.limit");
  EXPECT_EQ(plan(std::span(&fits, 1), 512).error().id(), "proof.limit");  // 6 limbs of 2^20 cells
  EXPECT_TRUE(plan(std::span(&fits, 1), 256).has_value());
  EXPECT_EQ(plan(std::span(&fits, 1), 0).error().id(), "tensor.dims");
  EXPECT_EQ(plan(std::span(&fits, 1), tensor::kDimMax + 1).error().id(), "tensor.dims");

  const Case small({{6, 5}}, 2, 12);
  EXPECT_EQ(small.prover().prove(3, small.x).error().id(), "tensor.dims");
  EXPECT_EQ(refusal(verify_mlp(small.prover().commitment(), 2, small.x, {}, {})), "tensor.dims");
}

TEST(Steps, are_those_of_requantise) {
  SeededRandom random(13);
  for (int i = 0; i < 200; ++i) {
    LayerShape shape{.in = 1, .out = 1};
    shape.multiplier =
        1 + static_cast<std::uint32_t>(random.next_u64() >> (33 + random.next_u64() % 31)) % tensor::kMultiplierMax;
    shape.shift = static_cast<std::uint8_t>(random.next_u64() % (tensor::kShiftMax + 1));
    shape.relu = i % 2 == 0;
    const std::vector<Step> steps = steps_of(shape);
    ASSERT_LE(steps.size(), 256u);
    ASSERT_EQ(steps.back().hi, kAccMax);
    for (std::size_t s = 0; s < steps.size(); ++s) {
      for (const std::int64_t acc : {steps[s].lo, steps[s].hi, steps[s].lo + (steps[s].hi - steps[s].lo) / 3})
        ASSERT_EQ(tensor::requantise(acc, shape.multiplier, shape.shift, shape.relu), steps[s].out);
      ASSERT_EQ(steps[s].lo, s == 0 ? kAccMin : steps[s - 1].hi + 1);
    }
  }
}

TEST(Commitment, is_read_back_and_damage_is_named) {
  const Case c({{6, 10, 5}, true}, 2, 14);
  const Commitment committed = c.prover().commitment();
  const Bytes bytes = encode(committed);
  EXPECT_EQ(*decode_commitment(bytes), committed);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(decode_commitment(ByteView(bytes).first(size)).error().id(), "proof.commitment") << size;
  for (std::size_t i = 0; i < bytes.size() - 32; ++i)
    for (const std::uint8_t flip : {0x01, 0x80}) {
      Bytes other = bytes;
      other[i] ^= flip;
      const auto read = decode_commitment(other);
      EXPECT_TRUE(read ? *read != committed : read.error().id() == "proof.commitment") << i;
    }
}

}  // namespace
}  // namespace hanse::proof
