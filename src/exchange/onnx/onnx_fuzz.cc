// Foreign bytes as a tensor and as a model: refused, or planned without a crash within its limits.
#include "base/core/check.h"
#include "exchange/onnx/plan.h"

using namespace hanse;  // NOLINT: one entry point

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto value = onnx::decode_value(bytes); value && bytes[3] == '2')
    check(equal(onnx::encode_value(*value), bytes), "one encoding");
  const auto graph = onnx::decode_model(bytes);
  if (!graph) return 0;
  std::vector<onnx::Type> inputs;
  for (const onnx::Port& port : graph->inputs) {
    onnx::Dims dims;
    for (const auto& d : port.dims) dims.push_back(d.value_or(2));
    inputs.push_back({port.element, dims});
  }
  if (const auto planned = onnx::plan(*graph, inputs))
    check(planned->outputs.size() == graph->outputs.size(), "all outputs");
  return 0;
}
