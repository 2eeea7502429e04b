#include <cstdint>
#include <string_view>

#include "base/config/toml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto r = hanse::config::parse_toml({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
  if (r)
    for (const auto& e : *r)
      if (e.path.empty() && e.line == 0) __builtin_trap();
  return 0;
}
