#include "exchange/proof/inference.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "exchange/proof/detail/layered.h"

#include <algorithm>
#include <cstdlib>

namespace hanse::proof {

namespace {

constexpr std::string_view kMagic = "HMC1";
constexpr std::size_t kHead = 8, kLayerBytes = 16;
constexpr std::uint8_t kFlagRelu = 1, kFlagRaw = 2;

std::vector<LayerShape> shapes_of(std::span<const tensor::Layer> layers) {
  std::vector<LayerShape> out;
  for (const tensor::Layer& l : layers) out.push_back({l.in, l.out, l.multiplier, l.shift, l.relu, l.raw});
  return out;
}

Status check_range(const tensor::Layer& layer, std::size_t index) {
  std::int64_t largest = 0;
  for (const std::int32_t b : layer.bias) largest = std::max(largest, std::abs(std::int64_t{b}));
  const std::int64_t bound = std::int64_t{layer.in} * 16'384 + largest;
  if (bound <= kAccMax) return {};
  return fail(Kind::kUnsupported, "proof.limit",
              text("found accumulators up to {} in layer {}, expected at most {}", bound, index, kAccMax));
}

std::vector<tensor::Layer> copy_of(const tensor::ModelView& model) {
  std::vector<tensor::Layer> out;
  for (const tensor::LayerView& l : model.layers) {
    tensor::Layer copy{l.in, l.out, l.multiplier, l.shift, l.relu, l.raw, std::vector<std::int32_t>(l.out), {}};
    for (std::size_t j = 0; j < copy.bias.size(); ++j)
      copy.bias[j] = static_cast<std::int32_t>(load_le<std::uint32_t>(l.bias.data() + 4 * j));
    copy.weights.assign(l.weights.begin(), l.weights.end());
    out.push_back(std::move(copy));
  }
  return out;
}

Status check_input(const Plan& plan, std::span<const std::int8_t> x) {
  const std::uint32_t in = plan.layers[0].shape.in;
  if (x.size() == std::size_t{plan.rows} * in) return {};
  return fail(Kind::kInvalid, "tensor.dims",
              text("found {} inputs for {} rows, expected {} a row", x.size(), plan.rows, in));
}

}  // namespace

Bytes encode(const Commitment& commitment) {
  Bytes out(kHead + kLayerBytes * commitment.layers.size());
  std::memcpy(out.data(), kMagic.data(), kMagic.size());
  store_le(out.data() + 4, static_cast<std::uint16_t>(commitment.layers.size()));
  std::uint8_t* at = out.data() + kHead;
  for (const LayerShape& l : commitment.layers) {
    store_le(at, l.in);
    store_le(at + 4, l.out);
    store_le(at + 8, l.multiplier);
    at[12] = l.shift;
    at[13] = static_cast<std::uint8_t>((l.relu ? kFlagRelu : 0) | (l.raw ? kFlagRaw : 0));
    at += kLayerBytes;
  }
  append(out, commitment.root.view());
  return out;
}

Result<Commitment> decode_commitment(ByteView bytes) {
  const auto bad = [](std::string_view what) { return fail(Kind::kInvalid, "proof.commitment", what); };
  if (bytes.size() < kHead || as_text(bytes.first(4)) != kMagic || bytes[6] != 0 || bytes[7] != 0)
    return bad("found other bytes, expected a commitment to a model, which starts with HMC1");
  const std::size_t count = load_le<std::uint16_t>(bytes.data() + 4);
  if (count == 0 || count > tensor::kLayersMax)
    return bad(text("found {} layers, expected 1..{}", count, tensor::kLayersMax));
  if (bytes.size() != kHead + kLayerBytes * count + Hash32::kSize)
    return bad(text("found {} bytes, expected {} for {} layers", bytes.size(),
                    kHead + kLayerBytes * count + Hash32::kSize, count));
  Commitment out;
  for (std::size_t l = 0; l < count; ++l) {
    const std::uint8_t* at = bytes.data() + kHead + kLayerBytes * l;
    const LayerShape layer{load_le<std::uint32_t>(at),     load_le<std::uint32_t>(at + 4),
                           load_le<std::uint32_t>(at + 8), at[12],
                           (at[13] & kFlagRelu) != 0,      (at[13] & kFlagRaw) != 0};
    const auto good = [](std::uint32_t d) { return d >= 1 && d <= tensor::kDimMax; };
    if (!good(layer.in) || !good(layer.out) || (l > 0 && layer.in != out.layers[l - 1].out))
      return bad(text("found layer {} of {} x {}, expected 1..{} each, and the width of the layer before", l, layer.in,
                      layer.out, tensor::kDimMax));
    if (layer.multiplier == 0 || layer.multiplier > tensor::kMultiplierMax || layer.shift > tensor::kShiftMax)
      return bad(text("found multiplier {} and shift {} in layer {}, expected 1..{} and at most {}", layer.multiplier,
                      layer.shift, l, tensor::kMultiplierMax, tensor::kShiftMax));
    if (at[13] > (kFlagRelu | kFlagRaw) || at[14] != 0 || at[15] != 0)
      return bad(text("found unknown flags in layer {}", l));
    if (layer.raw && (l + 1 != count || layer.relu || layer.multiplier != 1 || layer.shift != 0))
      return bad(text("found raw layer {} of {}, expected the last one, without requantisation or relu", l, count));
    out.layers.push_back(layer);
  }
  Hash32::from(bytes.last(Hash32::kSize), out.root);
  return out;
}

MlpProver::MlpProver(Commitment commitment, std::vector<tensor::Layer> layers, std::unique_ptr<Committed> weights)
    : commitment_(std::move(commitment)), layers_(std::move(layers)), weights_(std::move(weights)) {}
MlpProver::MlpProver(MlpProver&&) noexcept = default;
MlpProver::~MlpProver() = default;

Result<MlpProver> MlpProver::commit(const tensor::ModelView& model) {
  std::vector<tensor::Layer> layers = copy_of(model);
  for (std::size_t l = 0; l < layers.size(); ++l) TRY_OK(check_range(layers[l], l));
  const std::vector<LayerShape> shapes = shapes_of(layers);
  TRY(const Plan plan, proof::plan(shapes, 1));
  std::vector<std::int32_t> table(std::size_t{1} << plan.model_log2);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const LayerPlan& at = plan.layers[l];
    for (std::size_t i = 0; i < layers[l].in; ++i)
      for (std::size_t j = 0; j < layers[l].out; ++j)
        table[at.weights.begin + (i << at.out_log2) + j] = layers[l].weights[i * layers[l].out + j];
    for (std::size_t j = 0; j < layers[l].out; ++j) table[at.bias.begin + j] = layers[l].bias[j];
  }
  auto weights = std::make_unique<Committed>(std::move(table));
  Commitment commitment{.layers = shapes, .root = weights->root()};
  return MlpProver(std::move(commitment), std::move(layers), std::move(weights));
}

Result<Inference> MlpProver::prove(std::uint32_t rows, std::span<const std::int8_t> x) const {
  TRY(const Plan plan, proof::plan(commitment_.layers, rows));
  TRY_OK(check_input(plan, x));
  TRY(Trace trace, run(layers_, rows, x));
  Writer out(kInference);
  absorb_statement(out, commitment_, rows, x, trace.out);
  TRY_OK(prove_trace(plan, layers_, *weights_, trace, out));
  return Inference{.rows = rows, .out = std::move(trace.out), .proof = std::move(out).finish()};
}

Bytes encode_output(const Commitment& model, const Inference& run) {
  const LayerShape& last = model.layers.back();
  return last.raw ? tensor::encode_matrix(run.rows, last.out, run.out.int32)
                  : tensor::encode_matrix(run.rows, last.out, run.out.int8);
}

Result<tensor::Activations> decode_output(const Commitment& model, std::uint32_t rows, ByteView matrix) {
  const LayerShape& last = model.layers.back();
  const auto y = tensor::decode_matrix(matrix);
  if (!y) return fail(Kind::kCorrupt, "proof.output", text("found no matrix: {}", y.error().message()));
  if (y->rows != rows || y->cols != last.out || (y->element == tensor::Element::kInt32) != last.raw)
    return fail(Kind::kCorrupt, "proof.output",
                text("found an output of {} x {}, expected {} of {} x {}", y->rows, y->cols,
                     last.raw ? "int32" : "int8", rows, last.out));
  tensor::Activations out;
  if (last.raw)
    out.int32 = tensor::int32_cells(*y);
  else
    out.int8.assign(tensor::int8_cells(*y).begin(), tensor::int8_cells(*y).end());
  return out;
}

Status verify_mlp(const Commitment& model, std::uint32_t rows, std::span<const std::int8_t> x,
                  const tensor::Activations& y, ByteView proof) {
  check(!model.layers.empty(), "a decoded commitment has layers");
  TRY(const Plan plan, proof::plan(model.layers, rows));
  TRY_OK(check_input(plan, x));
  const LayerShape& last = model.layers.back();
  const std::size_t cells = std::size_t{rows} * last.out;
  if (y.int8.size() != (last.raw ? 0 : cells) || y.int32.size() != (last.raw ? cells : 0))
    return fail(Kind::kInvalid, "tensor.dims",
                text("found {} int8 and {} int32 outputs, expected {} of {}", y.int8.size(), y.int32.size(), cells,
                     last.raw ? "int32" : "int8"));
  Reader in(kInference, proof);
  absorb_statement(in, model, rows, x, y);
  return in.finish(check_trace(plan, model.root, x, y, in));
}

}  // namespace hanse::proof
