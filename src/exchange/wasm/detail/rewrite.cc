#include "exchange/wasm/detail/rewrite.h"

#include <algorithm>

#include "exchange/wasm/meter.h"

namespace hanse::wasm {
namespace {

constexpr std::uint8_t kNan32[] = {0x00, 0x00, 0xC0, 0x7F};
constexpr std::uint8_t kNan64[] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF8, 0x7F};

class Rewriter {
 public:
  Rewriter(const RewriteContext& c, const Func& f, Plan plan)
      : c_(c), f_(f), type_(c.module.types[f.type]), plan_(std::move(plan)) {}
  Bytes body();

 private:
  void locals();
  void prologue();
  void epilogue();
  void instruction(const Instr& i);
  void charge(const Charge& charge);
  void copy(const Instr& i) { e_.raw(ByteView(c_.module.bytes).subspan(i.at, i.next - i.at)); }
  void call_host(const Instr& i);
  void canonical(ValType t);
  void trap_if(std::uint16_t compare) { e_.op(compare).op(op::kIf).byte(kVoidBlock).op(op::kUnreachable).op(op::kEnd); }
  void flush();
  void helper(std::uint32_t func) { e_.op(op::kCall, func); }

  const RewriteContext& c_;
  const Func& f_;
  const FuncType& type_;
  Plan plan_;
  Emitter e_;
  bool owes_ = false;  // has a local for gas that the global does not know of yet
  bool counts_stack_ = false, wrapped_ = false;
  bool may_owe_ = false;  // that local may be other than zero here
  std::uint32_t units_ = 0, debt_ = 0, f32_ = 0, f64_ = 0;
  std::uint32_t depth_ = 0;  // open blocks inside the body
};

bool makes_f32(const Instr& i) { return i.info->sig.back() == 'f'; }

bool needs_exact(const Instr& i) {
  return i.code == op::kCall || i.code == op::kCallIndirect || i.code == op::kMemoryGrow || i.info->cost == Cost::kBulk;
}

void Rewriter::locals() {
  const auto params = static_cast<std::uint32_t>(type_.params.size());
  bool f32 = false, f64 = false;
  for (const Instr& i : plan_.instrs)
    if (std::ranges::binary_search(f_.canon, i.at)) (makes_f32(i) ? f32 : f64) = true;
  debt_ = params + f_.locals_count;
  f32_ = debt_ + (owes_ ? 1 : 0);
  f64_ = f32_ + (f32 ? 1 : 0);
  e_.u32(static_cast<std::uint32_t>(f_.locals.size()) + (owes_ ? 1 : 0) + (f32 ? 1 : 0) + (f64 ? 1 : 0));
  for (const LocalRun& run : f_.locals) e_.u32(run.count).byte(static_cast<std::uint8_t>(run.type));
  if (owes_) e_.u32(1).byte(static_cast<std::uint8_t>(ValType::kI64));
  if (f32) e_.u32(1).byte(static_cast<std::uint8_t>(ValType::kF32));
  if (f64) e_.u32(1).byte(static_cast<std::uint8_t>(ValType::kF64));
}

// Pays the debt, so that the global is exact.
void Rewriter::flush() {
  if (owes_ && may_owe_) {
    e_.op(op::kGlobalGet, c_.hidden.gas).op(op::kLocalGet, debt_).op(op::kI64Sub).op(op::kGlobalSet, c_.hidden.gas);
    e_.i64(0).op(op::kLocalSet, debt_);
  }
  may_owe_ = false;
}

void Rewriter::charge(const Charge& charge) {
  const auto gas = static_cast<std::int64_t>(charge.gas);
  if (!charge.checked) {
    e_.op(op::kLocalGet, debt_).i64(gas).op(op::kI64Add).op(op::kLocalSet, debt_);
    may_owe_ = true;
    return;
  }
  // One read-modify-write of memory and a branch on its sign, after compilation.
  e_.op(op::kGlobalGet, c_.hidden.gas).i64(gas).op(op::kI64Sub);
  if (owes_ && charge.before != 0) {
    e_.op(op::kLocalGet, debt_).op(op::kI64Sub).i64(0).op(op::kLocalSet, debt_);
    may_owe_ = false;
  }
  e_.op(op::kGlobalSet, c_.hidden.gas).op(op::kGlobalGet, c_.hidden.gas);
  // A compiler may keep gas in a register throughout a loop that changes nothing else in memory, out of reach of a host
  // that wants to stop the run. The store above may alias the stop flag, so that is read anew in every round.
  if (charge.before != 0 && !charge.clobbers) e_.op(op::kGlobalGet, c_.hidden.stop).op(op::kI64Or);
  e_.i64(0);
  trap_if(op::kI64LtS);
}

void Rewriter::prologue() {
  if (counts_stack_) {
    e_.op(op::kGlobalGet, c_.hidden.stack).i32(static_cast<std::int32_t>(units_)).op(op::kI32Sub);
    e_.op(op::kGlobalSet, c_.hidden.stack).op(op::kGlobalGet, c_.hidden.stack).i32(0);
    trap_if(op::kI32LtS);
  }
  if (!wrapped_) return;
  e_.op(op::kBlock);
  if (type_.results.empty()) {
    e_.byte(kVoidBlock);
  } else if (type_.results.size() == 1) {
    e_.byte(static_cast<std::uint8_t>(type_.results[0]));
  } else {
    e_.s64(type_index(c_.types, {{}, type_.results}));
  }
}

void Rewriter::epilogue() {
  if (!wrapped_) return;
  may_owe_ = true;
  flush();
  if (counts_stack_) {
    e_.op(op::kGlobalGet, c_.hidden.stack).i32(static_cast<std::int32_t>(units_)).op(op::kI32Add);
    e_.op(op::kGlobalSet, c_.hidden.stack);
  }
  e_.op(op::kEnd);
}

void Rewriter::canonical(ValType t) {
  const bool is32 = t == ValType::kF32;
  const std::uint32_t temp = is32 ? f32_ : f64_;
  e_.op(op::kLocalTee, temp);
  if (is32) {
    e_.op(op::kF32Const).raw(kNan32);
  } else {
    e_.op(op::kF64Const).raw(kNan64);
  }
  e_.op(op::kLocalGet, temp).op(op::kLocalGet, temp).op(is32 ? op::kF32Eq : op::kF64Eq).op(op::kSelect);
}

// The length is the last argument of the calls that copy, so it is on top of the stack.
void Rewriter::call_host(const Instr& i) {
  const HostFn fn = c_.module.imports[i.a];
  if (fn == HostFn::kReadInput || fn == HostFn::kWriteOutput) helper(c_.hidden.charge_bytes);
  if (fn == HostFn::kStepCommit && c_.module.memory) helper(c_.hidden.commit);
  copy(i);
}

void Rewriter::instruction(const Instr& i) {
  if (needs_exact(i)) flush();
  switch (i.code) {
    case op::kReturn:
      if (!wrapped_) return copy(i);
      e_.op(op::kBr, depth_);
      return;
    case op::kBlock:
    case op::kIf:
    case op::kLoop: ++depth_; break;
    case op::kCall:
      if (i.a < c_.module.imports.size())
        call_host(i);
      else
        copy(i);
      return;
    case op::kMemoryGrow: helper(c_.hidden.grow); return;
    default: break;
  }
  if (i.info->cost == Cost::kBulk)
    helper(i.code == op::kTableInit || i.code == op::kTableCopy ? c_.hidden.charge_items : c_.hidden.charge_bytes);
  copy(i);
  if (i.info->makes_nan && std::ranges::binary_search(f_.canon, i.at))
    canonical(makes_f32(i) ? ValType::kF32 : ValType::kF64);
  if (i.code == op::kEnd) --depth_;
  // After a join there may be debt if there was on any path.
  if (i.code == op::kEnd || i.code == op::kElse || i.code == op::kLoop) may_owe_ = true;
}

Bytes Rewriter::body() {
  owes_ = plan_.has_unchecked;
  units_ = frame_units(f_, type_);
  counts_stack_ = f_.has_calls || units_ > kLeafUnitsMax;
  wrapped_ = counts_stack_ || plan_.has_unchecked;
  locals();
  prologue();
  std::size_t next = 0;
  depth_ = 0;
  for (std::size_t k = 0; k < plan_.instrs.size(); ++k) {
    while (next < plan_.charges.size() && plan_.charges[next].before == k) charge(plan_.charges[next++]);
    const bool is_last = k + 1 == plan_.instrs.size();
    if (is_last) {
      copy(plan_.instrs[k]);  // the body's end closes the wrapper, or the function when there is none
    } else {
      instruction(plan_.instrs[k]);
    }
  }
  epilogue();
  Emitter sized;
  sized.sized(e_.out);
  return std::move(sized.out);
}

}  // namespace

std::uint32_t type_index(std::vector<FuncType>& types, const FuncType& want) {
  const auto it = std::ranges::find(types, want);
  if (it == types.end()) {
    types.push_back(want);
    return static_cast<std::uint32_t>(types.size() - 1);
  }
  return static_cast<std::uint32_t>(it - types.begin());
}

Result<Bytes> rewrite_body(const RewriteContext& context, const Func& func) {
  TRY(Plan plan, plan_body(context.module, func, context.table));
  return Rewriter(context, func, std::move(plan)).body();
}

}  // namespace hanse::wasm
