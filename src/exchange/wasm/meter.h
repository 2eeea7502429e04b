// Rewrites a module so that it counts its own gas, bounds its own stack and memory, and has one NaN: the same bytes in
// give the same bytes out, and the result behaves alike on every engine. docs/internals/gas.md tells the whole scheme.
//   gas      a hidden i64 global; every straight run of instructions takes its price on entry. It is checked at
//            function entries, loop headers and before work whose price depends on an operand; a run that ends or
//            traps with the global below zero is out of gas. Written back at each check, call and exit.
//   stack    a hidden i32 global of stack units (frame_units below); a call that takes it below zero traps.
//   pages    a hidden i32 cap; memory.grow beyond it gives -1 and sets the hidden grow state to kGrowRefused.
//   NaN      results whose bits something can see become 0x7fc00000 or 0x7ff8000000000000.
// The hidden globals follow the module's own, so no index in the module can reach them.
// Pure; any thread. Errors: wasm.limit (the rewritten module exceeds kMeteredBytesMax).
#pragma once

#include "exchange/wasm/gas_table.h"
#include "exchange/wasm/module.h"

namespace hanse::wasm {

constexpr std::uint32_t kMeteredBytesMax = 32u << 20;

// Stack units: an upper bound, with room to spare, of the bytes a compiled frame takes on the machine stack.
// A host gives the run a machine stack of at least kStackBytesMin.
constexpr std::uint32_t kStackUnits = 4u << 20;
constexpr std::uint32_t kLeafUnitsMax = 4096;  // functions without calls are free up to here
constexpr std::uint32_t kStackBytesMin = 16u << 20;
std::uint32_t frame_units(const Func& func, const FuncType& type);

constexpr std::string_view kGasExport = "hanse#gas";  // i64 global: the host sets the limit and reads the rest
constexpr std::string_view kStopExport =
    "hanse#stop";  // i64 global: the host stops a run with -1 here and gas far below zero
constexpr std::string_view kStackExport = "hanse#stack";  // i32 global: below zero after a stack overflow
constexpr std::string_view kPagesExport = "hanse#pages";  // i32 global: the host sets the page cap
constexpr std::string_view kGrowExport = "hanse#grow";    // i32 global: one of kGrow…
constexpr std::string_view kLeftExport = "hanse#left";    // function () -> i64: the gas left, for hosts without globals
// Of work in steps: its own globals that can change, by their order among these: "hanse#g0", "hanse#g1", ...
constexpr std::string_view kOwnGlobalPrefix = "hanse#g";

constexpr std::int32_t kGrowFine = 0;
constexpr std::int32_t kGrowRefused = 1;   // by the page cap
constexpr std::int32_t kGrowNoMemory = 2;  // by the engine, although cap and module allow it: the machine's fault

struct MeterOptions {
  const GasTable* table = &kGasTable1;
  std::int64_t gas = 0;     // initial value of the gas global, for hosts that cannot set it
  std::uint32_t pages = 0;  // initial value of the page cap, likewise
};

Result<Bytes> meter_module(const Module& module, const MeterOptions& options = {});

}  // namespace hanse::wasm
