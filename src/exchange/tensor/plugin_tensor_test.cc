// The kind where it is meant to run: as a plug-in in a sandboxed worker.
#include "base/core/random.h"
#include "exchange/runtime/pool.h"
#include "exchange/tensor/format.h"
#include "exchange/tensor/tensor_kind.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace hanse::tensor {
namespace {

using runtime::RunControl;
using runtime::RunRequest;
using runtime::RunStatus;

std::unique_ptr<runtime::Pool> started_pool() {
  runtime::PoolOptions options;
  const auto bin = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  options.plugins = {(bin / "../lib/hanse/tensor.so").string()};
  auto pool = runtime::Pool::start(std::move(options));
  if (!pool) ADD_FAILURE() << pool.error().str();
  return pool ? std::move(*pool) : nullptr;
}

RunRequest product_request(std::uint32_t size) {
  SeededRandom random(41, "plugin");
  std::vector<std::int8_t> cells(std::size_t{size} * size);
  random.fill({reinterpret_cast<std::uint8_t*>(cells.data()), cells.size()});
  RunRequest q;
  q.kind = kMatmulKind;
  q.inputs = {encode_matrix(size, size, cells), encode_matrix(size, size, cells)};
  q.limits = {.gas = ~0ull, .mem_pages = 4096, .wall_ms = 10'000, .out_bytes = 1 << 26};
  return q;
}

TEST(TensorPlugin, multiplies_and_audits_in_the_sandbox) {
  const auto pool = started_pool();
  ASSERT_TRUE(pool);
  EXPECT_EQ(pool->kinds(), (std::vector<std::string>{std::string(kMatmulKind), std::string(kMlpKind)}));
  const RunRequest q = product_request(100);
  RunControl control;
  auto outside = make_tensor_kind()->run(q, control);
  ASSERT_TRUE(outside);
  auto outcome = pool->run(q, pool->level(), control);
  ASSERT_TRUE(outcome) << outcome.error().str();
  EXPECT_TRUE(runtime::compare_outcomes(*outside, *outcome));
  const Status good = pool->verify(q, *outcome, pool->level(), control);
  EXPECT_TRUE(good) << good.error().str();
  outcome->outputs[0].back() ^= 1;
  const Status bad = pool->verify(q, *outcome, pool->level(), control);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().id(), "tensor.audit_failed");
}

TEST(TensorPlugin, ends_at_its_wall_time) {
  const auto pool = started_pool();
  ASSERT_TRUE(pool);
  RunRequest q = product_request(3000);
  q.limits.wall_ms = 1;
  RunControl control;
  const auto outcome = pool->run(q, pool->level(), control);
  ASSERT_TRUE(outcome) << outcome.error().str();
  EXPECT_EQ(outcome->status, RunStatus::kTimeout);
  EXPECT_EQ(pool->counters().crashes, 0u);
}

}  // namespace
}  // namespace hanse::tensor
