// JSON and YAML, only at the edges that people and HTTP touch: job files, --json output, genesis, the API.
// One small value type; the parsers (yyjson, yaml-cpp) stay in json.cc and yaml.cc.
// Numbers are u64, i64 or double; integers never pass through double. Objects keep their order; a repeated key is an
// error. Limits: 16 MiB of text, depth 64.
// Errors (Kind::kInvalid): codec.json (with line and column), codec.yaml, codec.json_type (found, expected, path).
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

  // Building. set appends (or replaces) a member; push appends an item.
  Json& set(std::string_view key, Json value);
  Json& push(Json value);

  // Reading. find gives nullptr when absent; the typed getters give codec.json_type with `where` as path.
  const Json* find(std::string_view key) const;
  const std::vector<std::pair<std::string, Json>>& members() const { return members_; }
  const std::vector<Json>& items() const { return items_; }
  Result<std::uint64_t> as_u64(std::string_view where) const;
  Result<std::int64_t> as_i64(std::string_view where) const;
  Result<double> as_double(std::string_view where) const;
  Result<bool> as_bool(std::string_view where) const;
  Result<std::string_view> as_text(std::string_view where) const;

  std::string dump() const;         // one line
  std::string dump_pretty() const;  // two-space indent, for people

 private:
  explicit Json(Type t) : type_(t) {}

  Type type_ = Type::kNull;
  std::uint64_t uint_ = 0;
  std::int64_t int_ = 0;
  double double_ = 0;
  std::string text_;
  std::vector<Json> items_;
  std::vector<std::pair<std::string, Json>> members_;
};

Result<Json> parse_json(std::string_view text);
Result<Json> parse_yaml(std::string_view text);  // scalars by YAML 1.2 core schema; anchors and tags are refused

}  // namespace hanse::codec
