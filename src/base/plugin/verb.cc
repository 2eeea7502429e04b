#include "base/plugin/verb.h"

#include <charconv>

#include "base/core/text.h"

namespace hanse::plugin {

bool VerbArgs::has(std::string_view name) const {
  for (const auto& [key, value] : values_)
    if (key == name) return true;
  return false;
}

std::string_view VerbArgs::get(std::string_view name, std::string_view fallback) const {
  for (const auto& [key, value] : values_)
    if (key == name) return value;
  return fallback;
}

std::vector<std::string> VerbArgs::all(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : values_)
    if (key == name) out.push_back(value);
  return out;
}

Result<std::uint64_t> VerbArgs::number(std::string_view name, std::uint64_t fallback, std::uint64_t max) const {
  if (!has(name)) return fallback;
  const std::string_view found = get(name);
  std::uint64_t out = 0;
  const auto [end, bad] = std::from_chars(found.data(), found.data() + found.size(), out);
  if (bad != std::errc() || end != found.data() + found.size() || found.empty() || out > max)
    return fail(Kind::kInvalid, "cli.number",
                text("found '{}' for --{}, expected a number from 0 to {}", found, name, max));
  return out;
}

}  // namespace hanse::plugin
