#include "exchange/wasm/plugin_wasm.h"

#include <algorithm>
#include <optional>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/wasm/meter.h"
#include "exchange/wasm/plugin_cache.h"
#include "exchange/wasm/plugin_engine.h"

namespace hanse::wasm {
namespace {

using runtime::RunOutcome;
using runtime::RunRequest;
using runtime::RunStatus;

struct Loaded {
  Hash32 artifact;
  std::shared_ptr<Code> code;
  std::uint32_t pages_min = 0;
  bool in_steps = false;
};

class WasmKind final : public runtime::JobKind {
 public:
  WasmKind(WasmOptions options, std::unique_ptr<Engine> engine, std::optional<CacheFolder> folder)
      : options_(std::move(options)), engine_(std::move(engine)), folder_(std::move(folder)) {}

  std::vector<std::string> names() const override { return {std::string(kKindName)}; }
  Status check(const RunRequest& request) const override;
  Result<RunOutcome> run(const RunRequest& request, runtime::RunControl& control) override;
  Result<Bytes> prepare(const RunRequest& request, runtime::RunControl& control) override;

 private:
  Result<Loaded> load(const RunRequest& request);
  Result<Bytes> sealed_code(const Hash32& key, ByteView metered);
  const Loaded* find(const Hash32& artifact) const;

  WasmOptions options_;
  std::unique_ptr<Engine> engine_;
  std::optional<CacheFolder> folder_;
  std::vector<Loaded> loaded_;  // the one used last is last
};

Hash32 artifact_hash(const RunRequest& request) { return crypto::blake3(request.artifact); }

Status check_limits(const RunRequest& request) {
  const auto& l = request.limits;
  const auto bad = [](std::string_view what, std::uint64_t found, std::uint64_t max) {
    return fail(Kind::kInvalid, "wasm.limits", text("{}: found {}, expected 1 to {}", what, found, max));
  };
  if (request.kind != kKindName)
    return fail(Kind::kInvalid, "wasm.kind", text("found kind {}, expected {}", request.kind, kKindName));
  if (l.gas == 0 || l.gas > kGasMax) return bad("limits.gas", l.gas, kGasMax);
  if (l.mem_pages == 0 || l.mem_pages > kPagesMax) return bad("limits.mem_pages", l.mem_pages, kPagesMax);
  if (l.wall_ms == 0) return bad("limits.wall_ms", 0, 0xFFFFFFFF);
  return {};
}

// What a module of either sort is asked for.
Status check_sort(const RunRequest& request, bool in_steps) {
  if (in_steps && request.limits.mem_pages > kStepPagesMax)
    return fail(
        Kind::kInvalid, "wasm.limits",
        text("limits.mem_pages of work in steps: found {}, expected 1 to {}", request.limits.mem_pages, kStepPagesMax));
  if (!in_steps && request.steps)
    return fail(Kind::kInvalid, "wasm.step", "a part of the steps is asked for, the module exports run and has none");
  return {};
}

const Loaded* WasmKind::find(const Hash32& artifact) const {
  const auto it = std::ranges::find(loaded_, artifact, &Loaded::artifact);
  return it == loaded_.end() ? nullptr : &*it;
}

Status WasmKind::check(const RunRequest& request) const {
  TRY_OK(check_limits(request));
  if (const Loaded* known = find(artifact_hash(request))) return check_sort(request, known->in_steps);
  TRY(const Module module, parse_module(request.artifact));
  return check_sort(request, module.in_steps);
}

// From the folder when it is there, else compiled and put there. A folder that fails costs time, never an outcome.
Result<Bytes> WasmKind::sealed_code(const Hash32& key, ByteView metered) {
  if (folder_) {
    auto found = folder_->find(key);
    if (found) return found;
  }
  TRY(const Bytes code, engine_->compile(metered));
  Bytes sealed = seal(key, code);
  if (folder_) static_cast<void>(folder_->put(key, sealed).has_value());
  return sealed;
}

Result<Bytes> WasmKind::prepare(const RunRequest& request, runtime::RunControl&) {
  if (options_.interpret) return Bytes{};
  TRY(const Module module, parse_module(request.artifact));
  TRY(const Bytes metered, meter_module(module));
  return sealed_code(cache_key(Engine::fingerprint(), metered), metered);
}

Result<Loaded> WasmKind::load(const RunRequest& request) {
  const Hash32 artifact = artifact_hash(request);
  if (const Loaded* known = find(artifact)) {
    const auto at = static_cast<std::size_t>(known - loaded_.data());
    std::rotate(loaded_.begin() + static_cast<std::ptrdiff_t>(at),
                loaded_.begin() + static_cast<std::ptrdiff_t>(at) + 1, loaded_.end());
    return loaded_.back();
  }
  TRY(const Module module, parse_module(request.artifact));
  TRY(const Bytes metered, meter_module(module));
  Loaded out{artifact, nullptr, module.memory->min, module.in_steps};
  if (options_.interpret) {
    TRY(out.code, engine_->load(metered));
  } else {
    const Hash32 key = cache_key(Engine::fingerprint(), metered);
    auto prepared = unseal(key, request.prepared);
    Bytes made;
    if (!prepared) {
      TRY(made, sealed_code(key, metered));
      prepared = unseal(key, made);
    }
    TRY(const ByteView code, std::move(prepared));
    TRY(out.code, engine_->load(code));
  }
  if (loaded_.size() == kLoadedMax) loaded_.erase(loaded_.begin());
  loaded_.push_back(out);
  return out;
}

RunOutcome outcome_of(const RunReport& report, HostState& host, const gxf::Limits& limits) {
  RunOutcome out;
  out.kernel_class = kKernelClass;
  const auto end = [&out](RunStatus status, std::string detail) {
    out.status = status;
    out.detail = std::move(detail);
    return out;
  };
  // How far a stopped run came depends on the machine, so it is not told.
  if (report.end == RunEnd::kCancelled) return end(RunStatus::kCancelled, "");
  if (report.end == RunEnd::kTimeout) return end(RunStatus::kTimeout, text("ran longer than {} ms", limits.wall_ms));
  if (report.gas_left < 0) {
    out.gas = limits.gas;
    return end(RunStatus::kGasExhausted, text("needs more than {} gas", limits.gas));
  }
  out.gas = limits.gas - static_cast<std::uint64_t>(report.gas_left);
  switch (host.stop) {
    case HostState::Stop::kAborted: return end(RunStatus::kAborted, host.stop_detail);
    case HostState::Stop::kOutputTooLarge: return end(RunStatus::kOutputTooLarge, host.stop_detail);
    case HostState::Stop::kTrap: return end(RunStatus::kTrap, host.stop_detail);
    case HostState::Stop::kNone: break;
  }
  if (report.end == RunEnd::kTrapped) {
    if (report.stack_overflow) return end(RunStatus::kTrap, "call stack overflow");
    if (report.grow_state == kGrowRefused)
      return end(RunStatus::kMemoryExceeded, text("asked for more than {} pages", limits.mem_pages));
    return end(RunStatus::kTrap, report.trap);
  }
  out.outputs = std::move(host.outputs);
  return end(RunStatus::kOk, host.steps == 0 ? "" : text("steps {} root {}", host.steps, host.steps_root));
}

Result<RunOutcome> WasmKind::run(const RunRequest& request, runtime::RunControl& control) {
  TRY_OK(check_limits(request));
  TRY(const Loaded loaded, load(request));
  TRY_OK(check_sort(request, loaded.in_steps));
  if (loaded.pages_min > request.limits.mem_pages) {
    RunOutcome out;
    out.status = RunStatus::kMemoryExceeded;
    out.kernel_class = kKernelClass;
    out.detail = text("starts with {} pages, {} allowed", loaded.pages_min, request.limits.mem_pages);
    return out;
  }
  HostState host;
  host.inputs = &request.inputs;
  host.seed = request.seed.view();
  host.out_bytes_max = request.limits.out_bytes;
  const RunLimits limits{request.limits.gas, request.limits.mem_pages, request.limits.wall_ms};
  StepRun steps;
  steps.range = request.steps ? &*request.steps : nullptr;
  TRY(const RunReport report, loaded.in_steps ? engine_->run_steps(*loaded.code, host, limits, control, steps)
                                              : engine_->run(*loaded.code, host, limits, control));
  if (report.grow_state == kGrowNoMemory)
    return fail(Kind::kUnavailable, "wasm.memory", "the machine refused memory within the job's limit");
  RunOutcome out = outcome_of(report, host, request.limits);
  if (out.status == RunStatus::kCancelled || out.status == RunStatus::kTimeout) return out;
  out.steps = std::move(steps.roots);
  out.state = std::move(steps.state);
  return out;
}

}  // namespace

Result<std::unique_ptr<runtime::JobKind>> make_wasm_kind(const WasmOptions& options) {
  std::optional<CacheFolder> folder;
  if (!options.cache_folder.empty()) {
    TRY(folder, CacheFolder::open(options.cache_folder));
  }
  TRY(auto engine,
      Engine::create({.interpret = options.interpret, .pages_max = options.machine_pages, .scratch = options.scratch}));
  return std::make_unique<WasmKind>(options, std::move(engine), std::move(folder));
}

}  // namespace hanse::wasm
