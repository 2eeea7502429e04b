#include "base/core/text.h"
#include "exchange/proof/detail/layered.h"
#include "exchange/proof/detail/multilinear.h"

namespace hanse::proof {

Status same_sum(const FractionClaim& cells, std::span<const std::uint32_t> counts, std::span<const Ext> entries,
                std::string_view what) {
  Ext top, bottom = kOne;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    top = top * entries[i] + bottom * Fp{counts[i]};
    bottom = bottom * entries[i];
  }
  const bool whole = cells.bottom != Ext{} && bottom != Ext{};
  if (whole && cells.top * bottom == top * cells.bottom) return {};
  return fail(Kind::kCorrupt, "proof.lookup", text("found {} that are not in their table", what));
}

namespace {

Ext limb_sum(std::span<const Ext> limbs) {
  Ext out;
  for (std::size_t j = limbs.size(); j-- > 0;) out = out * Fp{kLimbValues} + limbs[j];
  return out;
}

// The part of the bias in the padded product: rows that are there have it.
Ext share_of_rows(const Corner& at, std::uint32_t rows) {
  const std::vector<Ext> table = eq_table(at.row);
  Ext out;
  for (std::uint32_t i = 0; i < rows; ++i) out += table[i];
  return out;
}

class Checking {
 public:
  Checking(const Plan& plan, std::span<const std::int8_t> x, const tensor::Activations& y, Reader& in)
      : plan_(plan), x_(x), y_(y), in_(in), step_counts_(plan.layers.size()) {}

  Status limbs() {
    root_ = in_.take_hash();
    const std::vector<std::uint32_t> counts = in_.take_counts(kLimbValues);
    for (std::size_t l = 0; l < plan_.layers.size(); ++l)
      step_counts_[l] = in_.take_counts(plan_.layers[l].steps.size());
    const Ext alpha = in_.draw();
    TRY(FractionClaim cells, check_fractions(in_, plan_.run_log2));
    std::vector<Ext> entries;
    for (std::size_t v = 0; v < kLimbValues; ++v) entries.push_back(alpha - lift({v}));
    TRY_OK(same_sum(cells, counts, entries, "limbs"));
    claims_.run.push_back({.inner = std::move(cells.point), .value = alpha - cells.value});
    return {};
  }

  Status layer(std::size_t l) {
    const LayerPlan& layer = plan_.layers[l];
    Ext acc;
    TRY(const Corner at, layer.steps.empty() ? raw_corner(layer, acc) : steps(l, acc));
    const Ext bias = in_.take();
    claims_.model.push_back({.block = layer.bias.begin, .inner = at.col, .value = bias});
    const DotClaim dot = check_dot(in_, acc - share_of_rows(at, plan_.rows) * bias, layer.in_log2);
    const Ext weight = in_.take();
    claims_.model.push_back({.block = layer.weights.begin, .inner = join(dot.point, at.col), .value = weight});
    Ext in;
    if (l == 0) {
      TRY(in, evaluate(Cells{plan_.rows, layer.shape.in, x_}, at.row, dot.point));
    } else {
      in = in_.take();
      owe(plan_.layers[l - 1].out, join(at.row, dot.point), in + lift(from_int(kOutMove)));
    }
    if (in * weight == dot.value) return {};
    return fail(Kind::kCorrupt, "proof.sum", text("found another product in layer {}, expected the claimed one", l));
  }

  Status opened(const Hash32& model_root) {
    TRY_OK(check_evaluations(in_, model_root, plan_.model_log2, claims_.model));
    if (!plan_.looks_up()) return {};
    return check_evaluations(in_, root_, plan_.run_log2, claims_.run);
  }

 private:
  Result<Corner> raw_corner(const LayerPlan& layer, Ext& acc) {
    std::vector<Ext> row = in_.draw(plan_.rows_log2);
    Corner at{std::move(row), in_.draw(layer.out_log2)};
    acc = evaluate(y_.int32, layer.shape.out, at.row, at.col);
    return at;
  }

  Result<Corner> steps(std::size_t l, Ext& acc) {
    const LayerPlan& layer = plan_.layers[l];
    const Ext alpha = in_.draw();
    const Triple triple(in_.draw());
    TRY(const FractionClaim cells, check_fractions(in_, plan_.rows_log2 + layer.out_log2));
    std::vector<Ext> entries;
    for (const Step& step : layer.steps) entries.push_back(alpha - triple(step));
    TRY_OK(same_sum(cells, step_counts_[l], entries, text("cells of layer {}", l)));
    acc = in_.take();
    const std::vector<Ext> limbs = in_.take(layer.limbs.size());
    for (std::size_t j = 0; j < limbs.size(); ++j) owe(layer.limbs[j], cells.point, limbs[j]);
    Corner at = split(cells.point, plan_.rows_log2);
    Ext out;
    if (l + 1 < plan_.layers.size()) {
      out = in_.take();
      owe(layer.out, cells.point, out);
      out = out - lift(from_int(kOutMove));
    } else {
      TRY(out, evaluate(Cells{plan_.rows, layer.shape.out, y_.int8}, at.row, at.col));
    }
    const Ext lo = acc - limb_sum(std::span(limbs).first(kLimbs)), hi = acc + limb_sum(std::span(limbs).last(kLimbs));
    if (alpha - triple(out, lo, hi) == cells.value) return at;
    return fail(Kind::kCorrupt, "proof.lookup", text("found other steps in layer {}, expected those looked up", l));
  }

  void owe(const Block& block, std::vector<Ext> point, Ext value) {
    claims_.run.push_back({.block = block.begin, .inner = std::move(point), .value = value});
  }

  const Plan& plan_;
  std::span<const std::int8_t> x_;
  const tensor::Activations& y_;
  Reader& in_;
  std::vector<std::vector<std::uint32_t>> step_counts_;
  Hash32 root_;
  Claims claims_;
};

}  // namespace

Status check_trace(const Plan& plan, const Hash32& root, std::span<const std::int8_t> x, const tensor::Activations& y,
                   Reader& in) {
  Checking checking(plan, x, y, in);
  if (plan.looks_up()) TRY_OK(checking.limbs());
  for (std::size_t l = plan.layers.size(); l-- > 0;) TRY_OK(checking.layer(l));
  return checking.opened(root);
}

}  // namespace hanse::proof
