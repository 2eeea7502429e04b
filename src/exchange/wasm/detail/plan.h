// Where one body takes gas: the straight runs of its control flow and their prices. Private to the room.
#pragma once

#include <vector>

#include "exchange/wasm/detail/reader.h"
#include "exchange/wasm/gas_table.h"

namespace hanse::wasm {

struct Charge {
  std::uint32_t before = 0;  // index of the instruction it stands before
  std::uint64_t gas = 0;
  bool checked = false;   // function entry or loop header
  bool clobbers = false;  // its run stores to memory or calls, so that a compiler reloads the gas global after it
};

struct Plan {
  std::vector<Instr> instrs;
  std::vector<Charge> charges;  // ascending by `before`; the first is the function entry
  bool has_unchecked = false;
};

Result<Plan> plan_body(const Module& module, const Func& func, const GasTable& table);

}  // namespace hanse::wasm
