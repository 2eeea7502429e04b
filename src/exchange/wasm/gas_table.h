// Prices of the gas that meter.h injects, by instruction class. A table never changes once jobs were billed with it:
// a new set of prices is a new table with the next version, and the ledger's parameters name the version.
// Unit: one gas is about the time of one simple integer instruction of compiled code. docs/internals/gas.md lists
// which instruction belongs to which class and the exact points at which gas is taken.
#pragma once

#include <array>
#include <cstdint>

#include "exchange/wasm/opcode.h"

namespace hanse::wasm {

struct GasTable {
  std::uint32_t version = 0;
  std::array<std::uint16_t, static_cast<std::size_t>(Cost::kCount)> price{};
  std::uint32_t function_entry = 0;
  std::uint32_t locals_per_gas = 1;         // zeroing of declared locals at entry, rounded up
  std::uint32_t host_call = 0;              // in place of Cost::kCall when the callee is the host
  std::uint32_t bytes_per_gas_log2 = 0;     // bulk memory, read_input, write_output; rounded up
  std::uint32_t page_gas = 0;               // per page asked of memory.grow, and per page hashed by step_commit
  std::uint32_t elements_per_gas_log2 = 0;  // table.init, table.copy; rounded up
  std::uint32_t step_page_gas = 0;          // work in steps, before each: per page of memory, compared with before
  std::uint32_t step_leaf_gas = 0;          // and per leaf of memory that differs, hashed (step_state.h)

  constexpr std::uint32_t of(Cost c) const { return price[static_cast<std::size_t>(c)]; }
};

constexpr GasTable kGasTable1 = [] {
  GasTable t;
  t.version = 1;
  const auto set = [&t](Cost c, std::uint16_t v) { t.price[static_cast<std::size_t>(c)] = v; };
  set(Cost::kStructure, 0);
  set(Cost::kSimple, 1);
  set(Cost::kLoop, 1);
  set(Cost::kBranch, 2);
  set(Cost::kBranchTable, 4);
  set(Cost::kCall, 4);
  set(Cost::kCallIndirect, 12);
  set(Cost::kGlobal, 2);
  set(Cost::kLoad, 2);
  set(Cost::kStore, 2);
  set(Cost::kMul, 2);
  set(Cost::kDiv, 12);
  set(Cost::kFloat, 3);
  set(Cost::kFloatDiv, 12);
  set(Cost::kConvert, 3);
  set(Cost::kMemorySize, 2);
  set(Cost::kMemoryGrow, 1000);
  set(Cost::kBulk, 40);
  t.function_entry = 4;
  t.locals_per_gas = 4;
  t.host_call = 200;
  t.bytes_per_gas_log2 = 3;
  t.page_gas = 8192;
  t.elements_per_gas_log2 = 0;
  t.step_page_gas = 16'384;
  t.step_leaf_gas = 16'384;
  return t;
}();

}  // namespace hanse::wasm
