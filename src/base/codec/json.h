// JSON and YAML, only at the edges that people and HTTP touch: job files, --json output, genesis, the API.
// One small value type; the parsers (yyjson, yaml-cpp) stay in json.cc and yaml.cc.
// Numbers are u64, i64 or double; integers never pass through double. Objects keep their order; a repeated key is an
// error, and so is an integer that fits neither u64 nor i64.
// Limits: 16 MiB of JSON text, 1 MiB of YAML text, depth 64, a million values.
// Errors (Kind::kInvalid): codec.json (syntax with line and column, else the path), codec.yaml (with line and column),
// codec.json_type (found, expected, path). Threads: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"

namespace hanse::codec {

class Json {
 public:
  enum class Type : std::uint8_t { kNull, kBool, kUint, kInt, kDouble, kText, kArray, kObject };

  Json() = default;
  Json(bool v) : type_(Type::kBool), uint_(v) {}
  Json(std::uint64_t v) : type_(Type::kUint), uint_(v) {}
  Json(std::uint32_t v) : Json(std::uint64_t{v}) {}
  Json(std::int64_t v);  // non-negative values become kUint
  Json(int v) : Json(std::int64_t{v}) {}
  Json(double v) : type_(Type::kDouble), double_(v) {}
  Json(std::string_view v) : type_(Type::kText), text_(v) {}
  Json(const std::string& v) : type_(Type::kText), text_(v) {}
  Json(const char* v) : type_(Type::kText), text_(v) {}
  static Json array() { return Json(Type::kArray); }
  static Json object() { return Json(Type::kObject); }

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  std::string_view type_name() const;           // "an object", "a text", ... for messages
  std::uint32_t line() const { return line_; }  // where it stands in YAML, from 1; 0 when not known
  void set_line(std::uint32_t line) { line_ = line; }

  // Building. set appends (or replaces) a member; push appends an item. Both make a null value a container first.
  Json& set(std::string_view key, Json value);
  Json& push(Json value);
  void append_member(std::string_view key, Json value);  // set for a key known to be new: no search

  // Reading. find gives nullptr when absent; the typed getters give codec.json_type with `where` as path.
  const Json* find(std::string_view key) const;
  const std::vector<std::pair<std::string, Json>>& members() const { return members_; }
  const std::vector<Json>& items() const { return items_; }
  Result<std::uint64_t> as_u64(std::string_view where) const;
  Result<std::int64_t> as_i64(std::string_view where) const;
  Result<double> as_double(std::string_view where) const;
  Result<bool> as_bool(std::string_view where) const;
  Result<std::string_view> as_text(std::string_view where) const;

  // Text that is not UTF-8 comes out with U+FFFD in place of each bad byte; a double that is no number as null.
  std::string dump() const;         // one line
  std::string dump_pretty() const;  // two-space indent, for people

 private:
  explicit Json(Type t) : type_(t) {}

  void dump_to(std::string& out, int indent, int depth) const;

  Type type_ = Type::kNull;
  std::uint32_t line_ = 0;
  std::uint64_t uint_ = 0;
  std::int64_t int_ = 0;
  double double_ = 0;
  std::string text_;
  std::vector<Json> items_;
  std::vector<std::pair<std::string, Json>> members_;
};

constexpr std::size_t kJsonTextMax = 16 << 20;
constexpr std::size_t kYamlTextMax = 1 << 20;
constexpr std::size_t kJsonDepthMax = 64;
constexpr std::size_t kJsonValuesMax = 1'000'000;

Result<Json> parse_json(std::string_view text);
// One document; scalars by YAML 1.2's core schema; anchors, aliases and tags are refused. Keys are text as written.
Result<Json> parse_yaml(std::string_view text);

}  // namespace hanse::codec
