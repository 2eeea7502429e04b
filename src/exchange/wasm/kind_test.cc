#include "exchange/wasm/plugin_wasm.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

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
  std::printf("gas %llu\n", static_cast<unsigned long long>(out.gas));
}

}  // namespace
}  // namespace hanse::wasm
