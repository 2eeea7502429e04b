// The job kind "wasm/v1": runs a WebAssembly module as a job, with gas, on WasmEdge. Linked into the plug-in only.
// The artifact is a module of module.h; inputs and outputs are those of the host interface there. Gas is what meter.h
// injects, so it is the same on every engine and machine. prepare() gives compiled code in the sealed form of
// plugin_cache.h; code that this engine did not seal for this very module is ignored and made again.
// Outcomes: gas below zero is kGasExhausted with gas = limit, whatever else happened; a trap after a refused
// memory.grow is kMemoryExceeded; detail of kOk is empty, or "steps N root HEX" when the job committed steps.
// Work in steps (module.h) may have kStepPagesMax pages, gives the roots of its states, and takes ranges of steps.
// Threads: one call at a time; run starts one thread of its own. Errors, besides module.h's and meter.h's:
//   wasm.kind (invalid)        another kind's request
//   wasm.limits (invalid)      a limit that is zero or above its maximum
//   wasm.memory (unavailable)  the machine had no memory where the job's limits allow it
//   wasm.engine, wasm.compile (internal), wasm.cache (plugin_cache.h)
#pragma once

#include <memory>
#include <string>

#include "exchange/runtime/job_kind.h"

namespace hanse::wasm {

constexpr std::string_view kKindName = "wasm/v1";
constexpr std::string_view kKernelClass = "wasm-gas1/1";  // the price table's version, then the kind's
constexpr std::uint64_t kGasMax = (1ull << 63) - 1;
constexpr std::size_t kLoadedMax = 16;  // modules kept loaded

struct WasmOptions {
  std::string scratch = ".";      // writable folder for the compiler
  std::string cache_folder = {};  // empty: no files are kept
  bool interpret = false;
  std::uint32_t machine_pages =
      65'536;  // what this machine gives one job; a job that may have more fails on wasm.memory
};

Result<std::unique_ptr<runtime::JobKind>> make_wasm_kind(const WasmOptions& options);

}  // namespace hanse::wasm
