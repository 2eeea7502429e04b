// Config: one table of keys, filled from four layers, each value remembering where it came from.
// Layers, later ones win: defaults of the table < files (TOML) in the order given < environment < flags.
//   file         [storage]                      environment   HANSE_STORAGE__PATH=/srv/hanse
//                path = "/srv/hanse"            flag          storage.path=/srv/hanse
// Variables without "HANSE_" in front and "__" inside are not ours and are left alone.
// A text list is a TOML array of strings, or one comma-separated string in a variable or a flag.
// Shapes: a schema is a span of Keys with static lifetime; a Config copies no names, only values.
// Limits: kFileBytesMax per file, kValueBytesMax per value, kListItemsMax items in a list.
// Threads: a loaded Config is immutable. Reads files, and nothing else, through the paths given.
// Errors: config.unreadable (not_found, or invalid when it is no file), config.too_large (exhausted),
// config.syntax, config.unknown_key, config.bad_value (invalid); each names file:line, variable or flag, and an unknown
// key names the nearest known one (Levenshtein, "Binary codes capable of correcting deletions", 1966).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"

namespace hanse::config {

constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr std::size_t kValueBytesMax = 4096;
constexpr std::size_t kListItemsMax = 64;

enum class Type : std::uint8_t { kText, kNumber, kBool, kChoice, kTextList };
std::string_view type_name(Type type);  // "text", "number", "bool", "choice", "list of text"

struct Key {
  std::string_view path;  // "storage.path": section, dot, name; lower case, digits and _
  Type type = Type::kText;
  std::string_view fallback;   // the default as a flag would spell it
  std::string_view help;       // one line, lower case, no full stop
  std::string_view unit = {};  // "ms", "bytes", "ut", ...; "" when the value has none
  std::uint64_t min = 0;       // of a number, inclusive
  std::uint64_t max = ~std::uint64_t{0};
  std::string_view choices = {};  // of a choice: "off|info|debug"
  bool secret = false;            // never printed
};

enum class Layer : std::uint8_t { kDefault, kFile, kEnvironment, kFlag };
struct Origin {
  Layer layer = Layer::kDefault;
  std::string where;  // "default", "/etc/hanse/node.toml:12", "HANSE_STORAGE__PATH", "flag storage.path"
};

struct Sources {
  std::vector<std::string> files = {};                                // each must exist
  std::vector<std::pair<std::string, std::string>> environment = {};  // name, value
  std::vector<std::string> flags = {};                                // "storage.path=/srv/hanse"
};
std::vector<std::pair<std::string, std::string>> process_environment();

class Config {
 public:
  static Result<Config> load(std::span<const Key> schema, const Sources& sources);

  // Asking for a key that the schema lacks, or under another type, is our own bug and ends the process.
  std::string_view text(std::string_view path) const;  // of kText and kChoice
  std::uint64_t number(std::string_view path) const;
  bool flag(std::string_view path) const;
  const std::vector<std::string>& list(std::string_view path) const;
  const Origin& origin(std::string_view path) const;

  // Every key with its value and origin, as TOML that loads to the same values. Secrets are masked unless empty.
  std::string print() const;

  // config.bad_value about a key whose value passed its own check but not one that needs more than one key.
  std::unexpected<Error> refuse(std::string_view path, std::string_view expected) const;

 private:
  friend class Loader;
  struct Value {
    std::string text = {};
    std::uint64_t number = 0;
    std::vector<std::string> list = {};
    Origin origin = {};
  };
  explicit Config(std::span<const Key> schema) : schema_(schema), values_(schema.size()) {}
  std::size_t index(std::string_view path, Type type) const;

  std::span<const Key> schema_;
  std::vector<Value> values_;  // beside schema_
};

// The reference page of a schema in Markdown: one table per section.
std::string reference_page(std::string_view title, std::string_view intro, std::span<const Key> schema);

// The known path that is nearest to `found`, or "" when none is near enough to be meant.
std::string_view nearest_key(std::span<const Key> schema, std::string_view found);

}  // namespace hanse::config
