// An ONNX model (onnx.proto3 of ONNX 1.17) as far as onnx/v1 takes it: one graph of the default domain, tensors only,
// no subgraphs, functions, external data, sparse or string tensors. Read from the protobuf bytes by hand, because a
// second copy of that schema cannot be linked beside ONNX Runtime's; unknown fields are skipped, as protobuf asks.
// Limits: kNodesMax nodes, kValuesMax names, kNameMax bytes a name, kAttributesMax attributes a node.
// Views borrow the model's bytes. Threads: values.
// Errors (Kind::kInvalid): onnx.model (not a model, or one that breaks a limit; where), onnx.unsupported
// (Kind::kUnsupported: what such a model has that is not taken).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "exchange/onnx/value.h"

namespace hanse::onnx {

constexpr std::int64_t kOpsetMin = 13, kOpsetMax = 21;
constexpr std::size_t kNodesMax = 4096, kValuesMax = 16'384, kNameMax = 256, kAttributesMax = 32, kListMax = 1024;

struct Attribute {
  std::int64_t i = 0;
  float f = 0;
  std::string s;
  std::vector<std::int64_t> ints;
  std::optional<ValueView> tensor;
};
struct Node {
  std::string op;
  std::vector<std::string> inputs, outputs;  // "" stands for an input that is left out
  std::map<std::string, Attribute> attributes;
};
struct Port {
  std::string name;
  Element element = Element::kFloat;
  std::vector<std::optional<std::uint32_t>> dims;  // nothing: any
  bool has_shape = false;
};
struct Graph {
  std::int64_t opset = 0;
  std::vector<Node> nodes;
  std::map<std::string, ValueView> constants;  // initializers
  std::vector<Port> inputs;                    // those without an initializer
  std::vector<Port> outputs;
};
Result<Graph> decode_model(ByteView bytes);

}  // namespace hanse::onnx
