// The committed .wasm files of examples/wasm are what clang 19 makes of their sources, and the prices that
// docs/internals/gas.md tells are those of kGasTable1.
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "exchange/wasm/plugin_engines_test.h"
#include "exchange/wasm/meter.h"

namespace hanse::wasm {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

TEST(WasmExamples, rebuild_to_the_committed_bytes) {
  if (!has_tool("clang-19") || !has_tool("wasm-ld-19")) return;
  const fs::path out = fs::path(testing::TempDir()) / "hanse-examples";
  fs::create_directories(out);
  ASSERT_TRUE(run_command("sh examples/wasm/build.sh " + out.string()));
  int count = 0;
  for (const auto& e : fs::directory_iterator("examples/wasm")) {
    if (e.path().extension() != ".c") continue;
    const std::string name = e.path().stem().string() + ".wasm";
    EXPECT_EQ(read_file(out / name), read_file(fs::path("examples/wasm") / name)) << name;
    ++count;
  }
  EXPECT_EQ(count, 7);
}

TEST(WasmExamples, are_jobs_that_meter_to_the_same_bytes_each_time) {
  for (const auto& e : fs::directory_iterator("examples/wasm")) {
    if (e.path().extension() != ".wasm") continue;
    const std::string bytes = read_file(e.path());
    const auto module = parse_module(as_bytes(bytes));
    ASSERT_TRUE(module) << e.path() << module.error().str();
    const auto a = meter_module(*module), b = meter_module(*module);
    ASSERT_TRUE(a && b);
    EXPECT_EQ(*a, *b);
    std::string why;
    EXPECT_TRUE(wabt_accepts(*a, why)) << why;
  }
}

TEST(WasmGasTable, is_what_the_page_says) {
  const std::string page = read_file("docs/internals/gas.md");
  static constexpr const char* kNames[] = {
      "structure", "simple",   "loop",   "branch", "branch table", "call",    "indirect call", "global",      "load",
      "store",     "multiply", "divide", "float",  "float divide", "convert", "memory size",   "memory grow", "bulk"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Cost::kCount));
  for (std::size_t k = 0; k < std::size(kNames); ++k)
    EXPECT_NE(page.find(text("| {} | {} |", kNames[k], unsigned{kGasTable1.price[k]})), std::string::npos) << kNames[k];
  EXPECT_NE(page.find(text("| function entry | {} |", kGasTable1.function_entry)), std::string::npos);
  EXPECT_NE(page.find(text("| host call | {} |", kGasTable1.host_call)), std::string::npos);
  EXPECT_NE(page.find(text("| page | {} |", kGasTable1.page_gas)), std::string::npos);
  EXPECT_NE(page.find(text("| step page | {} |", kGasTable1.step_page_gas)), std::string::npos);
  EXPECT_NE(page.find(text("| step leaf | {} |", kGasTable1.step_leaf_gas)), std::string::npos);
}

}  // namespace
}  // namespace hanse::wasm
