#include "exchange/wasm/detail/reader.h"

#include "exchange/wasm/opcode.h"

namespace hanse::wasm {
namespace {

bool is_val_type(std::uint8_t b) { return b >= 0x7C && b <= 0x7F; }

std::string_view refused_type(std::uint8_t b) {
  switch (b) {
    case 0x7B: return "vector type v128";
    case 0x70:
    case 0x6F: return "reference type value";
    default: return "";
  }
}

bool is_utf8(std::string_view s) {
  for (std::size_t i = 0; i < s.size();) {
    const auto at = [&](std::size_t k) { return static_cast<std::uint8_t>(s[k]); };
    const std::uint8_t c = at(i);
    const std::size_t n = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
    if (n == 0 || i + n > s.size()) return false;
    for (std::size_t k = 1; k < n; ++k)
      if ((at(i + k) & 0xC0) != 0x80) return false;
    if (n == 3 && ((c == 0xE0 && at(i + 1) < 0xA0) || (c == 0xED && at(i + 1) > 0x9F))) return false;
    if (n == 4 && ((c == 0xF0 && at(i + 1) < 0x90) || (c == 0xF4 && at(i + 1) > 0x8F))) return false;
    i += n;
  }
  return true;
}

Status read_labels(Reader& in, Instr& out) {
  TRY(out.labels_count, in.count(kLabelsMax, "labels of br_table"));
  out.labels_at = in.pos();
  for (std::uint32_t i = 0; i <= out.labels_count; ++i) TRY_OK(in.u32());
  return {};
}

Status read_zero(Reader& in, std::string_view what) {
  TRY(const std::uint8_t b, in.byte());
  if (b != 0) return in.feature(what);
  return {};
}

Status read_immediates(Reader& in, Instr& out) {
  switch (out.info->imm) {
    case Imm::kNone: return {};
    case Imm::kBlock: {
      TRY(out.block_type, in.s33());
      return {};
    }
    case Imm::kLabelTable: return read_labels(in, out);
    case Imm::kLabel:
    case Imm::kFunc:
    case Imm::kLocal:
    case Imm::kGlobal:
    case Imm::kData:
    case Imm::kElem: {
      TRY(out.a, in.u32());
      return {};
    }
    case Imm::kIndirect:
    case Imm::kElemTable:
    case Imm::kTableTable:
    case Imm::kMemArg: {
      TRY(out.a, in.u32());
      TRY(out.b, in.u32());
      return {};
    }
    case Imm::kMemIndex: return read_zero(in, "a memory index other than 0");
    case Imm::kDataMem: {
      TRY(out.a, in.u32());
      return read_zero(in, "a memory index other than 0");
    }
    case Imm::kMemMem: {
      TRY_OK(read_zero(in, "a memory index other than 0"));
      return read_zero(in, "a memory index other than 0");
    }
    case Imm::kI32: {
      TRY_OK(in.s32());
      return {};
    }
    case Imm::kI64: {
      TRY_OK(in.s64());
      return {};
    }
    case Imm::kF32: return in.skip(4);
    case Imm::kF64: return in.skip(8);
  }
  return {};
}

}  // namespace

std::unexpected<Error> Reader::malformed(std::string_view what) const {
  return fail(Kind::kInvalid, "wasm.malformed", text("{} at byte {}", what, pos_));
}
std::unexpected<Error> Reader::invalid(std::string_view what) const {
  return fail(Kind::kInvalid, "wasm.invalid", text("{} at byte {}", what, pos_));
}
std::unexpected<Error> Reader::over(std::string_view what, std::uint64_t found, std::uint64_t max) const {
  return fail(Kind::kExhausted, "wasm.limit",
              text("found {} {}, at most {} allowed, at byte {}", found, what, max, pos_));
}
std::unexpected<Error> Reader::feature(std::string_view what) const {
  return fail(Kind::kUnsupported, "wasm.feature", text("found {} at byte {}, which is not accepted", what, pos_));
}

Result<std::uint8_t> Reader::byte() {
  if (pos_ == end_) return malformed("expected a byte, found the end of the section or body");
  return bytes_[pos_++];
}

template <class T>
Result<T> Reader::leb(unsigned bits, bool is_signed) {
  std::uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    TRY(const std::uint8_t b, byte());
    value |= static_cast<std::uint64_t>(b & 0x7F) << shift;
    const unsigned kept = bits - shift;  // bits of the value that this byte may carry
    if (kept < 7) {
      // The bits above the value must repeat its sign (signed) or be zero.
      const std::uint8_t top = static_cast<std::uint8_t>((b & 0x7F) >> (is_signed ? kept - 1 : kept));
      const std::uint8_t ones = static_cast<std::uint8_t>(0x7F >> (is_signed ? kept - 1 : kept));
      if (top != 0 && !(is_signed && top == ones)) return malformed("integer does not fit its type");
    }
    if ((b & 0x80) == 0) {
      if (is_signed && shift + 7 < 64 && (b & 0x40)) value |= ~std::uint64_t{0} << (shift + 7);
      return static_cast<T>(value);
    }
    if (kept <= 7) return malformed("integer has too many bytes");
  }
}

Result<std::uint32_t> Reader::u32() { return leb<std::uint32_t>(32, false); }
Result<std::int32_t> Reader::s32() { return leb<std::int32_t>(32, true); }
Result<std::int64_t> Reader::s64() { return leb<std::int64_t>(64, true); }
Result<std::int64_t> Reader::s33() { return leb<std::int64_t>(33, true); }

Status Reader::skip(std::uint32_t n) {
  if (n > left()) return malformed(text("expected {} bytes, found {}", n, left()));
  pos_ += n;
  return {};
}

Result<Reader> Reader::sub(std::uint32_t n) {
  const std::uint32_t begin = pos_;
  TRY_OK(skip(n));
  return Reader(bytes_, begin, pos_);
}

Result<std::string_view> Reader::name() {
  TRY(const std::uint32_t n, u32());
  if (n > kNameBytesMax) return over("bytes of a name", n, kNameBytesMax);
  const std::uint32_t begin = pos_;
  TRY_OK(skip(n));
  const std::string_view s = as_text(bytes_.subspan(begin, n));
  if (!is_utf8(s)) return malformed("a name is not UTF-8");
  return s;
}

Result<std::uint32_t> Reader::count(std::uint32_t max, std::string_view what) {
  TRY(const std::uint32_t n, u32());
  if (n > max) return over(what, n, max);
  return n;
}

Result<ValType> Reader::val_type() {
  TRY(const std::uint8_t b, byte());
  if (is_val_type(b)) return static_cast<ValType>(b);
  if (!refused_type(b).empty()) return feature(refused_type(b));
  return malformed(text("expected a value type, found {:#x}", unsigned{b}));
}

Result<Instr> read_instr(Reader& in) {
  Instr out;
  out.at = in.pos();
  const Reader start = in;
  TRY(const std::uint8_t first, in.byte());
  out.code = first;
  if (first == 0xFC) {
    TRY(const std::uint32_t sub, in.u32());
    out.code = static_cast<std::uint16_t>(kPageFc | (sub < 255 ? sub : 255));
  }
  out.info = find_op(out.code);
  if (out.info == nullptr) return start.feature(text("opcode {:#x} ({})", unsigned{out.code}, refused_feature(first)));
  TRY_OK(read_immediates(in, out));
  out.next = in.pos();
  return out;
}

Result<FuncType> block_type(const Instr& instr, const std::vector<FuncType>& types, const Reader& in) {
  if (instr.block_type >= 0) {
    const auto ix = static_cast<std::uint64_t>(instr.block_type);
    if (ix >= types.size()) return in.invalid(text("block type {} of {} types", ix, types.size()));
    return types[ix];
  }
  const auto b = static_cast<std::uint8_t>(instr.block_type & 0x7F);
  if (instr.block_type < -64) return in.malformed("a block type is neither a value type nor an index");
  if (b == 0x40) return FuncType{};
  if (is_val_type(b)) return FuncType{{}, {static_cast<ValType>(b)}};
  if (!refused_type(b).empty()) return in.feature(refused_type(b));
  return in.malformed(text("expected a block type, found {:#x}", unsigned{b}));
}

}  // namespace hanse::wasm
