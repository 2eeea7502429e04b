// Every instruction of opcode.h over corner operands, metered, on every engine; and the one NaN.
#include <bit>

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "exchange/wasm/plugin_engines_test.h"
#include "exchange/wasm/generator_test.h"
#include "exchange/wasm/meter.h"

namespace hanse::wasm {
namespace {

constexpr std::uint32_t kCorners = 12;
constexpr std::uint64_t kCorners32[kCorners] = {0,          1,    0xFFFFFFFF, 0x80000000, 7,   31,
                                                0x7FFFFFFF, 0x80, 0xFF80,     33,         255, 2};
constexpr std::uint64_t kCorners64[kCorners] = {0,    1,      ~0ull, 1ull << 63, 7,         63, (1ull << 63) - 1,
                                                0x80, 0xFF80, 65,    0xFFFFFFFF, 0x80000000};
constexpr std::uint64_t kFloats32[kCorners] = {0,          0x80000000, 0x3FC00000, 0xBFC00000, 0x7F800000, 0xFF800000,
                                               0x7FC00000, 0x7FA00001, 0xFFC12345, 0x4F000000, 0x5F000000, 1};
constexpr std::uint64_t kFloats64[kCorners] = {0,
                                               1ull << 63,
                                               0x3FF8000000000000,
                                               0xBFF8000000000000,
                                               0x7FF0000000000000,
                                               0xFFF0000000000000,
                                               0x7FF8000000000000,
                                               0x7FF4000000000001,
                                               0xFFF8000000012345,
                                               0x41E0000000000000,
                                               0x43E0000000000000,
                                               1};

struct Shelf {
  char letter;
  ValType type;
  std::uint16_t load;
  std::uint32_t at;
  const std::uint64_t* values;
};
constexpr Shelf kShelves[] = {{'i', ValType::kI32, 0x28, 0, kCorners32},
                              {'I', ValType::kI64, 0x29, 256, kCorners64},
                              {'f', ValType::kF32, 0x2A, 512, kFloats32},
                              {'F', ValType::kF64, 0x2B, 768, kFloats64}};
const Shelf& shelf(char letter) {
  for (const Shelf& s : kShelves)
    if (s.letter == letter) return s;
  return kShelves[0];
}

const FuncType kNullary{{}, {ValType::kI64}};

// Puts the corner values into memory from where the compiler cannot know them.
TestFunc init() {
  Emitter e;
  for (const Shelf& s : kShelves)
    for (std::uint32_t k = 0; k < kCorners; ++k)
      e.i32(static_cast<std::int32_t>(s.at + 8 * k)).i64(static_cast<std::int64_t>(s.values[k])).op(0x37).u32(0).u32(0);
  return {{{}, {}}, {}, std::move(e.out), "init"};
}

void emit_code(Emitter& e, std::uint16_t code) {
  if (code >= kPageFc)
    e.byte(0xFC).u32(code & 0xFF);
  else
    e.op(code);
}

void to_i64(Emitter& e, char letter) {
  if (letter == 'f') e.op(0xBC).op(op::kI64ExtendU);
  if (letter == 'F') e.op(0xBD);
  if (letter == 'i') e.op(op::kI64ExtendU);
}

void operand(Emitter& e, char letter, std::uint32_t index_local) {
  e.op(op::kLocalGet, index_local).op(shelf(letter).load).u32(0).u32(shelf(letter).at);
}

// hash = hash * 31 + bits(op(a[i], b[j])) over all i and j.
TestFunc fold(std::uint16_t code, const OpInfo& info) {
  const std::string_view sig = info.sig;
  const std::size_t colon = sig.find(':');
  Emitter e;
  e.op(op::kLoop).byte(kVoidBlock).i32(0).op(op::kLocalSet, 1).op(op::kLoop).byte(kVoidBlock);
  e.op(op::kLocalGet, 2).i64(31).op(op::kI64Mul);
  for (std::uint32_t k = 0; k < colon; ++k) operand(e, sig[k], k);
  emit_code(e, code);
  to_i64(e, sig.back());
  e.op(op::kI64Add).op(op::kLocalSet, 2);
  for (const std::uint32_t local : {1u, 0u}) {
    e.op(op::kLocalGet, local).i32(8).op(op::kI32Add).op(op::kLocalTee, local).i32(8 * kCorners).op(op::kI32LtS);
    e.op(op::kBrIf, 0).op(op::kEnd);
  }
  e.op(op::kLocalGet, 2);
  return {kNullary, {{2, ValType::kI32}, {1, ValType::kI64}}, std::move(e.out), std::string(info.name)};
}

TestFunc one_case(std::uint16_t code, const OpInfo& info, std::uint32_t i, std::uint32_t j) {
  const std::string_view sig = info.sig;
  Emitter e;
  e.i32(static_cast<std::int32_t>(8 * i))
      .op(op::kLocalSet, 0)
      .i32(static_cast<std::int32_t>(8 * j))
      .op(op::kLocalSet, 1);
  for (std::uint32_t k = 0; k < sig.find(':'); ++k) operand(e, sig[k], k);
  emit_code(e, code);
  to_i64(e, sig.back());
  return {kNullary, {{2, ValType::kI32}}, std::move(e.out), text("{} {} {}", info.name, i, j)};
}

bool may_trap(const OpInfo& info) {
  return info.cost == Cost::kDiv || (info.name.find(".trunc_f") != std::string_view::npos);
}

TestModule numeric_module(bool with_nan_makers) {
  TestModule m;
  m.funcs.push_back(init());
  for (std::uint32_t code = 0x45; code <= 0xFC07; ++code) {
    const OpInfo* info = find_op(static_cast<std::uint16_t>(code));
    if (info == nullptr || info->imm != Imm::kNone || info->makes_nan != with_nan_makers) continue;
    const auto c = static_cast<std::uint16_t>(code);
    if (!may_trap(*info)) {
      m.funcs.push_back(fold(c, *info));
      continue;
    }
    const bool binary = info->sig.find(':') == 2;
    for (std::uint32_t i = 0; i < kCorners; i += binary ? 3 : 1)
      for (std::uint32_t j = 0; j < (binary ? 3u : 1u); ++j) m.funcs.push_back(one_case(c, *info, i, j));
  }
  return m;
}

TEST(WasmOpcodes, numeric_instructions_agree_on_every_engine_and_with_the_original) {
  const Bytes original = numeric_module(false).encode();
  const auto got = agreed({metered_for_test(original)});
  ASSERT_EQ(got.size(), 1u);
  EXPECT_GT(got[0].size(), 150u);
  const auto want = run_all(Runner::kWasmEdgeInterpreter, {original});
  ASSERT_TRUE(want);
  EXPECT_EQ(visible(got[0]), (*want)[0]);
}

TEST(WasmOpcodes, nan_makers_agree_on_every_engine) {
  const auto got = agreed({metered_for_test(numeric_module(true).encode())});
  ASSERT_EQ(got.size(), 1u);
  EXPECT_GT(got[0].size(), 25u);
}

// Each NaN-making instruction on each NaN operand gives the canonical NaN, also when the compiler knows the operands.
TEST(WasmOpcodes, every_made_nan_is_the_canonical_one) {
  TestModule m;
  m.funcs.push_back(init());
  for (std::uint32_t code = 0x8B; code <= 0xBB; ++code) {
    const OpInfo* info = find_op(static_cast<std::uint16_t>(code));
    if (info == nullptr || !info->makes_nan) continue;
    for (std::uint32_t nan = 6; nan <= 8; ++nan) {
      m.funcs.push_back(one_case(static_cast<std::uint16_t>(code), *info, nan, 2));
      Emitter e;
      for (char c : info->sig.substr(0, info->sig.find(':'))) {
        std::uint8_t bits[8];
        store_le<std::uint64_t>(bits, shelf(c).values[nan]);
        e.op(c == 'f' ? op::kF32Const : op::kF64Const).raw({bits, c == 'f' ? 4u : 8u});
      }
      e.op(static_cast<std::uint16_t>(code));
      to_i64(e, info->sig.back());
      m.funcs.push_back({kNullary, {}, std::move(e.out), text("{} const {}", info->name, nan)});
    }
  }
  const auto got = agreed({metered_for_test(m.encode())});
  ASSERT_EQ(got.size(), 1u);
  for (const std::string& line : visible(got[0])) {
    if (line.starts_with("init")) continue;
    const bool is32 = line.starts_with("f32");
    const bool single = is32 != (line.find("demote") != std::string::npos) || line.starts_with("f32.demote");
    const std::uint64_t want = single ? 0x7FC00000 : 0x7FF8000000000000;
    EXPECT_TRUE(line.ends_with(text(" => i64:{}", want))) << line;
  }
}

// Copies, signs and absolute values keep the bits of a NaN that a program brings along.
TEST(WasmOpcodes, nan_payloads_of_the_program_survive_moves) {
  TestModule m;
  m.funcs.push_back(init());
  Emitter copy, negate, sign;
  copy.i32(2048).i32(0).op(0x2A).u32(0).u32(512 + 8 * 7).op(0x38).u32(0).u32(0).i32(2048).op(0x35).u32(0).u32(0);
  negate.i32(0).op(0x2A).u32(0).u32(512 + 8 * 7).op(0x8C).op(0xBC).op(op::kI64ExtendU);
  // copysign(1, 0/0 negated): the sign of a made NaN is seen, so it must be canonical before.
  sign.i32(0).op(0x2B).u32(0).u32(768 + 8 * 2);
  sign.i32(0).op(0x2B).u32(0).u32(768).i32(0).op(0x2B).u32(0).u32(768).op(0xA3).op(0xA6).op(0xBD);
  m.funcs.push_back({kNullary, {}, std::move(copy.out), "copy"});
  m.funcs.push_back({kNullary, {}, std::move(negate.out), "negate"});
  m.funcs.push_back({kNullary, {}, std::move(sign.out), "sign"});
  const auto got = agreed({metered_for_test(m.encode())});
  ASSERT_EQ(got.size(), 1u);
  const Lines want = {"init() => ok", text("copy() => i64:{}", 0x7FA00001u), text("negate() => i64:{}", 0xFFA00001u),
                      text("sign() => i64:{}", 0x3FF8000000000000u)};
  EXPECT_EQ(visible(got[0]), want);
}

TEST(WasmOpcodes, loads_and_stores_of_every_width_agree) {
  TestModule m;
  m.funcs.push_back(init());
  for (std::uint16_t code = 0x28; code <= 0x35; ++code) {
    const OpInfo& info = *find_op(code);
    Emitter e;
    e.i64(0).op(op::kLocalSet, 1).op(op::kLoop).byte(kVoidBlock);
    e.op(op::kLocalGet, 1).i64(31).op(op::kI64Mul).op(op::kLocalGet, 0).op(code).u32(0).u32(3);
    to_i64(e, info.sig.back());
    e.op(op::kI64Add).op(op::kLocalSet, 1).op(op::kLocalGet, 0).i32(1).op(op::kI32Add).op(op::kLocalTee, 0);
    e.i32(900).op(op::kI32LtS).op(op::kBrIf, 0).op(op::kEnd).op(op::kLocalGet, 1);
    m.funcs.push_back({kNullary, {{1, ValType::kI32}, {1, ValType::kI64}}, std::move(e.out), std::string(info.name)});
    Emitter edge;  // the last bytes of memory, then one past them
    edge.i32(65'536 - (1 << info.align)).op(code).u32(0).u32(0);
    to_i64(edge, info.sig.back());
    m.funcs.push_back({kNullary, {}, edge.out, text("{} inside", info.name)});
    Emitter past;
    past.i32(65'536 - (1 << info.align)).op(code).u32(0).u32(1);
    to_i64(past, info.sig.back());
    m.funcs.push_back({kNullary, {}, past.out, text("{} past", info.name)});
  }
  for (std::uint16_t code = 0x36; code <= 0x3E; ++code) {
    const OpInfo& info = *find_op(code);
    Emitter e;
    e.i32(4099);
    operand(e, info.sig[1], 0);
    e.op(code).u32(0).u32(2).i32(4099).op(0x29).u32(0).u32(0);
    m.funcs.push_back({kNullary, {{1, ValType::kI32}}, std::move(e.out), std::string(info.name)});
  }
  const Bytes original = m.encode();
  const auto got = agreed({metered_for_test(original)});
  const auto want = run_all(Runner::kWasmEdgeInterpreter, {original});
  ASSERT_TRUE(want && got.size() == 1);
  EXPECT_EQ(visible(got[0]), (*want)[0]);
}

}  // namespace
}  // namespace hanse::wasm
