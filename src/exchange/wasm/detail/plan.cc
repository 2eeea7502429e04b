#include "exchange/wasm/detail/plan.h"

namespace hanse::wasm {
namespace {

struct Frame {
  std::uint16_t code = op::kBlock;
  bool entered = false;  // control can reach its start
  bool joined = false;   // a branch goes to its end
  bool has_else = false, then_falls_out = false;
};

bool clobbers_memory(const Instr& i) {
  const Cost c = i.info->cost;
  return c == Cost::kStore || c == Cost::kBulk || c == Cost::kCall || c == Cost::kCallIndirect ||
         c == Cost::kMemoryGrow;
}

// A run of instructions that execute together: all or none, and in order. A block that nothing branches to does not
// split a run, and neither does a call, so one charge often covers a whole loop body.
class Planner {
 public:
  Planner(const Module& m, const Func& f, const GasTable& t) : m_(m), f_(f), t_(t) {}
  Result<Plan> run();

 private:
  static constexpr std::int64_t kDead = -1;     // control cannot come here
  static constexpr std::int64_t kPending = -2;  // the next instruction with a price starts a run

  void visit(const Instr& i);
  void pay(std::uint64_t gas);
  void open(std::uint16_t code) { frames_.push_back({.code = code, .entered = cur_ != kDead}); }
  void end();
  void join(std::uint32_t depth);
  void join_table(const Instr& i);
  std::uint64_t price(const Instr& i) const;

  const Module& m_;
  const Func& f_;
  const GasTable& t_;
  Plan plan_;
  std::vector<Frame> frames_;
  std::int64_t cur_ = kPending;
};

std::uint64_t Planner::price(const Instr& i) const {
  if (i.code == op::kCall && i.a < m_.imports.size()) return t_.host_call;
  return t_.of(i.info->cost);
}

void Planner::pay(std::uint64_t gas) {
  if (gas == 0 || cur_ == kDead) return;
  if (cur_ == kPending) {
    cur_ = static_cast<std::int64_t>(plan_.charges.size());
    plan_.charges.push_back({.before = static_cast<std::uint32_t>(plan_.instrs.size())});
    plan_.has_unchecked = true;
  }
  plan_.charges[static_cast<std::size_t>(cur_)].gas += gas;
}

void Planner::join(std::uint32_t depth) {
  if (cur_ == kDead) return;
  frames_[frames_.size() - 1 - depth].joined = true;  // for a loop it means nothing: its header has its own charge
}

void Planner::join_table(const Instr& i) {
  Reader labels(m_.bytes, i.labels_at, i.next);
  for (std::uint32_t k = 0; k <= i.labels_count; ++k) {
    const auto depth = labels.u32();
    if (depth) join(*depth);
  }
}

void Planner::end() {
  const Frame f = frames_.back();
  frames_.pop_back();
  if (!f.entered) {
    cur_ = kDead;
  } else if (f.code == op::kIf) {
    const bool reached = !f.has_else || f.then_falls_out || f.joined || cur_ != kDead;
    cur_ = reached ? kPending : kDead;
  } else if (f.code != op::kLoop && f.joined) {
    cur_ = kPending;
  }
}

void Planner::visit(const Instr& i) {
  switch (i.code) {
    case op::kBlock: open(i.code); return;
    case op::kLoop:
      open(i.code);
      if (cur_ == kDead) return;
      cur_ = static_cast<std::int64_t>(plan_.charges.size());
      plan_.charges.push_back(
          {.before = static_cast<std::uint32_t>(plan_.instrs.size()) + 1, .gas = price(i), .checked = true});
      return;
    case op::kIf:
      pay(price(i));
      open(i.code);
      if (cur_ != kDead) cur_ = kPending;
      return;
    case op::kElse:
      frames_.back().has_else = true;
      frames_.back().then_falls_out = cur_ != kDead;
      cur_ = frames_.back().entered ? kPending : kDead;
      return;
    case op::kEnd: end(); return;
    default: break;
  }
  pay(price(i));
  if (cur_ >= 0 && clobbers_memory(i)) plan_.charges[static_cast<std::size_t>(cur_)].clobbers = true;
  switch (i.code) {
    case op::kBr:
    case op::kBrIf: join(i.a); break;
    case op::kBrTable: join_table(i); break;
    default: break;
  }
  if (i.code == op::kBrIf && cur_ != kDead) cur_ = kPending;
  if (i.code == op::kBr || i.code == op::kBrTable || i.code == op::kReturn || i.code == op::kUnreachable) cur_ = kDead;
}

Result<Plan> Planner::run() {
  const std::uint64_t zeroing = (f_.locals_count + t_.locals_per_gas - 1) / t_.locals_per_gas;
  plan_.charges.push_back({.before = 0, .gas = t_.function_entry + zeroing, .checked = true});
  cur_ = 0;
  frames_.push_back({.code = op::kBlock, .entered = true});
  Reader in(m_.bytes, f_.code.offset, f_.code.offset + f_.code.size);
  while (!in.done()) {
    TRY(const Instr i, read_instr(in));
    visit(i);
    plan_.instrs.push_back(i);
  }
  return std::move(plan_);
}

}  // namespace

Result<Plan> plan_body(const Module& module, const Func& func, const GasTable& table) {
  return Planner(module, func, table).run();
}

}  // namespace hanse::wasm
