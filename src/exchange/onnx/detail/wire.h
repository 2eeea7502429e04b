// Protobuf's wire format, read only: fields one after the other (protobuf.dev, "Encoding"). Groups are refused.
// Threads: values. Errors: onnx.model (invalid).
#pragma once

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::onnx::detail {

struct Field {
  std::uint32_t number = 0;
  std::uint8_t wire = 0;    // 0 varint, 1 eight bytes, 2 a length and bytes, 5 four bytes
  std::uint64_t value = 0;  // of 0, 1 and 5
  ByteView bytes;           // of 2
};

class Fields {
 public:
  explicit Fields(ByteView bytes) : left_(bytes) {}
  bool done() const { return left_.empty(); }
  Result<Field> next();

 private:
  ByteView left_;
};

Result<std::uint64_t> read_varint(ByteView& left);  // of packed lists

}  // namespace hanse::onnx::detail
