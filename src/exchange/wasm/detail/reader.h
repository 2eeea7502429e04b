// Bounded reading of the Wasm binary format; every error carries the byte offset. Private to the room.
#pragma once

#include <string_view>

#include "base/core/bytes.h"
#include "base/core/result.h"
#include "base/core/text.h"
#include "exchange/wasm/module.h"

namespace hanse::wasm {

class Reader {
 public:
  Reader(ByteView bytes, std::uint32_t begin, std::uint32_t end) : bytes_(bytes), pos_(begin), end_(end) {}

  std::uint32_t pos() const { return pos_; }
  std::uint32_t end() const { return end_; }
  bool done() const { return pos_ == end_; }
  std::uint32_t left() const { return end_ - pos_; }

  Result<std::uint8_t> byte();
  Result<std::uint32_t> u32();
  Result<std::int32_t> s32();
  Result<std::int64_t> s64();
  Result<std::int64_t> s33();
  Status skip(std::uint32_t n);
  Result<Reader> sub(std::uint32_t n);  // the next n bytes; this reader steps over them
  Result<std::string_view> name();      // at most kNameBytesMax bytes of UTF-8
  Result<std::uint32_t> count(std::uint32_t max, std::string_view what);
  Result<ValType> val_type();

  std::unexpected<Error> malformed(std::string_view what) const;
  std::unexpected<Error> invalid(std::string_view what) const;
  std::unexpected<Error> over(std::string_view what, std::uint64_t found, std::uint64_t max) const;
  std::unexpected<Error> feature(std::string_view what) const;

 private:
  template <class T>
  Result<T> leb(unsigned bits, bool is_signed);

  ByteView bytes_;
  std::uint32_t pos_, end_;
};

// One instruction with its immediates. Label targets of br_table stay in the bytes: labels_at, labels_count.
struct Instr {
  std::uint16_t code = 0;
  std::uint32_t at = 0, next = 0;  // offsets of the first byte and of the byte after
  std::uint32_t a = 0, b = 0;      // index, label depth, or alignment and offset; call_indirect: type, table
  std::int64_t block_type = 0;     // value type byte, 0x40, or a type index as -1 - byte is not; see block_type()
  std::uint32_t labels_at = 0, labels_count = 0;
  const struct OpInfo* info = nullptr;
};
Result<Instr> read_instr(Reader& in);

// The type of a block; fails when its index is outside `types`.
Result<FuncType> block_type(const Instr& instr, const std::vector<FuncType>& types, const Reader& in);

// Type-checks one body and fills stack_max, has_calls and canon.
Status validate_body(const Module& module, Func& func);

}  // namespace hanse::wasm
