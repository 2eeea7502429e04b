// Tensors of any rank as bytes ("HTN2", proto/records/tensor.md): what onnx/v1 takes and gives. Matrices of
// exchange/tensor (HTN1) are read as well, so that nodes of a job may be chained. One encoding a value: what decodes as
// HTN2 encodes to itself, and nothing may follow. Views borrow the input. Threads: values. Errors (Kind::kInvalid):
// onnx.value (not such a record; found, expected).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::onnx {

constexpr std::size_t kRankMax = 8;
constexpr std::uint32_t kDimMax = 1u << 24;
constexpr std::uint64_t kCellsMax = 1ull << 30;  // of one tensor

// ONNX's own numbers (TensorProto.DataType).
enum class Element : std::uint8_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kFloat16 = 10,
  kBfloat16 = 16,
  kFloat8e4m3 = 17,
  kFloat8e5m2 = 19,
};
bool is_element(std::int64_t number);
std::size_t element_size(Element element);  // bytes
std::string_view element_name(Element element);

using Dims = std::vector<std::uint32_t>;
std::uint64_t cells(const Dims& dims);    // 1 of a scalar
std::string dims_text(const Dims& dims);  // "2x3x4", "scalar"

struct Type {
  Element element = Element::kFloat;
  Dims dims;
  std::uint64_t bytes() const { return cells(dims) * element_size(element); }
  friend bool operator==(const Type&, const Type&) = default;
};
struct ValueView {
  Type type;
  ByteView data;  // row-major, little-endian
};
Result<ValueView> decode_value(ByteView bytes);  // HTN2 or HTN1
Bytes encode_value(const ValueView& value);
std::uint64_t encoded_size(const Type& type);

}  // namespace hanse::onnx
