// The same module, original and metered, on every engine of the machine: same results, same gas.
#include <gtest/gtest.h>

#include "base/core/text.h"
#include "exchange/wasm/plugin_engines_test.h"
#include "exchange/wasm/generator_test.h"
#include "exchange/wasm/meter.h"
#include "exchange/wasm/opcode.h"

namespace hanse::wasm {
namespace {

void expect_same_as_original(const std::vector<Bytes>& originals, const std::vector<Lines>& got) {
  const auto want = run_all(Runner::kWasmEdgeInterpreter, originals);
  ASSERT_TRUE(want);
  ASSERT_EQ(want->size(), got.size());
  for (std::size_t k = 0; k < got.size(); ++k) EXPECT_EQ(visible(got[k]), (*want)[k]) << "module " << k;
}

TEST(WasmDifferential, random_integer_programs_agree_with_the_original) {
  std::vector<Bytes> originals, rewritten;
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    originals.push_back(random_module(seed * 2 + 1, Diet::kIntegers));
    rewritten.push_back(metered_for_test(originals.back()));
  }
  const auto got = agreed(rewritten);
  expect_same_as_original(originals, got);
}

TEST(WasmDifferential, random_float_programs_agree_on_every_engine) {
  std::vector<Bytes> rewritten;
  for (std::uint64_t seed = 1; seed <= 24; ++seed)
    rewritten.push_back(metered_for_test(random_module(seed * 2, Diet::kFloats)));
  agreed(rewritten);
}

}  // namespace
}  // namespace hanse::wasm
