#include "exchange/wasm/meter.h"

#include "base/core/text.h"
#include "exchange/wasm/detail/rewrite.h"

namespace hanse::wasm {
namespace {

class Meter {
 public:
  Meter(const Module& m, const MeterOptions& o) : m_(m), o_(o), types_(m.types) {}
  Result<Bytes> run();

 private:
  struct Helper {
    FuncType type;
    Bytes body;  // locals and instructions
  };

  void number();
  void make_helpers();
  Helper charge_helper(std::uint32_t per_gas_log2) const;
  Helper grow_helper() const;
  Helper commit_helper() const;
  Status code();
  void header_sections();
  void globals();
  void exports();
  void section(SectionId id, ByteView payload);
  void copied(SectionId id);
  Bytes extended(SectionId id, std::uint32_t added, const Emitter& more) const;
  Range range(SectionId id) const { return m_.sections[static_cast<std::size_t>(id)]; }
  ByteView view(Range r) const { return ByteView(m_.bytes).subspan(r.offset, r.size); }
  void take_gas(Emitter& e) const;

  const Module& m_;
  const MeterOptions& o_;
  std::vector<FuncType> types_;
  Hidden hidden_;
  std::vector<Helper> helpers_;
  Emitter code_, out_;
};

void Meter::number() {
  const auto g = static_cast<std::uint32_t>(m_.globals.size());
  hidden_.gas = g;
  hidden_.stop = g + 1;
  hidden_.stack = g + 2;
  hidden_.pages = g + 3;
  hidden_.grow_state = g + 4;
  std::uint32_t f = m_.funcs_count();
  hidden_.left = f++;
  hidden_.charge_bytes = f++;
  hidden_.charge_items = f++;
  if (m_.memory) {
    hidden_.grow = f++;
    hidden_.commit = f++;
  }
}

// Expects the gas to take on the stack, as gas - taken; stores it and traps when it is below zero.
void Meter::take_gas(Emitter& e) const {
  e.op(op::kI64Sub).op(op::kGlobalSet, hidden_.gas).op(op::kGlobalGet, hidden_.gas).i64(0);
  e.op(op::kI64LtS).op(op::kIf).byte(kVoidBlock).op(op::kUnreachable).op(op::kEnd);
}

// (n) -> n, having taken ceil(n / 2^per_gas_log2).
Meter::Helper Meter::charge_helper(std::uint32_t per_gas_log2) const {
  Emitter e;
  e.u32(0).op(op::kGlobalGet, hidden_.gas).op(op::kLocalGet, 0).op(op::kI64ExtendU);
  e.i64((std::int64_t{1} << per_gas_log2) - 1).op(op::kI64Add).i64(per_gas_log2).op(op::kI64ShrU);
  take_gas(e);
  e.op(op::kLocalGet, 0).op(op::kEnd);
  return {{{ValType::kI32}, {ValType::kI32}}, std::move(e.out)};
}

// (n) -> what memory.grow gives. Growth past the module's own maximum or the cap costs nothing and changes nothing.
Meter::Helper Meter::grow_helper() const {
  Emitter e;
  const std::uint32_t own_max = m_.memory->max.value_or(kPagesMax);
  e.u32(1).u32(1).byte(static_cast<std::uint8_t>(ValType::kI64));  // local 1: pages wanted in all
  e.op(op::kLocalGet, 0).op(op::kI64ExtendU).op(op::kMemorySize).byte(0).op(op::kI64ExtendU).op(op::kI64Add);
  e.op(op::kLocalTee, 1).i64(own_max).op(op::kI64GtU);
  e.op(op::kIf).byte(kVoidBlock).i32(-1).op(op::kReturn).op(op::kEnd);
  e.op(op::kLocalGet, 1).op(op::kGlobalGet, hidden_.pages).op(op::kI64ExtendU).op(op::kI64GtU);
  e.op(op::kIf).byte(kVoidBlock).i32(kGrowRefused).op(op::kGlobalSet, hidden_.grow_state);
  e.i32(-1).op(op::kReturn).op(op::kEnd);
  e.op(op::kGlobalGet, hidden_.gas).op(op::kLocalGet, 0).op(op::kI64ExtendU).i64(o_.table->page_gas).op(op::kI64Mul);
  take_gas(e);
  e.op(op::kLocalGet, 0).op(op::kMemoryGrow).byte(0).op(op::kLocalTee, 0).i32(-1).op(op::kI32Eq);
  e.op(op::kIf).byte(kVoidBlock).i32(kGrowNoMemory).op(op::kGlobalSet, hidden_.grow_state).op(op::kEnd);
  e.op(op::kLocalGet, 0).op(op::kEnd);
  return {{{ValType::kI32}, {ValType::kI32}}, std::move(e.out)};
}

// Takes the price of hashing all of memory.
Meter::Helper Meter::commit_helper() const {
  Emitter e;
  e.u32(0).op(op::kGlobalGet, hidden_.gas).op(op::kMemorySize).byte(0).op(op::kI64ExtendU);
  e.i64(o_.table->page_gas).op(op::kI64Mul);
  take_gas(e);
  e.op(op::kEnd);
  return {{}, std::move(e.out)};
}

void Meter::make_helpers() {
  Emitter left;
  left.u32(0).op(op::kGlobalGet, hidden_.gas).op(op::kEnd);
  helpers_.push_back({{{}, {ValType::kI64}}, std::move(left.out)});
  helpers_.push_back(charge_helper(o_.table->bytes_per_gas_log2));
  helpers_.push_back(charge_helper(o_.table->elements_per_gas_log2));
  if (!m_.memory) return;
  helpers_.push_back(grow_helper());
  helpers_.push_back(commit_helper());
}

Status Meter::code() {
  code_.u32(static_cast<std::uint32_t>(m_.funcs.size() + helpers_.size()));
  const RewriteContext context{m_, *o_.table, hidden_, types_};
  for (const Func& f : m_.funcs) {
    TRY(const Bytes body, rewrite_body(context, f));
    code_.raw(body);
    if (code_.out.size() > kMeteredBytesMax)
      return fail(Kind::kExhausted, "wasm.limit",
                  text("the metered code exceeds {} bytes at the body at byte {}", kMeteredBytesMax, f.code.offset));
  }
  for (const Helper& h : helpers_) {
    type_index(types_, h.type);
    code_.sized(h.body);
  }
  return {};
}

void Meter::section(SectionId id, ByteView payload) { out_.byte(static_cast<std::uint8_t>(id)).sized(payload); }

void Meter::copied(SectionId id) {
  if (range(id).size > 0) section(id, view(range(id)));
}

// A vector section with `added` more items: its count is rewritten, its items are copied.
Bytes Meter::extended(SectionId id, std::uint32_t added, const Emitter& more) const {
  Emitter e;
  const Range r = range(id);
  std::uint32_t count = 0, body_at = r.offset;
  if (r.size > 0) {
    Reader in(m_.bytes, r.offset, r.offset + r.size);
    const auto parsed = in.u32();
    count = parsed ? *parsed : 0;
    body_at = in.pos();
  }
  e.u32(count + added).raw(view({body_at, r.offset + r.size - body_at})).raw(more.out);
  return std::move(e.out);
}

void Meter::header_sections() {
  Emitter types;
  for (std::size_t k = m_.types.size(); k < types_.size(); ++k) {
    types.byte(0x60).u32(static_cast<std::uint32_t>(types_[k].params.size()));
    for (ValType t : types_[k].params) types.byte(static_cast<std::uint8_t>(t));
    types.u32(static_cast<std::uint32_t>(types_[k].results.size()));
    for (ValType t : types_[k].results) types.byte(static_cast<std::uint8_t>(t));
  }
  section(SectionId::kType,
          extended(SectionId::kType, static_cast<std::uint32_t>(types_.size() - m_.types.size()), types));
  copied(SectionId::kImport);
  Emitter funcs;
  for (const Helper& h : helpers_) funcs.u32(type_index(types_, h.type));
  section(SectionId::kFunction, extended(SectionId::kFunction, static_cast<std::uint32_t>(helpers_.size()), funcs));
  copied(SectionId::kTable);
  copied(SectionId::kMemory);
}

void Meter::globals() {
  Emitter e;
  for (const std::int64_t initial : {o_.gas, std::int64_t{0}})
    e.byte(static_cast<std::uint8_t>(ValType::kI64)).byte(1).i64(initial).op(op::kEnd);
  for (const std::int64_t initial : {std::int64_t{kStackUnits}, std::int64_t{o_.pages}, std::int64_t{kGrowFine}})
    e.byte(static_cast<std::uint8_t>(ValType::kI32)).byte(1).i32(static_cast<std::int32_t>(initial)).op(op::kEnd);
  section(SectionId::kGlobal, extended(SectionId::kGlobal, 5, e));
}

void Meter::exports() {
  Emitter e;
  e.name(kGasExport).byte(3).u32(hidden_.gas);
  e.name(kStopExport).byte(3).u32(hidden_.stop);
  e.name(kStackExport).byte(3).u32(hidden_.stack);
  e.name(kPagesExport).byte(3).u32(hidden_.pages);
  e.name(kGrowExport).byte(3).u32(hidden_.grow_state);
  e.name(kLeftExport).byte(0).u32(hidden_.left);
  std::uint32_t own = 0;
  for (std::uint32_t k = 0; m_.in_steps && k < m_.globals.size(); ++k)
    if (m_.globals[k].is_mutable) e.name(text("{}{}", kOwnGlobalPrefix, own++)).byte(3).u32(k);
  section(SectionId::kExport, extended(SectionId::kExport, 6 + own, e));
}

Result<Bytes> Meter::run() {
  number();
  make_helpers();
  TRY_OK(code());
  out_.raw(view({0, 8}));
  header_sections();
  globals();
  exports();
  copied(SectionId::kElement);
  copied(SectionId::kDataCount);
  section(SectionId::kCode, code_.out);
  copied(SectionId::kData);
  return std::move(out_.out);
}

}  // namespace

std::uint32_t frame_units(const Func& func, const FuncType& type) {
  const auto slots =
      static_cast<std::uint32_t>(type.params.size() + type.results.size()) + func.locals_count + func.stack_max;
  return 128 + 16 * slots;
}

Result<Bytes> meter_module(const Module& module, const MeterOptions& options) { return Meter(module, options).run(); }

}  // namespace hanse::wasm
