#include "exchange/onnx/value.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "exchange/tensor/format.h"

namespace hanse::onnx {

namespace {

constexpr std::string_view kMagic = "HTN2";
constexpr std::size_t kHead = 8;

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kInvalid, "onnx.value", what); }

Result<ValueView> decode_matrix(ByteView bytes) {
  TRY(const tensor::MatrixView m, tensor::decode_matrix(bytes));
  const Element element = m.element == tensor::Element::kInt8 ? Element::kInt8 : Element::kInt32;
  return ValueView{.type = {element, {m.rows, m.cols}}, .data = m.data};
}

}  // namespace

bool is_element(std::int64_t number) {
  switch (static_cast<Element>(number)) {
    case Element::kFloat:
    case Element::kUint8:
    case Element::kInt8:
    case Element::kInt32:
    case Element::kInt64:
    case Element::kBool:
    case Element::kFloat16:
    case Element::kBfloat16:
    case Element::kFloat8e4m3:
    case Element::kFloat8e5m2: return number >= 0 && number < 256;
  }
  return false;
}

std::size_t element_size(Element element) {
  switch (element) {
    case Element::kInt64: return 8;
    case Element::kFloat:
    case Element::kInt32: return 4;
    case Element::kFloat16:
    case Element::kBfloat16: return 2;
    default: return 1;
  }
}

std::string_view element_name(Element element) {
  switch (element) {
    case Element::kFloat: return "float";
    case Element::kUint8: return "uint8";
    case Element::kInt8: return "int8";
    case Element::kInt32: return "int32";
    case Element::kInt64: return "int64";
    case Element::kBool: return "bool";
    case Element::kFloat16: return "float16";
    case Element::kBfloat16: return "bfloat16";
    case Element::kFloat8e4m3: return "float8e4m3fn";
    case Element::kFloat8e5m2: return "float8e5m2";
  }
  return "unknown";
}

std::uint64_t cells(const Dims& dims) {
  std::uint64_t out = 1;
  for (const std::uint32_t d : dims) {
    out *= d;
    if (out > kCellsMax) return kCellsMax + 1;
  }
  return out;
}

std::string dims_text(const Dims& dims) {
  std::string out;
  for (const std::uint32_t d : dims) out += text("{}{}", out.empty() ? "" : "x", d);
  return out.empty() ? "scalar" : out;
}

std::uint64_t encoded_size(const Type& type) { return kHead + 4 * type.dims.size() + type.bytes(); }

Result<ValueView> decode_value(ByteView bytes) {
  if (bytes.size() >= 4 && as_text(bytes.first(4)) == "HTN1") return decode_matrix(bytes);
  if (bytes.size() < kHead || as_text(bytes.first(4)) != kMagic)
    return bad("found other bytes, expected a tensor starting with HTN2 or HTN1");
  const std::size_t rank = bytes[5];
  if (!is_element(bytes[4]) || rank > kRankMax || bytes[6] != 0 || bytes[7] != 0)
    return bad(text("found element {} and rank {}, expected a known element and rank 0..{}", bytes[4], rank, kRankMax));
  if (bytes.size() < kHead + 4 * rank) return bad(text("found {} bytes, expected {} dimensions", bytes.size(), rank));
  ValueView out{.type = {static_cast<Element>(bytes[4]), Dims(rank)}, .data = bytes.subspan(kHead + 4 * rank)};
  for (std::size_t i = 0; i < rank; ++i) {
    out.type.dims[i] = load_le<std::uint32_t>(bytes.data() + kHead + 4 * i);
    if (out.type.dims[i] == 0 || out.type.dims[i] > kDimMax)
      return bad(text("found dimension {}, expected 1..{}", out.type.dims[i], kDimMax));
  }
  if (cells(out.type.dims) > kCellsMax) return bad(text("found more than {} cells", kCellsMax));
  if (out.data.size() != out.type.bytes())
    return bad(text("found {} bytes of cells, expected {} for {} of {}", out.data.size(), out.type.bytes(),
                    dims_text(out.type.dims), element_name(out.type.element)));
  return out;
}

Bytes encode_value(const ValueView& value) {
  check(value.data.size() == value.type.bytes() && value.type.dims.size() <= kRankMax, "a value fits its type");
  Bytes out(kHead + 4 * value.type.dims.size());
  std::memcpy(out.data(), kMagic.data(), kMagic.size());
  out[4] = static_cast<std::uint8_t>(value.type.element);
  out[5] = static_cast<std::uint8_t>(value.type.dims.size());
  for (std::size_t i = 0; i < value.type.dims.size(); ++i) store_le(out.data() + kHead + 4 * i, value.type.dims[i]);
  append(out, value.data);
  return out;
}

}  // namespace hanse::onnx
