#include <algorithm>

#include "exchange/wasm/detail/reader.h"
#include "exchange/wasm/opcode.h"

namespace hanse::wasm {
namespace {

// Who looks at a popped operand: kBits may see the bits of a NaN, kBlind cannot.
enum class Sight : std::uint8_t { kBits, kBlind };

struct Operand {
  ValType type = ValType::kUnknown;
  std::uint32_t made_by = 0;  // offset of the NaN-making instruction, 0 when another kind made it
};

struct Frame {
  std::uint16_t code = op::kBlock;
  FuncType type;
  std::size_t height = 0;
  bool dead = false;
  const std::vector<ValType>& label() const { return code == op::kLoop ? type.params : type.results; }
};

ValType type_of_letter(char c) {
  return c == 'i' ? ValType::kI32 : c == 'I' ? ValType::kI64 : c == 'f' ? ValType::kF32 : ValType::kF64;
}

std::string_view type_name(ValType t) {
  switch (t) {
    case ValType::kI32: return "i32";
    case ValType::kI64: return "i64";
    case ValType::kF32: return "f32";
    case ValType::kF64: return "f64";
    case ValType::kUnknown: break;
  }
  return "any type";
}

class Checker {
 public:
  Checker(const Module& m, Func& f) : m_(m), f_(f), in_(m.bytes, f.code.offset, f.code.offset + f.code.size) {}
  Status body();

 private:
  Status step(const Instr& i);
  Status control(const Instr& i);
  Status branch_table(const Instr& i);
  Status variable(const Instr& i);
  Status call(const FuncType& type);
  Status by_signature(const Instr& i);
  Status references(const Instr& i);
  Status select();

  Status push(ValType t, std::uint32_t made_by = 0);
  Status push_all(const std::vector<ValType>& types);
  Result<Operand> pop(Sight sight = Sight::kBits);
  Status pop(ValType want, Sight sight = Sight::kBits);
  Status pop_all(const std::vector<ValType>& types);
  Status open(std::uint16_t code, FuncType type);
  Result<Frame> close();
  Result<Frame*> label(std::uint32_t depth);
  void kill();
  std::unexpected<Error> bad(std::string_view what) const {
    return fail(Kind::kInvalid, "wasm.invalid", text("{} at byte {}", what, at_));
  }

  const Module& m_;
  Func& f_;
  Reader in_;
  std::uint32_t at_ = 0;
  std::vector<ValType> locals_;
  std::vector<Operand> stack_;
  std::vector<Frame> frames_;
};

Status Checker::push(ValType t, std::uint32_t made_by) {
  if (stack_.size() >= kStackMax) return in_.over("operands", stack_.size() + 1, kStackMax);
  stack_.push_back({t, made_by});
  f_.stack_max = std::max(f_.stack_max, static_cast<std::uint32_t>(stack_.size()));
  return {};
}

Status Checker::push_all(const std::vector<ValType>& types) {
  for (ValType t : types) TRY_OK(push(t));
  return {};
}

Result<Operand> Checker::pop(Sight sight) {
  const Frame& frame = frames_.back();
  if (stack_.size() == frame.height) {
    if (frame.dead) return Operand{};
    return bad("operand missing");
  }
  const Operand top = stack_.back();
  stack_.pop_back();
  if (sight == Sight::kBits && top.made_by != 0) f_.canon.push_back(top.made_by);
  return top;
}

Status Checker::pop(ValType want, Sight sight) {
  TRY(const Operand got, pop(sight));
  if (got.type != want && got.type != ValType::kUnknown && want != ValType::kUnknown)
    return bad(text("found operand {}, expected {}", type_name(got.type), type_name(want)));
  return {};
}

Status Checker::pop_all(const std::vector<ValType>& types) {
  for (std::size_t k = types.size(); k-- > 0;) TRY_OK(pop(types[k]));
  return {};
}

Status Checker::open(std::uint16_t code, FuncType type) {
  if (frames_.size() >= kNestingMax) return in_.over("nested blocks", frames_.size() + 1, kNestingMax);
  frames_.push_back({code, std::move(type), stack_.size(), false});
  return push_all(frames_.back().type.params);
}

Result<Frame> Checker::close() {
  const std::vector<ValType> results = frames_.back().type.results;
  TRY_OK(pop_all(results));
  if (stack_.size() != frames_.back().height)
    return bad(text("{} operands left at the end of a block", stack_.size() - frames_.back().height));
  Frame done = std::move(frames_.back());
  frames_.pop_back();
  return done;
}

Result<Frame*> Checker::label(std::uint32_t depth) {
  if (depth >= frames_.size()) return bad(text("label {} of {}", depth, frames_.size()));
  return &frames_[frames_.size() - 1 - depth];
}

void Checker::kill() {
  // Values left behind are never used, so nobody sees their bits.
  stack_.resize(frames_.back().height);
  frames_.back().dead = true;
}

Status Checker::branch_table(const Instr& i) {
  TRY_OK(pop(ValType::kI32));
  Reader labels(m_.bytes, i.labels_at, i.next);
  std::size_t arity = 0;
  std::vector<ValType> last;
  for (std::uint32_t k = 0; k <= i.labels_count; ++k) {
    TRY(const std::uint32_t depth, labels.u32());
    TRY(const Frame* target, label(depth));
    const std::vector<ValType> want = target->label();
    if (k > 0 && want.size() != arity) return bad(text("br_table labels of {} and {} values", arity, want.size()));
    arity = want.size();
    // Pop and put back what was there, so that unknown operands stay unknown for the other labels.
    std::vector<Operand> seen;
    for (std::size_t v = want.size(); v-- > 0;) {
      TRY(const Operand got, pop());
      if (got.type != want[v] && got.type != ValType::kUnknown)
        return bad(text("found operand {}, expected {}", type_name(got.type), type_name(want[v])));
      seen.push_back(got);
    }
    for (std::size_t v = seen.size(); v-- > 0;) stack_.push_back(seen[v]);
  }
  for (std::size_t v = 0; v < arity; ++v) TRY_OK(pop());
  kill();
  return {};
}

Status Checker::control(const Instr& i) {
  switch (i.code) {
    case op::kUnreachable: kill(); return {};
    case op::kNop: return {};
    case op::kIf: TRY_OK(pop(ValType::kI32)); [[fallthrough]];
    case op::kBlock:
    case op::kLoop: {
      TRY(FuncType type, block_type(i, m_.types, in_));
      TRY_OK(pop_all(type.params));
      return open(i.code, std::move(type));
    }
    case op::kElse: {
      if (frames_.back().code != op::kIf) return bad("else without if");
      TRY(Frame done, close());
      return open(op::kElse, std::move(done.type));
    }
    case op::kEnd: {
      TRY(const Frame done, close());
      if (done.code == op::kIf && done.type.params != done.type.results)
        return bad("an if without else changes the operand types");
      if (!frames_.empty()) TRY_OK(push_all(done.type.results));
      return {};
    }
    case op::kBr:
    case op::kBrIf: {
      if (i.code == op::kBrIf) TRY_OK(pop(ValType::kI32));
      TRY(const Frame* target, label(i.a));
      const std::vector<ValType> want = target->label();
      TRY_OK(pop_all(want));
      if (i.code == op::kBrIf) return push_all(want);
      kill();
      return {};
    }
    case op::kBrTable: return branch_table(i);
    case op::kReturn: {
      const std::vector<ValType> want = frames_.front().type.results;
      TRY_OK(pop_all(want));
      kill();
      return {};
    }
    default: return bad("not a control instruction");
  }
}

Status Checker::call(const FuncType& type) {
  f_.has_calls = true;
  TRY_OK(pop_all(type.params));
  return push_all(type.results);
}

Status Checker::variable(const Instr& i) {
  const bool is_local = i.info->imm == Imm::kLocal;
  const std::size_t count = is_local ? locals_.size() : m_.globals.size();
  if (i.a >= count) return bad(text("{} {} of {}", is_local ? "local" : "global", i.a, count));
  const ValType t = is_local ? locals_[i.a] : m_.globals[i.a].type;
  if (i.code == op::kLocalGet || i.code == op::kGlobalGet) return push(t);
  if (i.code == op::kGlobalSet && !m_.globals[i.a].is_mutable) return bad(text("global {} is immutable", i.a));
  TRY_OK(pop(t));
  if (i.code == op::kLocalTee) return push(t);
  return {};
}

Status Checker::references(const Instr& i) {
  const auto need_memory = [&]() -> Status {
    if (!m_.memory) return bad("no memory");
    return {};
  };
  const auto need_data = [&]() -> Status {
    if (!m_.data_count) return bad("a data segment is named without a data count section");
    if (i.a >= *m_.data_count) return bad(text("data segment {} of {}", i.a, *m_.data_count));
    return {};
  };
  const auto need_elem = [&]() -> Status {
    if (i.a >= m_.elems_count) return bad(text("element segment {} of {}", i.a, m_.elems_count));
    return {};
  };
  const bool is_lasting = i.info->imm == Imm::kData || i.info->imm == Imm::kElem || i.info->imm == Imm::kElemTable ||
                          i.info->imm == Imm::kTableTable;
  if (m_.in_steps && is_lasting)
    return fail(Kind::kInvalid, "wasm.step",
                text("found {} at byte {}: work in steps may change memory and globals only", i.info->name, at_));
  switch (i.info->imm) {
    case Imm::kMemArg:
      TRY_OK(need_memory());
      if (i.a > i.info->align) return bad(text("alignment 2^{} above 2^{}", i.a, i.info->align));
      return {};
    case Imm::kMemIndex:
    case Imm::kMemMem: return need_memory();
    case Imm::kDataMem: TRY_OK(need_memory()); return need_data();
    case Imm::kData: return need_data();
    case Imm::kElem: return need_elem();
    case Imm::kElemTable:
      if (i.b != 0 || !m_.table) return bad(text("table {} is absent", i.b));
      return need_elem();
    case Imm::kTableTable:
      if (i.a != 0 || i.b != 0 || !m_.table) return bad(text("table {} is absent", std::max(i.a, i.b)));
      return {};
    default: return {};
  }
}

Status Checker::by_signature(const Instr& i) {
  TRY_OK(references(i));
  const std::string_view sig = i.info->sig;
  const std::size_t colon = sig.find(':');
  for (std::size_t k = colon; k-- > 0;)
    TRY_OK(pop(type_of_letter(sig[k]), i.info->nan_blind ? Sight::kBlind : Sight::kBits));
  for (char c : sig.substr(colon + 1)) TRY_OK(push(type_of_letter(c), i.info->makes_nan ? i.at : 0));
  return {};
}

Status Checker::select() {
  TRY_OK(pop(ValType::kI32));
  TRY(const Operand a, pop());
  TRY(const Operand b, pop());
  if (a.type != b.type && a.type != ValType::kUnknown && b.type != ValType::kUnknown)
    return bad(text("select of {} and {}", type_name(b.type), type_name(a.type)));
  return push(a.type == ValType::kUnknown ? b.type : a.type);
}

Status Checker::step(const Instr& i) {
  switch (i.info->imm) {
    case Imm::kLocal:
    case Imm::kGlobal: return variable(i);
    case Imm::kFunc:
      if (i.a >= m_.funcs_count()) return bad(text("function {} of {}", i.a, m_.funcs_count()));
      return call(m_.types[m_.type_of(i.a)]);
    case Imm::kIndirect:
      if (i.b != 0 || !m_.table) return bad(text("table {} is absent", i.b));
      if (i.a >= m_.types.size()) return bad(text("type {} of {}", i.a, m_.types.size()));
      TRY_OK(pop(ValType::kI32));
      return call(m_.types[i.a]);
    default: break;
  }
  if (i.code == op::kDrop) return pop(ValType::kUnknown, Sight::kBlind);
  if (i.code == op::kSelect) return select();
  if (i.info->sig.empty()) return control(i);
  return by_signature(i);
}

Status Checker::body() {
  const FuncType& type = m_.types[f_.type];
  locals_ = type.params;
  for (const LocalRun& run : f_.locals) locals_.insert(locals_.end(), run.count, run.type);
  frames_.push_back({op::kBlock, {{}, type.results}, 0, false});
  while (!frames_.empty()) {
    at_ = in_.pos();
    TRY(const Instr i, read_instr(in_));
    TRY_OK(step(i));
  }
  if (!in_.done()) return in_.malformed(text("{} bytes after the end of a body", in_.left()));
  std::ranges::sort(f_.canon);
  const auto rest = std::ranges::unique(f_.canon);
  f_.canon.erase(rest.begin(), rest.end());
  return {};
}

}  // namespace

Status validate_body(const Module& module, Func& func) { return Checker(module, func).body(); }

}  // namespace hanse::wasm
