// A TOML file as a flat list of scalars and lists of text, with lines: all that a Config needs of the format.
// Errors: config.unreadable, config.too_large, config.syntax, config.bad_value (a value of a kind no key can have).
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"

namespace hanse::config {

struct TomlEntry {
  enum class Kind : std::uint8_t { kText, kNumber, kBool, kList };
  std::string path;  // "storage.path"
  Kind kind = Kind::kText;
  std::string text;  // numbers and booleans in their plain spelling
  std::vector<std::string> list;
  std::uint32_t line = 0;
};

Result<std::vector<TomlEntry>> read_toml(const std::string& file);

// The parsing half, for bytes from anywhere; `name` stands in messages for the file.
Result<std::vector<TomlEntry>> parse_toml(std::string_view bytes, const std::string& name);

}  // namespace hanse::config
