#include "exchange/onnx/plan.h"

#include <algorithm>
#include <cstring>

#include "base/core/text.h"

namespace hanse::onnx {

namespace {

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kInvalid, "onnx.shape", what); }

constexpr bool is_float(Element e) {
  return e == Element::kFloat || e == Element::kFloat16 || e == Element::kBfloat16 || e == Element::kFloat8e4m3 ||
         e == Element::kFloat8e5m2;
}

Status check_size(const Type& type, std::string_view what) {
  const bool dims_fit = std::ranges::all_of(type.dims, [](std::uint32_t d) { return d >= 1 && d <= kDimMax; });
  if (type.dims.size() <= kRankMax && dims_fit && cells(type.dims) <= kCellsMax) return {};
  return bad(text("found {} for {}, expected at most {} cells", dims_text(type.dims), what, kCellsMax));
}

// Multidirectional broadcasting (ONNX, Broadcasting.md).
Result<Dims> broadcast(const Dims& a, const Dims& b) {
  Dims out(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto at = [&](const Dims& d) { return i < d.size() ? d[d.size() - 1 - i] : 1; };
    const std::uint32_t x = at(a), y = at(b);
    if (x != y && x != 1 && y != 1)
      return bad(text("found {} and {}, expected sizes that match", dims_text(a), dims_text(b)));
    out[out.size() - 1 - i] = std::max(x, y);
  }
  return out;
}

struct Known {
  Type type;
  std::optional<ByteView> constant;
};

class Planner {
 public:
  Planner(const Graph& graph, Plan& plan) : graph_(graph), plan_(plan) {}

  Status inputs(const std::vector<Type>& given) {
    if (given.size() != graph_.inputs.size())
      return fail(Kind::kInvalid, "onnx.inputs",
                  text("found {} inputs, expected {}", given.size(), graph_.inputs.size()));
    for (const auto& [name, value] : graph_.constants) TRY_OK(know(name, {value.type, value.data}));
    for (std::size_t i = 0; i < given.size(); ++i) {
      const Port& port = graph_.inputs[i];
      bool fits = port.element == given[i].element && (!port.has_shape || port.dims.size() == given[i].dims.size());
      for (std::size_t d = 0; fits && port.has_shape && d < port.dims.size(); ++d)
        fits = !port.dims[d] || *port.dims[d] == given[i].dims[d];
      if (!fits)
        return fail(Kind::kInvalid, "onnx.inputs",
                    text("found {} of {} for input {}, expected '{}' as the model declares it",
                         dims_text(given[i].dims), element_name(given[i].element), i, port.name));
      TRY_OK(know(port.name, {given[i], {}}));
    }
    return {};
  }

  Status node(const Node& node) {
    node_ = &node;
    TRY(const Rule rule, find_rule());
    if (node.inputs.size() < rule.inputs_min || node.inputs.size() > rule.inputs_max || node.outputs.empty() ||
        node.outputs.size() > rule.outputs_max)
      return bad(text("found {} inputs and {} outputs, expected {}..{} and 1..{}", node.inputs.size(),
                      node.outputs.size(), rule.inputs_min, rule.inputs_max, rule.outputs_max));
    for (std::size_t i = 0; i < rule.inputs_min; ++i)
      if (node.inputs[i].empty()) return bad(text("found input {} left out, expected it", i));
    for (const std::string& name : node.outputs)
      if (name.empty()) return bad("found an output left out, expected a name");
    plan_.exact = plan_.exact && rule.exact;
    return (this->*rule.infer)();
  }

  Result<std::vector<Type>> outputs() const {
    std::vector<Type> out;
    for (const Port& port : graph_.outputs) out.push_back(known_.at(port.name).type);
    return out;
  }
  bool all_integers() const {
    return std::ranges::none_of(known_, [](const auto& k) { return is_float(k.second.type.element); });
  }

 private:
  using Infer = Status (Planner::*)();
  struct Rule {
    Infer infer = nullptr;
    std::size_t inputs_min = 1, inputs_max = 1, outputs_max = 1;
    bool exact = false;
  };

  Result<Rule> find_rule() const {
    static const std::map<std::string_view, Rule> rules = {
        {"MatMul", {&Planner::matmul, 2, 2}},
        {"MatMulInteger", {&Planner::matmul_integer, 2, 4, 1, true}},
        {"QLinearMatMul", {&Planner::qlinear_matmul, 8, 8}},
        {"Gemm", {&Planner::gemm, 2, 3}},
        {"Add", {&Planner::binary, 2, 2, 1, true}},
        {"Sub", {&Planner::binary, 2, 2, 1, true}},
        {"Mul", {&Planner::binary, 2, 2, 1, true}},
        {"Div", {&Planner::binary, 2, 2}},
        {"Min", {&Planner::binary, 2, 2, 1, true}},
        {"Max", {&Planner::binary, 2, 2, 1, true}},
        {"Relu", {&Planner::unary, 1, 1, 1, true}},
        {"LeakyRelu", {&Planner::unary}},
        {"Sigmoid", {&Planner::unary}},
        {"Tanh", {&Planner::unary}},
        {"Erf", {&Planner::unary}},
        {"Exp", {&Planner::unary}},
        {"Sqrt", {&Planner::unary}},
        {"Neg", {&Planner::unary}},
        {"Abs", {&Planner::unary}},
        {"Softmax", {&Planner::unary}},
        {"Clip", {&Planner::unary, 1, 3, 1, true}},
        {"LayerNormalization", {&Planner::unary, 2, 3}},
        {"Identity", {&Planner::unary, 1, 1, 1, true}},
        {"Cast", {&Planner::cast, 1, 1, 1, true}},
        {"QuantizeLinear", {&Planner::quantize, 2, 3}},
        {"DequantizeLinear", {&Planner::dequantize, 2, 3}},
        {"DynamicQuantizeLinear", {&Planner::dynamic_quantize, 1, 1, 3}},
        {"Reshape", {&Planner::reshape, 2, 2, 1, true}},
        {"Flatten", {&Planner::flatten, 1, 1, 1, true}},
        {"Transpose", {&Planner::transpose, 1, 1, 1, true}},
        {"Squeeze", {&Planner::squeeze, 2, 2, 1, true}},
        {"Unsqueeze", {&Planner::unsqueeze, 2, 2, 1, true}},
        {"Concat", {&Planner::concat, 1, kListMax, 1, true}},
        {"Gather", {&Planner::gather, 2, 2, 1, true}},
        {"Constant", {&Planner::constant, 0, 0, 1, true}},
    };
    const auto found = rules.find(node_->op);
    if (found == rules.end())
      return fail(Kind::kUnsupported, "onnx.operator", text("found operator '{}', which is not taken", node_->op));
    return found->second;
  }

  Status know(const std::string& name, Known value) {
    TRY_OK(check_size(value.type, text("'{}'", name)));
    plan_.value_bytes += value.type.bytes();
    known_.emplace(name, std::move(value));
    return {};
  }
  Status give(Type type, std::size_t output = 0) {
    if (output >= node_->outputs.size()) return {};
    const std::uint64_t count = cells(type.dims);
    TRY_OK(know(node_->outputs[output], {std::move(type), {}}));
    plan_.cells += count;
    return {};
  }

  const Known& in(std::size_t i) const { return known_.at(node_->inputs[i]); }
  bool has(std::size_t i) const { return i < node_->inputs.size() && !node_->inputs[i].empty(); }
  const Attribute* attribute(std::string_view name) const {
    const auto found = node_->attributes.find(std::string(name));
    return found == node_->attributes.end() ? nullptr : &found->second;
  }
  std::int64_t number(std::string_view name, std::int64_t fallback) const {
    const Attribute* a = attribute(name);
    return a == nullptr ? fallback : a->i;
  }
  Result<std::size_t> axis(std::int64_t value, std::size_t rank) const {
    const auto size = static_cast<std::int64_t>(rank);
    if (value < -size || value >= size) return bad(text("found axis {} of rank {}", value, rank));
    return static_cast<std::size_t>(value < 0 ? value + size : value);
  }
  // An int64 constant that decides a shape.
  Result<std::vector<std::int64_t>> list(std::size_t i) const {
    const Known& value = in(i);
    if (!value.constant || value.type.element != Element::kInt64 || value.type.dims.size() > 1)
      return fail(Kind::kUnsupported, "onnx.unsupported",
                  text("found a shape computed by the graph at {}, expected a constant list of int64", node_->op));
    std::vector<std::int64_t> out(cells(value.type.dims));
    for (std::size_t j = 0; j < out.size(); ++j)
      out[j] = static_cast<std::int64_t>(load_le<std::uint64_t>(value.constant->data() + 8 * j));
    if (out.size() > kRankMax) return bad(text("found a list of {}, expected at most {}", out.size(), kRankMax));
    return out;
  }

  Status count_product(const Dims& out, std::uint64_t inner) {
    const UInt128 macs = static_cast<UInt128>(cells(out)) * inner;
    if (cells(out) > kCellsMax || macs > (std::uint64_t{1} << 60))
      return bad("found a product beyond 2^60 multiplications");
    plan_.macs += static_cast<std::uint64_t>(macs);
    if (plan_.macs > std::uint64_t{1} << 60) return bad("found products beyond 2^60 multiplications");
    return {};
  }

  Result<Dims> product_dims(const Dims& a, const Dims& b) {
    if (a.size() < 2 || b.size() < 2)
      return bad(text("found {} and {}, expected rank 2 or more", dims_text(a), dims_text(b)));
    const std::uint32_t k = a.back();
    if (b[b.size() - 2] != k)
      return bad(text("found {} times {}, expected inner sizes that match", dims_text(a), dims_text(b)));
    TRY(Dims out, broadcast(Dims(a.begin(), a.end() - 2), Dims(b.begin(), b.end() - 2)));
    out.push_back(a[a.size() - 2]);
    out.push_back(b.back());
    TRY_OK(count_product(out, k));
    return out;
  }

  Status matmul() {
    if (in(0).type.element != in(1).type.element || !is_float(in(0).type.element))
      return bad(text("found {} and {}, expected floating point of one type", element_name(in(0).type.element),
                      element_name(in(1).type.element)));
    TRY(Dims out, product_dims(in(0).type.dims, in(1).type.dims));
    return give({in(0).type.element, std::move(out)});
  }
  Status matmul_integer() {
    for (std::size_t i : {0u, 1u})
      if (const Element e = in(i).type.element; e != Element::kInt8 && e != Element::kUint8)
        return bad(text("found {} as a factor, expected int8 or uint8", element_name(e)));
    plan_.exact = plan_.exact && is_narrow(in(1));
    TRY(Dims out, product_dims(in(0).type.dims, in(1).type.dims));
    return give({Element::kInt32, std::move(out)});
  }
  static bool is_narrow(const Known& factor) {
    if (!factor.constant || factor.type.element != Element::kInt8) return false;
    return std::ranges::all_of(*factor.constant, [](std::uint8_t byte) {
      const auto v = static_cast<std::int8_t>(byte);
      return v >= -64 && v <= 63;
    });
  }
  Status qlinear_matmul() {
    TRY(Dims out, product_dims(in(0).type.dims, in(3).type.dims));
    return give({in(7).type.element, std::move(out)});
  }
  Status gemm() {
    Dims a = in(0).type.dims, b = in(1).type.dims;
    if (a.size() != 2 || b.size() != 2)
      return bad(text("found {} and {}, expected matrices", dims_text(a), dims_text(b)));
    if (number("transA", 0) != 0) std::swap(a[0], a[1]);
    if (number("transB", 0) != 0) std::swap(b[0], b[1]);
    TRY(Dims out, product_dims(a, b));
    if (has(2)) {
      TRY(const Dims both, broadcast(out, in(2).type.dims));
      if (both != out) return bad(text("found {} to add to {}", dims_text(in(2).type.dims), dims_text(out)));
    }
    return give({in(0).type.element, std::move(out)});
  }
  Status binary() {
    if (in(0).type.element != in(1).type.element)
      return bad(text("found {} and {}, expected one type", element_name(in(0).type.element),
                      element_name(in(1).type.element)));
    TRY(Dims out, broadcast(in(0).type.dims, in(1).type.dims));
    return give({in(0).type.element, std::move(out)});
  }
  Status unary() { return give(in(0).type); }
  Status cast() {
    const std::int64_t to = number("to", 0);
    if (!is_element(to)) return bad(text("found a cast to element type {}", to));
    return give({static_cast<Element>(to), in(0).type.dims});
  }
  Status quantize() {
    const std::int64_t told = number("output_dtype", 0);
    const Element element = has(2)             ? in(2).type.element
                            : is_element(told) ? static_cast<Element>(told)
                                               : Element::kUint8;
    return give({element, in(0).type.dims});
  }
  Status dequantize() { return give({in(1).type.element, in(0).type.dims}); }
  Status dynamic_quantize() {
    TRY_OK(give({Element::kUint8, in(0).type.dims}));
    TRY_OK(give({Element::kFloat, {}}, 1));
    return give({Element::kUint8, {}}, 2);
  }

  Status reshape() {
    TRY(const auto want, list(1));
    if (number("allowzero", 0) != 0) return bad("found allowzero, expected dimensions of 1 or more");
    const Type& from = in(0).type;
    Dims out(want.size(), 1);
    std::optional<std::size_t> open;
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (want[i] == -1 && !open) {
        open = i;
      } else if (want[i] == 0 && i < from.dims.size()) {
        out[i] = from.dims[i];
      } else if (want[i] >= 1 && want[i] <= kDimMax) {
        out[i] = static_cast<std::uint32_t>(want[i]);
      } else {
        return bad(text("found size {} of dimension {} to reshape to", want[i], i));
      }
    }
    if (open && cells(out) <= kCellsMax) out[*open] = static_cast<std::uint32_t>(cells(from.dims) / cells(out));
    if (cells(out) != cells(from.dims))
      return bad(text("found {} to reshape to {}, expected as many cells", dims_text(from.dims), dims_text(out)));
    return give({from.element, std::move(out)});
  }
  Status flatten() {
    const Type& from = in(0).type;
    std::int64_t at = number("axis", 1);
    const auto rank = static_cast<std::int64_t>(from.dims.size());
    if (at < 0) at += rank;
    if (at < 0 || at > rank) return bad(text("found axis {} of rank {}", at, rank));
    const Dims front(from.dims.begin(), from.dims.begin() + at), back(from.dims.begin() + at, from.dims.end());
    if (cells(front) > kDimMax || cells(back) > kDimMax) return bad("found too many cells to flatten");
    return give({from.element, {static_cast<std::uint32_t>(cells(front)), static_cast<std::uint32_t>(cells(back))}});
  }
  Status transpose() {
    const Type& from = in(0).type;
    std::vector<std::int64_t> order;
    if (const Attribute* perm = attribute("perm"))
      order = perm->ints;
    else
      for (std::size_t i = from.dims.size(); i-- > 0;) order.push_back(static_cast<std::int64_t>(i));
    Dims out;
    std::vector<std::int64_t> sorted = order;
    std::ranges::sort(sorted);
    for (std::size_t i = 0; i < sorted.size(); ++i)
      if (sorted[i] != static_cast<std::int64_t>(i) || sorted.size() != from.dims.size())
        return bad(text("found an order of {} axes, expected a permutation of {}", order.size(), from.dims.size()));
    if (sorted.size() != from.dims.size()) return bad("found no order of axes, expected a permutation");
    for (const std::int64_t i : order) out.push_back(from.dims[static_cast<std::size_t>(i)]);
    return give({from.element, std::move(out)});
  }
  Result<std::vector<bool>> axes(std::size_t rank) const {
    TRY(const auto wanted, list(1));
    std::vector<bool> out(rank);
    for (const std::int64_t a : wanted) {
      TRY(const std::size_t at, axis(a, rank));
      if (out[at]) return bad(text("found axis {} twice", a));
      out[at] = true;
    }
    return out;
  }
  Status squeeze() {
    const Type& from = in(0).type;
    TRY(const std::vector<bool> gone, axes(from.dims.size()));
    Dims out;
    for (std::size_t i = 0; i < from.dims.size(); ++i) {
      if (gone[i] && from.dims[i] != 1) return bad(text("found {} to squeeze at axis {}", dims_text(from.dims), i));
      if (!gone[i]) out.push_back(from.dims[i]);
    }
    return give({from.element, std::move(out)});
  }
  Status unsqueeze() {
    const Type& from = in(0).type;
    TRY(const auto wanted, list(1));
    TRY(const std::vector<bool> fresh, axes(from.dims.size() + wanted.size()));
    Dims out;
    auto next = from.dims.begin();
    for (const bool one : fresh) out.push_back(one ? 1 : *next++);
    return give({from.element, std::move(out)});
  }
  Status concat() {
    Type out = in(0).type;
    TRY(const std::size_t at, axis(number("axis", 0), out.dims.size()));
    std::uint64_t size = out.dims[at];
    for (std::size_t i = 1; i < node_->inputs.size(); ++i) {
      if (!has(i)) return bad(text("found input {} left out, expected it", i));
      Type more = in(i).type;
      if (more.dims.size() == out.dims.size()) {
        size += more.dims[at];
        more.dims[at] = out.dims[at];
      }
      if (more != out)
        return bad(text("found {} beside {}, expected the same but for axis {}", dims_text(in(i).type.dims),
                        dims_text(in(0).type.dims), at));
    }
    if (size > kDimMax) return bad(text("found {} along axis {}, expected at most {}", size, at, kDimMax));
    out.dims[at] = static_cast<std::uint32_t>(size);
    return give(std::move(out));
  }
  Status gather() {
    const Type& from = in(0).type;
    if (in(1).type.element != Element::kInt32 && in(1).type.element != Element::kInt64)
      return bad(text("found indices of {}, expected int32 or int64", element_name(in(1).type.element)));
    TRY(const std::size_t at, axis(number("axis", 0), from.dims.size()));
    Dims out(from.dims.begin(), from.dims.begin() + static_cast<std::ptrdiff_t>(at));
    out.insert(out.end(), in(1).type.dims.begin(), in(1).type.dims.end());
    out.insert(out.end(), from.dims.begin() + static_cast<std::ptrdiff_t>(at) + 1, from.dims.end());
    return give({from.element, std::move(out)});
  }
  Status constant() {
    const Attribute* value = attribute("value");
    if (value == nullptr || !value->tensor)
      return fail(Kind::kUnsupported, "onnx.unsupported",
                  "found a Constant without a tensor, expected attribute 'value'");
    return know(node_->outputs[0], {value->tensor->type, value->tensor->data});
  }

  __extension__ using UInt128 = unsigned __int128;

  const Graph& graph_;
  Plan& plan_;
  const Node* node_ = nullptr;
  std::map<std::string, Known, std::less<>> known_;
};

}  // namespace

Result<Plan> plan(const Graph& graph, const std::vector<Type>& inputs) {
  Plan out;
  Planner planner(graph, out);
  TRY_OK(planner.inputs(inputs));
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    TRY_OK(with_context(planner.node(graph.nodes[i]), text("node {}, {}", i, graph.nodes[i].op)));
  TRY(out.outputs, planner.outputs());
  out.exact = out.exact && planner.all_integers();
  return out;
}

}  // namespace hanse::onnx
