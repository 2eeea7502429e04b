#include "base/core/check.h"
#include "exchange/proof/detail/layered.h"
#include "exchange/proof/detail/multilinear.h"

#include <algorithm>
#include <optional>

namespace hanse::proof {

namespace {

// The padded cells of a layer with their steps, in the order of its blocks.
class Padded {
 public:
  Padded(const LayerPlan& layer, unsigned rows_log2, std::span<const std::int64_t> acc,
         std::span<const std::int8_t> out)
      : steps_(layer.steps), acc_(std::size_t{1} << (rows_log2 + layer.out_log2)) {
    std::uint8_t step_of[256] = {};
    for (std::size_t s = 0; s < steps_.size(); ++s) step_of[steps_[s].out + kOutMove] = static_cast<std::uint8_t>(s);
    step_.assign(acc_.size(), step_of[kOutMove]);  // where nothing is, 0 comes out
    for (std::size_t i = 0; i < acc.size(); ++i) {
      const std::size_t at = (i / layer.shape.out << layer.out_log2) + i % layer.shape.out;
      acc_[at] = acc[i];
      step_[at] = step_of[out[i] + kOutMove];
    }
  }
  std::size_t size() const { return acc_.size(); }
  std::int64_t acc(std::size_t i) const { return acc_[i]; }
  std::size_t step_index(std::size_t i) const { return step_[i]; }
  const Step& step(std::size_t i) const { return steps_[step_[i]]; }

 private:
  std::span<const Step> steps_;
  std::vector<std::int64_t> acc_;
  std::vector<std::uint8_t> step_;
};

class Proving {
 public:
  Proving(const Plan& plan, std::span<const tensor::Layer> layers, const Trace& trace, Writer& out)
      : plan_(plan), layers_(layers), trace_(trace), out_(out) {
    for (std::size_t l = 0; l < plan.layers.size() && !plan.layers[l].steps.empty(); ++l)
      padded_.emplace_back(plan.layers[l], plan.rows_log2, trace.acc[l],
                           l + 1 < trace.in.size() ? trace.in[l + 1] : trace.out.int8);
  }

  // Commits to the run and proves that all of it are limbs.
  void look_up_limbs() {
    std::vector<std::int32_t> table(std::size_t{1} << plan_.run_log2);
    for (std::size_t l = 0; l < padded_.size(); ++l) fill(l, table);
    std::vector<std::uint32_t> counts(kLimbValues);
    for (const std::int32_t value : table) ++counts[static_cast<std::size_t>(value)];
    run_.emplace(std::move(table));
    out_.put(run_->root());
    out_.put(counts);
    count_steps();
    const Ext alpha = out_.draw();
    std::vector<Ext> den(run_->table().size());
    for (std::size_t i = 0; i < den.size(); ++i) den[i] = alpha - lift(from_int(run_->table()[i]));
    claims_.run.push_back({.inner = prove_fractions(out_, std::move(den))});
  }

  Status layer(std::size_t l) {
    const LayerPlan& layer = plan_.layers[l];
    const Corner at = layer.steps.empty() ? draw_corner(layer) : look_up_steps(l);
    Ext bias;
    const std::vector<Ext> cols = eq_table(at.col);
    for (std::size_t j = 0; j < layers_[l].bias.size(); ++j) bias += cols[j] * from_int(layers_[l].bias[j]);
    out_.put(bias);
    claims_.model.push_back({.block = layer.bias.begin, .inner = at.col});

    const std::vector<Ext> rows = eq_table(at.row);
    TRY(std::vector<Ext> a, combine_rows({plan_.rows, layer.shape.in, trace_.in[l]}, rows));
    TRY(std::vector<Ext> b, combine_cols({layer.shape.in, layer.shape.out, layers_[l].weights}, cols));
    a.resize(std::size_t{1} << layer.in_log2);
    b.resize(a.size());
    const std::vector<Ext> inner = prove_dot(out_, a, b);
    out_.put(b[0]);
    claims_.model.push_back({.block = layer.weights.begin, .inner = join(inner, at.col)});
    if (l == 0) return {};
    out_.put(a[0]);
    claims_.run.push_back({.block = plan_.layers[l - 1].out.begin, .inner = join(at.row, inner)});
    return {};
  }

  void open(const Committed& model) {
    prove_evaluations(out_, model, claims_.model);
    if (run_) prove_evaluations(out_, *run_, claims_.run);
  }

 private:
  void count_steps() {
    for (std::size_t l = 0; l < padded_.size(); ++l) {
      std::vector<std::uint32_t> counts(plan_.layers[l].steps.size());
      for (std::size_t i = 0; i < padded_[l].size(); ++i) ++counts[padded_[l].step_index(i)];
      out_.put(counts);
    }
  }

  Corner draw_corner(const LayerPlan& layer) {
    std::vector<Ext> row = out_.draw(plan_.rows_log2);
    return {std::move(row), out_.draw(layer.out_log2)};
  }

  void fill(std::size_t l, std::vector<std::int32_t>& table) const {
    const LayerPlan& layer = plan_.layers[l];
    const Padded& cells = padded_[l];
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::int64_t distances[] = {cells.acc(i) - cells.step(i).lo, cells.step(i).hi - cells.acc(i)};
      for (std::size_t j = 0; j < layer.limbs.size(); ++j)
        table[layer.limbs[j].begin + i] =
            static_cast<std::int32_t>(distances[j / kLimbs] >> kLimbBits * (j % kLimbs) & (kLimbValues - 1));
      if (l + 1 < plan_.layers.size())
        table[layer.out.begin + i] = static_cast<std::int32_t>(cells.step(i).out + kOutMove);
    }
  }

  Corner look_up_steps(std::size_t l) {
    const LayerPlan& layer = plan_.layers[l];
    const Padded& cells = padded_[l];
    const Ext alpha = out_.draw();
    const Triple triple(out_.draw());
    std::vector<Ext> entries;
    for (const Step& step : layer.steps) entries.push_back(alpha - triple(step));
    std::vector<Ext> den(cells.size());
    for (std::size_t i = 0; i < den.size(); ++i) den[i] = entries[cells.step_index(i)];
    const std::vector<Ext> point = prove_fractions(out_, std::move(den));
    const auto weights = factors(eq_table(point));
    const auto at = [&](const Block& block) {
      return dot(weights, std::span(run_->table()).subspan(block.begin, weights.size()));
    };
    SmallSum acc;
    for (std::size_t i = 0; i < weights.size(); ++i) acc.add(weights[i], cells.acc(i));
    out_.put(acc.value());
    for (const Block& limb : layer.limbs) owe(limb, point, at(limb));
    if (l + 1 < plan_.layers.size()) owe(layer.out, point, at(layer.out));
    return split(point, plan_.rows_log2);
  }

  void owe(const Block& block, const std::vector<Ext>& point, Ext value) {
    out_.put(value);
    claims_.run.push_back({.block = block.begin, .inner = point, .value = value});
  }

  const Plan& plan_;
  std::span<const tensor::Layer> layers_;
  const Trace& trace_;
  Writer& out_;
  std::vector<Padded> padded_;
  std::optional<Committed> run_;
  Claims claims_;
};

}  // namespace

Status prove_trace(const Plan& plan, std::span<const tensor::Layer> layers, const Committed& weights,
                   const Trace& trace, Writer& out) {
  Proving proving(plan, layers, trace, out);
  if (plan.looks_up()) proving.look_up_limbs();
  for (std::size_t l = plan.layers.size(); l-- > 0;) TRY_OK(proving.layer(l));
  proving.open(weights);
  return {};
}

}  // namespace hanse::proof
