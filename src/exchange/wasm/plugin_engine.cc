#include "exchange/wasm/plugin_engine.h"

#include <array>
#include <bit>
#include <cstdio>
#include <fcntl.h>
#include <future>
#include <limits>
#include <pthread.h>
#include <thread>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <wasmedge/wasmedge.h>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "exchange/wasm/plugin_host.h"

namespace hanse::wasm {
namespace {

constexpr std::size_t kThreadStackBytes = 64u << 20;
static_assert(kThreadStackBytes >= kStackBytesMin);
constexpr std::uint64_t kPollMs = 2;
constexpr std::uint32_t kCodeBytesMax = 64u << 20;

template <class T, void (*kDelete)(T*)>
struct Deleter {
  void operator()(T* p) const { kDelete(p); }
};
template <class T, void (*kDelete)(T*)>
using Owned = std::unique_ptr<T, Deleter<T, kDelete>>;
using Configure = Owned<WasmEdge_ConfigureContext, WasmEdge_ConfigureDelete>;
using Compiler = Owned<WasmEdge_CompilerContext, WasmEdge_CompilerDelete>;
using Loader = Owned<WasmEdge_LoaderContext, WasmEdge_LoaderDelete>;
using Validator = Owned<WasmEdge_ValidatorContext, WasmEdge_ValidatorDelete>;
using Executor = Owned<WasmEdge_ExecutorContext, WasmEdge_ExecutorDelete>;
using Store = Owned<WasmEdge_StoreContext, WasmEdge_StoreDelete>;
using Instance = Owned<WasmEdge_ModuleInstanceContext, WasmEdge_ModuleInstanceDelete>;
using Async = Owned<WasmEdge_Async, WasmEdge_AsyncDelete>;
using Ast = Owned<WasmEdge_ASTModuleContext, WasmEdge_ASTModuleDelete>;

std::unexpected<Error> engine_error(std::string_view what, WasmEdge_Result r) {
  return fail(Kind::kInternal, "wasm.engine", text("{}: {}", what, WasmEdge_ResultGetMessage(r)));
}

WasmEdge_String wrap(std::string_view s) { return WasmEdge_StringWrap(s.data(), static_cast<std::uint32_t>(s.size())); }

// Phrases that do not depend on how the engine found the fault.
std::string trap_phrase(std::uint32_t code) {
  switch (code) {
    case WasmEdge_ErrCode_Unreachable: return "unreachable";
    case WasmEdge_ErrCode_DivideByZero: return "integer divide by zero";
    case WasmEdge_ErrCode_IntegerOverflow: return "integer overflow";
    case WasmEdge_ErrCode_InvalidConvToInt: return "invalid conversion to integer";
    case WasmEdge_ErrCode_MemoryOutOfBounds: return "out of bounds memory access";
    case WasmEdge_ErrCode_TableOutOfBounds: return "out of bounds table access";
    case WasmEdge_ErrCode_DataSegDoesNotFit: return "data segment does not fit";
    case WasmEdge_ErrCode_ElemSegDoesNotFit: return "element segment does not fit";
    case WasmEdge_ErrCode_UndefinedElement:
    case WasmEdge_ErrCode_UninitializedElement:
    case WasmEdge_ErrCode_IndirectCallTypeMismatch: return "bad indirect call";
    default: return "trap";
  }
}

Configure make_configure(const EngineOptions& o) {
  Configure c(WasmEdge_ConfigureCreate());
  WasmEdge_ConfigureSetForceInterpreter(c.get(), o.interpret);
  WasmEdge_ConfigureSetMaxMemoryPage(c.get(), o.pages_max);
  WasmEdge_ConfigureCompilerSetOptimizationLevel(c.get(), WasmEdge_CompilerOptimizationLevel_O2);
  WasmEdge_ConfigureCompilerSetOutputFormat(c.get(), WasmEdge_CompilerOutputFormat_Wasm);
  return c;
}

// Threads the library starts get a machine stack that the metered stack counter cannot outgrow.
class BigStacks {
 public:
  BigStacks() {
    pthread_getattr_default_np(&old_);
    pthread_attr_t big;
    pthread_getattr_default_np(&big);
    pthread_attr_setstacksize(&big, kThreadStackBytes);
    pthread_setattr_default_np(&big);
    pthread_attr_destroy(&big);
  }
  ~BigStacks() {
    pthread_setattr_default_np(&old_);
    pthread_attr_destroy(&old_);
  }
  BigStacks(const BigStacks&) = delete;
  BigStacks& operator=(const BigStacks&) = delete;

 private:
  pthread_attr_t old_;
};

Result<Bytes> take_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return fail(Kind::kInternal, "wasm.compile", text("the compiler left no file {}", path));
  Bytes out;
  std::array<std::uint8_t, 65'536> buf;
  ssize_t n = 0;
  while ((n = read(fd, buf.data(), buf.size())) > 0 && out.size() <= kCodeBytesMax)
    append(out, {buf.data(), static_cast<std::size_t>(n)});
  close(fd);
  unlink(path.c_str());
  if (n != 0)
    return fail(Kind::kInternal, "wasm.compile", text("cannot read {}, or above {} bytes", path, kCodeBytesMax));
  return out;
}

}  // namespace

class Code {
 public:
  Ast ast;
};

struct Engine::Rep {
  struct Hook {
    Rep* rep = nullptr;
    HostFn fn = HostFn::kCount;
    std::uint32_t args = 0;
    bool returns = false;
  };

  EngineOptions options;
  Configure configure;
  Executor executor;
  Instance host_module;
  std::array<Hook, static_cast<std::size_t>(HostFn::kCount)> hooks;
  HostState* host = nullptr;  // of the run going on

  Status add_host_functions();
  static WasmEdge_Result hook(void* data, const WasmEdge_CallingFrameContext* frame, const WasmEdge_Value* params,
                              WasmEdge_Value* returns);
  Result<Instance> instance(const Code& code, const WasmEdge_StoreContext* store, std::string& trap);
};

WasmEdge_Result Engine::Rep::hook(void* data, const WasmEdge_CallingFrameContext* frame, const WasmEdge_Value* params,
                                  WasmEdge_Value* returns) {
  const Hook& self = *static_cast<const Hook*>(data);
  std::array<std::uint32_t, 4> args{};
  for (std::uint32_t k = 0; k < self.args; ++k) args[k] = static_cast<std::uint32_t>(WasmEdge_ValueGetI32(params[k]));
  GuestMemory memory;
  if (WasmEdge_MemoryInstanceContext* m = WasmEdge_CallingFrameGetMemoryInstance(frame, 0)) {
    memory.size = std::uint64_t{WasmEdge_MemoryInstanceGetPageSize(m)} << 16;
    memory.base = memory.size == 0 ? nullptr : WasmEdge_MemoryInstanceGetPointer(m, 0, 1);
  }
  std::uint32_t result = 0;
  const bool goes_on = self.rep->host != nullptr && call_host(self.fn, *self.rep->host, memory, args, result);
  if (!goes_on) return WasmEdge_ResultGen(WasmEdge_ErrCategory_UserLevelError, 1);
  if (self.returns) returns[0] = WasmEdge_ValueGenI32(static_cast<std::int32_t>(result));
  return WasmEdge_Result_Success;
}

Status Engine::Rep::add_host_functions() {
  const WasmEdge_String name = wrap("hanse");
  host_module.reset(WasmEdge_ModuleInstanceCreate(name));
  for (std::size_t k = 0; k < hooks.size(); ++k) {
    const auto fn = static_cast<HostFn>(k);
    const std::string_view sig = host_sig(fn);
    const auto args = static_cast<std::uint32_t>(sig.find(':'));
    hooks[k] = {this, fn, args, args + 1 < sig.size()};
    std::array<WasmEdge_ValType, 4> types;
    types.fill(WasmEdge_ValTypeGenI32());
    WasmEdge_FunctionTypeContext* type =
        WasmEdge_FunctionTypeCreate(types.data(), args, types.data(), hooks[k].returns ? 1 : 0);
    WasmEdge_FunctionInstanceContext* f = WasmEdge_FunctionInstanceCreate(type, &Rep::hook, &hooks[k], 0);
    WasmEdge_FunctionTypeDelete(type);
    if (f == nullptr) return fail(Kind::kInternal, "wasm.engine", text("cannot register {}", host_name(fn)));
    WasmEdge_ModuleInstanceAddFunction(host_module.get(), wrap(host_name(fn)), f);
  }
  return {};
}

Engine::Engine(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options) {
  WasmEdge_LogOff();
  auto rep = std::make_unique<Rep>();
  rep->options = options;
  rep->configure = make_configure(options);
  rep->executor.reset(WasmEdge_ExecutorCreate(rep->configure.get(), nullptr));
  if (!rep->executor) return fail(Kind::kInternal, "wasm.engine", "cannot make an executor");
  TRY_OK(rep->add_host_functions());
  return std::unique_ptr<Engine>(new Engine(std::move(rep)));
}

std::string Engine::fingerprint() {
  std::string out = text("wasmedge {} O2 universal", WasmEdge_VersionGet());
#if defined(__x86_64__)
  for (const unsigned leaf : {0u, 1u, 7u, 0x80000001u}) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(leaf, 0, &a, &b, &c, &d)) continue;
    if (leaf == 1) b &= 0xFF00;  // without the number of the core that asks
    out += text(" {:x}:{:x}.{:x}.{:x}.{:x}", leaf, a, b, c, d);
  }
#endif
  return out;
}

Result<Bytes> Engine::compile(ByteView metered) {
  if (rep_->options.interpret) return to_bytes(metered);
  Compiler compiler(WasmEdge_CompilerCreate(rep_->configure.get()));
  if (!compiler) return fail(Kind::kInternal, "wasm.compile", "the library was built without a compiler");
  std::string path = rep_->options.scratch + "/hanse-wasm-XXXXXX";
  const int fd = mkstemp(path.data());
  if (fd < 0) return fail(Kind::kInternal, "wasm.compile", text("cannot make a file in {}", rep_->options.scratch));
  close(fd);
  const WasmEdge_Bytes in = WasmEdge_BytesWrap(metered.data(), static_cast<std::uint32_t>(metered.size()));
  const WasmEdge_Result r = WasmEdge_CompilerCompileFromBytes(compiler.get(), in, path.c_str());
  if (!WasmEdge_ResultOK(r)) {
    unlink(path.c_str());
    return fail(Kind::kInternal, "wasm.compile", WasmEdge_ResultGetMessage(r));
  }
  return take_file(path);
}

Result<std::shared_ptr<Code>> Engine::load(ByteView bytes) {
  Loader loader(WasmEdge_LoaderCreate(rep_->configure.get()));
  Validator validator(WasmEdge_ValidatorCreate(rep_->configure.get()));
  WasmEdge_ASTModuleContext* ast = nullptr;
  const WasmEdge_Bytes in = WasmEdge_BytesWrap(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
  const WasmEdge_Result parsed = WasmEdge_LoaderParseFromBytes(loader.get(), &ast, in);
  if (!WasmEdge_ResultOK(parsed))
    return fail(Kind::kCorrupt, "wasm.cache",
                text("the engine does not load the module: {}", WasmEdge_ResultGetMessage(parsed)));
  auto code = std::make_shared<Code>();
  code->ast.reset(ast);
  const WasmEdge_Result valid = WasmEdge_ValidatorValidate(validator.get(), ast);
  if (!WasmEdge_ResultOK(valid))
    return fail(Kind::kCorrupt, "wasm.cache",
                text("the engine refuses the module: {}", WasmEdge_ResultGetMessage(valid)));
  return code;
}

Result<Instance> Engine::Rep::instance(const Code& code, const WasmEdge_StoreContext* store, std::string& trap) {
  auto* s = const_cast<WasmEdge_StoreContext*>(store);
  const WasmEdge_Result registered = WasmEdge_ExecutorRegisterImport(executor.get(), s, host_module.get());
  if (!WasmEdge_ResultOK(registered)) return engine_error("register", registered);
  WasmEdge_ModuleInstanceContext* out = nullptr;
  const WasmEdge_Result r = WasmEdge_ExecutorInstantiate(executor.get(), &out, s, code.ast.get());
  if (WasmEdge_ResultOK(r)) return Instance(out);
  const std::uint32_t why = WasmEdge_ResultGetCode(r);
  const bool jobs_fault = why == WasmEdge_ErrCode_DataSegDoesNotFit || why == WasmEdge_ErrCode_ElemSegDoesNotFit ||
                          why == WasmEdge_ErrCode_MemoryOutOfBounds || why == WasmEdge_ErrCode_TableOutOfBounds;
  if (!jobs_fault) return engine_error("instantiate", r);
  trap = why == WasmEdge_ErrCode_DataSegDoesNotFit || why == WasmEdge_ErrCode_MemoryOutOfBounds
             ? "data segment does not fit"
             : "element segment does not fit";
  return Instance();
}

Status Engine::instantiate(const Code& code) {
  const Store store(WasmEdge_StoreCreate());
  std::string trap;
  TRY_OK(rep_->instance(code, store.get(), trap));
  return {};
}

namespace {

struct HiddenGlobals {
  WasmEdge_GlobalInstanceContext *gas, *stop, *stack, *pages, *grow;
};

Result<HiddenGlobals> hidden_globals(const WasmEdge_ModuleInstanceContext* m) {
  const auto find = [m](std::string_view name) { return WasmEdge_ModuleInstanceFindGlobal(m, wrap(name)); };
  const HiddenGlobals g{find(kGasExport), find(kStopExport), find(kStackExport), find(kPagesExport), find(kGrowExport)};
  if (!g.gas || !g.stop || !g.stack || !g.pages || !g.grow)
    return fail(Kind::kCorrupt, "wasm.cache", "the loaded module was not metered");
  return g;
}

// WasmEdge's own interruption makes compiled loops three times slower. Instead the run's gas is taken away: its next
// look at gas traps. The write may lose against the run's own read and write, so it is repeated until the run has
// ended.
void take_gas_away(const HiddenGlobals& globals) {
  WasmEdge_GlobalInstanceSetValue(globals.stop, WasmEdge_ValueGenI64(-1));
  WasmEdge_GlobalInstanceSetValue(globals.gas, WasmEdge_ValueGenI64(std::numeric_limits<std::int64_t>::min() / 2));
}

// Waits for the run; stops it when the job is cancelled or its time is up. `ended` waits up to kPollMs.
template <class Ended>
RunEnd wait_for(Ended ended, const HiddenGlobals& globals, std::uint32_t wall_ms, const runtime::RunControl& control) {
  const std::int64_t deadline = system_clock().mono_ns() + std::int64_t{wall_ms} * 1'000'000;
  RunEnd end = RunEnd::kReturned;
  while (!ended()) {
    if (end == RunEnd::kReturned) {
      if (control.stop())
        end = RunEnd::kCancelled;
      else if (system_clock().mono_ns() >= deadline)
        end = RunEnd::kTimeout;
    }
    if (end != RunEnd::kReturned) take_gas_away(globals);
  }
  return end;
}

void read_globals(const HiddenGlobals& globals, RunReport& report) {
  report.gas_left = WasmEdge_ValueGetI64(WasmEdge_GlobalInstanceGetValue(globals.gas));
  report.stack_overflow = WasmEdge_ValueGetI32(WasmEdge_GlobalInstanceGetValue(globals.stack)) < 0;
  report.grow_state = WasmEdge_ValueGetI32(WasmEdge_GlobalInstanceGetValue(globals.grow));
}

// The start of a run: limits in place.
Result<HiddenGlobals> limited(const WasmEdge_ModuleInstanceContext* m, const RunLimits& limits) {
  TRY(const HiddenGlobals globals, hidden_globals(m));
  WasmEdge_GlobalInstanceSetValue(globals.gas, WasmEdge_ValueGenI64(static_cast<std::int64_t>(limits.gas)));
  WasmEdge_GlobalInstanceSetValue(globals.pages, WasmEdge_ValueGenI32(static_cast<std::int32_t>(limits.pages)));
  return globals;
}

std::uint64_t bits_of(const WasmEdge_Value& v) {
  if (WasmEdge_ValTypeIsI32(v.Type)) return static_cast<std::uint32_t>(WasmEdge_ValueGetI32(v));
  if (WasmEdge_ValTypeIsI64(v.Type)) return static_cast<std::uint64_t>(WasmEdge_ValueGetI64(v));
  if (WasmEdge_ValTypeIsF32(v.Type)) return std::bit_cast<std::uint32_t>(WasmEdge_ValueGetF32(v));
  return std::bit_cast<std::uint64_t>(WasmEdge_ValueGetF64(v));
}

WasmEdge_Value value_like(const WasmEdge_Value& v, std::uint64_t bits) {
  const auto low = static_cast<std::uint32_t>(bits);
  if (WasmEdge_ValTypeIsI32(v.Type)) return WasmEdge_ValueGenI32(static_cast<std::int32_t>(low));
  if (WasmEdge_ValTypeIsI64(v.Type)) return WasmEdge_ValueGenI64(static_cast<std::int64_t>(bits));
  if (WasmEdge_ValTypeIsF32(v.Type)) return WasmEdge_ValueGenF32(std::bit_cast<float>(low));
  return WasmEdge_ValueGenF64(std::bit_cast<double>(bits));
}

// What run_steps drives.
class Stepper final : public StepInstance {
 public:
  Stepper(WasmEdge_ExecutorContext* executor, const WasmEdge_ModuleInstanceContext* instance, HiddenGlobals hidden,
          std::uint32_t pages_max)
      : executor_(executor),
        step_(WasmEdge_ModuleInstanceFindFunction(instance, wrap("step"))),
        memory_(WasmEdge_ModuleInstanceFindMemory(instance, wrap("memory"))),
        gas_(hidden.gas),
        stop_(hidden.stop),
        pages_max_(pages_max) {
    for (std::uint32_t k = 0;; ++k) {
      auto* own = WasmEdge_ModuleInstanceFindGlobal(instance, wrap(text("{}{}", kOwnGlobalPrefix, k)));
      if (own == nullptr) break;
      globals_.push_back(own);
    }
    for (auto* g : {hidden.gas, hidden.stack, hidden.grow}) globals_.push_back(g);
  }
  bool is_whole() const { return step_ != nullptr && memory_ != nullptr; }
  std::uint32_t trap() const { return trap_; }

  ByteView memory() override { return {memory_bytes(), std::size_t{pages()} << 16}; }
  std::uint8_t* memory_bytes() override {
    return pages() == 0 ? nullptr : WasmEdge_MemoryInstanceGetPointer(memory_, 0, 1);
  }
  Status grow(std::uint32_t wanted) override {
    if (wanted < pages() || wanted > pages_max_)
      return fail(Kind::kInvalid, "wasm.state",
                  text("found a memory of {} pages, expected {} to {}", wanted, pages(), pages_max_));
    if (wanted == pages() || WasmEdge_ResultOK(WasmEdge_MemoryInstanceGrowPage(memory_, wanted - pages()))) return {};
    return fail(Kind::kInvalid, "wasm.state", text("the module's memory does not grow to {} pages", wanted));
  }
  std::vector<std::uint64_t> globals() override {
    std::vector<std::uint64_t> out;
    for (auto* g : globals_) out.push_back(bits_of(WasmEdge_GlobalInstanceGetValue(g)));
    return out;
  }
  void set_globals(const std::vector<std::uint64_t>& bits) override {
    for (std::size_t k = 0; k < globals_.size(); ++k)
      WasmEdge_GlobalInstanceSetValue(globals_[k], value_like(WasmEdge_GlobalInstanceGetValue(globals_[k]), bits[k]));
  }
  std::int64_t gas() override { return WasmEdge_ValueGetI64(WasmEdge_GlobalInstanceGetValue(gas_)); }
  void set_gas(std::int64_t gas) override { WasmEdge_GlobalInstanceSetValue(gas_, WasmEdge_ValueGenI64(gas)); }
  Took step() override {
    WasmEdge_Value more = WasmEdge_ValueGenI32(0);
    const WasmEdge_Result r = WasmEdge_ExecutorInvoke(executor_, step_, nullptr, 0, &more, 1);
    trap_ = WasmEdge_ResultOK(r) ? 0 : WasmEdge_ResultGetCode(r);
    if (!WasmEdge_ResultOK(r)) return Took::kTrapped;
    return WasmEdge_ValueGetI32(more) != 0 ? Took::kMore : Took::kDone;
  }
  bool stopped() override { return WasmEdge_ValueGetI64(WasmEdge_GlobalInstanceGetValue(stop_)) < 0; }

 private:
  std::uint32_t pages() { return WasmEdge_MemoryInstanceGetPageSize(memory_); }

  WasmEdge_ExecutorContext* executor_;
  const WasmEdge_FunctionInstanceContext* step_;
  WasmEdge_MemoryInstanceContext* memory_;
  WasmEdge_GlobalInstanceContext *gas_, *stop_;
  std::uint32_t pages_max_;
  std::vector<WasmEdge_GlobalInstanceContext*> globals_;
  std::uint32_t trap_ = 0;
};

}  // namespace

Result<RunReport> Engine::run_steps(const Code& code, HostState& host, const RunLimits& limits,
                                    const runtime::RunControl& control, StepRun& steps) {
  const Store store(WasmEdge_StoreCreate());
  RunReport report;
  TRY(const Instance instance, rep_->instance(code, store.get(), report.trap));
  if (!instance) {
    report.end = RunEnd::kTrapped;
    report.gas_left = static_cast<std::int64_t>(limits.gas);
    return report;
  }
  TRY(const HiddenGlobals globals, limited(instance.get(), limits));
  Stepper stepper(rep_->executor.get(), instance.get(), globals, limits.pages);
  if (!stepper.is_whole()) return fail(Kind::kCorrupt, "wasm.cache", "the loaded module has no step or no memory");
  steps.gas_max = limits.gas;
  steps.out_bytes_max = host.out_bytes_max;
  steps.outputs = &host.outputs;

  rep_->host = &host;
  std::packaged_task<Status()> loop([&] { return wasm::run_steps(stepper, steps); });
  std::future<Status> done = loop.get_future();
  std::thread thread;
  {
    const BigStacks stacks;
    thread = std::thread(std::move(loop));
  }
  const auto ended = [&] { return done.wait_for(std::chrono::milliseconds(kPollMs)) == std::future_status::ready; };
  report.end = wait_for(ended, globals, limits.wall_ms, control);
  thread.join();
  rep_->host = nullptr;
  TRY_OK(done.get());
  read_globals(globals, report);
  if (report.end == RunEnd::kReturned && steps.trapped) {
    report.end = RunEnd::kTrapped;
    report.trap = steps.too_many ? text("more than {} steps", runtime::kStepsMax) : trap_phrase(stepper.trap());
  }
  return report;
}

Result<RunReport> Engine::run(const Code& code, HostState& host, const RunLimits& limits,
                              const runtime::RunControl& control) {
  const Store store(WasmEdge_StoreCreate());
  RunReport report;
  TRY(const Instance instance, rep_->instance(code, store.get(), report.trap));
  if (!instance) {
    report.end = RunEnd::kTrapped;
    report.gas_left = static_cast<std::int64_t>(limits.gas);
    return report;
  }
  TRY(const HiddenGlobals globals, limited(instance.get(), limits));
  const WasmEdge_FunctionInstanceContext* run = WasmEdge_ModuleInstanceFindFunction(instance.get(), wrap("run"));
  if (run == nullptr) return fail(Kind::kCorrupt, "wasm.cache", "the loaded module has no run");

  rep_->host = &host;
  Async async;
  {
    const BigStacks stacks;
    async.reset(WasmEdge_ExecutorAsyncInvoke(rep_->executor.get(), run, nullptr, 0));
  }
  if (!async) return fail(Kind::kInternal, "wasm.engine", "cannot start the run");
  report.end = wait_for([&] { return WasmEdge_AsyncWaitFor(async.get(), kPollMs); }, globals, limits.wall_ms, control);
  const WasmEdge_Result r = WasmEdge_AsyncGet(async.get(), nullptr, 0);
  rep_->host = nullptr;

  read_globals(globals, report);
  if (report.end == RunEnd::kReturned && !WasmEdge_ResultOK(r)) {
    report.end = RunEnd::kTrapped;
    report.trap = trap_phrase(WasmEdge_ResultGetCode(r));
  }
  return report;
}

}  // namespace hanse::wasm
