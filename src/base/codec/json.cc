#include "base/codec/json.h"

#include "base/codec/utf8.h"
#include "base/core/check.h"
#include "base/core/text.h"

#include <yyjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>

namespace hanse::codec {

namespace {

constexpr std::uint64_t kInt64Max = std::numeric_limits<std::int64_t>::max();

std::unexpected<Error> wrong_type(const Json& found, std::string_view expected, std::string_view where) {
  std::string message = text("found {}, expected {}", found.type_name(), expected);
  if (found.line() != 0) message += text(" in line {}", found.line());
  return std::unexpected(Error(Kind::kInvalid, "codec.json_type", message).at(where));
}

std::unexpected<Error> refuse(std::string_view message, std::string_view path) {
  return std::unexpected(Error(Kind::kInvalid, "codec.json", message).at(path));
}

void dump_text(std::string& out, std::string_view s) {
  out += '"';
  while (!s.empty()) {
    const std::size_t n = utf8_sequence(s);
    const char c = s[0];
    if (n == 0) {
      out += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f) {
      out += text("\\u{:04x}", static_cast<std::uint32_t>(static_cast<std::uint8_t>(c)));
    } else {
      out += s.substr(0, n);
    }
    s.remove_prefix(std::max<std::size_t>(n, 1));
  }
  out += '"';
}

void dump_double(std::string& out, double v) {
  if (!std::isfinite(v)) {
    out += "null";
    return;
  }
  char buf[40];
  const auto end = std::to_chars(buf, buf + sizeof buf, v).ptr;
  const std::string_view digits(buf, static_cast<std::size_t>(end - buf));
  out += digits;
  if (digits.find_first_of(".e") == std::string_view::npos) out += ".0";  // stays a double when read again
}

void new_line(std::string& out, int indent, int depth) {
  if (indent == 0) return;
  out += '\n';
  out.append(static_cast<std::size_t>(indent * depth), ' ');
}

struct DocFree {
  void operator()(yyjson_doc* doc) const { yyjson_doc_free(doc); }
};

std::string_view text_of(yyjson_val* v) { return {yyjson_get_str(v), yyjson_get_len(v)}; }

// Where a value stands, spelled out only when an error needs it.
struct Place {
  const Place* outer = nullptr;
  std::string_view key;   // of a member
  std::size_t index = 0;  // of an item, when key has no data
};

std::string path_of(const Place& place) {
  if (place.outer == nullptr) return {};
  const std::string outer = path_of(*place.outer);
  if (place.key.data() == nullptr) return text("{}[{}]", outer, place.index);
  return outer.empty() ? std::string(place.key) : text("{}.{}", outer, place.key);
}

Status refuse_repeated_keys(yyjson_val* object, const Place& place) {
  if (yyjson_obj_size(object) < 2) return {};
  std::vector<std::string_view> keys;
  keys.reserve(yyjson_obj_size(object));
  yyjson_obj_iter it = yyjson_obj_iter_with(object);
  while (yyjson_val* key = yyjson_obj_iter_next(&it)) keys.push_back(text_of(key));
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end()) return refuse(text("found key '{}' twice", *twice), path_of(place));
  return {};
}

Result<Json> convert(yyjson_val* v, const Place& place, std::size_t depth) {
  switch (yyjson_get_type(v)) {
    case YYJSON_TYPE_NULL: return Json();
    case YYJSON_TYPE_BOOL: return Json(yyjson_get_bool(v));
    case YYJSON_TYPE_STR: return Json(text_of(v));
    case YYJSON_TYPE_NUM:
      if (yyjson_is_uint(v)) return Json(std::uint64_t{yyjson_get_uint(v)});
      if (yyjson_is_sint(v)) return Json(std::int64_t{yyjson_get_sint(v)});
      return Json(yyjson_get_real(v));
    case YYJSON_TYPE_ARR: {
      if (depth == kJsonDepthMax) return refuse(text("found more than {} levels", kJsonDepthMax), path_of(place));
      Json out = Json::array();
      yyjson_arr_iter it = yyjson_arr_iter_with(v);
      while (yyjson_val* item = yyjson_arr_iter_next(&it)) {
        TRY(Json each, convert(item, {.outer = &place, .key = {}, .index = out.items().size()}, depth + 1));
        out.push(std::move(each));
      }
      return out;
    }
    case YYJSON_TYPE_OBJ: {
      if (depth == kJsonDepthMax) return refuse(text("found more than {} levels", kJsonDepthMax), path_of(place));
      TRY_OK(refuse_repeated_keys(v, place));
      Json out = Json::object();
      yyjson_obj_iter it = yyjson_obj_iter_with(v);
      while (yyjson_val* key = yyjson_obj_iter_next(&it)) {
        const std::string_view name = text_of(key);
        TRY(Json each, convert(yyjson_obj_iter_get_val(key), {.outer = &place, .key = name}, depth + 1));
        out.append_member(name, std::move(each));
      }
      return out;
    }
    default: {  // raw: a number that fits no type
      const std::string_view digits(yyjson_get_raw(v), yyjson_get_len(v));
      return refuse(text("found the number {}, expected one that fits in 64 bits", digits.substr(0, 40)),
                    path_of(place));
    }
  }
}

}  // namespace

Json::Json(std::int64_t v) {
  if (v >= 0) {
    type_ = Type::kUint;
    uint_ = static_cast<std::uint64_t>(v);
  } else {
    type_ = Type::kInt;
    int_ = v;
  }
}

std::string_view Json::type_name() const {
  constexpr std::string_view kNames[] = {
      "null",     "a boolean", "an unsigned integer", "a negative integer", "a fraction", "a text",
      "an array", "an object"};
  return kNames[static_cast<std::size_t>(type_)];
}

Json& Json::set(std::string_view key, Json value) {
  for (auto& [name, old] : members_) {
    if (name != key) continue;
    old = std::move(value);
    return *this;
  }
  append_member(key, std::move(value));
  return *this;
}

void Json::append_member(std::string_view key, Json value) {
  if (type_ == Type::kNull) type_ = Type::kObject;
  check(type_ == Type::kObject, "a member is set in a JSON object");
  members_.emplace_back(key, std::move(value));
}

Json& Json::push(Json value) {
  if (type_ == Type::kNull) type_ = Type::kArray;
  check(type_ == Type::kArray, "an item is pushed onto a JSON array");
  items_.push_back(std::move(value));
  return *this;
}

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : members_)
    if (name == key) return &value;
  return nullptr;
}

Result<std::uint64_t> Json::as_u64(std::string_view where) const {
  if (type_ != Type::kUint) return wrong_type(*this, "an unsigned integer", where);
  return uint_;
}

Result<std::int64_t> Json::as_i64(std::string_view where) const {
  if (type_ == Type::kInt) return int_;
  if (type_ != Type::kUint || uint_ > kInt64Max) return wrong_type(*this, "a 64-bit signed integer", where);
  return static_cast<std::int64_t>(uint_);
}

Result<double> Json::as_double(std::string_view where) const {
  switch (type_) {
    case Type::kDouble: return double_;
    case Type::kUint: return static_cast<double>(uint_);
    case Type::kInt: return static_cast<double>(int_);
    default: return wrong_type(*this, "a number", where);
  }
}

Result<bool> Json::as_bool(std::string_view where) const {
  if (type_ != Type::kBool) return wrong_type(*this, "a boolean", where);
  return uint_ != 0;
}

Result<std::string_view> Json::as_text(std::string_view where) const {
  if (type_ != Type::kText) return wrong_type(*this, "a text", where);
  return std::string_view(text_);
}

std::string Json::dump() const {
  std::string out;
  dump_to(out, 0, 0);
  return out;
}

std::string Json::dump_pretty() const {
  std::string out;
  dump_to(out, 2, 0);
  return out;
}

void Json::dump_to(std::string& out, int indent, int depth) const {
  switch (type_) {
    case Type::kNull: out += "null"; return;
    case Type::kBool: out += uint_ != 0 ? "true" : "false"; return;
    case Type::kUint: out += std::to_string(uint_); return;
    case Type::kInt: out += std::to_string(int_); return;
    case Type::kDouble: dump_double(out, double_); return;
    case Type::kText: dump_text(out, text_); return;
    case Type::kArray:
      out += '[';
      for (std::size_t i = 0; i < items_.size(); ++i) {
        if (i > 0) out += ',';
        new_line(out, indent, depth + 1);
        items_[i].dump_to(out, indent, depth + 1);
      }
      if (!items_.empty()) new_line(out, indent, depth);
      out += ']';
      return;
    case Type::kObject:
      out += '{';
      for (std::size_t i = 0; i < members_.size(); ++i) {
        if (i > 0) out += ',';
        new_line(out, indent, depth + 1);
        dump_text(out, members_[i].first);
        out += indent == 0 ? ":" : ": ";
        members_[i].second.dump_to(out, indent, depth + 1);
      }
      if (!members_.empty()) new_line(out, indent, depth);
      out += '}';
  }
}

Result<Json> parse_json(std::string_view input) {
  if (input.size() > kJsonTextMax)
    return refuse(text("found {} bytes of text, at most {} are allowed", input.size(), kJsonTextMax), "");
  yyjson_read_err err{};
  // The parser does not write to the text without the in-situ flag; its signature is older than that promise.
  const std::unique_ptr<yyjson_doc, DocFree> doc(
      yyjson_read_opts(const_cast<char*>(input.data()), input.size(), YYJSON_READ_BIGNUM_AS_RAW, nullptr, &err));
  if (doc == nullptr) {
    const std::string_view before = input.substr(0, err.pos);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    return refuse(text("{} in line {}, column {}", err.msg == nullptr ? "no document" : err.msg, line, column), "");
  }
  if (yyjson_doc_get_val_count(doc.get()) > kJsonValuesMax)
    return refuse(text("found {} values, at most {} are allowed", yyjson_doc_get_val_count(doc.get()), kJsonValuesMax),
                  "");
  return convert(yyjson_doc_get_root(doc.get()), {}, 0);
}

}  // namespace hanse::codec
