// The loop of work in steps: commits the state before each step, takes its price, and stops where the range ends.
// Commit: the memory is looked through and what changed is hashed (MemoryTree); the price, step_page_gas for each page
// and step_leaf_gas for each leaf that changed, goes from the instance's gas, and what is left is part of the state.
// A job that has not ended after runtime::kStepsMax steps traps.
// Threads: one; the instance is the engine's. Errors: wasm.state (invalid): a state that the job cannot be in.
#pragma once

#include "exchange/runtime/job_kind.h"
#include "exchange/wasm/step_state.h"

namespace hanse::wasm {

// An instance of a metered module as the loop sees it.
class StepInstance {
 public:
  enum class Took : std::uint8_t { kMore, kDone, kTrapped };

  virtual ~StepInstance() = default;
  virtual ByteView memory() = 0;
  virtual Status grow(std::uint32_t pages) = 0;  // to this many in all; wasm.state when it cannot
  virtual std::uint8_t* memory_bytes() = 0;
  virtual std::vector<std::uint64_t> globals() = 0;  // its own that can change, then the hidden gas, stack, grow state
  virtual void set_globals(const std::vector<std::uint64_t>& bits) = 0;  // as many as globals() gives
  virtual std::int64_t gas() = 0;
  virtual void set_gas(std::int64_t gas) = 0;
  virtual Took step() = 0;
  virtual bool stopped() = 0;  // by whoever waits for the run: what comes of it is not looked at
};

struct StepRun {
  const runtime::StepRange* range = nullptr;  // none: to the end
  std::uint64_t gas_max = 0;
  std::uint64_t out_bytes_max = 0;
  std::vector<Bytes>* outputs = nullptr;  // that the host functions write to

  std::vector<Hash32> roots;  // RunOutcome::steps
  Bytes state;                // RunOutcome::state
  bool trapped = false;
  bool too_many = false;  // trapped, because the steps had no end
};

Status run_steps(StepInstance& instance, StepRun& run);

}  // namespace hanse::wasm
