#include "base/codec/json.h"
#include "base/codec/utf8.h"
#include "base/core/text.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <istream>
#include <set>
#include <streambuf>

namespace hanse::codec {

namespace {

// Leaves the foreign parser from inside an event; caught in parse_yaml.
struct Refused {
  std::string message;
  YAML::Mark mark;
};

bool all_of(std::string_view s, std::string_view allowed) {
  return !s.empty() && s.find_first_not_of(allowed) == std::string_view::npos;
}

// Core schema: [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool looks_like_float(std::string_view s) {
  constexpr std::string_view kDigits = "0123456789";
  const std::size_t exponent = s.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    std::string_view e = s.substr(exponent + 1);
    if (e.starts_with('+') || e.starts_with('-')) e.remove_prefix(1);
    if (!all_of(e, kDigits)) return false;
    s = s.substr(0, exponent);
  }
  const std::size_t dot = s.find('.');
  if (dot == std::string_view::npos) return all_of(s, kDigits);
  const std::string_view whole = s.substr(0, dot), part = s.substr(dot + 1);
  return (whole.empty() || all_of(whole, kDigits)) && (part.empty() ? !whole.empty() : all_of(part, kDigits));
}

Json integer(std::string_view digits, int base, bool negative, const YAML::Mark& mark) {
  std::uint64_t v = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), v, base);
  const bool fits = ec == std::errc() && end == digits.data() + digits.size() && (!negative || v <= 1ull << 63);
  if (!fits) throw Refused{text("found the number {}, expected one that fits in 64 bits", digits.substr(0, 40)), mark};
  if (!negative) return Json(v);
  return Json(static_cast<std::int64_t>(~v + 1));
}

Json plain_scalar(const std::string& s, const YAML::Mark& mark) {
  const auto is = [&](std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), s) != words.end();
  };
  if (is({"", "~", "null", "Null", "NULL"})) return Json();
  if (is({"true", "True", "TRUE"})) return Json(true);
  if (is({"false", "False", "FALSE"})) return Json(false);
  if (s.starts_with("0x") && all_of(std::string_view(s).substr(2), "0123456789abcdefABCDEF"))
    return integer(std::string_view(s).substr(2), 16, false, mark);
  if (s.starts_with("0o") && all_of(std::string_view(s).substr(2), "01234567"))
    return integer(std::string_view(s).substr(2), 8, false, mark);
  const bool sign = s[0] == '-' || s[0] == '+';
  const std::string_view digits = std::string_view(s).substr(sign ? 1 : 0);
  if (all_of(digits, "0123456789")) return integer(digits, 10, s[0] == '-', mark);
  if (digits == ".inf" || digits == ".Inf" || digits == ".INF" || is({".nan", ".NaN", ".NAN"}))
    throw Refused{text("found {}, expected a finite number", s), mark};
  if (looks_like_float(digits)) {
    double v = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), v);
    if (ec != std::errc()) throw Refused{text("found the number {}, expected one that a double holds", s), mark};
    return Json(s[0] == '-' ? -v : v);
  }
  return Json(s);
}

// The text where it is; the parser wants a stream.
class TextBuffer final : public std::streambuf {
 public:
  explicit TextBuffer(std::string_view s) {
    char* const begin = const_cast<char*>(s.data());  // read only: no put area is set
    setg(begin, begin, begin + s.size());
  }
};

class Builder final : public YAML::EventHandler {
 public:
  Json take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string&) override { throw Refused{"found an anchor", mark}; }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { throw Refused{"found an alias", mark}; }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { OnScalar(mark, "?", anchor, ""); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& v) override {
    refuse_extras(mark, tag, anchor);
    if (!is_utf8(v)) throw Refused{"found text that is not UTF-8", mark};
    if (wants_key()) {
      Level& top = levels_.back();
      if (!top.keys.insert(v).second) throw Refused{text("found key '{}' twice", v), mark};
      top.key = v;
      top.key_line = line(mark);
      top.has_key = true;
      return;
    }
    // A quoted scalar comes with the tag "!", a plain one with "?".
    add(tag == "!" ? Json(v) : plain_scalar(v, mark), mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Json::array(), mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Json::object(), mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Json value;
    std::set<std::string> keys;
    std::string key;
    std::uint32_t key_line = 0;
    bool has_key = false;
  };

  static std::uint32_t line(const YAML::Mark& mark) { return static_cast<std::uint32_t>(mark.line + 1); }

  bool wants_key() const {
    return !levels_.empty() && levels_.back().value.type() == Json::Type::kObject && !levels_.back().has_key;
  }

  static void refuse_extras(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) throw Refused{"found an anchor", mark};
    if (!tag.empty() && tag != "?" && tag != "!") throw Refused{text("found the tag {}", tag.substr(0, 80)), mark};
  }

  void open(Json container, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_extras(mark, tag, anchor);
    if (wants_key()) throw Refused{"found a key that is not a scalar", mark};
    if (levels_.size() == kJsonDepthMax) throw Refused{text("found more than {} levels", kJsonDepthMax), mark};
    container.set_line(line(mark));
    levels_.push_back({.value = std::move(container), .keys = {}, .key = {}});
    marks_.push_back(mark);
  }

  void close() {
    Json done = std::move(levels_.back().value);
    levels_.pop_back();
    const YAML::Mark mark = marks_.back();
    marks_.pop_back();
    add(std::move(done), mark);
  }

  void add(Json value, const YAML::Mark& mark) {
    if (++values_ > kJsonValuesMax) throw Refused{text("found more than {} values", kJsonValuesMax), mark};
    value.set_line(line(mark));
    if (levels_.empty()) {
      root_ = std::move(value);
      return;
    }
    Level& top = levels_.back();
    if (top.value.type() == Json::Type::kArray) {
      top.value.push(std::move(value));
      return;
    }
    value.set_line(top.key_line);  // a member is where its key is
    top.value.append_member(top.key, std::move(value));
    top.has_key = false;
  }

  Json root_;
  std::vector<Level> levels_;
  std::vector<YAML::Mark> marks_;
  std::size_t values_ = 0;
};

std::unexpected<Error> refuse(std::string_view message, const YAML::Mark& mark) {
  return fail(Kind::kInvalid, "codec.yaml", text("{} in line {}, column {}", message, mark.line + 1, mark.column + 1));
}

}  // namespace

Result<Json> parse_yaml(std::string_view input) {
  if (input.size() > kYamlTextMax)
    return fail(Kind::kInvalid, "codec.yaml",
                text("found {} bytes of text, at most {} are allowed", input.size(), kYamlTextMax));
  try {
    TextBuffer buffer(input);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    Builder builder;
    if (!parser.HandleNextDocument(builder)) return Json();
    Json first = builder.take();
    Builder next;
    if (parser.HandleNextDocument(next))
      return fail(Kind::kInvalid, "codec.yaml", "found a second document, expected one");
    return first;
  } catch (const Refused& e) {
    return refuse(e.message, e.mark);
  } catch (const YAML::Exception& e) {
    return refuse(e.msg, e.mark);
  } catch (const std::exception& e) {
    return fail(Kind::kInvalid, "codec.yaml", text("the parser stopped: {}", e.what()));
  }
}

}  // namespace hanse::codec
