// Work in steps on the engine: any part of it, from any state, gives what the whole gave.
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "exchange/wasm/gas_table.h"
#include "exchange/wasm/generator_test.h"
#include "exchange/wasm/plugin_wasm.h"
#include "exchange/wasm/step_run.h"

namespace hanse::wasm {
namespace {

using runtime::RunControl;
using runtime::RunOutcome;
using runtime::RunRequest;
using runtime::RunStatus;
using runtime::StepRange;

RunRequest request_for(Bytes artifact, std::vector<Bytes> inputs = {}) {
  RunRequest r;
  r.kind = kKindName;
  r.artifact = std::move(artifact);
  r.inputs = std::move(inputs);
  r.limits = {.gas = 2'000'000'000, .mem_pages = 64, .wall_ms = 20'000, .out_bytes = 1 << 20};
  return r;
}

RunRequest primes(std::uint32_t below) {
  std::ifstream in("examples/wasm/primes.wasm", std::ios::binary);
  Bytes limit(4);
  store_le(limit.data(), below);
  return request_for(Bytes(std::istreambuf_iterator<char>(in), {}), {limit});
}

std::unique_ptr<runtime::JobKind> make_kind(bool interpret = false) {
  auto kind = make_wasm_kind({.scratch = testing::TempDir(), .cache_folder = "", .interpret = interpret});
  EXPECT_TRUE(kind) << (kind ? "" : kind.error().str());
  return std::move(*kind);
}

Result<RunOutcome> run(runtime::JobKind& kind, RunRequest request, std::optional<StepRange> range = {}) {
  RunControl control;
  request.steps = std::move(range);
  TRY_OK(kind.check(request));
  return kind.run(request, control);
}

// step counts a global (and a word of memory) up to `steps`, and ends as `end` says.
Bytes counting(std::int32_t steps, const Emitter& end = {}) {
  TestModule m;
  m.globals = {ValType::kI32, ValType::kF32, ValType::kI64, ValType::kF64};
  Emitter e;
  e.op(op::kGlobalGet, 0).i32(1).op(op::kI32Add).op(op::kGlobalSet, 0);
  e.i32(8).op(op::kGlobalGet, 0).op(0x36).u32(0).u32(0);
  e.op(op::kGlobalGet, 0).i32(steps).op(op::kI32Eq).op(op::kIf).byte(kVoidBlock).raw(end.out).i32(0).op(op::kReturn);
  e.op(op::kEnd).i32(1);
  m.funcs.push_back({{{}, {ValType::kI32}}, {}, std::move(e.out), "step"});
  return m.encode();
}

// step writes 4 bytes to output 0 and never ends.
Bytes writing() {
  Emitter types, imported, code, out;
  types.u32(2).byte(0x60).u32(3).byte(0x7F).byte(0x7F).byte(0x7F).u32(0).byte(0x60).u32(0).u32(1).byte(0x7F);
  imported.u32(1).name("hanse").name("write_output").byte(0).u32(0);
  const Emitter body = Emitter().u32(0).i32(0).i32(0).i32(4).op(op::kCall, 0).i32(1).op(op::kEnd);
  code.u32(1).sized(body.out);
  static constexpr std::uint8_t kHead[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
  out.raw(kHead).byte(1).sized(types.out).byte(2).sized(imported.out);
  out.byte(3).sized(Emitter().u32(1).u32(1).out).byte(5).sized(Emitter().u32(1).byte(0).u32(1).out);
  out.byte(7).sized(Emitter().u32(2).name("memory").byte(2).u32(0).name("step").byte(0).u32(1).out);
  out.byte(10).sized(code.out);
  return std::move(out.out);
}

TEST(WasmSteps, give_the_root_of_the_state_before_each) {
  auto kind = make_kind();
  const auto out = run(*kind, primes(20'000));
  ASSERT_TRUE(out) << out.error().str();
  ASSERT_EQ(out->status, RunStatus::kOk) << out->detail;
  EXPECT_EQ(load_le<std::uint32_t>(out->outputs.at(0).data()), 2262u);
  EXPECT_EQ(out->steps.size(), 5u);
  EXPECT_TRUE(out->state.empty());
  for (std::size_t i = 1; i < out->steps.size(); ++i) EXPECT_NE(out->steps[i], out->steps[i - 1]);
  auto interpreted = make_kind(true);
  const auto again = run(*interpreted, primes(20'000));
  ASSERT_TRUE(again);
  EXPECT_TRUE(runtime::compare_outcomes(*out, *again));
}

TEST(WasmSteps, any_range_gives_what_the_whole_gave) {
  auto kind = make_kind();
  for (const RunRequest& job : {primes(20'000), request_for(counting(5))}) {
    const auto whole = run(*kind, job);
    ASSERT_TRUE(whole) << whole.error().str();
    const std::size_t n = whole->steps.size();
    ASSERT_EQ(n, 5u);
    for (std::uint32_t k = 0; k < n; ++k) {
      const auto until = run(*kind, job, StepRange{.state = {}, .count = k});
      ASSERT_TRUE(until) << until.error().str();
      ASSERT_EQ(until->steps.size(), k + 1);
      EXPECT_EQ(until->steps.back(), whole->steps[k]);
      ASSERT_FALSE(until->state.empty());
      auto fresh = make_kind();
      const auto one = run(*fresh, job, StepRange{.state = until->state, .count = 1});
      ASSERT_TRUE(one) << one.error().str();
      EXPECT_EQ(one->steps.at(0), whole->steps[k]);
      if (k + 1 < n) {
        ASSERT_EQ(one->steps.size(), 2u);
        EXPECT_EQ(one->steps[1], whole->steps[k + 1]);
        EXPECT_EQ(one->status, RunStatus::kOk);
        EXPECT_TRUE(one->outputs.empty());
      } else {
        EXPECT_EQ(one->steps.size(), 1u);
        EXPECT_TRUE(one->state.empty());
        EXPECT_EQ(one->outputs, whole->outputs);
      }
      const auto rest = run(*fresh, job, StepRange{.state = until->state, .count = runtime::kStepsMax});
      ASSERT_TRUE(rest);
      EXPECT_EQ(rest->gas, whole->gas);
      EXPECT_EQ(rest->outputs, whole->outputs);
      EXPECT_EQ(rest->steps, std::vector(whole->steps.begin() + k, whole->steps.end()));
    }
  }
}

TEST(WasmSteps, end_by_gas_trap_or_their_number_alike_in_whole_and_in_part) {
  auto kind = make_kind();
  RunRequest job = request_for(counting(4));
  const auto fine = run(*kind, job);
  ASSERT_TRUE(fine);
  job.limits.gas = fine->gas - 1;
  RunRequest trapping = request_for(counting(4, Emitter().op(op::kUnreachable)));
  RunRequest endless = request_for(counting(0));
  endless.limits.gas = kGasMax;
  endless.limits.wall_ms = 60'000;
  const std::tuple<RunRequest, RunStatus, std::size_t> cases[] = {
      {job, RunStatus::kGasExhausted, 4}, {trapping, RunStatus::kTrap, 4}, {endless, RunStatus::kTrap, 65'536}};
  for (const auto& [request, status, steps] : cases) {
    const auto whole = run(*kind, request);
    ASSERT_TRUE(whole) << whole.error().str();
    EXPECT_EQ(whole->status, status) << whole->detail;
    EXPECT_EQ(whole->steps.size(), steps);
    const auto until =
        run(*kind, request, StepRange{.state = {}, .count = static_cast<std::uint32_t>(whole->steps.size()) - 1});
    ASSERT_TRUE(until) << until.error().str();
    const auto last = run(*kind, request, StepRange{.state = until->state, .count = 1});
    ASSERT_TRUE(last) << last.error().str();
    EXPECT_EQ(last->status, whole->status);
    EXPECT_EQ(last->gas, whole->gas);
    EXPECT_EQ(last->detail, whole->detail);
    EXPECT_TRUE(last->state.empty());
  }
}

// The limit counts what was written before a state, too: else the last step alone would clear or condemn another end.
TEST(WasmSteps, that_write_too_much_end_alike_in_whole_and_in_part) {
  auto kind = make_kind();
  RunRequest job = request_for(writing());
  job.limits.out_bytes = 10;
  const auto whole = run(*kind, job);
  ASSERT_TRUE(whole) << whole.error().str();
  ASSERT_EQ(whole->status, RunStatus::kOutputTooLarge) << whole->detail;
  ASSERT_EQ(whole->steps.size(), 3u);
  for (std::uint32_t k = 0; k < 3; ++k) {
    const auto until = run(*kind, job, StepRange{.state = {}, .count = k});
    ASSERT_TRUE(until) << until.error().str();
    const auto one = run(*kind, job, StepRange{.state = until->state, .count = 1});
    ASSERT_TRUE(one) << one.error().str();
    EXPECT_EQ(one->steps.front(), whole->steps[k]);
    EXPECT_EQ(one->status, k == 2 ? RunStatus::kOutputTooLarge : RunStatus::kOk) << k;
    EXPECT_EQ(one->steps.back(), whole->steps[std::min(k + 1, 2u)]);
    EXPECT_TRUE(k < 2 || one->gas == whole->gas) << one->gas;
  }
}

TEST(WasmSteps, pay_for_the_hashing) {
  auto kind = make_kind();
  const auto out = run(*kind, request_for(counting(3)));
  ASSERT_TRUE(out) << out.error().str();
  // Three commits of one page; the first finds zeros, the others the leaf that counts.
  const std::uint64_t hashing = 3 * kGasTable1.step_page_gas + 2 * kGasTable1.step_leaf_gas;
  EXPECT_GT(out->gas, hashing);
  EXPECT_LT(out->gas, hashing + 200);
}

TEST(WasmSteps, one_bit_of_a_state_gives_another_root) {
  auto kind = make_kind();
  const RunRequest job = request_for(counting(5));
  const auto until = run(*kind, job, StepRange{.state = {}, .count = 2});
  ASSERT_TRUE(until);
  const auto root_with = [&](auto change) {
    auto state = *decode_state(until->state);
    change(state);
    const auto out = run(*kind, job, StepRange{.state = encode_state(state), .count = 1});
    EXPECT_TRUE(out) << out.error().str();
    return out ? out->steps.at(0) : Hash32{};
  };
  EXPECT_EQ(root_with([](StepState&) {}), until->steps[2]);
  EXPECT_NE(root_with([](StepState& s) { s.memory[100] ^= 1; }), until->steps[2]);
  EXPECT_NE(root_with([](StepState& s) { ++s.index; }), until->steps[2]);
  EXPECT_NE(root_with([](StepState& s) { s.outputs.push_back({1}); }), until->steps[2]);
  EXPECT_NE(root_with([](StepState& s) { s.memory.resize(s.memory.size() + 65'536); }), until->steps[2]);
  for (std::size_t g = 0; g < 7; ++g)
    EXPECT_NE(root_with([g](StepState& s) { s.globals.at(g) ^= 1; }), until->steps[2]) << g;
}

TEST(WasmSteps, states_the_job_cannot_be_in_are_refused) {
  auto kind = make_kind();
  const RunRequest job = request_for(counting(5));
  const auto until = run(*kind, job, StepRange{.state = {}, .count = 2});
  ASSERT_TRUE(until);
  const auto id_with = [&](auto change) {
    auto state = *decode_state(until->state);
    change(state);
    const auto out = run(*kind, job, StepRange{.state = encode_state(state), .count = 1});
    return out ? std::string() : std::string(out.error().id());
  };
  EXPECT_EQ(id_with([](StepState&) {}), "");
  EXPECT_EQ(id_with([](StepState& s) { s.globals.pop_back(); }), "wasm.state");
  EXPECT_EQ(id_with([](StepState& s) { s.globals.push_back(0); }), "wasm.state");
  EXPECT_EQ(id_with([](StepState& s) { s.memory.clear(); }), "wasm.state");
  EXPECT_EQ(id_with([](StepState& s) { s.memory.resize(65 * 65'536); }), "wasm.state");
  EXPECT_EQ(id_with([](StepState& s) { s.outputs = {Bytes(1 << 20), {1}}; }), "wasm.state");
  EXPECT_EQ(id_with([](StepState& s) { s.index = runtime::kStepsMax; }), "wasm.state");
  EXPECT_EQ(id_with([](StepState& s) { s.globals[4] = 2'000'000'001; }), "wasm.state");  // gas
  EXPECT_EQ(id_with([](StepState& s) { s.globals[4] = ~0ull; }), "wasm.state");
  const auto garbage = run(*kind, job, StepRange{.state = {1, 2, 3}, .count = 1});
  EXPECT_FALSE(garbage);
}

TEST(WasmSteps, are_refused_what_a_state_does_not_hold) {
  auto kind = make_kind();
  const auto id_of = [&kind](const RunRequest& r) {
    const auto done = kind->check(r);
    return done ? "" : std::string(done.error().id());
  };
  RunRequest good = request_for(counting(5));
  good.limits.mem_pages = kStepPagesMax;
  EXPECT_EQ(id_of(good), "");
  good.limits.mem_pages = kStepPagesMax + 1;
  EXPECT_EQ(id_of(good), "wasm.limits");
  const Emitter three = Emitter().i32(0).i32(0).i32(0);
  for (const Emitter& lasting : {Emitter(three).byte(0xFC).u32(14).u32(0).u32(0),  // table.copy
                                 Emitter(three).byte(0xFC).u32(12).u32(0).u32(0),  // table.init
                                 Emitter().byte(0xFC).u32(13).u32(0),              // elem.drop
                                 Emitter().byte(0xFC).u32(9).u32(0)})              // data.drop
    EXPECT_EQ(id_of(request_for(counting(5, lasting))), "wasm.step");
  EXPECT_EQ(id_of(request_for(counting(5, Emitter(three).byte(0xFC).u32(8).u32(0).u32(0)))), "");  // memory.init
  TestModule whole;
  whole.funcs.push_back({{}, {}, {}, "run"});
  RunRequest no_steps = request_for(whole.encode());
  EXPECT_EQ(id_of(no_steps), "");
  no_steps.steps = StepRange{};
  EXPECT_EQ(id_of(no_steps), "wasm.step");
  TestModule wrong;
  wrong.funcs.push_back({{}, {}, {}, "step"});
  EXPECT_EQ(id_of(request_for(wrong.encode())), "wasm.export");
}

TEST(WasmSteps, that_never_end_are_stopped_by_the_clock_and_say_nothing) {
  auto kind = make_kind();
  RunRequest job = request_for({});
  TestModule m;
  Emitter spin;
  spin.op(op::kLoop).byte(kVoidBlock).op(op::kBr, 0).op(op::kEnd).i32(1);
  m.funcs.push_back({{{}, {ValType::kI32}}, {}, std::move(spin.out), "step"});
  job.artifact = m.encode();
  job.limits.gas = kGasMax;
  job.limits.wall_ms = 60;
  const auto out = run(*kind, job);
  ASSERT_TRUE(out) << out.error().str();
  EXPECT_EQ(out->status, RunStatus::kTimeout);
  EXPECT_TRUE(out->steps.empty());
}

}  // namespace
}  // namespace hanse::wasm
