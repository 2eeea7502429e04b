// Writing of the Wasm binary format. Private to the room.
#pragma once

#include <string_view>

#include "base/core/bytes.h"
#include "exchange/wasm/opcode.h"

namespace hanse::wasm {

class Emitter {
 public:
  Bytes out;

  Emitter& byte(std::uint8_t b) {
    out.push_back(b);
    return *this;
  }
  Emitter& u32(std::uint32_t v) {
    for (; v >= 0x80; v >>= 7) out.push_back(static_cast<std::uint8_t>(v | 0x80));
    return byte(static_cast<std::uint8_t>(v));
  }
  Emitter& s64(std::int64_t v) {
    for (;;) {
      const auto low = static_cast<std::uint8_t>(v & 0x7F);
      v >>= 7;
      if ((v == 0 && !(low & 0x40)) || (v == -1 && (low & 0x40))) return byte(low);
      out.push_back(low | 0x80);
    }
  }
  Emitter& raw(ByteView b) {
    append(out, b);
    return *this;
  }
  Emitter& name(std::string_view s) { return u32(static_cast<std::uint32_t>(s.size())).raw(as_bytes(s)); }
  Emitter& sized(ByteView b) { return u32(static_cast<std::uint32_t>(b.size())).raw(b); }

  // An opcode of the first page, alone or with one index.
  Emitter& op(std::uint16_t code) { return byte(static_cast<std::uint8_t>(code)); }
  Emitter& op(std::uint16_t code, std::uint32_t index) { return op(code).u32(index); }
  Emitter& i32(std::int32_t v) { return op(op::kI32Const).s64(v); }
  Emitter& i64(std::int64_t v) { return op(op::kI64Const).s64(v); }
};

// Index spaces of what the pass adds.
struct Hidden {
  std::uint32_t gas = 0, stop = 0, stack = 0, pages = 0, grow_state = 0;             // globals
  std::uint32_t charge_bytes = 0, charge_items = 0, grow = 0, commit = 0, left = 0;  // functions
};

// Further opcodes that only the pass writes.
namespace op {
constexpr std::uint16_t kI32Eq = 0x46, kI64LtS = 0x53, kI64GtU = 0x56, kI32LtS = 0x48, kI32Add = 0x6A, kI32Sub = 0x6B,
                        kI64Add = 0x7C, kI64Sub = 0x7D, kI64Mul = 0x7E, kI64Or = 0x84, kI64ShrU = 0x88,
                        kI64ExtendU = 0xAD, kF32Eq = 0x5B, kF64Eq = 0x61;
}  // namespace op
constexpr std::uint8_t kVoidBlock = 0x40;

}  // namespace hanse::wasm
