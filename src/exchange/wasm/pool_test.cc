// The plug-in as a provider runs it: in sandboxed workers.
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "exchange/runtime/pool.h"
#include "exchange/wasm/plugin_wasm.h"

namespace hanse::wasm {
namespace {

runtime::RunRequest request_for(const std::string& example, std::vector<Bytes> inputs) {
  std::ifstream in("examples/wasm/" + example + ".wasm", std::ios::binary);
  runtime::RunRequest r;
  r.kind = kKindName;
  r.artifact.assign(std::istreambuf_iterator<char>(in), {});
  r.inputs = std::move(inputs);
  r.limits = {.gas = 1'000'000'000, .mem_pages = 256, .wall_ms = 20'000, .out_bytes = 1 << 20};
  return r;
}

std::unique_ptr<runtime::Pool> started() {
  runtime::PoolOptions o;
  const auto bin = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  o.plugins = {(bin / "../lib/hanse/wasm.so").string()};
  o.warm = 1;
  auto pool = runtime::Pool::start(std::move(o));
  EXPECT_TRUE(pool) << (pool ? "" : pool.error().str());
  return pool ? std::move(*pool) : nullptr;
}

TEST(WasmPool, sandboxed_workers_give_the_outcome_of_a_plain_run) {
  auto pool = started();
  ASSERT_TRUE(pool);
  const auto request = request_for("wordfreq", {to_bytes("b a b")});
  runtime::RunControl control;
  auto kind = make_wasm_kind({.scratch = testing::TempDir()});
  ASSERT_TRUE(kind);
  const auto want = (*kind)->run(request, control);
  ASSERT_TRUE(want);
  for (int k = 0; k < 2; ++k) {  // compiled at first, from the store of prepared code the second time
    const auto got = pool->run(request, pool->level(), control);
    ASSERT_TRUE(got) << got.error().str();
    EXPECT_TRUE(runtime::compare_outcomes(*want, *got));
  }
  EXPECT_EQ(pool->counters().prepared_hits, 1u);
  EXPECT_TRUE(pool->verify(request, *want, pool->level(), control));
}

TEST(WasmPool, wall_time_and_gas_end_a_job_in_a_worker) {
  auto pool = started();
  ASSERT_TRUE(pool);
  auto request = request_for("spin", {});
  runtime::RunControl control;
  auto out = pool->run(request, pool->level(), control);
  ASSERT_TRUE(out) << out.error().str();
  EXPECT_EQ(out->status, runtime::RunStatus::kGasExhausted);
  request.limits.gas = kGasMax;
  request.limits.wall_ms = 200;
  out = pool->run(request, pool->level(), control);
  ASSERT_TRUE(out) << out.error().str();
  EXPECT_EQ(out->status, runtime::RunStatus::kTimeout);
}

}  // namespace
}  // namespace hanse::wasm
