// Builds modules for tests: from parts, or at random from a seed, valid by construction.
#pragma once

#include <string>
#include <vector>

#include "base/core/random.h"
#include "exchange/wasm/detail/emit.h"
#include "exchange/wasm/module.h"

namespace hanse::wasm {

struct TestFunc {
  FuncType type;
  std::vector<LocalRun> locals;
  Bytes code;             // without the final end
  std::string export_as;  // empty: not exported
};

// One memory of `pages` (exported as "memory"), one table that holds every function, mutable globals of zero, one
// passive data segment of 64 bytes.
struct TestModule {
  std::vector<TestFunc> funcs;
  std::vector<FuncType> more_types;  // block types, after the functions' types
  std::vector<ValType> globals;
  std::uint32_t pages = 1, pages_max = 4;
  Bytes encode() const;
};

enum class Diet { kIntegers, kFloats };
Bytes random_module(std::uint64_t seed, Diet diet);

}  // namespace hanse::wasm
