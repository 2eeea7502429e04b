// Runs every exported function without parameters of a module, in order, on several engines. For tests.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/core/bytes.h"
#include "exchange/wasm/module.h"

namespace hanse::wasm {

// One line an export: "name() => i32:5", "i64:5" (unsigned decimal), "ok" or "trap".
using Lines = std::vector<std::string>;

enum class Runner { kWasmEdgeAot, kWasmEdgeInterpreter, kNode, kWabt };
constexpr Runner kRunners[] = {Runner::kWasmEdgeAot, Runner::kWasmEdgeInterpreter, Runner::kNode, Runner::kWabt};
const char* runner_name(Runner runner);

// Whether a program can be started; prints what is skipped, once for each program.
bool has_tool(const std::string& program);

// For each module its lines; nullopt when the machine lacks the engine.
std::optional<std::vector<Lines>> run_all(Runner runner, const std::vector<Bytes>& modules);

// A module metered with that much gas in its global, after wasm-validate accepted it.
Bytes metered_for_test(const Bytes& original, std::int64_t gas = 1'000'000'000'000);
// What metered modules print: expected to be equal on every engine of the machine.
std::vector<Lines> agreed(const std::vector<Bytes>& modules, std::span<const Runner> runners = kRunners);
Lines visible(Lines lines);                 // without the hidden exports
std::int64_t gas_left(const Lines& lines);  // what hanse#left printed

// Output of a command line, standard error included; nullopt when it fails.
std::optional<std::string> run_command(const std::string& command);
std::string write_temp(const std::string& name, ByteView bytes);  // path
bool wabt_accepts(ByteView module, std::string& why);             // true when wabt is missing

}  // namespace hanse::wasm
