#include "exchange/wasm/meter.h"

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "exchange/wasm/plugin_engines_test.h"
#include "exchange/wasm/generator_test.h"

namespace hanse::wasm {
namespace {

const FuncType kNullary{{}, {ValType::kI64}};
constexpr std::int64_t kMuch = 1'000'000'000;

TestFunc func(Emitter e, std::string name = "go", std::vector<LocalRun> locals = {}) {
  return {kNullary, std::move(locals), std::move(e.out), std::move(name)};
}

TestModule module_of(Emitter e, std::vector<LocalRun> locals = {}) {
  TestModule m;
  m.funcs.push_back(func(std::move(e), "go", std::move(locals)));
  m.pages_max = 100;
  return m;
}

// Gas that `go` takes, agreed by every engine; checks the limit on both sides.
std::int64_t gas_of(const TestModule& m) {
  const Bytes original = m.encode();
  const std::int64_t used = kMuch - gas_left(agreed({metered_for_test(original, kMuch)}).at(0));
  const auto edge = agreed({metered_for_test(original, used), metered_for_test(original, used - 1)});
  EXPECT_EQ(edge.size(), 2u);
  EXPECT_EQ(gas_left(edge.at(0)), 0);
  EXPECT_LT(gas_left(edge.at(1)), 0);
  return used;
}
std::int64_t gas_of(Emitter e, std::vector<LocalRun> locals = {}) {
  return gas_of(module_of(std::move(e), std::move(locals)));
}

constexpr std::int64_t kEntry = 4;

TEST(WasmMeter, charges_a_straight_function_once) { EXPECT_EQ(gas_of(Emitter().i64(5)), kEntry + 1); }

TEST(WasmMeter, charges_only_the_arm_that_runs) {
  for (const std::int32_t taken : {1, 0}) {
    Emitter e;
    e.i32(taken).op(op::kIf).byte(0x7E).i64(1).op(op::kElse).i64(2).i64(3).op(op::kI64Add).op(op::kEnd);
    EXPECT_EQ(gas_of(std::move(e)), kEntry + 1 + 2 + (taken ? 1 : 3));
  }
}

TEST(WasmMeter, charges_what_a_branch_skips_only_when_it_runs) {
  for (const std::int32_t skips : {1, 0}) {
    Emitter e;
    e.op(op::kBlock).byte(kVoidBlock).i32(skips).op(op::kBrIf, 0).i32(9).op(op::kDrop).op(op::kEnd).i64(0);
    EXPECT_EQ(gas_of(std::move(e)), kEntry + 1 + 2 + (skips ? 0 : 2) + 1);
  }
}

TEST(WasmMeter, charges_a_loop_once_a_round) {
  Emitter e;
  e.op(op::kLoop).byte(kVoidBlock).op(op::kLocalGet, 0).i32(1).op(op::kI32Add).op(op::kLocalTee, 0).i32(10);
  e.op(op::kI32LtS).op(op::kBrIf, 0).op(op::kEnd).i64(0);
  EXPECT_EQ(gas_of(std::move(e), {{1, ValType::kI32}}), kEntry + 1 + 10 * (1 + 6 + 2) + 1);
}

TEST(WasmMeter, charges_br_table_by_the_case_taken) {
  for (const std::int32_t which : {0, 1, 2, 77}) {
    Emitter e;
    e.op(op::kBlock).byte(kVoidBlock).op(op::kBlock).byte(kVoidBlock).op(op::kBlock).byte(kVoidBlock);
    e.i32(which).op(op::kBrTable, 2).u32(0).u32(1).u32(2).op(op::kEnd);
    e.op(op::kNop).op(op::kNop).op(op::kNop).op(op::kEnd).op(op::kNop).op(op::kEnd).i64(0);
    const std::int64_t tail = which == 0 ? 4 : which == 1 ? 1 : 0;
    EXPECT_EQ(gas_of(std::move(e)), kEntry + 1 + 4 + tail + 1) << which;
  }
}

TEST(WasmMeter, charges_nothing_for_code_that_cannot_run) {
  Emitter e;
  e.i64(1).op(op::kReturn).op(op::kNop).op(op::kLoop).byte(kVoidBlock).op(op::kNop).op(op::kEnd).i64(2);
  EXPECT_EQ(gas_of(std::move(e)), kEntry + 1 + 2);
}

TEST(WasmMeter, charges_declared_locals_by_four) {
  EXPECT_EQ(gas_of(Emitter().i64(0), {{8, ValType::kI32}}), kEntry + 2 + 1);
  EXPECT_EQ(gas_of(Emitter().i64(0), {{9, ValType::kF64}}), kEntry + 3 + 1);
}

TEST(WasmMeter, charges_calls_where_they_happen) {
  TestModule m = module_of(Emitter().op(op::kCall, 1).i32(1).op(op::kCallIndirect, 0).u32(0).op(op::kI64Add));
  m.more_types = {kNullary};
  m.funcs.push_back(func(Emitter().i64(3), ""));
  EXPECT_EQ(gas_of(m), kEntry + 4 + (kEntry + 1) + 1 + 12 + (kEntry + 1) + 1);
}

TEST(WasmMeter, charges_bulk_memory_by_the_byte) {
  for (const auto& [n, gas] : {std::pair{0, 0}, {1, 1}, {8, 1}, {9, 2}, {100, 13}}) {
    Emitter e;
    e.i32(0).i32(7).i32(n).byte(0xFC).u32(11).byte(0).i64(0);
    EXPECT_EQ(gas_of(std::move(e)), kEntry + 3 + 40 + gas + 1) << n;
  }
}

TEST(WasmMeter, charges_table_copy_by_the_element) {
  Emitter e;
  e.i32(0).i32(1).i32(5).byte(0xFC).u32(14).byte(0).byte(0).i64(0);
  EXPECT_EQ(gas_of(std::move(e)), kEntry + 3 + 40 + 5 + 1);
}

TEST(WasmMeter, charges_grown_pages_and_not_refused_ones) {
  const auto grow = [](std::int32_t n) {
    Emitter e;
    e.i32(n).op(op::kMemoryGrow).byte(0).op(op::kDrop).i64(0);
    return gas_of(std::move(e));
  };
  EXPECT_EQ(grow(2), kEntry + 1 + 1000 + 2 * 8192 + 1 + 1);
  EXPECT_EQ(grow(100), kEntry + 1 + 1000 + 1 + 1);  // the module's own maximum is 100 pages in all
  EXPECT_EQ(grow(-1), kEntry + 1 + 1000 + 1 + 1);
}

TEST(WasmMeter, an_endless_loop_runs_out_of_gas_alike_everywhere) {
  Emitter e;
  e.op(op::kLoop).byte(kVoidBlock).op(op::kBr, 0).op(op::kEnd).i64(0);
  const auto got = agreed({metered_for_test(module_of(std::move(e)).encode(), 1'000'000)});
  EXPECT_EQ(got.at(0).at(0), "go() => trap");
  EXPECT_EQ(gas_left(got.at(0)), 1'000'000 - kEntry - 3 * 333'333);
}

// wasm-interp ends recursion by a stack of its own, so it has no say here.
TEST(WasmMeter, endless_recursion_traps_alike_everywhere) {
  static constexpr Runner kDeep[] = {Runner::kWasmEdgeAot, Runner::kWasmEdgeInterpreter, Runner::kNode};
  Emitter tail, busy;
  tail.op(op::kCall, 0);
  // Many values alive across the call, so that frames are large.
  for (std::uint32_t k = 0; k < 40; ++k)
    busy.op(op::kLocalGet, k).i64(static_cast<std::int64_t>(k)).op(op::kI64Add).op(op::kLocalSet, k);
  busy.op(op::kCall, 0);
  for (std::uint32_t k = 0; k < 40; ++k) busy.op(op::kLocalGet, k).op(op::kI64Add);
  const auto got = agreed({metered_for_test(module_of(std::move(tail)).encode()),
                           metered_for_test(module_of(std::move(busy), {{40, ValType::kI64}}).encode())},
                          kDeep);
  for (const Lines& lines : got) EXPECT_EQ(lines.at(0), "go() => trap");
}

TEST(WasmMeter, memory_grows_to_the_page_cap_and_no_further) {
  Emitter e;  // metered_for_test caps at 64 pages
  e.op(op::kLoop).byte(kVoidBlock).i32(1).op(op::kMemoryGrow).byte(0).i32(0).op(0x4E).op(op::kBrIf, 0).op(op::kEnd);
  e.op(op::kMemorySize).byte(0).op(op::kI64ExtendU);
  const auto got = agreed({metered_for_test(module_of(std::move(e)).encode())});
  EXPECT_EQ(got.at(0).at(0), "go() => i64:64");
}

TEST(WasmMeter, early_returns_give_the_stack_back) {
  TestModule m = module_of(Emitter().op(op::kNop));
  Emitter e;  // 100'000 calls, one after the other, of a function that returns from inside blocks
  e.op(op::kLoop).byte(kVoidBlock).op(op::kCall, 1).op(op::kDrop).op(op::kLocalGet, 0).i32(1).op(op::kI32Add);
  e.op(op::kLocalTee, 0).i32(100'000).op(op::kI32LtS).op(op::kBrIf, 0).op(op::kEnd).i64(8);
  m.funcs[0] = func(std::move(e), "go", {{1, ValType::kI32}});
  Emitter callee;
  callee.op(op::kBlock).byte(kVoidBlock).op(op::kLoop).byte(kVoidBlock).op(op::kCall, 2).op(op::kReturn).op(op::kEnd);
  callee.op(op::kEnd).i64(1);
  m.funcs.push_back(func(std::move(callee), ""));
  m.funcs.push_back(func(Emitter().i64(2), ""));
  EXPECT_EQ(agreed({metered_for_test(m.encode())}).at(0).at(0), "go() => i64:8");
}

TEST(WasmMeter, hidden_globals_follow_the_modules_own) {
  TestModule m = module_of(Emitter().i64(41).op(op::kGlobalSet, 1).op(op::kGlobalGet, 1));
  m.globals = {ValType::kI32, ValType::kI64};
  const auto got = agreed({metered_for_test(m.encode())});
  EXPECT_EQ(got.at(0).at(0), "go() => i64:41");
  TestModule beyond = module_of(Emitter().i64(41).op(op::kGlobalSet, 2).i64(0));
  beyond.globals = m.globals;
  const auto refused = parse_module(beyond.encode(), Profile::kAny);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "wasm.invalid");
}

TEST(WasmMeter, refuses_a_module_that_is_metered_already) {
  const auto again = parse_module(metered_for_test(module_of(Emitter().i64(0)).encode()), Profile::kAny);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().id(), "wasm.export");
}

TEST(WasmMeter, refuses_to_grow_a_module_beyond_the_output_limit) {
  // Each two bytes of `br_if 0` cost a charge of nine: many bodies of that go past the limit.
  TestModule m;
  for (int k = 0; k < 8; ++k) {
    Emitter e;
    e.op(op::kBlock).byte(kVoidBlock);
    while (e.out.size() < kBodyBytesMax - 100) e.op(op::kMemorySize).byte(0).op(op::kBrIf, 0);
    e.op(op::kEnd).i64(0);
    m.funcs.push_back(func(std::move(e), ""));
  }
  Bytes bytes = m.encode();
  ASSERT_LE(bytes.size(), kModuleBytesMax);
  const auto module = parse_module(bytes, Profile::kAny);
  ASSERT_TRUE(module) << module.error().str();
  const auto out = meter_module(*module);
  if (out) {
    EXPECT_LE(out->size(), kMeteredBytesMax);
  } else {
    EXPECT_EQ(out.error().id(), "wasm.limit");
  }
}

}  // namespace
}  // namespace hanse::wasm
