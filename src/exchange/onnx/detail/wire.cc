#include "exchange/onnx/detail/wire.h"

#include "base/core/text.h"

namespace hanse::onnx::detail {

namespace {

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kInvalid, "onnx.model", what); }

}  // namespace

Result<std::uint64_t> read_varint(ByteView& left) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 10 && i < left.size(); ++i) {
    out |= static_cast<std::uint64_t>(left[i] & 0x7f) << (7 * i);
    if ((left[i] & 0x80) != 0) continue;
    left = left.subspan(i + 1);
    return out;
  }
  return bad("found a number without an end, expected at most ten bytes of it");
}

Result<Field> Fields::next() {
  TRY(const std::uint64_t key, read_varint(left_));
  Field out{.number = static_cast<std::uint32_t>(key >> 3), .wire = static_cast<std::uint8_t>(key & 7), .bytes = {}};
  if (key >> 3 == 0 || key >> 32 != 0) return bad(text("found field {}, expected 1..2^29-1", key >> 3));
  std::size_t size = 0;
  switch (out.wire) {
    case 0: {
      TRY(out.value, read_varint(left_));
      return out;
    }
    case 1: size = 8; break;
    case 5: size = 4; break;
    case 2: {
      TRY(const std::uint64_t length, read_varint(left_));
      if (length > left_.size())
        return bad(text("found field {} of {} bytes with {} left", out.number, length, left_.size()));
      out.bytes = left_.first(length);
      left_ = left_.subspan(length);
      return out;
    }
    default: return bad(text("found wire type {} of field {}, expected 0, 1, 2 or 5", out.wire, out.number));
  }
  if (left_.size() < size) return bad(text("found the end within field {}", out.number));
  out.value = size == 8 ? load_le<std::uint64_t>(left_.data()) : load_le<std::uint32_t>(left_.data());
  left_ = left_.subspan(size);
  return out;
}

}  // namespace hanse::onnx::detail
