#include "exchange/wasm/module.h"

#include <algorithm>

#include "base/core/text.h"
#include "exchange/wasm/detail/reader.h"
#include "exchange/wasm/opcode.h"

namespace hanse::wasm {
namespace {

struct HostEntry {
  std::string_view name, sig;
};
constexpr HostEntry kHost[] = {{"input_count", ":i"},    {"input_size", "i:i"}, {"read_input", "iiii:i"},
                               {"write_output", "iii:"}, {"abort", "i:"},       {"step_commit", ":"}};
static_assert(std::size(kHost) == static_cast<std::size_t>(HostFn::kCount));

std::string sig_text(const FuncType& t) {
  const auto letter = [](ValType v) {
    return v == ValType::kI32 ? 'i' : v == ValType::kI64 ? 'I' : v == ValType::kF32 ? 'f' : 'F';
  };
  std::string s;
  for (ValType v : t.params) s += letter(v);
  s += ':';
  for (ValType v : t.results) s += letter(v);
  return s;
}

class Parser {
 public:
  Parser(Module& m, Profile profile) : m_(m), profile_(profile) {}
  Status all();

 private:
  Status section(SectionId id, Reader in);
  Status types(Reader& in);
  Status imports(Reader& in);
  Status functions(Reader& in);
  Status tables(Reader& in);
  Status memories(Reader& in);
  Status globals(Reader& in);
  Status exports(Reader& in);
  Status elements(Reader& in);
  Status code(Reader& in);
  Status data(Reader& in);
  Status finish();

  Status types_of(Reader& in, std::vector<ValType>& out);
  Result<SizeLimits> limits(Reader& in, std::uint32_t max, std::string_view what);
  Status const_expr(Reader& in, ValType want);
  Status func_index(Reader& in);
  Status elem_items(Reader& in, bool as_exprs);
  Status body(Reader in, Func& f);
  Status one_export(Reader& in, std::vector<std::string_view>& names);

  Module& m_;
  Profile profile_;
  std::vector<std::uint32_t> func_types_;
  bool memory_exported_ = false, run_exported_ = false, has_code_ = false;
  std::optional<std::string> step_sig_;  // of an export "step"
  std::uint32_t data_segments_ = 0;
};

Status Parser::types_of(Reader& in, std::vector<ValType>& out) {
  TRY(const std::uint32_t n, in.count(kParamsMax, "parameters or results"));
  for (std::uint32_t i = 0; i < n; ++i) {
    TRY(const ValType t, in.val_type());
    out.push_back(t);
  }
  return {};
}

Status Parser::types(Reader& in) {
  TRY(const std::uint32_t n, in.count(kTypesMax, "types"));
  for (std::uint32_t i = 0; i < n; ++i) {
    TRY(const std::uint8_t form, in.byte());
    if (form != 0x60) return in.feature(text("type form {:#x}", unsigned{form}));
    FuncType t;
    TRY_OK(types_of(in, t.params));
    TRY_OK(types_of(in, t.results));
    m_.types.push_back(std::move(t));
  }
  return {};
}

Status Parser::imports(Reader& in) {
  TRY(const std::uint32_t n, in.count(kImportsMax, "imports"));
  for (std::uint32_t i = 0; i < n; ++i) {
    const std::uint32_t at = in.pos();
    TRY(const std::string_view module, in.name());
    TRY(const std::string_view field, in.name());
    const auto denied = [&](std::string_view why) {
      return fail(Kind::kDenied, "wasm.import", text("import {}.{} at byte {}: {}", module, field, at, why));
    };
    TRY(const std::uint8_t kind, in.byte());
    if (kind != 0) return denied("only functions of \"hanse\" may be imported");
    TRY(const std::uint32_t type, in.u32());
    if (type >= m_.types.size()) return in.invalid(text("import of type {} of {}", type, m_.types.size()));
    const auto* known = std::ranges::find(kHost, field, &HostEntry::name);
    if (module != "hanse" || known == std::end(kHost)) return denied("the host has no such function");
    if (sig_text(m_.types[type]) != known->sig)
      return denied(text("found signature {}, expected {}", sig_text(m_.types[type]), known->sig));
    m_.imports.push_back(static_cast<HostFn>(known - std::begin(kHost)));
    m_.import_types.push_back(type);
  }
  return {};
}

Status Parser::functions(Reader& in) {
  TRY(const std::uint32_t n, in.count(kFuncsMax, "functions"));
  for (std::uint32_t i = 0; i < n; ++i) {
    TRY(const std::uint32_t type, in.u32());
    if (type >= m_.types.size()) return in.invalid(text("function of type {} of {}", type, m_.types.size()));
    func_types_.push_back(type);
    m_.funcs.emplace_back().type = type;
  }
  return {};
}

Result<SizeLimits> Parser::limits(Reader& in, std::uint32_t max, std::string_view what) {
  TRY(const std::uint8_t flags, in.byte());
  if (flags & 2) return in.feature(text("shared {} (threads)", what));
  if (flags & 4) return in.feature(text("64-bit {} (memory64)", what));
  if (flags > 1) return in.malformed(text("limits flag {:#x}", unsigned{flags}));
  SizeLimits out;
  TRY(out.min, in.u32());
  if (out.min > max) return in.over(what, out.min, max);
  if (flags == 1) {
    TRY(const std::uint32_t top, in.u32());
    if (top < out.min) return in.invalid(text("{}: maximum {} below minimum {}", what, top, out.min));
    out.max = top;
  }
  return out;
}

Status Parser::tables(Reader& in) {
  TRY(const std::uint32_t n, in.u32());
  if (n > 1) return in.feature(text("{} tables (reference types)", n));
  if (n == 0) return {};
  TRY(const std::uint8_t type, in.byte());
  if (type != 0x70) return in.feature(text("table of element type {:#x}", unsigned{type}));
  TRY(m_.table, limits(in, kTableMax, "table elements"));
  return {};
}

Status Parser::memories(Reader& in) {
  TRY(const std::uint32_t n, in.u32());
  if (n > 1) return in.feature(text("{} memories (multi-memory)", n));
  if (n == 0) return {};
  TRY(m_.memory, limits(in, kPagesMax, "memory pages"));
  if (m_.memory->max && *m_.memory->max > kPagesMax) return in.over("memory pages", *m_.memory->max, kPagesMax);
  return {};
}

// MVP constant expressions without imported globals: one constant of the wanted type, then end.
Status Parser::const_expr(Reader& in, ValType want) {
  const Reader start = in;
  TRY(const Instr value, read_instr(in));
  const auto is = [&](std::uint16_t code, ValType type) { return value.code == code && want == type; };
  if (!is(op::kI32Const, ValType::kI32) && !is(op::kI64Const, ValType::kI64) && !is(op::kF32Const, ValType::kF32) &&
      !is(op::kF64Const, ValType::kF64))
    return start.invalid(text("expected a constant of the wanted type, found {}", value.info->name));
  TRY(const Instr end, read_instr(in));
  if (end.code != op::kEnd) return start.invalid(text("expected end of a constant, found {}", end.info->name));
  return {};
}

Status Parser::globals(Reader& in) {
  TRY(const std::uint32_t n, in.count(kGlobalsMax, "globals"));
  for (std::uint32_t i = 0; i < n; ++i) {
    Global g;
    TRY(g.type, in.val_type());
    TRY(const std::uint8_t flag, in.byte());
    if (flag > 1) return in.malformed(text("global mutability {}", flag));
    g.is_mutable = flag == 1;
    TRY_OK(const_expr(in, g.type));
    m_.globals.push_back(g);
  }
  return {};
}

Status Parser::one_export(Reader& in, std::vector<std::string_view>& names) {
  const std::uint32_t at = in.pos();
  TRY(const std::string_view name, in.name());
  TRY(const std::uint8_t kind, in.byte());
  TRY(const std::uint32_t index, in.u32());
  const auto wrong = [&](std::string_view why) {
    return fail(Kind::kInvalid, "wasm.export", text("export {} at byte {}: {}", name, at, why));
  };
  if (name.starts_with(kHiddenPrefix) && profile_ != Profile::kMetered) return wrong("the name belongs to the host");
  names.push_back(name);
  const std::uint32_t counts[] = {m_.funcs_count(), m_.table ? 1u : 0u, m_.memory ? 1u : 0u,
                                  static_cast<std::uint32_t>(m_.globals.size())};
  if (kind > 3) return in.feature(text("export kind {}", kind));
  if (index >= counts[kind]) return in.invalid(text("export {} of index {} of {}", name, index, counts[kind]));
  if (name == "memory" && kind == 2) memory_exported_ = true;
  if (kind == 0 && name == "run" && profile_ == Profile::kJob) {
    const std::string sig = sig_text(m_.types[m_.type_of(index)]);
    if (sig != ":") return wrong(text("found signature {}, expected no parameters and no results", sig));
    run_exported_ = true;
  }
  if (kind == 0 && name == "step") step_sig_ = sig_text(m_.types[m_.type_of(index)]);
  return {};
}

Status Parser::exports(Reader& in) {
  TRY(const std::uint32_t n, in.count(kExportsMax, "exports"));
  m_.exports_count = n;
  std::vector<std::string_view> names;
  for (std::uint32_t i = 0; i < n; ++i) TRY_OK(one_export(in, names));
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end())
    return fail(Kind::kInvalid, "wasm.export", text("export {} twice, before byte {}", *twice, in.pos()));
  m_.in_steps = profile_ == Profile::kJob && !run_exported_ && step_sig_;
  if (m_.in_steps && *step_sig_ != ":i")
    return fail(Kind::kInvalid, "wasm.export",
                text("export step: found signature {}, expected no parameters and one i32", *step_sig_));
  if (m_.in_steps && std::ranges::find(m_.imports, HostFn::kStepCommit) != m_.imports.end())
    return fail(Kind::kInvalid, "wasm.step", "work in steps imports step_commit: the host commits each step itself");
  return {};
}

Status Parser::func_index(Reader& in) {
  TRY(const std::uint32_t f, in.u32());
  if (f >= m_.funcs_count()) return in.invalid(text("function {} of {}", f, m_.funcs_count()));
  return {};
}

Status Parser::elem_items(Reader& in, bool as_exprs) {
  TRY(const std::uint32_t n, in.count(kTableMax, "items of an element segment"));
  for (std::uint32_t i = 0; i < n; ++i) {
    if (!as_exprs) {
      TRY_OK(func_index(in));
      continue;
    }
    TRY(const std::uint8_t head, in.byte());
    if (head == 0xD0) {  // ref.null func
      TRY(const std::uint8_t type, in.byte());
      if (type != 0x70) return in.feature(text("null of type {:#x}", unsigned{type}));
    } else if (head == 0xD2) {  // ref.func
      TRY_OK(func_index(in));
    } else {
      return in.invalid(text("expected ref.null or ref.func, found {:#x}", unsigned{head}));
    }
    TRY(const std::uint8_t end, in.byte());
    if (end != op::kEnd) return in.invalid("expected the end of an element expression");
  }
  return {};
}

// Flags: bit 0 passive or declarative, bit 1 explicit table (active) or declarative, bit 2 expressions.
Status Parser::elements(Reader& in) {
  TRY(const std::uint32_t n, in.count(kSegmentsMax, "element segments"));
  m_.elems_count = n;
  for (std::uint32_t i = 0; i < n; ++i) {
    TRY(const std::uint32_t flags, in.u32());
    if (flags > 7) return in.malformed(text("element segment flags {}", flags));
    const bool active = (flags & 1) == 0, as_exprs = (flags & 4) != 0;
    if (active) {
      std::uint32_t table = 0;
      if (flags & 2) {
        TRY(table, in.u32());
      }
      if (!m_.table || table != 0) return in.invalid(text("element segment for table {}, which is absent", table));
      TRY_OK(const_expr(in, ValType::kI32));
    }
    if ((flags & 3) != 0) {
      TRY(const std::uint8_t kind, in.byte());
      if (kind != (as_exprs ? 0x70 : 0x00)) return in.feature(text("element kind {:#x}", unsigned{kind}));
    }
    TRY_OK(elem_items(in, as_exprs));
  }
  return {};
}

Status Parser::body(Reader in, Func& f) {
  TRY(const std::uint32_t runs, in.count(kLocalsMax, "groups of locals"));
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < runs; ++i) {
    LocalRun run;
    TRY(run.count, in.u32());
    TRY(run.type, in.val_type());
    total += run.count;
    if (total > kLocalsMax) return in.over("locals", total, kLocalsMax);
    f.locals.push_back(run);
  }
  f.locals_count = static_cast<std::uint32_t>(total);
  f.code = {in.pos(), in.left()};
  return validate_body(m_, f);
}

Status Parser::code(Reader& in) {
  TRY(const std::uint32_t n, in.count(kFuncsMax, "bodies"));
  if (n != m_.funcs.size()) return in.malformed(text("found {} bodies for {} functions", n, m_.funcs.size()));
  has_code_ = true;
  for (Func& f : m_.funcs) {
    TRY(const std::uint32_t size, in.u32());
    if (size > kBodyBytesMax) return in.over("bytes of a body", size, kBodyBytesMax);
    TRY(const Reader inner, in.sub(size));
    TRY_OK(body(inner, f));
  }
  return {};
}

Status Parser::data(Reader& in) {
  TRY(data_segments_, in.count(kSegmentsMax, "data segments"));
  for (std::uint32_t i = 0; i < data_segments_; ++i) {
    TRY(const std::uint32_t flags, in.u32());
    if (flags > 2) return in.malformed(text("data segment flags {}", flags));
    if (flags != 1) {
      std::uint32_t memory = 0;
      if (flags == 2) {
        TRY(memory, in.u32());
      }
      if (!m_.memory || memory != 0) return in.invalid(text("data segment for memory {}, which is absent", memory));
      TRY_OK(const_expr(in, ValType::kI32));
    }
    TRY(const std::uint32_t size, in.u32());
    TRY_OK(in.skip(size));
  }
  return {};
}

Status Parser::section(SectionId id, Reader in) {
  m_.sections[static_cast<std::size_t>(id)] = {in.pos(), in.left()};
  switch (id) {
    case SectionId::kType: TRY_OK(types(in)); break;
    case SectionId::kImport: TRY_OK(imports(in)); break;
    case SectionId::kFunction: TRY_OK(functions(in)); break;
    case SectionId::kTable: TRY_OK(tables(in)); break;
    case SectionId::kMemory: TRY_OK(memories(in)); break;
    case SectionId::kGlobal: TRY_OK(globals(in)); break;
    case SectionId::kExport: TRY_OK(exports(in)); break;
    case SectionId::kElement: TRY_OK(elements(in)); break;
    case SectionId::kCode: TRY_OK(code(in)); break;
    case SectionId::kData: TRY_OK(data(in)); break;
    case SectionId::kDataCount: {
      TRY(m_.data_count, in.count(kSegmentsMax, "data segments"));
      break;
    }
    default:
      return fail(Kind::kUnsupported, "wasm.start",
                  text("start section at byte {}: work must begin in the export run or step", in.pos()));
  }
  if (!in.done()) return in.malformed(text("{} bytes left in section {}", in.left(), static_cast<unsigned>(id)));
  return {};
}

Status Parser::finish() {
  const Reader end(m_.bytes, static_cast<std::uint32_t>(m_.bytes.size()), static_cast<std::uint32_t>(m_.bytes.size()));
  if (!has_code_ && !m_.funcs.empty()) return end.malformed(text("{} functions without bodies", m_.funcs.size()));
  if (m_.data_count && *m_.data_count != data_segments_)
    return end.malformed(text("found {} data segments, announced {}", data_segments_, *m_.data_count));
  if (profile_ != Profile::kJob) return {};
  if (!memory_exported_) return fail(Kind::kInvalid, "wasm.export", "expected an exported memory named \"memory\"");
  if (!run_exported_ && !m_.in_steps)
    return fail(Kind::kInvalid, "wasm.export", "expected an exported function named \"run\" or \"step\"");
  return {};
}

// Position of a section in the file: data count (12) stands between elements (9) and code (10).
int rank(std::uint8_t id) { return id == 12 ? 19 : id * 2; }

Status Parser::all() {
  const ByteView b = m_.bytes;
  Reader in(b, 0, static_cast<std::uint32_t>(b.size()));
  if (b.size() < 8 || load_le<std::uint32_t>(b.data()) != 0x6D736100) return in.malformed("expected the header \\0asm");
  const auto version = load_le<std::uint32_t>(b.data() + 4);
  if (version != 1) return in.feature(text("binary version {:#x}", version));
  TRY_OK(in.skip(8));
  int last = 0;
  while (!in.done()) {
    TRY(const std::uint8_t id, in.byte());
    TRY(const std::uint32_t size, in.u32());
    TRY(Reader inner, in.sub(size));
    if (id == 0) {
      TRY_OK(inner.name());  // custom sections carry no meaning and are dropped
      continue;
    }
    if (id == 13) return inner.feature("a tag section (exceptions)");
    if (id > 13) return inner.malformed(text("section id {}", id));
    if (rank(id) <= last) return inner.malformed(text("section {} out of order or repeated", id));
    last = rank(id);
    TRY_OK(section(static_cast<SectionId>(id), inner));
  }
  return finish();
}

}  // namespace

std::string_view host_name(HostFn fn) { return kHost[static_cast<std::size_t>(fn)].name; }
std::string_view host_sig(HostFn fn) { return kHost[static_cast<std::size_t>(fn)].sig; }

Result<Module> parse_module(ByteView bytes, Profile profile) {
  if (bytes.size() > kModuleBytesMax)
    return fail(Kind::kExhausted, "wasm.limit",
                text("found a module of {} bytes, at most {} allowed", bytes.size(), kModuleBytesMax));
  Module m;
  m.bytes = to_bytes(bytes);
  Parser parser(m, profile);
  TRY_OK(parser.all());
  return m;
}

}  // namespace hanse::wasm
