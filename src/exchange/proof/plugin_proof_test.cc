// The kind where it is meant to run: as a plug-in in a sandboxed worker, within the memory it charges.
#include "base/core/random.h"
#include "exchange/proof/proof_kind.h"
#include "exchange/runtime/pool.h"
#include "exchange/tensor/format.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace hanse::proof {
namespace {

TEST(ProofPlugin, proves_and_verifies_in_the_sandbox) {
  runtime::PoolOptions options;
  const auto bin = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  options.plugins = {(bin / "../lib/hanse/proof.so").string()};
  options.memory_overhead_bytes = 0;
  auto pool = runtime::Pool::start(std::move(options));
  ASSERT_TRUE(pool) << pool.error().str();
  EXPECT_EQ((*pool)->kinds(), std::vector<std::string>{std::string(kMlpProofKind)});

  constexpr std::uint32_t kWidth = 256, kRows = 64;
  SeededRandom random(41, "plugin");
  std::vector<tensor::Layer> layers(2, {kWidth, kWidth, 1, 12, true, false, std::vector<std::int32_t>(kWidth, 5),
                                        std::vector<std::int8_t>(std::size_t{kWidth} * kWidth)});
  for (auto& l : layers) random.fill({reinterpret_cast<std::uint8_t*>(l.weights.data()), l.weights.size()});
  runtime::RunRequest q;
  q.kind = kMlpProofKind;
  q.artifact = tensor::encode_model(layers);
  q.inputs = {tensor::encode_matrix(kRows, kWidth, std::span(layers[0].weights).first(kRows * kWidth))};
  q.shape.batch = kRows;
  q.params[kParamCommitment] = encode(MlpProver::commit(*tensor::decode_model(q.artifact))->commitment());
  q.limits = {.gas = ~0ull, .mem_pages = 1, .wall_ms = 60'000, .out_bytes = 1 << 26};
  runtime::RunControl control;
  const auto pages_needed = [&]() -> std::uint32_t {  // the least that is not refused
    std::uint32_t low = 1, high = 65'536;
    while (low < high) {
      q.limits.mem_pages = low + (high - low) / 2;
      runtime::RunControl stopped;
      stopped.request_stop();
      const auto out = make_proof_kind()->run(q, stopped);
      (out->status == runtime::RunStatus::kMemoryExceeded ? low : high) =
          q.limits.mem_pages + (out->status == runtime::RunStatus::kMemoryExceeded ? 1 : 0);
    }
    return low;
  };
  q.limits.mem_pages = pages_needed();
  auto outcome = (*pool)->run(q, (*pool)->level(), control);
  ASSERT_TRUE(outcome) << outcome.error().str();
  ASSERT_EQ(outcome->status, runtime::RunStatus::kOk) << outcome->detail;
  runtime::RunRequest lean = q;
  lean.artifact.clear();
  const Status good = (*pool)->verify(lean, *outcome, (*pool)->level(), control);
  EXPECT_TRUE(good) << good.error().str();
  outcome->outputs[0].back() ^= 1;
  EXPECT_FALSE((*pool)->verify(lean, *outcome, (*pool)->level(), control));
}

}  // namespace
}  // namespace hanse::proof
