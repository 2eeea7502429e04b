#include "exchange/onnx/graph.h"

#include <bit>
#include <set>

#include "base/core/text.h"
#include "exchange/onnx/detail/wire.h"

namespace hanse::onnx {

namespace {

using detail::Field;
using detail::Fields;

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kInvalid, "onnx.model", what); }
std::unexpected<Error> unsupported(std::string_view what) { return fail(Kind::kUnsupported, "onnx.unsupported", what); }

// Calls `take` with each field of a message.
template <class Take>
Status each(ByteView message, Take take) {
  for (Fields fields(message); !fields.done();) {
    TRY(const Field field, fields.next());
    TRY_OK(take(field));
  }
  return {};
}

Status want(const Field& field, std::uint8_t wire, std::string_view what) {
  if (field.wire == wire) return {};
  return bad(text("found wire type {} for {}, expected {}", field.wire, what, wire));
}

// A field of another wire type is unknown to protobuf, which skips it and keeps what it had: it must not be read here.
Result<std::uint64_t> number_of(const Field& field, std::string_view what) {
  TRY_OK(want(field, 0, what));
  return field.value;
}

Result<std::string> name_of(const Field& field, std::string_view what) {
  TRY_OK(want(field, 2, what));
  if (field.bytes.size() > kNameMax)
    return bad(text("found {} bytes of {}, expected at most {}", field.bytes.size(), what, kNameMax));
  return std::string(as_text(field.bytes));
}

Status add_ints(const Field& field, std::vector<std::int64_t>& out, std::string_view what) {
  ByteView left = field.bytes;
  if (field.wire == 0)
    out.push_back(static_cast<std::int64_t>(field.value));
  else
    TRY_OK(want(field, 2, what));
  while (!left.empty()) {
    TRY(const std::uint64_t value, detail::read_varint(left));
    out.push_back(static_cast<std::int64_t>(value));
    if (out.size() > kListMax) break;
  }
  if (out.size() > kListMax) return bad(text("found more than {} numbers of {}", kListMax, what));
  return {};
}

Result<Element> element_of(std::uint64_t number, std::string_view where) {
  if (number < 256 && is_element(static_cast<std::int64_t>(number))) return static_cast<Element>(number);
  return unsupported(
      text("found element type {} of {}, expected float, (u)int8, int32, int64, bool, float16, bfloat16 or float8",
           number, where));
}

struct Tensor {
  std::string name;
  ValueView value;
};

Result<Tensor> decode_tensor(ByteView message) {
  Tensor out;
  std::vector<std::int64_t> dims;
  std::uint64_t element = 0;
  bool raw = false, other = false, external = false;
  TRY_OK(each(message, [&](const Field& f) -> Status {
    switch (f.number) {
      case 1: return add_ints(f, dims, "dims of a tensor");
      case 2: {
        TRY(element, number_of(f, "the type of a tensor"));
        return {};
      }
      case 8: {
        TRY(out.name, name_of(f, "the name of a tensor"));
        return {};
      }
      case 9:
        out.value.data = f.bytes;
        raw = true;
        return {};
      case 4:
      case 5:
      case 6:
      case 7:
      case 10:
      case 11: other = other || f.wire != 2 || !f.bytes.empty(); return {};
      case 13: external = true; return {};
      case 14: external = external || f.value != 0; return {};
      default: return {};
    }
  }));
  if (external)
    return unsupported(text("found tensor '{}' in another file, expected its cells in the model", out.name));
  if (other || !raw) return unsupported(text("found tensor '{}' without raw_data, expected its cells there", out.name));
  TRY(out.value.type.element, element_of(element, text("tensor '{}'", out.name)));
  if (dims.size() > kRankMax)
    return unsupported(text("found rank {} of tensor '{}', expected at most {}", dims.size(), out.name, kRankMax));
  for (const std::int64_t d : dims) {
    if (d < 1 || d > kDimMax)
      return unsupported(text("found dimension {} of tensor '{}', expected 1..{}", d, out.name, kDimMax));
    out.value.type.dims.push_back(static_cast<std::uint32_t>(d));
  }
  if (cells(out.value.type.dims) > kCellsMax || out.value.data.size() != out.value.type.bytes())
    return bad(text("found {} bytes of tensor '{}', expected {} of {}", out.value.data.size(), out.name,
                    dims_text(out.value.type.dims), element_name(out.value.type.element)));
  return out;
}

Status add_attribute(ByteView message, Node& node) {
  Attribute out;
  std::string name;
  TRY_OK(each(message, [&](const Field& f) -> Status {
    switch (f.number) {
      case 1: {
        TRY(name, name_of(f, "the name of an attribute"));
        return {};
      }
      case 2:
        if (f.wire != 5) return want(f, 5, "a float attribute");
        out.f = std::bit_cast<float>(static_cast<std::uint32_t>(f.value));
        return {};
      case 3: {
        TRY(const std::uint64_t number, number_of(f, "an integer attribute"));
        out.i = static_cast<std::int64_t>(number);
        return {};
      }
      case 4: {
        TRY(out.s, name_of(f, "an attribute"));
        return {};
      }
      case 5: {
        TRY(Tensor tensor, decode_tensor(f.bytes));
        if (out.tensor) return bad(text("found two tensors in attribute '{}'", name));
        out.tensor = std::move(tensor.value);
        return {};
      }
      case 6:
      case 10:
      case 11:
      case 22:
      case 23: return unsupported(text("found a graph or sparse tensor in node '{}', expected none", node.op));
      case 8: return add_ints(f, out.ints, "an attribute");
      default: return {};
    }
  }));
  if (node.attributes.size() >= kAttributesMax)
    return bad(text("found more than {} attributes of a node", kAttributesMax));
  if (!node.attributes.emplace(name, std::move(out)).second) return bad(text("found attribute '{}' twice", name));
  return {};
}

Result<Node> decode_node(ByteView message) {
  Node out;
  std::string domain;
  std::vector<ByteView> attributes;
  TRY_OK(each(message, [&](const Field& f) -> Status {
    switch (f.number) {
      case 1:
      case 2: {
        TRY(std::string name, name_of(f, "a value"));
        auto& names = f.number == 1 ? out.inputs : out.outputs;
        names.push_back(std::move(name));
        if (names.size() > kListMax) return bad(text("found more than {} values at a node", kListMax));
        return {};
      }
      case 4: {
        TRY(out.op, name_of(f, "an operator"));
        return {};
      }
      case 5: attributes.push_back(f.bytes); return {};
      case 7: {
        TRY(domain, name_of(f, "a domain"));
        return {};
      }
      default: return {};
    }
  }));
  if (!domain.empty() && domain != "ai.onnx")
    return unsupported(text("found operator {} of domain '{}', expected ai.onnx", out.op, domain));
  for (const ByteView attribute : attributes) TRY_OK(add_attribute(attribute, out));
  return out;
}

Status add_dims(ByteView shape, Port& port) {
  if (port.has_shape) return bad(text("found two shapes of '{}'", port.name));
  port.has_shape = true;
  return each(shape, [&](const Field& f) -> Status {
    if (f.number != 1) return {};
    std::optional<std::uint32_t> dim;
    TRY_OK(each(f.bytes, [&](const Field& d) -> Status {
      if (d.number != 1) return {};
      TRY(const std::uint64_t size, number_of(d, "a dimension"));
      if (size < 1 || size > kDimMax)
        return unsupported(text("found dimension {} of '{}', expected 1..{}", size, port.name, kDimMax));
      dim = static_cast<std::uint32_t>(size);
      return {};
    }));
    port.dims.push_back(dim);
    if (port.dims.size() > kRankMax) return unsupported(text("found a rank above {} of '{}'", kRankMax, port.name));
    return {};
  });
}

Result<Port> decode_port(ByteView message) {
  Port out;
  std::optional<ByteView> tensor;
  TRY_OK(each(message, [&](const Field& f) -> Status {
    if (f.number == 1) {
      TRY(out.name, name_of(f, "a value"));
    }
    if (f.number != 2) return {};
    return each(f.bytes, [&](const Field& type) -> Status {
      if (type.number != 1) return {};
      if (tensor) return bad(text("found two types of '{}'", out.name));
      tensor = type.bytes;
      return {};
    });
  }));
  if (!tensor) return unsupported(text("found '{}', which is no tensor", out.name));
  std::uint64_t element = 0;
  TRY_OK(each(*tensor, [&](const Field& f) -> Status {
    if (f.number == 1) {
      TRY(element, number_of(f, "the type of a value"));
    }
    return f.number == 2 ? add_dims(f.bytes, out) : Status();
  }));
  TRY(out.element, element_of(element, text("'{}'", out.name)));
  return out;
}

Status take_graph(ByteView message, Graph& out) {
  std::vector<Port> inputs;
  TRY_OK(each(message, [&](const Field& f) -> Status {
    switch (f.number) {
      case 1: {
        TRY(Node node, with_context(decode_node(f.bytes), text("node {}", out.nodes.size())));
        out.nodes.push_back(std::move(node));
        if (out.nodes.size() > kNodesMax) return bad(text("found more than {} nodes", kNodesMax));
        return {};
      }
      case 5: {
        TRY(Tensor tensor, decode_tensor(f.bytes));
        if (!out.constants.emplace(tensor.name, std::move(tensor.value)).second)
          return bad(text("found two tensors called '{}'", tensor.name));
        if (out.constants.size() > kValuesMax) return bad(text("found more than {} tensors", kValuesMax));
        return {};
      }
      case 11:
      case 12: {
        TRY(Port port, decode_port(f.bytes));
        auto& ports = f.number == 11 ? inputs : out.outputs;
        ports.push_back(std::move(port));
        if (ports.size() > kListMax) return bad(text("found more than {} inputs or outputs", kListMax));
        return {};
      }
      case 15: return unsupported("found a sparse tensor, expected dense ones");
      default: return {};
    }
  }));
  for (Port& port : inputs)
    if (!out.constants.contains(port.name)) out.inputs.push_back(std::move(port));
  return {};
}

// Every name is given once, and before it is used (the order of nodes is topological in ONNX).
Status check_names(const Graph& graph) {
  std::set<std::string, std::less<>> known;
  for (const auto& [name, value] : graph.constants) known.insert(name);
  for (const Port& port : graph.inputs)
    if (!known.insert(port.name).second) return bad(text("found input '{}' twice", port.name));
  for (const Node& node : graph.nodes) {
    for (const std::string& name : node.inputs)
      if (!name.empty() && !known.contains(name))
        return bad(text("found '{}' at a {} before anything gives it", name, node.op));
    for (const std::string& name : node.outputs)
      if (!name.empty() && !known.insert(name).second) return bad(text("found '{}' given twice", name));
    if (known.size() > kValuesMax) return bad(text("found more than {} values", kValuesMax));
  }
  for (const Port& port : graph.outputs)
    if (!known.contains(port.name)) return bad(text("found output '{}', which nothing gives", port.name));
  return {};
}

Status take_opset(ByteView message, Graph& out) {
  std::string domain;
  std::int64_t version = 0;
  TRY_OK(each(message, [&](const Field& f) -> Status {
    if (f.number == 1) {
      TRY(domain, name_of(f, "a domain"));
    }
    if (f.number == 2) {
      TRY(const std::uint64_t number, number_of(f, "a version"));
      version = static_cast<std::int64_t>(number);
    }
    return {};
  }));
  if (!domain.empty() && domain != "ai.onnx")
    return unsupported(text("found operators of domain '{}', expected ai.onnx only", domain));
  if (out.opset != 0) return bad(text("found opsets {} and {}, expected one", out.opset, version));
  out.opset = version;
  return {};
}

}  // namespace

Result<Graph> decode_model(ByteView bytes) {
  Graph out;
  std::optional<ByteView> graph;
  TRY_OK(each(bytes, [&](const Field& f) -> Status {
    switch (f.number) {
      case 7:
        if (graph || f.wire != 2) return bad("found two graphs, or one that is no message, expected one");
        graph = f.bytes;
        return {};
      case 8: return take_opset(f.bytes, out);
      case 20:
      case 25: return unsupported("found functions or training, expected a graph for inference");
      default: return {};
    }
  }));
  if (!graph) return bad("found no graph, expected an ONNX model");
  if (out.opset < kOpsetMin || out.opset > kOpsetMax)
    return unsupported(text("found opset {}, expected {}..{}", out.opset, kOpsetMin, kOpsetMax));
  TRY_OK(take_graph(*graph, out));
  if (out.outputs.empty()) return bad("found no output, expected at least one");
  TRY_OK(check_names(out));
  return out;
}

}  // namespace hanse::onnx
