// JobKind: what a kind of work implements to be run by hanse-worker. wasm and tensor here; the engines later.
// A kind is deterministic: the same request gives the same outcome on every machine, gas included.
// It runs inside the sandboxed worker process, so it may crash; it must obey limits and poll control.stop().
// Threads: one run at a time per object.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/ids.h"
#include "base/core/result.h"
#include "exchange/gxf/gxf.h"

namespace hanse::runtime {

constexpr std::size_t kRequestSizeMax = 64u << 20;  // bytes, encoded: artifact and inputs ride along
constexpr std::size_t kOutcomeSizeMax = 64u << 20;
constexpr std::size_t kInputsMax = 256;  // in_ix is a byte
constexpr std::size_t kOutputsMax = 256;
constexpr std::size_t kParamsMax = 64;
constexpr std::size_t kDimsMax = 64;
constexpr std::size_t kKindNameMax = 64;     // bytes
constexpr std::size_t kDetailMax = 1024;     // bytes
constexpr std::size_t kKernelClassMax = 64;  // bytes
constexpr std::uint32_t kStepsMax = 65'536;  // of one run

// A part of a run, of kinds that work in steps (docs/internals/bisection.md): at most `count` steps from a state that a
// run gave before. Kinds without steps ignore it.
struct StepRange {
  Bytes state;  // empty: from the beginning, which is made anew
  std::uint32_t count = 0;
};

struct RunRequest {
  JobId job_id;
  std::uint16_t node = 0;
  std::string kind;  // "wasm/v1", "tensor.mlp/v1", ...
  Bytes artifact;
  std::vector<Bytes> inputs;  // by in_ix
  gxf::Limits limits;
  gxf::Shape shape;
  gxf::Precision precision = gxf::Precision::kInt8;
  std::map<std::uint64_t, gxf::Param> params;
  Hash32 seed;                     // the only randomness a job may see: BLAKE3("hanse/job-seed/1", job id || beacon)
  std::optional<StepRange> steps;  // absent: the whole run
  Bytes prepared;                  // what JobKind::prepare made of this artifact, or empty; not part of the record
};

enum class RunStatus : std::uint8_t {
  kOk = 0,
  kGasExhausted = 1,
  kMemoryExceeded = 2,
  kTimeout = 3,  // wall_ms; the one outcome that depends on the machine, never paid as work
  kOutputTooLarge = 4,
  kTrap = 5,     // the job's own fault: unreachable, bounds, bad input shape; detail says which
  kAborted = 6,  // the job called abort
  kCancelled = 7,
};
std::string_view run_status_name(RunStatus status);  // "ok", "gas_exhausted", ...

struct RunOutcome {
  RunStatus status = RunStatus::kOk;
  std::vector<Bytes> outputs;  // empty unless kOk
  std::uint64_t gas = 0;
  std::string detail;        // one line for people; part of the receipt, so deterministic
  std::string kernel_class;  // what computed it, e.g. "wasm-aot/1", "int8-exact/1"; same for every back end
  // Of work in steps: the root of the state before each step that was begun. Of a range that ended before the job did,
  // also that of the state it ended in, and the state itself; its status is ok and it has no outputs yet.
  std::vector<Hash32> steps = {};
  Bytes state = {};
};

// Whether a kernel class, or each of a list of them, gives the same bits on every machine. One that names f32 does
// not; nor does "mixed", of which nothing is known.
bool is_exact(std::string_view kernel_class);

// Whether the run should end soon: asked by the kind as often as every microsecond, set by whoever waits for the run.
class RunControl {
 public:
  using Asked = int (*)(void* ctx);  // non-zero: stop
  RunControl() = default;
  RunControl(Asked asked, void* ctx) : asked_(asked), ctx_(ctx) {}

  bool stop() const { return stop_.load(std::memory_order_relaxed) || (asked_ != nullptr && asked_(ctx_) != 0); }
  void request_stop() { stop_.store(true, std::memory_order_relaxed); }

 private:
  std::atomic<bool> stop_{false};
  Asked asked_ = nullptr;
  void* ctx_ = nullptr;
};

class JobKind {
 public:
  virtual ~JobKind() = default;
  virtual std::vector<std::string> names() const = 0;         // kinds it runs
  virtual Status check(const RunRequest& request) const = 0;  // spec errors before any work
  // An Error means the worker is at fault (retry elsewhere); a job's own failure is an outcome.
  virtual Result<RunOutcome> run(const RunRequest& request, RunControl& control) = 0;
  // What many runs of one artifact share, e.g. compiled code; empty when there is nothing of the kind. Made in the
  // sandbox before any code of the job runs, kept by the pool under the hash of kind and artifact, and handed to later
  // runs as request.prepared. It must not change an outcome: run must give the same without it.
  virtual Result<Bytes> prepare(const RunRequest& request, RunControl& control);
  // Does the claimed outcome follow from the request? By default: run again and compare every field. An empty kernel
  // class claims none. Kind::kCorrupt says that the claim is false; any other error that nothing is known of it.
  virtual Status verify(const RunRequest& request, const RunOutcome& claimed);
};

// Deterministic CBOR, byte layout in proto/records/run.md. Every field is present, so one value has one encoding.
// Errors: the codec.* ids with the path of the field; runtime.bad_enum for a status, precision or level that does not
// exist, runtime.bad_steps for roots that are none (Kind::kInvalid).
Bytes encode_request(const RunRequest& request);
Result<RunRequest> decode_request(ByteView bytes);
Bytes encode_outcome(const RunOutcome& outcome);  // cuts detail and kernel_class at their limits
Result<RunOutcome> decode_outcome(ByteView bytes);

// Status when every field of found equals claimed, but for a kernel class that is not claimed. Error: runtime.mismatch
// (Kind::kCorrupt) naming the first field.
Status compare_outcomes(const RunOutcome& claimed, const RunOutcome& found);

}  // namespace hanse::runtime
