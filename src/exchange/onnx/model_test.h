// Builds ONNX models for tests: protobuf by hand, as much of onnx.proto3 as a test needs. Not installed.
#pragma once

#include <bit>

#include "exchange/onnx/graph.h"

namespace hanse::onnx {

class Message {
 public:
  Message& number(std::uint32_t field, std::uint64_t value) {
    varint(field << 3);
    varint(value);
    return *this;
  }
  Message& bytes(std::uint32_t field, ByteView value) {
    varint(field << 3 | 2);
    varint(value.size());
    append(out_, value);
    return *this;
  }
  Message& text(std::uint32_t field, std::string_view value) { return bytes(field, as_bytes(value)); }
  Message& message(std::uint32_t field, const Message& value) { return bytes(field, value.out_); }
  Message& real(std::uint32_t field, float value) {
    varint(field << 3 | 5);
    std::uint8_t le[4];
    store_le(le, std::bit_cast<std::uint32_t>(value));
    append(out_, le);
    return *this;
  }
  Message& eight(std::uint32_t field, std::uint64_t value) {
    varint(field << 3 | 1);
    std::uint8_t le[8];
    store_le(le, value);
    append(out_, le);
    return *this;
  }
  const Bytes& done() const { return out_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<std::uint8_t>(value | 0x80));
    out_.push_back(static_cast<std::uint8_t>(value));
  }
  Bytes out_;
};

template <class T>
Bytes cells_of(const std::vector<T>& values) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(values.data());
  return {at, at + values.size() * sizeof(T)};
}

inline Message tensor_message(std::string_view name, Element element, const Dims& dims, ByteView data) {
  Message out;
  for (const std::uint32_t d : dims) out.number(1, d);
  return out.number(2, static_cast<std::uint64_t>(element)).text(8, name).bytes(9, data);
}

struct Attr {
  std::string name;
  Message value;
};
inline Attr attr_int(std::string_view name, std::int64_t value) {
  return {std::string(name), Message().text(1, name).number(3, static_cast<std::uint64_t>(value)).number(20, 2)};
}
inline Attr attr_float(std::string_view name, float value) {
  return {std::string(name), Message().text(1, name).real(2, value).number(20, 1)};
}
inline Attr attr_ints(std::string_view name, const std::vector<std::int64_t>& values) {
  Message out;
  out.text(1, name);
  for (const std::int64_t v : values) out.number(8, static_cast<std::uint64_t>(v));
  return {std::string(name), out.number(20, 7)};
}
inline Attr attr_tensor(std::string_view name, const Message& tensor) {
  return {std::string(name), Message().text(1, name).message(5, tensor).number(20, 4)};
}

struct ModelBuilder {
  Message graph;
  std::int64_t opset = 19;

  ModelBuilder& node(std::string_view op, const std::vector<std::string>& inputs,
                     const std::vector<std::string>& outputs, const std::vector<Attr>& attributes = {},
                     std::string_view domain = "") {
    Message n;
    for (const std::string& name : inputs) n.text(1, name);
    for (const std::string& name : outputs) n.text(2, name);
    n.text(4, op);
    for (const Attr& a : attributes) n.message(5, a.value);
    if (!domain.empty()) n.text(7, domain);
    graph.message(1, n);
    return *this;
  }
  template <class T>
  ModelBuilder& constant(std::string_view name, Element element, const Dims& dims, const std::vector<T>& values) {
    graph.message(5, tensor_message(name, element, dims, cells_of(values)));
    return *this;
  }
  ModelBuilder& input(std::string_view name, Element element, const Dims& dims) {
    return port(11, name, element, dims);
  }
  ModelBuilder& output(std::string_view name, Element element, const Dims& dims) {
    return port(12, name, element, dims);
  }
  Bytes model() const {
    Message g = graph;
    g.text(2, "test");
    return Message()
        .number(1, 9)
        .message(7, g)
        .message(8, Message().text(1, "").number(2, static_cast<std::uint64_t>(opset)))
        .done();
  }

 private:
  // A dimension of 0 is an open one.
  ModelBuilder& port(std::uint32_t field, std::string_view name, Element element, const Dims& dims) {
    Message shape;
    for (const std::uint32_t d : dims) {
      Message dim;
      if (d == 0)
        dim.text(2, "n");
      else
        dim.number(1, d);
      shape.message(1, dim);
    }
    const Message tensor = Message().number(1, static_cast<std::uint64_t>(element)).message(2, shape);
    graph.message(field, Message().text(1, name).message(2, Message().message(1, tensor)));
    return *this;
  }
};

}  // namespace hanse::onnx
