#include "exchange/wasm/generator_test.h"

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "exchange/wasm/detail/rewrite.h"
#include "exchange/wasm/meter.h"

namespace hanse::wasm {
namespace {

constexpr ValType kTypes[] = {ValType::kI32, ValType::kI64, ValType::kF32, ValType::kF64};
constexpr std::uint32_t kLocalsOfType = 3;  // each function has so many locals of each type, then loop counters
constexpr std::uint32_t kCounters = 4 * kLocalsOfType;
constexpr std::uint32_t kCountersMax = 6;

char letter(ValType t) { return t == ValType::kI32 ? 'i' : t == ValType::kI64 ? 'I' : t == ValType::kF32 ? 'f' : 'F'; }
int type_row(ValType t) { return t == ValType::kI32 ? 0 : t == ValType::kI64 ? 1 : t == ValType::kF32 ? 2 : 3; }

void encode_type(Emitter& e, const FuncType& t) {
  e.byte(0x60).u32(static_cast<std::uint32_t>(t.params.size()));
  for (ValType v : t.params) e.byte(static_cast<std::uint8_t>(v));
  e.u32(static_cast<std::uint32_t>(t.results.size()));
  for (ValType v : t.results) e.byte(static_cast<std::uint8_t>(v));
}

// Type indices of the random modules: 0 is () -> i64, 1 is (i32, f64) -> i64, then block types.
const FuncType kNullary{{}, {ValType::kI64}};
const FuncType kBinary{{ValType::kI32, ValType::kF64}, {ValType::kI64}};
const FuncType kPair{{ValType::kI32}, {ValType::kI64, ValType::kI32}};

class Generator {
 public:
  Generator(std::uint64_t seed, Diet diet) : random_(seed, "wasm-generator"), diet_(diet) { index_ops(); }
  Bytes module();

 private:
  void index_ops();
  TestFunc func(std::uint32_t index);
  TestFunc digest() const;
  void statement(int depth);
  void statements(int depth, int most) {
    for (std::uint64_t n = 1 + below(static_cast<std::uint64_t>(most)); n > 0; --n) statement(depth);
  }
  void value(ValType t, int depth);
  void leaf(ValType t);
  void operation(ValType t, int depth);
  void loop(int depth);
  void branch_out();
  void table_branch(int depth);
  void bulk(int depth);
  void call(int depth);
  void pair_block(int depth);
  void store(int depth);
  void address(int depth);
  std::uint64_t below(std::uint64_t n) { return random_.below(n); }
  ValType any_type() { return kTypes[below(diet_ == Diet::kFloats ? 4 : 2)]; }
  std::uint32_t local(ValType t) {
    return params_ + static_cast<std::uint32_t>(type_row(t)) * kLocalsOfType +
           static_cast<std::uint32_t>(below(kLocalsOfType));
  }

  SeededRandom random_;
  Diet diet_;
  Emitter e_;
  std::vector<std::uint16_t> ops_[4];  // by result type
  std::uint32_t params_ = 0, counters_ = 0, index_ = 0;
  std::vector<bool> labels_;  // open blocks; true when a branch to it carries nothing and ends (no loop)
};

void Generator::index_ops() {
  for (std::uint32_t code = 0x45; code < 0x100; ++code) {
    const OpInfo* info = find_op(static_cast<std::uint16_t>(code));
    if (info == nullptr || info->imm != Imm::kNone || info->sig.find(':') == 0) continue;
    const bool floats = info->sig.find_first_of("fF") != std::string_view::npos;
    if (floats && diet_ == Diet::kIntegers) continue;
    for (ValType t : kTypes)
      if (info->sig.back() == letter(t)) ops_[type_row(t)].push_back(static_cast<std::uint16_t>(code));
  }
  if (diet_ == Diet::kIntegers) return;
  for (std::uint16_t sub = 0; sub < 8; ++sub) ops_[sub < 4 ? 0 : 1].push_back(kPageFc | sub);
}

void Generator::leaf(ValType t) {
  static constexpr std::int64_t kCorners[] = {0, 1, -1, 2, 7, 31, 64, 255, 65'535, -128, 0x7FFFFFFF, -0x80000000LL};
  switch (below(4)) {
    case 0:
      if (t == ValType::kI32)
        e_.i32(static_cast<std::int32_t>(kCorners[below(std::size(kCorners))]));
      else if (t == ValType::kI64)
        e_.i64(below(3) == 0 ? static_cast<std::int64_t>(random_.next_u64()) : kCorners[below(std::size(kCorners))]);
      else {
        const std::size_t size = t == ValType::kF32 ? 4 : 8;
        std::uint8_t bits[8];
        store_le<std::uint64_t>(bits, random_.next_u64());
        if (below(3) == 0)
          bits[size - 1] |= 0x7F, bits[size - 2] |= 0xC0;  // NaN or infinity
        else
          bits[size - 1] = static_cast<std::uint8_t>((bits[size - 1] & 0x81) | 0x3E);
        e_.op(t == ValType::kF32 ? op::kF32Const : op::kF64Const).raw({bits, size});
      }
      return;
    case 1: e_.op(op::kGlobalGet, static_cast<std::uint32_t>(type_row(t))); return;
    default: e_.op(op::kLocalGet, local(t)); return;
  }
}

void Generator::operation(ValType t, int depth) {
  const auto& ops = ops_[type_row(t)];
  const std::uint16_t code = ops[below(ops.size())];
  const std::string_view sig = find_op(code)->sig;
  for (char c : sig.substr(0, sig.find(':')))
    for (ValType operand : kTypes)
      if (letter(operand) == c) value(operand, depth - 1);
  if (code >= kPageFc)
    e_.byte(0xFC).u32(code & 0xFF);
  else
    e_.op(code);
}

// Mostly inside the first pages; now and then far outside.
void Generator::address(int depth) {
  value(ValType::kI32, depth - 1);
  if (below(200) != 0) e_.i32(0xFFF8).op(0x71);
}

void Generator::value(ValType t, int depth) {
  if (depth <= 0) return leaf(t);
  switch (below(10)) {
    case 0: {  // load
      static constexpr std::uint16_t kLoads[] = {0x28, 0x29, 0x2A, 0x2B};
      address(depth);
      e_.op(kLoads[type_row(t)]).u32(0).u32(static_cast<std::uint32_t>(below(16)));
      return;
    }
    case 1:  // if with a value
      value(ValType::kI32, depth - 1);
      e_.op(op::kIf).byte(static_cast<std::uint8_t>(t));
      labels_.push_back(false);
      value(t, depth - 1);
      e_.op(op::kElse);
      value(t, depth - 1);
      e_.op(op::kEnd);
      labels_.pop_back();
      return;
    case 2:
      value(t, depth - 1);
      value(t, depth - 1);
      value(ValType::kI32, depth - 1);
      e_.op(op::kSelect);
      return;
    case 3:
      value(t, depth - 1);
      e_.op(op::kLocalTee, local(t));
      return;
    default: return operation(t, depth);
  }
}

void Generator::branch_out() {
  std::vector<std::uint32_t> targets;
  for (std::size_t k = 0; k < labels_.size(); ++k)
    if (labels_[labels_.size() - 1 - k]) targets.push_back(static_cast<std::uint32_t>(k));
  if (targets.empty()) return;
  const std::uint32_t target = targets[below(targets.size())];
  if (below(3) == 0) {
    e_.op(op::kBr, target);
    statements(0, 2);  // dead
  } else {
    value(ValType::kI32, 2);
    e_.op(op::kBrIf, target);
  }
}

void Generator::loop(int depth) {
  if (counters_ == kCountersMax) return statement(0);
  const std::uint32_t counter = params_ + kCounters + counters_++;
  e_.i32(static_cast<std::int32_t>(1 + below(5))).op(op::kLocalSet, counter);
  e_.op(op::kLoop).byte(kVoidBlock);
  labels_.push_back(false);
  e_.op(op::kLocalGet, counter).i32(1).op(op::kI32Sub).op(op::kLocalSet, counter);
  statements(depth - 1, 3);
  e_.op(op::kLocalGet, counter).i32(0).op(0x4A).op(op::kBrIf, 0).op(op::kEnd);
  labels_.pop_back();
}

void Generator::table_branch(int depth) {
  const auto cases = static_cast<std::uint32_t>(1 + below(4));
  for (std::uint32_t k = 0; k <= cases; ++k) {
    e_.op(op::kBlock).byte(kVoidBlock);
    labels_.push_back(true);
  }
  value(ValType::kI32, 2);
  e_.op(op::kBrTable, cases);
  for (std::uint32_t k = 0; k <= cases; ++k) e_.u32(static_cast<std::uint32_t>(below(cases + 1)));
  for (std::uint32_t k = 0; k <= cases; ++k) {
    e_.op(op::kEnd);
    labels_.pop_back();
    statement(depth - 1);
  }
}

void Generator::bulk(int depth) {
  static constexpr std::uint16_t kSubs[] = {op::kMemoryFill, op::kMemoryCopy, op::kMemoryInit};
  const std::uint16_t code = kSubs[below(3)];
  address(depth);
  if (code == op::kMemoryInit)
    e_.i32(static_cast<std::int32_t>(below(40)));
  else
    address(depth);
  value(ValType::kI32, 1);
  e_.i32(code == op::kMemoryInit ? 0x1F : 0xFFF).op(0x71);
  e_.byte(0xFC).u32(code & 0xFF).byte(0);
  if (code != op::kMemoryFill) e_.byte(0);
}

// Only functions before this one, so calls end.
void Generator::call(int depth) {
  if (index_ == 0) return statement(0);
  const auto callee = static_cast<std::uint32_t>(below(index_));
  const bool binary = callee % 2 == 1;
  if (binary) {
    value(ValType::kI32, depth - 1);
    value(ValType::kF64, diet_ == Diet::kFloats ? depth - 1 : 0);
  }
  if (below(3) == 0) {
    // Now and then a neighbour of the other type, or an empty element.
    const std::uint64_t slip = below(40);
    const std::uint32_t element = slip == 0 ? callee + 1 : slip == 1 ? 120 : callee;
    e_.i32(static_cast<std::int32_t>(element)).op(op::kCallIndirect, binary ? 1 : 0).u32(0);
  } else {
    e_.op(op::kCall, callee);
  }
  e_.op(op::kLocalSet, local(ValType::kI64));
}

// A block that takes one value and gives two.
void Generator::pair_block(int depth) {
  value(ValType::kI32, depth - 1);
  e_.op(op::kBlock).s64(2);
  labels_.push_back(false);
  e_.op(op::kLocalSet, local(ValType::kI32));
  value(ValType::kI64, depth - 1);
  value(ValType::kI32, depth - 1);
  if (below(2) == 0) {
    value(ValType::kI32, 1);
    e_.op(op::kBrIf, 0);
  }
  e_.op(op::kEnd);
  labels_.pop_back();
  e_.op(op::kLocalSet, local(ValType::kI32)).op(op::kLocalSet, local(ValType::kI64));
}

void Generator::store(int depth) {
  static constexpr std::uint16_t kStores[] = {0x36, 0x37, 0x38, 0x39};
  const ValType t = any_type();
  address(depth);
  value(t, depth);
  e_.op(kStores[type_row(t)]).u32(0).u32(static_cast<std::uint32_t>(below(9)));
}

void Generator::statement(int depth) {
  if (depth <= 0) {
    const ValType t = any_type();
    value(t, 2);
    e_.op(below(4) == 0 ? op::kGlobalSet : op::kLocalSet);
    const bool global = e_.out.back() == op::kGlobalSet;
    e_.u32(global ? static_cast<std::uint32_t>(type_row(t)) : local(t));
    return;
  }
  switch (below(13)) {
    case 0:
    case 1: return loop(depth);
    case 2:
    case 3:
      value(ValType::kI32, 3);
      e_.op(op::kIf).byte(kVoidBlock);
      labels_.push_back(true);
      statements(depth - 1, 3);
      if (below(2) == 0) {
        e_.op(op::kElse);
        statements(depth - 1, 2);
      }
      e_.op(op::kEnd);
      labels_.pop_back();
      return;
    case 4:
      e_.op(op::kBlock).byte(kVoidBlock);
      labels_.push_back(true);
      statements(depth - 1, 3);
      e_.op(op::kEnd);
      labels_.pop_back();
      return;
    case 5: return branch_out();
    case 6: return table_branch(depth);
    case 7: return bulk(depth);
    case 8: return call(depth);
    case 9: return pair_block(depth);
    case 10:
      if (below(6) == 0) {
        value(ValType::kI32, 1);
        e_.i32(3).op(0x71).op(op::kMemoryGrow).byte(0).op(op::kLocalSet, local(ValType::kI32));
        return;
      }
      return store(depth);
    case 11:
      if (below(8) == 0) {
        value(ValType::kI64, 2);
        e_.op(op::kReturn);
        return;
      }
      return store(depth);
    default: return statement(0);
  }
}

TestFunc Generator::func(std::uint32_t index) {
  const bool binary = index % 2 == 1;
  index_ = index;
  params_ = binary ? 2 : 0;
  counters_ = 0;
  labels_.clear();
  e_ = Emitter();
  statements(4, 5);
  value(ValType::kI64, 3);
  TestFunc f;
  f.type = binary ? kBinary : kNullary;
  for (ValType t : kTypes) f.locals.push_back({kLocalsOfType, t});
  f.locals.push_back({kCountersMax, ValType::kI32});
  f.code = std::move(e_.out);
  if (!binary) f.export_as = text("f{}", index);
  return f;
}

// Sum over the first page, so that engines are compared by what is in memory too.
TestFunc Generator::digest() const {
  Emitter e;
  e.op(op::kLoop).byte(kVoidBlock);
  e.op(op::kLocalGet, 1).i64(31).op(op::kI64Mul).op(op::kLocalGet, 0).op(0x29).u32(0).u32(0).op(op::kI64Add);
  e.op(op::kLocalSet, 1).op(op::kLocalGet, 0).i32(8).op(op::kI32Add).op(op::kLocalTee, 0);
  e.i32(65'536).op(op::kI32LtS).op(op::kBrIf, 0).op(op::kEnd).op(op::kLocalGet, 1);
  return {kNullary, {{1, ValType::kI32}, {1, ValType::kI64}}, std::move(e.out), "memory_sum"};
}

Bytes Generator::module() {
  TestModule m;
  m.more_types = {kNullary, kBinary, kPair};
  m.globals.assign(std::begin(kTypes), std::end(kTypes));
  const auto count = static_cast<std::uint32_t>(3 + below(6));
  for (std::uint32_t k = 0; k < count; ++k) m.funcs.push_back(func(k));
  m.funcs.push_back(digest());
  return m.encode();
}

void section(Emitter& out, std::uint8_t id, const Emitter& payload) { out.byte(id).sized(payload.out); }

}  // namespace

Bytes TestModule::encode() const {
  const auto n = static_cast<std::uint32_t>(funcs.size());
  std::vector<FuncType> types = more_types;
  Emitter type, func, table, memory, global, exported, elem, code, data, out;
  func.u32(n);
  code.u32(n);
  elem.u32(1).u32(0).i32(0).op(op::kEnd).u32(n);
  std::uint32_t names = 1;
  exported.name("memory").byte(2).u32(0);
  for (std::uint32_t k = 0; k < n; ++k) {
    const TestFunc& f = funcs[k];
    func.u32(type_index(types, f.type));
    elem.u32(k);
    Emitter body;
    body.u32(static_cast<std::uint32_t>(f.locals.size()));
    for (const LocalRun& run : f.locals) body.u32(run.count).byte(static_cast<std::uint8_t>(run.type));
    body.raw(f.code).op(op::kEnd);
    code.sized(body.out);
    if (f.export_as.empty()) continue;
    exported.name(f.export_as).byte(0).u32(k);
    ++names;
  }
  type.u32(static_cast<std::uint32_t>(types.size()));
  for (const FuncType& t : types) encode_type(type, t);
  table.u32(1).byte(0x70).byte(0).u32(n + 128);
  memory.u32(1).byte(1).u32(pages).u32(pages_max);
  global.u32(static_cast<std::uint32_t>(globals.size()));
  for (ValType t : globals) {
    global.byte(static_cast<std::uint8_t>(t)).byte(1);
    static constexpr std::uint8_t kZeros[8] = {};
    if (t == ValType::kI32)
      global.i32(0);
    else if (t == ValType::kI64)
      global.i64(0);
    else
      global.op(t == ValType::kF32 ? op::kF32Const : op::kF64Const).raw({kZeros, t == ValType::kF32 ? 4u : 8u});
    global.op(op::kEnd);
  }
  data.u32(1).u32(1).u32(64);
  for (std::uint8_t k = 0; k < 64; ++k) data.byte(static_cast<std::uint8_t>(k * 37 + 11));
  static constexpr std::uint8_t kHead[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
  out.raw(kHead);
  section(out, 1, type);
  section(out, 3, func);
  section(out, 4, table);
  section(out, 5, memory);
  section(out, 6, global);
  Emitter exports;
  exports.u32(names).raw(exported.out);
  section(out, 7, exports);
  section(out, 9, elem);
  section(out, 12, Emitter().u32(1));
  section(out, 10, code);
  section(out, 11, data);
  return std::move(out.out);
}

Bytes random_module(std::uint64_t seed, Diet diet) { return Generator(seed, diet).module(); }

TEST(WasmGenerator, makes_valid_modules) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const auto module = parse_module(random_module(seed, seed % 2 ? Diet::kIntegers : Diet::kFloats), Profile::kAny);
    ASSERT_TRUE(module) << "seed " << seed << ": " << module.error().str();
    const auto metered = meter_module(*module);
    ASSERT_TRUE(metered) << "seed " << seed;
    const auto again = parse_module(*metered, Profile::kMetered);
    ASSERT_TRUE(again) << "seed " << seed << ": " << again.error().str();
    EXPECT_EQ(*meter_module(*module), *metered) << "seed " << seed;
  }
}

}  // namespace hanse::wasm
