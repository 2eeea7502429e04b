// WasmEdge behind a door of our own: compiles metered modules, keeps them loaded, runs a fresh instance of one.
// Only the plug-in includes this. One run at a time per Engine; a Code may be shared by several Engines' runs in turn.
// The library's log is switched off for the whole process when the first Engine is made.
// Errors: wasm.engine (internal), wasm.compile (internal), wasm.cache (corrupt: bytes the engine does not take),
// those of step_run.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exchange/runtime/job_kind.h"
#include "exchange/wasm/meter.h"
#include "exchange/wasm/step_run.h"

namespace hanse::wasm {

struct EngineOptions {
  bool interpret = false;  // reference mode: 200 times slower, same results
  std::uint32_t pages_max = kPagesMax;
  std::string scratch = ".";  // folder for the compiler's output file, which is removed again
};

// What the host functions of one run read and write.
struct HostState {
  const std::vector<Bytes>* inputs = nullptr;
  ByteView seed;
  std::uint64_t out_bytes_max = 0;

  enum class Stop : std::uint8_t { kNone, kAborted, kOutputTooLarge, kTrap };
  Stop stop = Stop::kNone;
  std::string stop_detail;
  std::vector<Bytes> outputs;  // also of steps before, where the run goes on from a state
  std::uint64_t steps = 0;
  Hash32 steps_root;
};

struct RunLimits {
  std::uint64_t gas = 0;
  std::uint32_t pages = 0;
  std::uint32_t wall_ms = 0;
};

enum class RunEnd : std::uint8_t { kReturned, kTrapped, kCancelled, kTimeout };
struct RunReport {
  RunEnd end = RunEnd::kReturned;
  std::string trap;           // one of a fixed set of phrases
  std::int64_t gas_left = 0;  // below zero: exhausted
  bool stack_overflow = false;
  std::int32_t grow_state = kGrowFine;
};

class Code;  // a loaded and validated module

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options);
  ~Engine();

  // Names everything that compiled bytes depend on besides the module: library, its version, options, CPU.
  static std::string fingerprint();

  Result<Bytes> compile(ByteView metered);  // bytes for load(); the module itself when interpreting
  Result<std::shared_ptr<Code>> load(ByteView bytes);
  Result<RunReport> run(const Code& code, HostState& host, const RunLimits& limits, const runtime::RunControl& control);
  // The same for work in steps; `steps` says which and takes what came of them, its limits and outputs are filled in.
  Result<RunReport> run_steps(const Code& code, HostState& host, const RunLimits& limits,
                              const runtime::RunControl& control, StepRun& steps);
  // Makes and drops an instance without running it.
  Status instantiate(const Code& code);

 private:
  struct Rep;
  explicit Engine(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace hanse::wasm
