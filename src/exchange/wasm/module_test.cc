#include "exchange/wasm/module.h"

#include <gtest/gtest.h>

#include "exchange/wasm/generator_test.h"

namespace hanse::wasm {
namespace {

struct Part {
  std::uint8_t id;
  Bytes payload;
};

Bytes file_of(const std::vector<Part>& parts) {
  Emitter e;
  static constexpr std::uint8_t kHead[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
  e.raw(kHead);
  for (const Part& p : parts) e.byte(p.id).sized(p.payload);
  return std::move(e.out);
}

Bytes bytes_of(Emitter& e) { return std::move(e.out); }

// A job with one function of that body; more sections come from `more` in their places.
struct Draft {
  Bytes type = {1, 0x60, 0, 0};
  Bytes import;
  Bytes table;
  Bytes memory = {1, 0, 1};
  Bytes global;
  Bytes exported = bytes_of(Emitter().u32(2).name("memory").byte(2).u32(0).name("run").byte(0).u32(0));
  Bytes start, elem, data_count, data;
  Bytes body = {0, 0x0B};

  Bytes encode() const {
    std::vector<Part> parts;
    const auto add = [&parts](std::uint8_t id, const Bytes& payload) {
      if (!payload.empty()) parts.push_back({id, payload});
    };
    add(1, type);
    add(2, import);
    parts.push_back({3, {1, 0}});
    add(4, table);
    add(5, memory);
    add(6, global);
    add(7, exported);
    add(8, start);
    add(9, elem);
    add(12, data_count);
    parts.push_back({10, bytes_of(Emitter().u32(1).sized(body))});
    add(11, data);
    return file_of(parts);
  }
};

Bytes with_body(Emitter e) {
  Draft d;
  d.body = bytes_of(Emitter().u32(0).raw(e.out).op(op::kEnd));
  return d.encode();
}

std::string error_of(const Bytes& bytes, Profile profile = Profile::kJob) {
  const auto m = parse_module(bytes, profile);
  return m ? "" : std::string(m.error().id());
}
std::string message_of(const Bytes& bytes) {
  const auto m = parse_module(bytes);
  return m ? "" : std::string(m.error().message());
}

TEST(WasmModule, accepts_the_smallest_job) {
  const auto m = parse_module(Draft().encode());
  ASSERT_TRUE(m) << m.error().str();
  EXPECT_EQ(m->memory->min, 1u);
  EXPECT_EQ(m->funcs.size(), 1u);
}

TEST(WasmModule, refuses_what_does_not_parse) {
  EXPECT_EQ(error_of({}), "wasm.malformed");
  EXPECT_EQ(error_of({0, 'a', 's', 'n', 1, 0, 0, 0}), "wasm.malformed");
  Bytes cut = Draft().encode();
  cut.pop_back();
  EXPECT_EQ(error_of(cut), "wasm.malformed");
  EXPECT_EQ(error_of(file_of({{3, {0}}, {1, {0}}})), "wasm.malformed");  // out of order
  EXPECT_EQ(error_of(file_of({{1, {0}}, {1, {0}}})), "wasm.malformed");  // repeated
  EXPECT_EQ(error_of(file_of({{1, {0, 0}}})), "wasm.malformed");         // bytes left over
  EXPECT_EQ(error_of(file_of({{14, {}}})), "wasm.malformed");
  EXPECT_EQ(error_of(file_of({{1, {0x80, 0x80, 0x80, 0x80, 0x10}}})), "wasm.malformed");  // 33 bits
  EXPECT_EQ(error_of(file_of({{0, {1, 0xFF}}})), "wasm.malformed");                       // a name that is not UTF-8
}

TEST(WasmModule, every_prefix_of_a_job_is_refused) {
  const Bytes whole = Draft().encode();
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_FALSE(parse_module(ByteView(whole).first(n))) << "prefix of " << n << " bytes";
}

TEST(WasmModule, refuses_what_does_not_type_check_and_says_where) {
  EXPECT_EQ(error_of(with_body(Emitter().op(op::kDrop))), "wasm.invalid");
  EXPECT_EQ(error_of(with_body(Emitter().i32(1))), "wasm.invalid");
  EXPECT_EQ(error_of(with_body(Emitter().i32(1).i64(1).op(op::kI32Add).op(op::kDrop))), "wasm.invalid");
  EXPECT_EQ(error_of(with_body(Emitter().op(op::kLocalGet, 0).op(op::kDrop))), "wasm.invalid");
  EXPECT_EQ(error_of(with_body(Emitter().op(op::kBr, 1))), "wasm.invalid");
  EXPECT_EQ(error_of(with_body(Emitter().op(op::kCall, 1))), "wasm.invalid");
  EXPECT_EQ(error_of(with_body(Emitter().op(op::kElse))), "wasm.invalid");
  EXPECT_EQ(error_of(with_body(Emitter().i32(0).op(0x28).u32(3).u32(0).op(op::kDrop))), "wasm.invalid");  // alignment
  EXPECT_EQ(error_of(with_body(Emitter().i32(0).op(op::kIf).byte(0x7F).i32(1).op(op::kEnd).op(op::kDrop))),
            "wasm.invalid");  // a value without else
  EXPECT_NE(message_of(with_body(Emitter().op(op::kDrop))).find("at byte "), std::string::npos);
}

TEST(WasmModule, accepts_dead_code_of_any_type) {
  EXPECT_EQ(error_of(with_body(Emitter().op(op::kUnreachable).op(op::kI32Add).op(op::kDrop))), "");
  EXPECT_EQ(error_of(with_body(Emitter().op(op::kReturn).i64(1).op(op::kI32Add).op(op::kDrop))), "wasm.invalid");
}

TEST(WasmModule, refuses_other_proposals_by_name_and_offset) {
  const std::pair<std::uint8_t, std::string_view> cases[] = {
      {0xFD, "vectors"},    {0xFE, "threads"},    {0xFB, "garbage collection"},
      {0x06, "exceptions"}, {0x12, "tail calls"}, {0xD0, "reference types"},
      {0x27, "unknown"}};
  for (const auto& [opcode, word] : cases) {
    const Bytes bytes = with_body(Emitter().byte(opcode));
    EXPECT_EQ(error_of(bytes), "wasm.feature") << word;
    EXPECT_NE(message_of(bytes).find(word), std::string::npos) << message_of(bytes);
    EXPECT_NE(message_of(bytes).find(" at byte "), std::string::npos);
  }
  Draft shared, wide, v128, tables;
  shared.memory = {1, 3, 1, 1};
  wide.memory = {1, 4, 1};
  v128.type = {1, 0x60, 1, 0x7B, 0};
  tables.table = {2, 0x70, 0, 1, 0x70, 0, 1};
  for (const Draft* d : {&shared, &wide, &v128, &tables}) EXPECT_EQ(error_of(d->encode()), "wasm.feature");
}

TEST(WasmModule, refuses_a_start_section) {
  Draft d;
  d.start = {0};
  EXPECT_EQ(error_of(d.encode()), "wasm.start");
}

TEST(WasmModule, refuses_imports_outside_the_host_interface) {
  const auto import = [](std::string_view module, std::string_view field, std::uint8_t kind) {
    Draft d;
    d.type = {2, 0x60, 0, 0, 0x60, 0, 1, 0x7F};  // () -> (), () -> i32
    d.import = bytes_of(Emitter().u32(1).name(module).name(field).byte(kind).u32(1));
    d.exported = bytes_of(Emitter().u32(2).name("memory").byte(2).u32(0).name("run").byte(0).u32(1));
    return error_of(d.encode());
  };
  EXPECT_EQ(import("hanse", "input_count", 0), "");
  EXPECT_EQ(import("env", "input_count", 0), "wasm.import");
  EXPECT_EQ(import("hanse", "clock", 0), "wasm.import");
  EXPECT_EQ(import("hanse", "step_commit", 0), "wasm.import");  // another signature
  EXPECT_EQ(import("hanse", "input_count", 3), "wasm.import");
}

TEST(WasmModule, refuses_missing_wrong_and_hidden_exports) {
  Draft none, no_run, hidden, twice, wrong;
  none.exported = {};
  no_run.exported = bytes_of(Emitter().u32(1).name("memory").byte(2).u32(0));
  hidden.exported = bytes_of(Emitter().u32(1).name("hanse#gas").byte(0).u32(0));
  twice.exported = bytes_of(Emitter().u32(2).name("a").byte(0).u32(0).name("a").byte(0).u32(0));
  wrong.type = {1, 0x60, 1, 0x7F, 0};
  for (const Draft* d : {&none, &no_run, &hidden, &twice, &wrong}) EXPECT_EQ(error_of(d->encode()), "wasm.export");
}

// One under the limit passes, one past it is refused.
TEST(WasmModule, holds_its_limits) {
  const auto pages = [](std::uint32_t n) {
    Draft d;
    d.memory = bytes_of(Emitter().u32(1).byte(0).u32(n));
    return error_of(d.encode());
  };
  EXPECT_EQ(pages(kPagesMax), "");
  EXPECT_EQ(pages(kPagesMax + 1), "wasm.limit");
  const auto locals = [](std::uint32_t n) {
    Draft d;
    d.body = bytes_of(Emitter().u32(1).u32(n).byte(0x7F).op(op::kEnd));
    return error_of(d.encode());
  };
  EXPECT_EQ(locals(kLocalsMax), "");
  EXPECT_EQ(locals(kLocalsMax + 1), "wasm.limit");
  const auto nesting = [](std::uint32_t n) {
    Emitter e;
    for (std::uint32_t k = 0; k < n; ++k) e.op(op::kBlock).byte(kVoidBlock);
    for (std::uint32_t k = 0; k < n; ++k) e.op(op::kEnd);
    return error_of(with_body(std::move(e)));
  };
  EXPECT_EQ(nesting(kNestingMax - 1), "");  // the body itself is one
  EXPECT_EQ(nesting(kNestingMax), "wasm.limit");
  const auto stack = [](std::uint32_t n) {
    Emitter e;
    for (std::uint32_t k = 0; k < n; ++k) e.i32(0);
    for (std::uint32_t k = 0; k < n; ++k) e.op(op::kDrop);
    return error_of(with_body(std::move(e)));
  };
  EXPECT_EQ(stack(kStackMax), "");
  EXPECT_EQ(stack(kStackMax + 1), "wasm.limit");
  const auto labels = [](std::uint32_t n) {
    Emitter e;
    e.i32(0).op(op::kBrTable, n);
    for (std::uint32_t k = 0; k <= n; ++k) e.u32(0);
    return error_of(with_body(std::move(e)));
  };
  EXPECT_EQ(labels(kLabelsMax), "");
  EXPECT_EQ(labels(kLabelsMax + 1), "wasm.limit");
}

TEST(WasmModule, holds_its_limits_on_counts) {
  const auto table = [](std::uint32_t n) {
    Draft d;
    d.table = bytes_of(Emitter().u32(1).byte(0x70).byte(0).u32(n));
    return error_of(d.encode());
  };
  EXPECT_EQ(table(kTableMax), "");
  EXPECT_EQ(table(kTableMax + 1), "wasm.limit");
  const auto types = [](std::uint32_t n) {
    Emitter e;
    e.u32(n);
    for (std::uint32_t k = 0; k < n; ++k) e.byte(0x60).byte(0).byte(0);
    Draft d;
    d.type = std::move(e.out);
    return error_of(d.encode());
  };
  EXPECT_EQ(types(kTypesMax), "");
  EXPECT_EQ(types(kTypesMax + 1), "wasm.limit");
  const auto globals = [](std::uint32_t n) {
    Emitter e;
    e.u32(n);
    for (std::uint32_t k = 0; k < n; ++k) e.byte(0x7F).byte(0).i32(0).op(op::kEnd);
    Draft d;
    d.global = std::move(e.out);
    return error_of(d.encode());
  };
  EXPECT_EQ(globals(kGlobalsMax), "");
  EXPECT_EQ(globals(kGlobalsMax + 1), "wasm.limit");
  const auto params = [](std::uint32_t n) {
    Emitter e;
    e.u32(2).byte(0x60).byte(0).byte(0).byte(0x60).u32(n);
    for (std::uint32_t k = 0; k < n; ++k) e.byte(0x7F);
    Draft d;
    d.type = bytes_of(e.byte(0));
    return error_of(d.encode());
  };
  EXPECT_EQ(params(kParamsMax), "");
  EXPECT_EQ(params(kParamsMax + 1), "wasm.limit");
  const auto name = [](std::size_t n) {
    return error_of(file_of({{0, bytes_of(Emitter().name(std::string(n, 'a')))}}), Profile::kAny);
  };
  EXPECT_EQ(name(kNameBytesMax), "");
  EXPECT_EQ(name(kNameBytesMax + 1), "wasm.limit");
  const auto custom = [](std::size_t total) {
    Bytes b = file_of({});
    Emitter e;
    e.raw(b).byte(0).u32(static_cast<std::uint32_t>(total - b.size() - 5));
    e.out.resize(total, 0);
    return error_of(e.out, Profile::kAny);
  };
  EXPECT_EQ(custom(kModuleBytesMax), "");
  EXPECT_EQ(custom(kModuleBytesMax + 1), "wasm.limit");
}

TEST(WasmModule, checks_segments_against_what_they_name) {
  Draft data, count, no_memory_data, elem;
  data.body = bytes_of(Emitter().u32(0).i32(0).i32(0).i32(0).byte(0xFC).u32(8).byte(0).byte(0).op(op::kEnd));
  EXPECT_EQ(error_of(data.encode()), "wasm.invalid");  // memory.init without a data count section
  count.data_count = {2};
  count.data = {1, 1, 0};
  EXPECT_EQ(error_of(count.encode()), "wasm.malformed");
  elem.elem = bytes_of(Emitter().u32(1).u32(0).i32(0).op(op::kEnd).u32(1).u32(0));
  EXPECT_EQ(error_of(elem.encode()), "wasm.invalid");  // no table
  elem.table = {1, 0x70, 0, 1};
  EXPECT_EQ(error_of(elem.encode()), "");
  elem.elem = bytes_of(Emitter().u32(1).u32(0).i32(0).op(op::kEnd).u32(1).u32(1));
  EXPECT_EQ(error_of(elem.encode()), "wasm.invalid");  // no such function
}

}  // namespace
}  // namespace hanse::wasm
