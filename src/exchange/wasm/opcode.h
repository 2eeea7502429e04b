// The instructions this room accepts: WebAssembly MVP, mutable globals, sign extension, saturating truncation, bulk
// memory and multi-value (W3C WebAssembly Core 2.0, chapters 3.3 and 5.4, without vectors and reference types).
// A code is the opcode byte, or 0xFC00 | sub-opcode for the 0xFC page. Immutable table, any thread. Errors: none.
#pragma once

#include <cstdint>
#include <string_view>

namespace hanse::wasm {

enum class Imm : std::uint8_t {
  kNone,
  kBlock,
  kLabel,
  kLabelTable,
  kFunc,
  kIndirect,
  kLocal,
  kGlobal,
  kMemArg,
  kMemIndex,
  kI32,
  kI64,
  kF32,
  kF64,
  kDataMem,
  kData,
  kMemMem,
  kElemTable,
  kElem,
  kTableTable,
};

// What an instruction is charged as; gas_table.h gives the price of each class.
enum class Cost : std::uint8_t {
  kStructure,
  kSimple,
  kLoop,
  kBranch,
  kBranchTable,
  kCall,
  kCallIndirect,
  kGlobal,
  kLoad,
  kStore,
  kMul,
  kDiv,
  kFloat,
  kFloatDiv,
  kConvert,
  kMemorySize,
  kMemoryGrow,
  kBulk,
  kCount,
};

struct OpInfo {
  std::string_view name;
  std::string_view sig;  // "ii:i" operands and results, i=i32 I=i64 f=f32 F=f64; "" when the validator knows
  Imm imm = Imm::kNone;
  Cost cost = Cost::kSimple;
  std::uint8_t align = 0;  // log2 of the bytes a load or store touches
  bool makes_nan = false;  // may give a NaN whose bits the standard leaves open
  bool nan_blind = false;  // the result does not depend on the bits of a NaN operand
};

constexpr std::uint16_t kPageFc = 0xFC00;

const OpInfo* find_op(std::uint16_t code);            // null: not accepted
std::string_view refused_feature(std::uint8_t byte);  // the proposal an unaccepted opcode byte belongs to

namespace op {
constexpr std::uint16_t kUnreachable = 0x00, kNop = 0x01, kBlock = 0x02, kLoop = 0x03, kIf = 0x04, kElse = 0x05,
                        kEnd = 0x0B, kBr = 0x0C, kBrIf = 0x0D, kBrTable = 0x0E, kReturn = 0x0F, kCall = 0x10,
                        kCallIndirect = 0x11, kDrop = 0x1A, kSelect = 0x1B, kLocalGet = 0x20, kLocalSet = 0x21,
                        kLocalTee = 0x22, kGlobalGet = 0x23, kGlobalSet = 0x24, kMemorySize = 0x3F, kMemoryGrow = 0x40,
                        kI32Const = 0x41, kI64Const = 0x42, kF32Const = 0x43, kF64Const = 0x44, kMemoryInit = 0xFC08,
                        kDataDrop = 0xFC09, kMemoryCopy = 0xFC0A, kMemoryFill = 0xFC0B, kTableInit = 0xFC0C,
                        kElemDrop = 0xFC0D, kTableCopy = 0xFC0E;
}  // namespace op

}  // namespace hanse::wasm
