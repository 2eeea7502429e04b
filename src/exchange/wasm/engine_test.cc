#include "exchange/wasm/plugin_engine.h"

#include <gtest/gtest.h>

#include "exchange/wasm/generator_test.h"

namespace hanse::wasm {
namespace {

std::unique_ptr<Engine> interpreter() {
  auto engine = Engine::create({.interpret = true, .pages_max = kPagesMax, .scratch = testing::TempDir()});
  EXPECT_TRUE(engine);
  return std::move(*engine);
}

TEST(WasmEngine, refuses_bytes_that_are_no_module) {
  const auto code = interpreter()->load(to_bytes("garbage"));
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().id(), "wasm.cache");
}

TEST(WasmEngine, refuses_to_run_a_module_that_was_not_metered) {
  TestModule m;
  m.funcs.push_back({{}, {}, {}, "run"});
  const auto engine = interpreter();
  const auto code = engine->load(m.encode());
  ASSERT_TRUE(code);
  HostState host;
  const auto report = engine->run(**code, host, {.gas = 1, .pages = 1, .wall_ms = 1000}, runtime::RunControl());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().id(), "wasm.cache");
}

TEST(WasmEngine, tells_a_module_it_cannot_link) {
  // One import, env.f: () -> (), that nobody provides.
  const Bytes module = {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 9, 1, 3, 'e', 'n', 'v', 1, 'f', 0, 0};
  const auto engine = interpreter();
  const auto code = engine->load(module);
  ASSERT_TRUE(code) << code.error().str();
  const auto done = engine->instantiate(**code);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().id(), "wasm.engine");
}

TEST(WasmEngine, names_what_compiled_code_depends_on) {
  EXPECT_NE(Engine::fingerprint().find("wasmedge 0."), std::string::npos);
  EXPECT_EQ(Engine::fingerprint(), Engine::fingerprint());
}

}  // namespace
}  // namespace hanse::wasm
