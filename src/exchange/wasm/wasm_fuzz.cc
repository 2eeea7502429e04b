// Any bytes: the parser never crashes, and what it accepts meters into a module that parses again.
#include "base/core/check.h"
#include "exchange/wasm/meter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using hanse::wasm::Profile;
  const auto module = hanse::wasm::parse_module({data, size}, Profile::kAny);
  if (!module) return 0;
  const auto metered = hanse::wasm::meter_module(*module);
  if (!metered) return 0;
  if (metered->size() > hanse::wasm::kModuleBytesMax) return 0;
  const auto again = hanse::wasm::parse_module(*metered, Profile::kMetered);
  if (again) return 0;
  // The pass adds locals, operands, nesting and items, so only a limit may stand in the way.
  hanse::check(again.error().id() == "wasm.limit", again.error().message());
  return 0;
}
