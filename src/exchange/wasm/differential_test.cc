// The same module, original and metered, on every engine of the machine: same results, same gas.
#include <gtest/gtest.h>

#include "base/core/text.h"
#include "exchange/wasm/engines_test.h"
#include "exchange/wasm/generator_test.h"
#include "exchange/wasm/meter.h"
#include "exchange/wasm/opcode.h"

namespace hanse::wasm {
namespace {

constexpr std::int64_t kGas = 1'000'000'000'000;

Bytes metered(const Bytes& original, std::int64_t gas = kGas) {
  const auto module = parse_module(original, Profile::kAny);
  EXPECT_TRUE(module) << (module ? "" : module.error().str());
  if (!module) return {};
  const auto out = meter_module(*module, {.table = &kGasTable1, .gas = gas, .pages = 64});
  EXPECT_TRUE(out);
  std::string why;
  EXPECT_TRUE(wabt_accepts(*out, why)) << why;
  return *out;
}

// What the metered modules print, equal on every engine.
std::vector<Lines> agreed(const std::vector<Bytes>& modules) {
  std::optional<std::vector<Lines>> first;
  for (Runner runner : kRunners) {
    const auto lines = run_all(runner, modules);
    if (!lines) continue;
    EXPECT_EQ(lines->size(), modules.size()) << runner_name(runner);
    if (!first) first = lines;
    for (std::size_t k = 0; k < std::min(lines->size(), first->size()); ++k)
      EXPECT_EQ((*lines)[k], (*first)[k]) << runner_name(runner) << ", module " << k;
  }
  return first.value_or(std::vector<Lines>{});
}

// Without the lines of the hidden exports.
Lines visible(Lines lines) {
  std::erase_if(lines, [](const std::string& s) { return s.starts_with(kHiddenPrefix); });
  return lines;
}

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
    rewritten.push_back(metered(originals.back()));
  }
  const auto got = agreed(rewritten);
  expect_same_as_original(originals, got);
}

TEST(WasmDifferential, random_float_programs_agree_on_every_engine) {
  std::vector<Bytes> rewritten;
  for (std::uint64_t seed = 1; seed <= 24; ++seed) rewritten.push_back(metered(random_module(seed * 2, Diet::kFloats)));
  agreed(rewritten);
}

}  // namespace
}  // namespace hanse::wasm
