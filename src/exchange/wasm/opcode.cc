#include "exchange/wasm/opcode.h"

#include <array>

namespace hanse::wasm {
namespace {

struct Row {
  std::uint16_t code;
  OpInfo info;
};

// Opcode, name, operands and results, immediate, price class, log2 of the access, makes NaN, blind to NaN bits.
constexpr Row kRows[] = {
    {0x00, {"unreachable", "", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x01, {"nop", "", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x02, {"block", "", Imm::kBlock, Cost::kStructure, 0, false, false}},
    {0x03, {"loop", "", Imm::kBlock, Cost::kLoop, 0, false, false}},
    {0x04, {"if", "", Imm::kBlock, Cost::kBranch, 0, false, false}},
    {0x05, {"else", "", Imm::kNone, Cost::kStructure, 0, false, false}},
    {0x0B, {"end", "", Imm::kNone, Cost::kStructure, 0, false, false}},
    {0x0C, {"br", "", Imm::kLabel, Cost::kBranch, 0, false, false}},
    {0x0D, {"br_if", "", Imm::kLabel, Cost::kBranch, 0, false, false}},
    {0x0E, {"br_table", "", Imm::kLabelTable, Cost::kBranchTable, 0, false, false}},
    {0x0F, {"return", "", Imm::kNone, Cost::kBranch, 0, false, false}},
    {0x10, {"call", "", Imm::kFunc, Cost::kCall, 0, false, false}},
    {0x11, {"call_indirect", "", Imm::kIndirect, Cost::kCallIndirect, 0, false, false}},
    {0x1A, {"drop", "", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x1B, {"select", "", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x20, {"local.get", "", Imm::kLocal, Cost::kSimple, 0, false, false}},
    {0x21, {"local.set", "", Imm::kLocal, Cost::kSimple, 0, false, false}},
    {0x22, {"local.tee", "", Imm::kLocal, Cost::kSimple, 0, false, false}},
    {0x23, {"global.get", "", Imm::kGlobal, Cost::kGlobal, 0, false, false}},
    {0x24, {"global.set", "", Imm::kGlobal, Cost::kGlobal, 0, false, false}},
    {0x28, {"i32.load", "i:i", Imm::kMemArg, Cost::kLoad, 2, false, false}},
    {0x29, {"i64.load", "i:I", Imm::kMemArg, Cost::kLoad, 3, false, false}},
    {0x2A, {"f32.load", "i:f", Imm::kMemArg, Cost::kLoad, 2, false, false}},
    {0x2B, {"f64.load", "i:F", Imm::kMemArg, Cost::kLoad, 3, false, false}},
    {0x2C, {"i32.load8_s", "i:i", Imm::kMemArg, Cost::kLoad, 0, false, false}},
    {0x2D, {"i32.load8_u", "i:i", Imm::kMemArg, Cost::kLoad, 0, false, false}},
    {0x2E, {"i32.load16_s", "i:i", Imm::kMemArg, Cost::kLoad, 1, false, false}},
    {0x2F, {"i32.load16_u", "i:i", Imm::kMemArg, Cost::kLoad, 1, false, false}},
    {0x30, {"i64.load8_s", "i:I", Imm::kMemArg, Cost::kLoad, 0, false, false}},
    {0x31, {"i64.load8_u", "i:I", Imm::kMemArg, Cost::kLoad, 0, false, false}},
    {0x32, {"i64.load16_s", "i:I", Imm::kMemArg, Cost::kLoad, 1, false, false}},
    {0x33, {"i64.load16_u", "i:I", Imm::kMemArg, Cost::kLoad, 1, false, false}},
    {0x34, {"i64.load32_s", "i:I", Imm::kMemArg, Cost::kLoad, 2, false, false}},
    {0x35, {"i64.load32_u", "i:I", Imm::kMemArg, Cost::kLoad, 2, false, false}},
    {0x36, {"i32.store", "ii:", Imm::kMemArg, Cost::kStore, 2, false, false}},
    {0x37, {"i64.store", "iI:", Imm::kMemArg, Cost::kStore, 3, false, false}},
    {0x38, {"f32.store", "if:", Imm::kMemArg, Cost::kStore, 2, false, false}},
    {0x39, {"f64.store", "iF:", Imm::kMemArg, Cost::kStore, 3, false, false}},
    {0x3A, {"i32.store8", "ii:", Imm::kMemArg, Cost::kStore, 0, false, false}},
    {0x3B, {"i32.store16", "ii:", Imm::kMemArg, Cost::kStore, 1, false, false}},
    {0x3C, {"i64.store8", "iI:", Imm::kMemArg, Cost::kStore, 0, false, false}},
    {0x3D, {"i64.store16", "iI:", Imm::kMemArg, Cost::kStore, 1, false, false}},
    {0x3E, {"i64.store32", "iI:", Imm::kMemArg, Cost::kStore, 2, false, false}},
    {0x3F, {"memory.size", ":i", Imm::kMemIndex, Cost::kMemorySize, 0, false, false}},
    {0x40, {"memory.grow", "i:i", Imm::kMemIndex, Cost::kMemoryGrow, 0, false, false}},
    {0x41, {"i32.const", ":i", Imm::kI32, Cost::kSimple, 0, false, false}},
    {0x42, {"i64.const", ":I", Imm::kI64, Cost::kSimple, 0, false, false}},
    {0x43, {"f32.const", ":f", Imm::kF32, Cost::kSimple, 0, false, false}},
    {0x44, {"f64.const", ":F", Imm::kF64, Cost::kSimple, 0, false, false}},
    {0x45, {"i32.eqz", "i:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x46, {"i32.eq", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x47, {"i32.ne", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x48, {"i32.lt_s", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x49, {"i32.lt_u", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x4A, {"i32.gt_s", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x4B, {"i32.gt_u", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x4C, {"i32.le_s", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x4D, {"i32.le_u", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x4E, {"i32.ge_s", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x4F, {"i32.ge_u", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x50, {"i64.eqz", "I:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x51, {"i64.eq", "II:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x52, {"i64.ne", "II:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x53, {"i64.lt_s", "II:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x54, {"i64.lt_u", "II:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x55, {"i64.gt_s", "II:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x56, {"i64.gt_u", "II:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x57, {"i64.le_s", "II:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x58, {"i64.le_u", "II:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x59, {"i64.ge_s", "II:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x5A, {"i64.ge_u", "II:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x5B, {"f32.eq", "ff:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x5C, {"f32.ne", "ff:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x5D, {"f32.lt", "ff:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x5E, {"f32.gt", "ff:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x5F, {"f32.le", "ff:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x60, {"f32.ge", "ff:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x61, {"f64.eq", "FF:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x62, {"f64.ne", "FF:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x63, {"f64.lt", "FF:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x64, {"f64.gt", "FF:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x65, {"f64.le", "FF:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x66, {"f64.ge", "FF:i", Imm::kNone, Cost::kFloat, 0, false, true}},
    {0x67, {"i32.clz", "i:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x68, {"i32.ctz", "i:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x69, {"i32.popcnt", "i:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x6A, {"i32.add", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x6B, {"i32.sub", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x6C, {"i32.mul", "ii:i", Imm::kNone, Cost::kMul, 0, false, false}},
    {0x6D, {"i32.div_s", "ii:i", Imm::kNone, Cost::kDiv, 0, false, false}},
    {0x6E, {"i32.div_u", "ii:i", Imm::kNone, Cost::kDiv, 0, false, false}},
    {0x6F, {"i32.rem_s", "ii:i", Imm::kNone, Cost::kDiv, 0, false, false}},
    {0x70, {"i32.rem_u", "ii:i", Imm::kNone, Cost::kDiv, 0, false, false}},
    {0x71, {"i32.and", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x72, {"i32.or", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x73, {"i32.xor", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x74, {"i32.shl", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x75, {"i32.shr_s", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x76, {"i32.shr_u", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x77, {"i32.rotl", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x78, {"i32.rotr", "ii:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x79, {"i64.clz", "I:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x7A, {"i64.ctz", "I:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x7B, {"i64.popcnt", "I:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x7C, {"i64.add", "II:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x7D, {"i64.sub", "II:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x7E, {"i64.mul", "II:I", Imm::kNone, Cost::kMul, 0, false, false}},
    {0x7F, {"i64.div_s", "II:I", Imm::kNone, Cost::kDiv, 0, false, false}},
    {0x80, {"i64.div_u", "II:I", Imm::kNone, Cost::kDiv, 0, false, false}},
    {0x81, {"i64.rem_s", "II:I", Imm::kNone, Cost::kDiv, 0, false, false}},
    {0x82, {"i64.rem_u", "II:I", Imm::kNone, Cost::kDiv, 0, false, false}},
    {0x83, {"i64.and", "II:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x84, {"i64.or", "II:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x85, {"i64.xor", "II:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x86, {"i64.shl", "II:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x87, {"i64.shr_s", "II:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x88, {"i64.shr_u", "II:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x89, {"i64.rotl", "II:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x8A, {"i64.rotr", "II:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0x8B, {"f32.abs", "f:f", Imm::kNone, Cost::kFloat, 0, false, false}},
    {0x8C, {"f32.neg", "f:f", Imm::kNone, Cost::kFloat, 0, false, false}},
    {0x8D, {"f32.ceil", "f:f", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x8E, {"f32.floor", "f:f", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x8F, {"f32.trunc", "f:f", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x90, {"f32.nearest", "f:f", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x91, {"f32.sqrt", "f:f", Imm::kNone, Cost::kFloatDiv, 0, true, true}},
    {0x92, {"f32.add", "ff:f", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x93, {"f32.sub", "ff:f", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x94, {"f32.mul", "ff:f", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x95, {"f32.div", "ff:f", Imm::kNone, Cost::kFloatDiv, 0, true, true}},
    {0x96, {"f32.min", "ff:f", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x97, {"f32.max", "ff:f", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x98, {"f32.copysign", "ff:f", Imm::kNone, Cost::kFloat, 0, false, false}},
    {0x99, {"f64.abs", "F:F", Imm::kNone, Cost::kFloat, 0, false, false}},
    {0x9A, {"f64.neg", "F:F", Imm::kNone, Cost::kFloat, 0, false, false}},
    {0x9B, {"f64.ceil", "F:F", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x9C, {"f64.floor", "F:F", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x9D, {"f64.trunc", "F:F", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x9E, {"f64.nearest", "F:F", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0x9F, {"f64.sqrt", "F:F", Imm::kNone, Cost::kFloatDiv, 0, true, true}},
    {0xA0, {"f64.add", "FF:F", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0xA1, {"f64.sub", "FF:F", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0xA2, {"f64.mul", "FF:F", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0xA3, {"f64.div", "FF:F", Imm::kNone, Cost::kFloatDiv, 0, true, true}},
    {0xA4, {"f64.min", "FF:F", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0xA5, {"f64.max", "FF:F", Imm::kNone, Cost::kFloat, 0, true, true}},
    {0xA6, {"f64.copysign", "FF:F", Imm::kNone, Cost::kFloat, 0, false, false}},
    {0xA7, {"i32.wrap_i64", "I:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xA8, {"i32.trunc_f32_s", "f:i", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xA9, {"i32.trunc_f32_u", "f:i", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xAA, {"i32.trunc_f64_s", "F:i", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xAB, {"i32.trunc_f64_u", "F:i", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xAC, {"i64.extend_i32_s", "i:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xAD, {"i64.extend_i32_u", "i:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xAE, {"i64.trunc_f32_s", "f:I", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xAF, {"i64.trunc_f32_u", "f:I", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xB0, {"i64.trunc_f64_s", "F:I", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xB1, {"i64.trunc_f64_u", "F:I", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xB2, {"f32.convert_i32_s", "i:f", Imm::kNone, Cost::kConvert, 0, false, false}},
    {0xB3, {"f32.convert_i32_u", "i:f", Imm::kNone, Cost::kConvert, 0, false, false}},
    {0xB4, {"f32.convert_i64_s", "I:f", Imm::kNone, Cost::kConvert, 0, false, false}},
    {0xB5, {"f32.convert_i64_u", "I:f", Imm::kNone, Cost::kConvert, 0, false, false}},
    {0xB6, {"f32.demote_f64", "F:f", Imm::kNone, Cost::kConvert, 0, true, true}},
    {0xB7, {"f64.convert_i32_s", "i:F", Imm::kNone, Cost::kConvert, 0, false, false}},
    {0xB8, {"f64.convert_i32_u", "i:F", Imm::kNone, Cost::kConvert, 0, false, false}},
    {0xB9, {"f64.convert_i64_s", "I:F", Imm::kNone, Cost::kConvert, 0, false, false}},
    {0xBA, {"f64.convert_i64_u", "I:F", Imm::kNone, Cost::kConvert, 0, false, false}},
    {0xBB, {"f64.promote_f32", "f:F", Imm::kNone, Cost::kConvert, 0, true, true}},
    {0xBC, {"i32.reinterpret_f32", "f:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xBD, {"i64.reinterpret_f64", "F:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xBE, {"f32.reinterpret_i32", "i:f", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xBF, {"f64.reinterpret_i64", "I:F", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xC0, {"i32.extend8_s", "i:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xC1, {"i32.extend16_s", "i:i", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xC2, {"i64.extend8_s", "I:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xC3, {"i64.extend16_s", "I:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xC4, {"i64.extend32_s", "I:I", Imm::kNone, Cost::kSimple, 0, false, false}},
    {0xFC00, {"i32.trunc_sat_f32_s", "f:i", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xFC01, {"i32.trunc_sat_f32_u", "f:i", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xFC02, {"i32.trunc_sat_f64_s", "F:i", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xFC03, {"i32.trunc_sat_f64_u", "F:i", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xFC04, {"i64.trunc_sat_f32_s", "f:I", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xFC05, {"i64.trunc_sat_f32_u", "f:I", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xFC06, {"i64.trunc_sat_f64_s", "F:I", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xFC07, {"i64.trunc_sat_f64_u", "F:I", Imm::kNone, Cost::kConvert, 0, false, true}},
    {0xFC08, {"memory.init", "iii:", Imm::kDataMem, Cost::kBulk, 0, false, false}},
    {0xFC09, {"data.drop", ":", Imm::kData, Cost::kSimple, 0, false, false}},
    {0xFC0A, {"memory.copy", "iii:", Imm::kMemMem, Cost::kBulk, 0, false, false}},
    {0xFC0B, {"memory.fill", "iii:", Imm::kMemIndex, Cost::kBulk, 0, false, false}},
    {0xFC0C, {"table.init", "iii:", Imm::kElemTable, Cost::kBulk, 0, false, false}},
    {0xFC0D, {"elem.drop", ":", Imm::kElem, Cost::kSimple, 0, false, false}},
    {0xFC0E, {"table.copy", "iii:", Imm::kTableTable, Cost::kBulk, 0, false, false}},
};

constexpr std::size_t kSlots = 256 + 32;

constexpr std::size_t slot_of(std::uint16_t code) {
  if (code < 256) return code;
  return (code & 0xFF00) == kPageFc && (code & 0xFF) < 32 ? 256 + (code & 0xFF) : kSlots;
}

constexpr auto kIndex = [] {
  std::array<std::int16_t, kSlots> index{};
  index.fill(-1);
  std::int16_t row = 0;
  for (const Row& r : kRows) index[slot_of(r.code)] = row++;
  return index;
}();

}  // namespace

const OpInfo* find_op(std::uint16_t code) {
  const std::size_t slot = slot_of(code);
  if (slot >= kSlots || kIndex[slot] < 0) return nullptr;
  return &kRows[static_cast<std::size_t>(kIndex[slot])].info;
}

std::string_view refused_feature(std::uint8_t byte) {
  switch (byte) {
    case 0x06:
    case 0x07:
    case 0x08:
    case 0x09:
    case 0x0A:
    case 0x18:
    case 0x19:
    case 0x1F: return "exceptions";
    case 0x12:
    case 0x13: return "tail calls";
    case 0x14:
    case 0x15:
    case 0xD3:
    case 0xD4:
    case 0xD5:
    case 0xD6: return "typed function references";
    case 0x1C:
    case 0x25:
    case 0x26:
    case 0xD0:
    case 0xD1:
    case 0xD2: return "reference types";
    case 0xFB: return "garbage collection";
    case 0xFC: return "an unknown 0xfc operation";
    case 0xFD: return "vectors";
    case 0xFE: return "threads";
    default: return "an unknown operation";
  }
}

}  // namespace hanse::wasm
