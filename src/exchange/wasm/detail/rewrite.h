// Writes one metered body. Private to the room.
#pragma once

#include "exchange/wasm/detail/emit.h"
#include "exchange/wasm/detail/plan.h"

namespace hanse::wasm {

// `wrapper_type` gives the block type of the function's results; it may add a type to the module.
struct RewriteContext {
  const Module& module;
  const GasTable& table;
  const Hidden& hidden;
  std::vector<FuncType>& types;
};

// Size-prefixed body for the code section.
Result<Bytes> rewrite_body(const RewriteContext& context, const Func& func);
std::uint32_t type_index(std::vector<FuncType>& types, const FuncType& want);

}  // namespace hanse::wasm
