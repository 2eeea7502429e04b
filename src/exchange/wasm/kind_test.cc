#include "exchange/wasm/plugin_wasm.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/wasm/generator_test.h"
#include "exchange/wasm/plugin_host.h"

namespace hanse::wasm {
namespace {

using runtime::RunControl;
using runtime::RunOutcome;
using runtime::RunRequest;
using runtime::RunStatus;

Bytes read_example(const std::string& name) {
  std::ifstream in("examples/wasm/" + name + ".wasm", std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

RunRequest request_for(Bytes artifact, std::vector<Bytes> inputs = {}) {
  RunRequest r;
  r.kind = kKindName;
  r.artifact = std::move(artifact);
  r.inputs = std::move(inputs);
  r.limits = {.gas = 1'000'000'000, .mem_pages = 256, .wall_ms = 20'000, .out_bytes = 1 << 20};
  return r;
}

std::unique_ptr<runtime::JobKind> make_kind(bool interpret = false) {
  auto kind = make_wasm_kind({.scratch = testing::TempDir(), .cache_folder = "", .interpret = interpret});
  EXPECT_TRUE(kind) << (kind ? "" : kind.error().str());
  return std::move(*kind);
}

RunOutcome run_ok(runtime::JobKind& kind, const RunRequest& request) {
  RunControl control;
  auto out = kind.run(request, control);
  EXPECT_TRUE(out) << (out ? "" : out.error().str());
  return out ? std::move(*out) : RunOutcome{};
}

TEST(WasmKind, counts_words_of_a_text) {
  auto kind = make_kind();
  const RunOutcome out =
      run_ok(*kind, request_for(read_example("wordfreq"), {to_bytes("the cat and The dog; the end, and so on")}));
  ASSERT_EQ(out.status, RunStatus::kOk) << out.detail;
  ASSERT_EQ(out.outputs.size(), 1u);
  EXPECT_EQ(as_text(out.outputs[0]), "3 the\n2 and\n1 cat\n1 dog\n1 end\n1 on\n1 so\n");
  EXPECT_EQ(out.kernel_class, kKernelClass);
}

TEST(WasmKind, hashes_like_sha256) {
  Bytes input = {1, 0, 0, 0};
  append(input, as_bytes("abc"));
  auto kind = make_kind();
  const RunOutcome out = run_ok(*kind, request_for(read_example("sha256"), {input}));
  ASSERT_EQ(out.status, RunStatus::kOk) << out.detail;
  EXPECT_TRUE(equal(out.outputs.at(0), crypto::sha256({as_bytes("abc")}).view()));
  input[0] = 2;
  const RunOutcome twice = run_ok(*kind, request_for(read_example("sha256"), {input}));
  EXPECT_TRUE(equal(twice.outputs.at(0), crypto::sha256({out.outputs.at(0), as_bytes("abc")}).view()));
}

TEST(WasmKind, multiplies_matrices) {
  const std::uint32_t a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 0xFFFFFFFF}, want[] = {19, 4, 43, 14};
  const auto bytes = [](const std::uint32_t* m) { return to_bytes({reinterpret_cast<const std::uint8_t*>(m), 16}); };
  auto kind = make_kind();
  const RunOutcome out = run_ok(*kind, request_for(read_example("matmul"), {bytes(a), bytes(b)}));
  ASSERT_EQ(out.status, RunStatus::kOk) << out.detail;
  EXPECT_EQ(out.outputs.at(0), bytes(want));
}

TEST(WasmKind, compiled_and_interpreted_runs_have_one_outcome) {
  auto compiled = make_kind(), interpreted = make_kind(true);
  Bytes two_rounds = {2, 0, 0, 0, 'a', 'b'};
  const std::pair<const char*, Bytes> jobs[] = {
      {"wordfreq", to_bytes("one two two three three three")}, {"empty", {}}, {"sha256", std::move(two_rounds)}};
  for (const auto& [name, input] : jobs) {
    const RunRequest request = request_for(read_example(name), {input});
    const RunOutcome out = run_ok(*compiled, request);
    EXPECT_TRUE(interpreted->verify(request, out)) << name;
  }
}

TEST(WasmKind, gas_is_exact_at_the_limit) {
  auto kind = make_kind();
  RunRequest request = request_for(read_example("wordfreq"), {to_bytes("a b c a")});
  const RunOutcome out = run_ok(*kind, request);
  request.limits.gas = out.gas;
  EXPECT_EQ(run_ok(*kind, request).status, RunStatus::kOk);
  request.limits.gas = out.gas - 1;
  const RunOutcome short_of_it = run_ok(*kind, request);
  EXPECT_EQ(short_of_it.status, RunStatus::kGasExhausted);
  EXPECT_EQ(short_of_it.gas, out.gas - 1);
  EXPECT_TRUE(short_of_it.outputs.empty());
}

TEST(WasmKind, an_endless_job_ends_by_gas) {
  auto kind = make_kind();
  RunRequest request = request_for(read_example("spin"));
  request.limits.gas = 10'000'000;
  const RunOutcome out = run_ok(*kind, request);
  EXPECT_EQ(out.status, RunStatus::kGasExhausted);
  EXPECT_EQ(out.gas, 10'000'000u);
}

// Loops that touch memory, that touch none, and recursion: nothing outlives its time.
std::vector<Bytes> endless_jobs() {
  Emitter loop, loads, calls;
  loop.op(op::kLoop).byte(kVoidBlock).op(op::kLocalGet, 0).i64(1).op(op::kI64Add).op(op::kLocalSet, 0);
  loop.op(op::kBr, 0).op(op::kEnd);
  loads.op(op::kLoop).byte(kVoidBlock).i32(8).op(0x29).u32(0).u32(0).op(op::kLocalGet, 0).op(op::kI64Add);
  loads.op(op::kLocalSet, 0).op(op::kBr, 0).op(op::kEnd);
  // f(n) = f(n - 1) twice: 2^60 calls, no loop.
  calls.op(op::kLocalGet, 0).i64(0).op(op::kI64LtS).op(op::kIf).byte(kVoidBlock).op(op::kReturn).op(op::kEnd);
  for (int k = 0; k < 2; ++k) calls.op(op::kLocalGet, 0).i64(1).op(op::kI64Sub).op(op::kCall, 1);
  std::vector<Bytes> out = {read_example("spin")};
  for (Emitter* e : {&loop, &loads}) {
    TestModule m;
    m.funcs.push_back({{}, {{1, ValType::kI64}}, std::move(e->out), "run"});
    out.push_back(m.encode());
  }
  TestModule m;
  m.funcs.push_back({{}, {}, Emitter().i64(60).op(op::kCall, 1).out, "run"});
  m.funcs.push_back({{{ValType::kI64}, {}}, {}, std::move(calls.out), ""});
  out.push_back(m.encode());
  return out;
}

TEST(WasmKind, wall_time_ends_every_endless_job) {
  for (const bool interpret : {false, true}) {
    auto kind = make_kind(interpret);
    for (const Bytes& job : endless_jobs()) {
      RunRequest request = request_for(job);
      request.limits.gas = kGasMax;
      request.limits.wall_ms = 60;
      const RunOutcome out = run_ok(*kind, request);
      EXPECT_EQ(out.status, RunStatus::kTimeout);
      EXPECT_EQ(out.gas, 0u);
    }
  }
}

TEST(WasmKind, a_cancelled_job_ends) {
  auto kind = make_kind();
  for (const Bytes& job : endless_jobs()) {
    RunRequest request = request_for(job);
    request.limits.gas = kGasMax;
    RunControl control;
    control.request_stop();
    const auto out = kind->run(request, control);
    ASSERT_TRUE(out) << out.error().str();
    EXPECT_EQ(out->status, RunStatus::kCancelled);
  }
  EXPECT_EQ(run_ok(*kind, request_for(read_example("empty"))).status, RunStatus::kOk);  // the next run is not hit
}

RunOutcome run_code(Emitter e, RunRequest request = request_for({})) {
  TestModule m;
  m.pages_max = 60'000;
  m.funcs.push_back({{}, {{1, ValType::kI32}}, std::move(e.out), "run"});
  request.artifact = m.encode();
  auto kind = make_kind();
  return run_ok(*kind, request);
}

TEST(WasmKind, traps_are_told_apart) {
  EXPECT_EQ(run_code(Emitter().op(op::kUnreachable)).detail, "unreachable");
  EXPECT_EQ(run_code(Emitter().i32(1).i32(0).op(0x6D).op(op::kDrop)).detail, "integer divide by zero");
  EXPECT_EQ(run_code(Emitter().i32(-1).op(0x28).u32(0).u32(0).op(op::kDrop)).detail, "out of bounds memory access");
  const RunOutcome deep = run_code(Emitter().op(op::kCall, 0));
  EXPECT_EQ(deep.status, RunStatus::kTrap);
  EXPECT_EQ(deep.detail, "call stack overflow");
}

// A frame as large as the limits allow, with everything alive across the call, does not reach the machine's stack end.
TEST(WasmKind, recursion_with_large_frames_traps) {
  TestModule m;
  Emitter e;
  constexpr std::uint32_t kMany = 1000;
  for (std::uint32_t k = 0; k < kMany; ++k)
    e.i32(static_cast<std::int32_t>(8 * k)).op(0x29).u32(0).u32(0).op(op::kLocalSet, k);
  e.op(op::kCall, 0);
  for (std::uint32_t k = 0; k < kMany; ++k)
    e.i32(static_cast<std::int32_t>(8 * k)).op(op::kLocalGet, k).op(0x37).u32(0).u32(0);
  m.funcs.push_back({{}, {{kMany, ValType::kI64}}, std::move(e.out), "run"});
  auto kind = make_kind();
  EXPECT_EQ(run_ok(*kind, request_for(m.encode())).detail, "call stack overflow");
}

TEST(WasmKind, memory_ends_at_the_limit) {
  RunRequest request = request_for({});
  request.limits.mem_pages = 3;
  Emitter grow;  // grow by two, then by one more, which is refused; then trap
  grow.i32(2).op(op::kMemoryGrow).byte(0).op(op::kDrop).i32(1).op(op::kMemoryGrow).byte(0).i32(0).op(op::kI32LtS);
  grow.op(op::kIf).byte(kVoidBlock).op(op::kUnreachable).op(op::kEnd);
  const RunOutcome out = run_code(std::move(grow), request);
  EXPECT_EQ(out.status, RunStatus::kMemoryExceeded);
  EXPECT_EQ(out.detail, "asked for more than 3 pages");
  Emitter fits;
  fits.i32(2).op(op::kMemoryGrow).byte(0).i32(0).op(op::kI32LtS);
  fits.op(op::kIf).byte(kVoidBlock).op(op::kUnreachable).op(op::kEnd);
  EXPECT_EQ(run_code(std::move(fits), request).status, RunStatus::kOk);
  auto kind = make_kind();
  request.artifact = read_example("empty");
  request.limits.mem_pages = 32;  // what the examples start with
  EXPECT_EQ(run_ok(*kind, request).status, RunStatus::kOk);
  request.limits.mem_pages = 31;
  EXPECT_EQ(run_ok(*kind, request).status, RunStatus::kMemoryExceeded);
}

TEST(WasmKind, a_machine_without_memory_is_not_the_jobs_fault) {
  auto kind =
      make_wasm_kind({.scratch = testing::TempDir(), .cache_folder = "", .interpret = false, .machine_pages = 10});
  ASSERT_TRUE(kind);
  RunRequest request = request_for({});
  request.limits.mem_pages = 20;
  RunControl control;
  for (const std::int32_t more : {9, 10}) {
    TestModule m;
    m.pages_max = 60'000;
    m.funcs.push_back({{}, {}, Emitter().i32(more).op(op::kMemoryGrow).byte(0).op(op::kDrop).out, "run"});
    request.artifact = m.encode();
    const auto out = (*kind)->run(request, control);
    EXPECT_EQ(out.has_value(), more == 9);
    if (!out) {
      EXPECT_EQ(out.error().id(), "wasm.memory");
    }
  }
}

// Bodies over the host functions: function 0 is the import, 1 is run.
RunOutcome run_with_import(std::string_view name, const FuncType& type, const Emitter& body, RunRequest request) {
  Emitter types, out, code;
  const auto list = [&types](const std::vector<ValType>& v) {
    types.u32(static_cast<std::uint32_t>(v.size()));
    for (ValType t : v) types.byte(static_cast<std::uint8_t>(t));
  };
  types.u32(2).byte(0x60);
  list(type.params);
  list(type.results);
  types.byte(0x60).u32(0).u32(0);
  code.u32(1).sized(Emitter().u32(0).raw(body.out).op(op::kEnd).out);
  static constexpr std::uint8_t kHead[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
  out.raw(kHead).byte(1).sized(types.out);
  out.byte(2).sized(Emitter().u32(1).name("hanse").name(name).byte(0).u32(0).out);
  out.byte(3).sized(Emitter().u32(1).u32(1).out).byte(5).sized(Emitter().u32(1).byte(0).u32(1).out);
  out.byte(7).sized(Emitter().u32(2).name("memory").byte(2).u32(0).name("run").byte(0).u32(1).out);
  out.byte(10).sized(code.out);
  request.artifact = std::move(out.out);
  auto kind = make_kind();
  return run_ok(*kind, request);
}
const FuncType kWrite{{ValType::kI32, ValType::kI32, ValType::kI32}, {}};

TEST(WasmKind, outputs_end_at_the_limit) {
  RunRequest request = request_for({});
  request.limits.out_bytes = 10;
  Emitter e;
  e.i32(2).i32(0).i32(4).op(op::kCall, 0).i32(2).i32(0).i32(6).op(op::kCall, 0);
  const RunOutcome full = run_with_import("write_output", kWrite, e, request);
  ASSERT_EQ(full.status, RunStatus::kOk) << full.detail;
  ASSERT_EQ(full.outputs.size(), 3u);  // outputs 0 and 1 are empty
  EXPECT_EQ(full.outputs[2].size(), 10u);
  EXPECT_EQ(full.gas, 4u + 6 + 2 * 200 + 2);  // entry, constants, host calls, bytes by eight
  e.i32(0).i32(0).i32(1).op(op::kCall, 0);
  const RunOutcome over = run_with_import("write_output", kWrite, e, request);
  EXPECT_EQ(over.status, RunStatus::kOutputTooLarge);
  EXPECT_TRUE(over.outputs.empty());
}

TEST(WasmKind, host_calls_outside_memory_or_outputs_trap) {
  EXPECT_EQ(
      run_with_import("write_output", kWrite, Emitter().i32(0).i32(65'535).i32(2).op(op::kCall, 0), request_for({}))
          .detail,
      "write_output outside memory");
  EXPECT_EQ(run_with_import("write_output", kWrite, Emitter().i32(0).i32(-1).i32(-1).op(op::kCall, 0), request_for({}))
                .detail,
            "write_output outside memory");
  EXPECT_EQ(
      run_with_import("write_output", kWrite, Emitter().i32(16).i32(0).i32(0).op(op::kCall, 0), request_for({})).detail,
      "write_output to an output beyond the last");
  const FuncType read{{ValType::kI32, ValType::kI32, ValType::kI32, ValType::kI32}, {ValType::kI32}};
  EXPECT_EQ(
      run_with_import("read_input", read, Emitter().i32(0).i32(0).i32(65'530).i32(7).op(op::kCall, 0).op(op::kDrop),
                      request_for({}, {Bytes(3)}))
          .detail,
      "read_input outside memory");
}

TEST(WasmKind, abort_ends_the_run_with_its_code) {
  const RunOutcome out =
      run_with_import("abort", {{ValType::kI32}, {}}, Emitter().i32(7).op(op::kCall, 0), request_for({}));
  EXPECT_EQ(out.status, RunStatus::kAborted);
  EXPECT_EQ(out.detail, "abort 7");
}

TEST(WasmKind, committed_steps_leave_a_root) {
  const Emitter twice = Emitter().op(op::kCall, 0).i32(5).i32(9).op(0x36).u32(0).u32(0).op(op::kCall, 0);
  const RunOutcome out = run_with_import("step_commit", {}, twice, request_for({}));
  ASSERT_EQ(out.status, RunStatus::kOk);
  EXPECT_EQ(out.gas, 4u + 2 + 2 + 2 * (200 + 8192));
  Bytes page(65'536);
  Hash32 root;
  root = crypto::blake3("hanse/wasm-steps/1", {root.view(), memory_root(page).view()});
  page[5] = 9;
  root = crypto::blake3("hanse/wasm-steps/1", {root.view(), memory_root(page).view()});
  EXPECT_EQ(out.detail, text("steps 2 root {}", root));
}

TEST(WasmKind, the_seed_is_an_input) {
  RunRequest request = request_for({});
  request.seed.data.fill(3);
  const FuncType size{{ValType::kI32}, {ValType::kI32}};
  const Emitter e = Emitter()
                        .i32(0xFFFF)
                        .op(op::kCall, 0)
                        .i32(32)
                        .op(0x47)
                        .op(op::kIf)
                        .byte(kVoidBlock)
                        .op(op::kUnreachable)
                        .op(op::kEnd);
  EXPECT_EQ(run_with_import("input_size", size, e, request).status, RunStatus::kOk);
}

TEST(WasmKind, check_refuses_before_any_work) {
  auto kind = make_kind();
  const auto id_of = [&kind](const RunRequest& r) {
    const auto done = kind->check(r);
    return done ? "" : std::string(done.error().id());
  };
  RunRequest good = request_for(read_example("empty"));
  EXPECT_EQ(id_of(good), "");
  for (auto change : std::vector<void (*)(RunRequest&)>{
           [](RunRequest& r) { r.limits.gas = 0; }, [](RunRequest& r) { r.limits.gas = kGasMax + 1; },
           [](RunRequest& r) { r.limits.mem_pages = 0; }, [](RunRequest& r) { r.limits.mem_pages = kPagesMax + 1; },
           [](RunRequest& r) { r.limits.wall_ms = 0; }}) {
    RunRequest bad = good;
    change(bad);
    EXPECT_EQ(id_of(bad), "wasm.limits");
  }
  good.kind = "wasm/v2";
  EXPECT_EQ(id_of(good), "wasm.kind");
  EXPECT_EQ(id_of(request_for(to_bytes("not a module"))), "wasm.malformed");
}

TEST(WasmKind, prepared_code_is_used_only_for_the_module_it_was_made_for) {
  auto maker = make_kind();
  RunRequest request = request_for(read_example("wordfreq"), {to_bytes("x y x")});
  RunControl control;
  const auto prepared = maker->prepare(request, control);
  ASSERT_TRUE(prepared) << prepared.error().str();
  const RunOutcome want = run_ok(*maker, request);
  const auto run_with = [&](Bytes bytes) {
    // Without a scratch folder nothing can be compiled, so only good prepared code runs.
    auto kind = make_wasm_kind({.scratch = "/nonexistent", .cache_folder = "", .interpret = false});
    request.prepared = std::move(bytes);
    return (*kind)->run(request, control);
  };
  const auto out = run_with(*prepared);
  ASSERT_TRUE(out) << out.error().str();
  EXPECT_TRUE(runtime::compare_outcomes(want, *out));
  for (const std::size_t at : {std::size_t{0}, std::size_t{20}, std::size_t{50}, prepared->size() - 1}) {
    Bytes bent = *prepared;
    bent[at] ^= 1;
    const auto refused = run_with(bent);
    ASSERT_FALSE(refused) << at;
    EXPECT_EQ(refused.error().id(), "wasm.compile");
  }
  request.artifact = read_example("empty");
  EXPECT_FALSE(run_with(*prepared));
}

}  // namespace
}  // namespace hanse::wasm
