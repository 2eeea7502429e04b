// A WebAssembly module that was parsed and validated in full: what meter.h needs to know of it.
// Accepted: the instructions of opcode.h, at most one memory and one table, functions imported from "hanse" only.
// Refused by name: everything of other proposals, a start section, imported globals, memories and tables.
// Shapes: ranges are offsets into `bytes`, which the module owns. Limits: the k…Max below, each checked.
// Rules: W3C WebAssembly Core 2.0, chapters 3 (validation; the algorithm of appendix 7.3) and 5 (binary format).
// Threads: plain values. Errors, each with the byte offset:
//   wasm.malformed (invalid)   bytes that do not parse        wasm.invalid (invalid)   parses but does not type-check
//   wasm.limit (exhausted)     a size or count above its max  wasm.feature (unsupported) an unaccepted proposal
//   wasm.import (denied)       an import outside the host ABI  wasm.export (invalid)   a missing, wrong or hidden
//   export wasm.start (unsupported)   a start section wasm.step (invalid)        what work in steps may not do: change
//   its table, drop segments, import step_commit
#pragma once

#include <optional>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::wasm {

constexpr std::uint32_t kModuleBytesMax = 4u << 20;
constexpr std::uint32_t kTypesMax = 4096;
constexpr std::uint32_t kParamsMax = 64;  // also results
constexpr std::uint32_t kImportsMax = 64;
constexpr std::uint32_t kFuncsMax = 20'000;  // defined functions
constexpr std::uint32_t kGlobalsMax = 4096;
constexpr std::uint32_t kExportsMax = 1024;
constexpr std::uint32_t kSegmentsMax = 10'000;  // data and element segments, each
constexpr std::uint32_t kNameBytesMax = 256;
constexpr std::uint32_t kBodyBytesMax = 512u << 10;
constexpr std::uint32_t kLocalsMax = 4096;  // declared locals of one function
constexpr std::uint32_t kNestingMax = 256;
constexpr std::uint32_t kStackMax = 4096;   // operands of one function
constexpr std::uint32_t kLabelsMax = 4096;  // of one br_table
constexpr std::uint32_t kTableMax = 100'000;
constexpr std::uint32_t kPagesMax = 65'536;

enum class ValType : std::uint8_t { kUnknown = 0, kI32 = 0x7F, kI64 = 0x7E, kF32 = 0x7D, kF64 = 0x7C };

// The whole host interface. Pointers and lengths are unsigned 32-bit; a range outside memory is a trap.
//   input_count() -> i32                       inputs of the run
//   input_size(ix) -> i32                      bytes of an input, -1 when there is none
//   read_input(ix, offset, ptr, len) -> i32    copies what there is, at most len; bytes copied, -1 when there is none
//   write_output(ix, ptr, len)                 appends to output ix, at most kOutputsMax outputs
//   abort(code)                                ends the run as aborted
//   step_commit()                              adds the Merkle root of memory to the run's step root
// Input kSeedInput is the 32-byte seed of the run.
enum class HostFn : std::uint8_t { kInputCount, kInputSize, kReadInput, kWriteOutput, kAbort, kStepCommit, kCount };
constexpr std::uint32_t kSeedInput = 0xFFFF;
constexpr std::uint32_t kOutputsMax = 16;
std::string_view host_name(HostFn fn);
std::string_view host_sig(HostFn fn);  // "iiii:i"

// Exports that meter.h adds start with this; a module that uses it is refused.
constexpr std::string_view kHiddenPrefix = "hanse#";

struct Range {
  std::uint32_t offset = 0, size = 0;
};

struct FuncType {
  std::vector<ValType> params, results;
  friend bool operator==(const FuncType&, const FuncType&) = default;
};

struct Global {
  ValType type = ValType::kI32;
  bool is_mutable = false;
};

struct SizeLimits {
  std::uint32_t min = 0;
  std::optional<std::uint32_t> max;
};

struct LocalRun {
  std::uint32_t count = 0;
  ValType type = ValType::kI32;
};

struct Func {
  std::uint32_t type = 0;
  std::vector<LocalRun> locals;
  std::uint32_t locals_count = 0;  // without parameters
  Range code;                      // instructions, final end included
  std::uint32_t stack_max = 0;     // most operands at once
  bool has_calls = false;
  std::vector<std::uint32_t> canon;  // offsets of the instructions whose NaN bits something can see, ascending
};

enum class SectionId : std::uint8_t {
  kCustom,
  kType,
  kImport,
  kFunction,
  kTable,
  kMemory,
  kGlobal,
  kExport,
  kStart,
  kElement,
  kCode,
  kData,
  kDataCount,
  kEnd,
};

struct Module {
  Bytes bytes;
  Range sections[static_cast<std::size_t>(SectionId::kEnd)];  // payloads; size 0 when absent
  std::vector<FuncType> types;
  std::vector<HostFn> imports;  // function index i < imports.size() is imports[i]
  std::vector<std::uint32_t> import_types;
  std::vector<Func> funcs;  // function index imports.size() + i
  std::vector<Global> globals;
  std::optional<SizeLimits> table;
  std::optional<SizeLimits> memory;  // in pages of 64 KiB; a job always has one
  std::uint32_t exports_count = 0;
  std::uint32_t elems_count = 0;
  std::optional<std::uint32_t> data_count;
  bool in_steps = false;  // works by its export step

  std::uint32_t funcs_count() const { return static_cast<std::uint32_t>(imports.size() + funcs.size()); }
  std::uint32_t type_of(std::uint32_t func) const {
    return func < imports.size() ? import_types[func] : funcs[func - imports.size()].type;
  }
};

// kJob: exports memory and run, or memory and `step() -> i32` without a run: work in steps, of which the host takes one
// after the other until 0 comes back (docs/internals/bisection.md).
// kAny: any module of the subset. kMetered: the same, with hidden exports allowed.
enum class Profile : std::uint8_t { kJob, kAny, kMetered };
Result<Module> parse_module(ByteView bytes, Profile profile = Profile::kJob);

}  // namespace hanse::wasm
