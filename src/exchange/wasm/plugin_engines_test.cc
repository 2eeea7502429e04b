#include "exchange/wasm/plugin_engines_test.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <unistd.h>

#include <wasmedge/wasmedge.h>

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "exchange/wasm/meter.h"

namespace hanse::wasm {
namespace {

constexpr const char* kNodeScript = R"(
const fs = require('fs');
const none = new Proxy({}, {get: () => () => 0});
for (const file of process.argv.slice(2)) {
  console.log('# ' + file);
  const bytes = fs.readFileSync(file);
  if (!WebAssembly.validate(bytes)) { console.log('invalid'); continue; }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {hanse: none});
  for (const [name, f] of Object.entries(instance.exports)) {
    if (typeof f !== 'function' || f.length !== 0) continue;
    let out = 'ok';
    try {
      const v = f();
      if (typeof v === 'bigint') out = 'i64:' + BigInt.asUintN(64, v);
      else if (typeof v === 'number') out = 'i32:' + (v >>> 0);
    } catch (e) {
      if (!(e instanceof WebAssembly.RuntimeError) && !(e instanceof RangeError)) throw e;
      out = 'trap';
    }
    console.log(name + '() => ' + out);
  }
}
)";

std::string value_line(WasmEdge_Result r, const WasmEdge_Value& v, std::uint32_t results) {
  if (!WasmEdge_ResultOK(r)) return "trap";
  if (results == 0) return "ok";
  if (WasmEdge_ValTypeIsI64(v.Type)) return text("i64:{}", static_cast<std::uint64_t>(WasmEdge_ValueGetI64(v)));
  return text("i32:{}", static_cast<std::uint32_t>(WasmEdge_ValueGetI32(v)));
}

void invoke_exports(WasmEdge_ExecutorContext* executor, const WasmEdge_ASTModuleContext* ast,
                    const WasmEdge_ModuleInstanceContext* instance, Lines& out) {
  std::vector<const WasmEdge_ExportTypeContext*> exports(WasmEdge_ASTModuleListExportsLength(ast));
  WasmEdge_ASTModuleListExports(ast, exports.data(), static_cast<std::uint32_t>(exports.size()));
  for (const auto* e : exports) {
    if (WasmEdge_ExportTypeGetExternalType(e) != WasmEdge_ExternalType_Function) continue;
    const WasmEdge_String name = WasmEdge_ExportTypeGetExternalName(e);
    const auto* f = WasmEdge_ModuleInstanceFindFunction(instance, name);
    const auto* type = WasmEdge_FunctionInstanceGetFunctionType(f);
    if (WasmEdge_FunctionTypeGetParametersLength(type) != 0) continue;
    const std::uint32_t results = WasmEdge_FunctionTypeGetReturnsLength(type);
    WasmEdge_Value v = WasmEdge_ValueGenI32(0);
    const WasmEdge_Result r = WasmEdge_ExecutorInvoke(executor, f, nullptr, 0, &v, results);
    out.push_back(std::string(name.Buf, name.Length) + "() => " + value_line(r, v, results));
  }
}

Lines run_wasmedge(const Bytes& module, bool interpret, int number) {
  WasmEdge_LogOff();
  Lines out;
  WasmEdge_ConfigureContext* c = WasmEdge_ConfigureCreate();
  WasmEdge_ConfigureSetForceInterpreter(c, interpret);
  WasmEdge_ConfigureCompilerSetOptimizationLevel(c, WasmEdge_CompilerOptimizationLevel_O2);
  Bytes code = module;
  if (!interpret) {
    const std::string path = text("{}/hanse-aot-{}-{}.wasm", testing::TempDir(), getpid(), number);
    WasmEdge_ConfigureCompilerSetOutputFormat(c, WasmEdge_CompilerOutputFormat_Wasm);
    WasmEdge_CompilerContext* compiler = WasmEdge_CompilerCreate(c);
    const auto r = WasmEdge_CompilerCompileFromBytes(
        compiler, WasmEdge_BytesWrap(module.data(), static_cast<std::uint32_t>(module.size())), path.c_str());
    WasmEdge_CompilerDelete(compiler);
    if (!WasmEdge_ResultOK(r)) return {text("compile: {}", WasmEdge_ResultGetMessage(r))};
    std::ifstream in(path, std::ios::binary);
    code.assign(std::istreambuf_iterator<char>(in), {});
    std::remove(path.c_str());
  }
  WasmEdge_LoaderContext* loader = WasmEdge_LoaderCreate(c);
  WasmEdge_ValidatorContext* validator = WasmEdge_ValidatorCreate(c);
  WasmEdge_ASTModuleContext* ast = nullptr;
  WasmEdge_ModuleInstanceContext* instance = nullptr;
  WasmEdge_ExecutorContext* executor = WasmEdge_ExecutorCreate(c, nullptr);
  WasmEdge_StoreContext* store = WasmEdge_StoreCreate();
  auto r = WasmEdge_LoaderParseFromBytes(loader, &ast,
                                         WasmEdge_BytesWrap(code.data(), static_cast<std::uint32_t>(code.size())));
  if (WasmEdge_ResultOK(r)) r = WasmEdge_ValidatorValidate(validator, ast);
  if (WasmEdge_ResultOK(r)) r = WasmEdge_ExecutorInstantiate(executor, &instance, store, ast);
  if (WasmEdge_ResultOK(r)) {
    invoke_exports(executor, ast, instance, out);
    WasmEdge_ModuleInstanceDelete(instance);
  } else {
    out.push_back(WasmEdge_ResultGetMessage(r));
  }
  WasmEdge_StoreDelete(store);
  WasmEdge_ExecutorDelete(executor);
  WasmEdge_ASTModuleDelete(ast);
  WasmEdge_ValidatorDelete(validator);
  WasmEdge_LoaderDelete(loader);
  WasmEdge_ConfigureDelete(c);
  return out;
}

Lines split(const std::string& s) {
  Lines out;
  for (std::size_t at = 0; at < s.size();) {
    const std::size_t end = std::min(s.find('\n', at), s.size());
    out.push_back(s.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::vector<Lines> run_node(const std::vector<Bytes>& modules) {
  const std::string script = write_temp("run.js", as_bytes(kNodeScript));
  std::string command = "ulimit -s 65536; node --stack-size=60000 " + script;
  for (std::size_t k = 0; k < modules.size(); ++k) command += " " + write_temp(text("node-{}.wasm", k), modules[k]);
  std::vector<Lines> out;
  const auto printed = run_command("sh -c '" + command + "'");
  if (!printed) return out;
  for (const std::string& line : split(*printed)) {
    if (line.starts_with("# "))
      out.emplace_back();
    else if (!out.empty())
      out.back().push_back(line);
  }
  return out;
}

// "f0() => i32:5" or "f0() => error: ..." or "f0() =>".
Lines run_wabt(const Bytes& module) {
  const std::string path = write_temp("wabt.wasm", module);
  const auto printed =
      run_command("wasm-interp --value-stack-size=8000000 --call-stack-size=400000 --run-all-exports " + path);
  if (!printed) return {"wasm-interp failed"};
  Lines out;
  for (std::string line : split(*printed)) {
    const std::size_t arrow = line.find("() =>");
    if (arrow == std::string::npos) continue;
    if (line.find("error") != std::string::npos)
      line = line.substr(0, arrow) + "() => trap";
    else if (arrow + 6 >= line.size())
      line = line.substr(0, arrow) + "() => ok";
    out.push_back(line);
  }
  return out;
}

}  // namespace

const char* runner_name(Runner runner) {
  switch (runner) {
    case Runner::kWasmEdgeAot: return "WasmEdge AOT";
    case Runner::kWasmEdgeInterpreter: return "WasmEdge interpreter";
    case Runner::kNode: return "Node V8";
    case Runner::kWabt: return "wasm-interp";
  }
  return "";
}

bool has_tool(const std::string& program) {
  static std::set<std::string> told;
  if (run_command("command -v " + program)) return true;
  if (told.insert(program).second) std::printf("skipped: %s is not installed\n", program.c_str());
  return false;
}

std::optional<std::string> run_command(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string out;
  char buf[65536];
  std::size_t n = 0;
  while ((n = std::fread(buf, 1, sizeof buf, pipe)) > 0) out.append(buf, n);
  if (pclose(pipe) != 0) return std::nullopt;
  return out;
}

std::string write_temp(const std::string& name, ByteView bytes) {
  const std::string path = text("{}/hanse-wasm-{}-{}", testing::TempDir(), getpid(), name);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path;
}

bool wabt_accepts(ByteView module, std::string& why) {
  if (!has_tool("wasm-validate")) return true;
  const std::string path = write_temp("validate.wasm", module);
  const auto out = run_command("wasm-validate " + path + " || true");
  why = out.value_or("wasm-validate failed");
  return why.empty();
}

std::optional<std::vector<Lines>> run_all(Runner runner, const std::vector<Bytes>& modules) {
  if (runner == Runner::kNode && !has_tool("node")) return std::nullopt;
  if (runner == Runner::kWabt && !has_tool("wasm-interp")) return std::nullopt;
  if (runner == Runner::kNode) return run_node(modules);
  std::vector<Lines> out;
  for (const Bytes& m : modules) {
    if (runner == Runner::kWabt)
      out.push_back(run_wabt(m));
    else
      out.push_back(run_wasmedge(m, runner == Runner::kWasmEdgeInterpreter, static_cast<int>(out.size())));
  }
  return out;
}

Bytes metered_for_test(const Bytes& original, std::int64_t gas) {
  const auto module = parse_module(original, Profile::kAny);
  EXPECT_TRUE(module) << (module ? "" : module.error().str());
  if (!module) return {};
  const auto out = meter_module(*module, {.table = &kGasTable1, .gas = gas, .pages = 64});
  EXPECT_TRUE(out);
  std::string why;
  EXPECT_TRUE(wabt_accepts(*out, why)) << why;
  return *out;
}

std::vector<Lines> agreed(const std::vector<Bytes>& modules, std::span<const Runner> runners) {
  std::optional<std::vector<Lines>> first;
  for (Runner runner : runners) {
    const auto lines = run_all(runner, modules);
    if (!lines) continue;
    EXPECT_EQ(lines->size(), modules.size()) << runner_name(runner);
    if (!first) first = lines;
    for (std::size_t k = 0; k < std::min(lines->size(), first->size()); ++k)
      EXPECT_EQ((*lines)[k], (*first)[k]) << runner_name(runner) << ", module " << k;
  }
  return first.value_or(std::vector<Lines>{});
}

Lines visible(Lines lines) {
  std::erase_if(lines, [](const std::string& s) { return s.starts_with(kHiddenPrefix); });
  return lines;
}

std::int64_t gas_left(const Lines& lines) {
  const std::string head = text("{}() => i64:", kLeftExport);
  for (const std::string& line : lines)
    if (line.starts_with(head))
      return static_cast<std::int64_t>(std::strtoull(line.c_str() + head.size(), nullptr, 10));
  ADD_FAILURE() << "no line of " << kLeftExport;
  return 0;
}

}  // namespace hanse::wasm
