#include "exchange/onnx/graph.h"

#include "base/core/text.h"
#include "exchange/onnx/model_test.h"
#include "exchange/onnx/plan.h"

#include <gtest/gtest.h>

namespace hanse::onnx {
namespace {

ModelBuilder two_layers() {
  ModelBuilder b;
  b.input("x", Element::kFloat, {0, 2}).output("y", Element::kFloat, {0, 3});
  b.constant<float>("w", Element::kFloat, {2, 3}, {1, 2, 3, 4, 5, 6})
      .constant<float>("b", Element::kFloat, {3}, {1, 1, 1});
  b.node("MatMul", {"x", "w"}, {"p"}).node("Add", {"p", "b"}, {"s"}).node("Relu", {"s"}, {"y"});
  return b;
}

std::string refusal(const Bytes& model) {
  const auto graph = decode_model(model);
  return graph ? "" : std::string(graph.error().id());
}

TEST(Graph, is_read_with_its_nodes_constants_and_ports) {
  const Bytes model = two_layers().model();
  const Graph graph = *decode_model(model);
  EXPECT_EQ(graph.opset, 19);
  ASSERT_EQ(graph.nodes.size(), 3u);
  EXPECT_EQ(graph.nodes[1].op, "Add");
  EXPECT_EQ(graph.nodes[1].inputs, (std::vector<std::string>{"p", "b"}));
  EXPECT_EQ(graph.constants.at("w").type, (Type{Element::kFloat, {2, 3}}));
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.inputs[0].dims[0], std::nullopt);
  EXPECT_EQ(graph.inputs[0].dims[1], 2u);
}

TEST(Graph, cut_anywhere_is_refused) {
  const Bytes model = two_layers().model();
  for (std::size_t size = 0; size < model.size(); ++size)
    EXPECT_NE(refusal({model.begin(), model.begin() + static_cast<std::ptrdiff_t>(size)}), "") << size;
}

TEST(Graph, of_what_is_not_taken_is_refused_with_its_reason) {
  const auto with = [](auto change) {
    ModelBuilder b = two_layers();
    change(b);
    return refusal(b.model());
  };
  EXPECT_EQ(with([](ModelBuilder& b) { b.opset = 12; }), "onnx.unsupported");
  EXPECT_EQ(with([](ModelBuilder& b) { b.opset = 22; }), "onnx.unsupported");
  EXPECT_EQ(with([](ModelBuilder& b) { b.node("Relu", {"y"}, {"z"}, {}, "com.microsoft"); }), "onnx.unsupported");
  EXPECT_EQ(with([](ModelBuilder& b) {
              b.node("If", {"y"}, {"z"}, {{"then_branch", Message().text(1, "then_branch").bytes(6, {})}});
            }),
            "onnx.unsupported");
  EXPECT_EQ(
      with([](ModelBuilder& b) { b.graph.message(5, tensor_message("e", Element::kFloat, {1}, {}).number(14, 1)); }),
      "onnx.unsupported");
  EXPECT_EQ(with([](ModelBuilder& b) { b.constant<float>("double", static_cast<Element>(11), {1}, {1, 1}); }),
            "onnx.unsupported");
  EXPECT_EQ(with([](ModelBuilder& b) { b.constant<float>("short", Element::kFloat, {2}, {1}); }), "onnx.model");
  EXPECT_EQ(with([](ModelBuilder& b) { b.constant<float>("w", Element::kFloat, {1}, {1}); }), "onnx.model");
  EXPECT_EQ(with([](ModelBuilder& b) { b.node("Relu", {"later"}, {"z"}); }), "onnx.model");
  EXPECT_EQ(with([](ModelBuilder& b) { b.node("Relu", {"s"}, {"y"}); }), "onnx.model");
  EXPECT_EQ(with([](ModelBuilder& b) { b.output("nothing", Element::kFloat, {1}); }), "onnx.model");
  EXPECT_EQ(with([](ModelBuilder& b) { b.node("Relu", {"s"}, {"z"}, {attr_int("a", 1), attr_int("a", 2)}); }),
            "onnx.model");
  EXPECT_EQ(with([](ModelBuilder& b) { b.node("Relu", {std::string(kNameMax + 1, 'n')}, {"z"}); }), "onnx.model");
}

// Such a field is unknown to protobuf, so that ONNX Runtime would read another number than we do.
TEST(Graph, with_a_number_of_another_wire_type_is_refused) {
  const auto with = [](auto change) {
    ModelBuilder b = two_layers();
    change(b.graph);
    return refusal(b.model());
  };
  const Bytes cells(16);
  const auto tensor = [&] { return tensor_message("t", Element::kInt32, {4}, cells); };
  EXPECT_EQ(with([&](Message& g) { g.message(5, tensor()); }), "");
  EXPECT_EQ(with([&](Message& g) { g.message(5, tensor().eight(2, 1)); }), "onnx.model");
  EXPECT_EQ(with([&](Message& g) { g.message(5, tensor().eight(1, 1)); }), "onnx.model");
  const auto node = [](const Message& attribute) {
    return Message().text(1, "y").text(2, "z").text(4, "Relu").message(5, attribute);
  };
  EXPECT_EQ(with([&](Message& g) { g.message(1, node(Message().text(1, "a").number(3, 1))); }), "");
  EXPECT_EQ(with([&](Message& g) { g.message(1, node(Message().text(1, "a").eight(3, 1))); }), "onnx.model");
  EXPECT_EQ(with([&](Message& g) { g.message(1, node(Message().text(1, "a").eight(2, 1))); }), "onnx.model");
  const auto port = [](const Message& type) { return Message().text(1, "in").message(2, Message().message(1, type)); };
  EXPECT_EQ(with([&](Message& g) { g.message(11, port(Message().number(1, 1))); }), "");
  EXPECT_EQ(with([&](Message& g) { g.message(11, port(Message().number(1, 1).eight(1, 3))); }), "onnx.model");
  const auto shape = [](const Message& dim) { return Message().number(1, 1).message(2, Message().message(1, dim)); };
  EXPECT_EQ(with([&](Message& g) { g.message(11, port(shape(Message().eight(1, 3)))); }), "onnx.model");
  const auto opset = [](const Message& more) {
    Bytes model = two_layers().model();
    append(model, Message().message(8, more).done());
    return refusal(model);
  };
  EXPECT_EQ(opset(Message().number(2, 13)), "onnx.model");  // a second one
  EXPECT_EQ(opset(Message().eight(2, 13)), "onnx.model");
}

TEST(Graph, beyond_a_limit_is_refused) {
  ModelBuilder b = two_layers();
  std::string last = "y";
  for (std::size_t i = 3; i < kNodesMax; ++i) b.node("Relu", {std::exchange(last, text("n{}", i))}, {text("n{}", i)});
  EXPECT_EQ(refusal(b.model()), "");
  b.node("Relu", {last}, {"one more"});
  EXPECT_EQ(refusal(b.model()), "onnx.model");
  std::vector<Attr> many;
  for (std::size_t i = 0; i <= kAttributesMax; ++i) many.push_back(attr_int(text("a{}", i), 1));
  EXPECT_EQ(refusal(two_layers().node("Relu", {"s"}, {"z"}, many).model()), "onnx.model");
  many.pop_back();
  EXPECT_EQ(refusal(two_layers().node("Relu", {"s"}, {"z"}, many).model()), "");
}

// Shape rules, each beside what ONNX's documentation of the operator says.
std::string shape_of(ModelBuilder b, const std::vector<Type>& inputs) {
  const Bytes model = b.model();
  const auto graph = decode_model(model);
  if (!graph) return graph.error().str();
  const auto planned = plan(*graph, inputs);
  return planned ? dims_text(planned->outputs[0].dims) : std::string(planned.error().id());
}

ModelBuilder one(std::string_view op, const Dims& x, const std::vector<Attr>& attributes = {},
                 const std::vector<std::string>& more = {}) {
  ModelBuilder b;
  std::vector<std::string> inputs{"x"};
  inputs.insert(inputs.end(), more.begin(), more.end());
  b.input("x", Element::kFloat, Dims(x.size())).output("y", Element::kFloat, {}).node(op, inputs, {"y"}, attributes);
  return b;
}
ModelBuilder with_list(std::string_view op, const Dims& x, const std::vector<std::int64_t>& list) {
  return one(op, x, {}, {"list"}).constant("list", Element::kInt64, {static_cast<std::uint32_t>(list.size())}, list);
}

TEST(Plan, knows_the_shapes_of_its_operators) {
  const auto at = [](const Dims& dims) { return std::vector<Type>{{Element::kFloat, dims}}; };
  EXPECT_EQ(shape_of(with_list("Reshape", {2, 3, 4}, {0, -1}), at({2, 3, 4})), "2x12");
  EXPECT_EQ(shape_of(with_list("Reshape", {2, 3, 4}, {5, 5}), at({2, 3, 4})), "onnx.shape");
  EXPECT_EQ(shape_of(with_list("Reshape", {2, 3, 4}, {-1, -1}), at({2, 3, 4})), "onnx.shape");
  EXPECT_EQ(shape_of(with_list("Squeeze", {1, 3, 1}, {0, -1}), at({1, 3, 1})), "3");
  EXPECT_EQ(shape_of(with_list("Squeeze", {1, 3, 1}, {1}), at({1, 3, 1})), "onnx.shape");
  EXPECT_EQ(shape_of(with_list("Unsqueeze", {2, 3}, {0, 3}), at({2, 3})), "1x2x3x1");
  EXPECT_EQ(shape_of(with_list("Unsqueeze", {2, 3}, {0, 0}), at({2, 3})), "onnx.shape");
  EXPECT_EQ(shape_of(one("Flatten", {2, 3, 4}, {attr_int("axis", 2)}), at({2, 3, 4})), "6x4");
  EXPECT_EQ(shape_of(one("Transpose", {2, 3, 4}), at({2, 3, 4})), "4x3x2");
  EXPECT_EQ(shape_of(one("Transpose", {2, 3, 4}, {attr_ints("perm", {1, 0, 2})}), at({2, 3, 4})), "3x2x4");
  EXPECT_EQ(shape_of(one("Transpose", {2, 3, 4}, {attr_ints("perm", {1, 1, 2})}), at({2, 3, 4})), "onnx.shape");
  EXPECT_EQ(shape_of(one("Concat", {2, 3}, {attr_int("axis", 1)}, {"x", "x"}), at({2, 3})), "2x9");
  EXPECT_EQ(shape_of(one("MatMul", {5, 4, 4}, {}, {"x"}), at({5, 4, 4})), "5x4x4");
  EXPECT_EQ(shape_of(one("MatMul", {5, 3, 4}, {}, {"x"}), at({5, 3, 4})), "onnx.shape");
  EXPECT_EQ(shape_of(one("Gemm", {3, 4}, {attr_int("transB", 1)}, {"x"}), at({3, 4})), "3x3");
  EXPECT_EQ(
      shape_of(one("Add", {3, 1}, {}, {"row"}).constant<float>("row", Element::kFloat, {4}, {1, 2, 3, 4}), at({3, 1})),
      "3x4");
  EXPECT_EQ(
      shape_of(one("Add", {3, 2}, {}, {"row"}).constant<float>("row", Element::kFloat, {4}, {1, 2, 3, 4}), at({3, 2})),
      "onnx.shape");
  EXPECT_EQ(
      shape_of(
          one("Gather", {5, 4}, {}, {"at"}).constant<std::int64_t>("at", Element::kInt64, {2, 3}, {0, 1, 2, 3, 4, 0}),
          at({5, 4})),
      "2x3x4");
  EXPECT_EQ(shape_of(one("Relu", {1}).node("Add", {"x", "x"}, {""}), at({1})), "onnx.shape");  // work for nobody
  EXPECT_EQ(shape_of(one("Loop", {1}), at({1})), "onnx.operator");
  EXPECT_EQ(shape_of(one("Relu", {2}, {}, {"x"}), at({2})), "onnx.shape");
  EXPECT_EQ(shape_of(one("Relu", {2}), at({2, 2})), "onnx.inputs");
  EXPECT_EQ(shape_of(one("Relu", {2}), {}), "onnx.inputs");
  EXPECT_EQ(shape_of(one("Relu", {2}), {{Element::kInt8, {2}}}), "onnx.inputs");
  EXPECT_EQ(shape_of(one("Reshape", {2}, {}, {"x"}), at({2})), "onnx.unsupported");
  EXPECT_EQ(shape_of(one("MatMul", {1u << 20, 1}, {}, {"w"})
                         .constant<float>("w", Element::kFloat, {1, 2048}, std::vector<float>(2048)),
                     at({1u << 20, 1})),
            "onnx.shape");  // 2^31 cells
}

TEST(Plan, counts_multiplications_and_cells) {
  const Bytes model = two_layers().model();
  const Plan planned = *plan(*decode_model(model), {{Element::kFloat, {7, 2}}});
  EXPECT_EQ(planned.macs, 7u * 2 * 3);
  EXPECT_EQ(planned.cells, 3u * 7 * 3);
  EXPECT_EQ(planned.value_bytes, 4u * (6 + 3 + 14 + 3 * 21));
  EXPECT_FALSE(planned.exact);
}

TEST(Value, of_either_record_is_read_and_damage_is_named) {
  const std::vector<float> cells{1, 2, 3, 4, 5, 6};
  const Bytes data = cells_of(cells);
  const Bytes bytes = encode_value({{Element::kFloat, {1, 2, 3}}, data});
  const ValueView read = *decode_value(bytes);
  EXPECT_EQ(read.type, (Type{Element::kFloat, {1, 2, 3}}));
  EXPECT_TRUE(equal(read.data, data));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(decode_value(ByteView(bytes).first(size)).error().id(), "onnx.value") << size;
  for (std::size_t i = 0; i < 20; ++i) {
    Bytes other = bytes;
    other[i] ^= 0x40;
    EXPECT_FALSE(decode_value(other)) << i;
  }
  Bytes scalar = encode_value({{Element::kBool, {}}, ByteView(data).first(1)});
  EXPECT_EQ(decode_value(scalar)->type, (Type{Element::kBool, {}}));
}

}  // namespace
}  // namespace hanse::onnx
