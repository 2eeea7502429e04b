// What a graph costs and gives for inputs of given types, before anything is run: types of all values by the shape
// rules of the operators that onnx/v1 takes, multiplications, memory, and whether all of it is exact integer work.
//
// Operators (opset 13 to 21):
//   products      MatMul Gemm, MatMulInteger
//   of cells      Add Sub Mul Div Min Max, Relu LeakyRelu Sigmoid Tanh Erf Exp Sqrt Neg Abs Clip Identity Cast
//   normalising   Softmax LayerNormalization
//   quantising    QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearMatMul
//   of shape      Reshape Flatten Transpose Squeeze Unsqueeze Concat Gather Constant
// Exact: a graph whose cells are all integers and whose operators are MatMulInteger, Add Sub Mul Min Max Relu Clip
// Identity Cast and those of shape, with every constant int8 factor of a MatMulInteger within -64..63: kernels without
// VNNI add pairs of products in 16 bits, which then cannot saturate. Such a graph has the same output on every machine.
// Others are floating point: f32 arithmetic whatever the storage type, equal on one machine for any number of threads,
// not across processors.
//
// Threads: pure. Errors: onnx.operator (unsupported: which), onnx.shape (invalid: found, expected, node), onnx.inputs
// (invalid).
#pragma once

#include "exchange/onnx/graph.h"

namespace hanse::onnx {

struct Plan {
  std::vector<Type> outputs;
  std::uint64_t macs = 0;         // multiplications of products
  std::uint64_t cells = 0;        // given by all other operators
  std::uint64_t value_bytes = 0;  // of all values together, constants included
  bool exact = true;
};
Result<Plan> plan(const Graph& graph, const std::vector<Type>& inputs);

}  // namespace hanse::onnx
