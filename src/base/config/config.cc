#include "base/config/config.h"

#include <algorithm>
#include <charconv>

#include "base/config/toml.h"
#include "base/core/check.h"
#include "base/core/edit_distance.h"
#include "base/core/text.h"

extern char** environ;

namespace hanse::config {
namespace {

std::string_view section_of(std::string_view path) { return path.substr(0, path.find('.')); }
std::string_view name_of(std::string_view path) {
  const auto dot = path.find('.');
  return dot == path.npos ? path : path.substr(dot + 1);
}

bool is_choice(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    if (choices.substr(0, bar) == value) return true;
    if (bar == choices.npos) break;
    choices.remove_prefix(bar + 1);
  }
  return false;
}

std::string quoted(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < 0x20 || u == 0x7f) {
      out += text("\\u{:04x}", unsigned{u});
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string expectation(const Key& key) {
  switch (key.type) {
    case Type::kNumber:
      return text("a whole number from {} to {}{}{}", key.min, key.max, key.unit.empty() ? "" : " ", key.unit);
    case Type::kBool: return "true or false";
    case Type::kChoice: return text("one of {}", key.choices);
    case Type::kTextList: return text("a list of at most {} texts", kListItemsMax);
    case Type::kText: break;
  }
  return text("text of at most {} bytes", kValueBytesMax);
}

std::vector<std::string> split_list(std::string_view s) {
  std::vector<std::string> out;
  while (!s.empty()) {
    const auto comma = s.find(',');
    std::string_view item = s.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) out.emplace_back(item);
    if (comma == s.npos) break;
    s.remove_prefix(comma + 1);
  }
  return out;
}

}  // namespace

// Fills a Config layer by layer.
class Loader {
 public:
  explicit Loader(std::span<const Key> schema) : schema_(schema), config_(schema) {}

  Result<Config> run(const Sources& sources) {
    for (std::size_t i = 0; i < schema_.size(); ++i)
      TRY_OK(set(i, schema_[i].fallback, {.layer = Layer::kDefault, .where = "default"}));
    for (const auto& file : sources.files) TRY_OK(read_file(file));
    for (const auto& [name, value] : sources.environment) TRY_OK(variable(name, value));
    for (const auto& given : sources.flags) TRY_OK(command_flag(given));
    return std::move(config_);
  }

 private:
  Result<std::size_t> find(std::string_view path, std::string_view where) const {
    for (std::size_t i = 0; i < schema_.size(); ++i)
      if (schema_[i].path == path) return i;
    const auto near = nearest_key(schema_, path);
    return fail(Kind::kInvalid, "config.unknown_key",
                near.empty() ? text("{}: found unknown key {}", where, path)
                             : text("{}: found unknown key {}, the nearest known one is {}", where, path, near));
  }

  std::unexpected<Error> bad(const Key& key, std::string_view found, std::string_view where) const {
    const std::string shown = key.secret ? "a secret" : quoted(found.substr(0, 80));
    return fail(Kind::kInvalid, "config.bad_value",
                text("{}: found {} for {}, expected {}", where, shown, key.path, expectation(key)));
  }

  Status set(std::size_t i, std::string_view given, Origin origin) {
    const Key& key = schema_[i];
    Config::Value v;
    if (given.size() > kValueBytesMax || given.find('\0') != given.npos) return bad(key, given, origin.where);
    switch (key.type) {
      case Type::kText: v.text = given; break;
      case Type::kChoice:
        if (!is_choice(key.choices, given)) return bad(key, given, origin.where);
        v.text = given;
        break;
      case Type::kBool:
        if (given != "true" && given != "false") return bad(key, given, origin.where);
        v.number = given == "true" ? 1 : 0;
        break;
      case Type::kNumber: {
        const auto [end, ec] = std::from_chars(given.data(), given.data() + given.size(), v.number);
        if (ec != std::errc{} || end != given.data() + given.size() || v.number < key.min || v.number > key.max)
          return bad(key, given, origin.where);
        break;
      }
      case Type::kTextList:
        v.list = split_list(given);
        if (v.list.size() > kListItemsMax) return bad(key, given, origin.where);
        break;
    }
    v.origin = std::move(origin);
    config_.values_[i] = std::move(v);
    return {};
  }

  Status read_file(const std::string& file) {
    TRY(const auto entries, read_toml(file));
    for (const auto& e : entries) {
      const Origin origin{.layer = Layer::kFile, .where = text("{}:{}", file, e.line)};
      TRY(const std::size_t i, find(e.path, origin.where));
      TRY_OK(set_toml(i, e, origin));
    }
    return {};
  }

  // A file says which type it means: 8 is a number and "8" is text, so that neither passes for the other.
  Status set_toml(std::size_t i, const TomlEntry& e, const Origin& origin) {
    const Key& key = schema_[i];
    const bool fits = key.type == Type::kNumber     ? e.kind == TomlEntry::Kind::kNumber
                      : key.type == Type::kBool     ? e.kind == TomlEntry::Kind::kBool
                      : key.type == Type::kTextList ? e.kind == TomlEntry::Kind::kList
                                                    : e.kind == TomlEntry::Kind::kText;
    if (!fits) return bad(key, e.kind == TomlEntry::Kind::kList ? "a list" : e.text, origin.where);
    if (e.kind != TomlEntry::Kind::kList) return set(i, e.text, origin);
    for (const auto& item : e.list)
      if (item.size() > kValueBytesMax || item.find('\0') != item.npos) return bad(key, item, origin.where);
    config_.values_[i] = {.text = {}, .list = e.list, .origin = origin};
    return {};
  }

  Status variable(std::string_view name, std::string_view value) {
    constexpr std::string_view kPrefix = "HANSE_";
    if (!name.starts_with(kPrefix)) return {};
    const auto split = name.find("__", kPrefix.size());
    if (split == name.npos) return {};
    std::string path(name.substr(kPrefix.size(), split - kPrefix.size()));
    path += '.';
    path += name.substr(split + 2);
    for (char& c : path)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    TRY(const std::size_t i, find(path, name));
    return set(i, value, {.layer = Layer::kEnvironment, .where = std::string(name)});
  }

  Status command_flag(std::string_view given) {
    const auto equals = given.find('=');
    if (equals == given.npos)
      return fail(Kind::kInvalid, "config.bad_value", text("flag {}: found no '=', expected key=value", given));
    const std::string where = text("flag {}", given.substr(0, equals));
    TRY(const std::size_t i, find(given.substr(0, equals), where));
    return set(i, given.substr(equals + 1), {.layer = Layer::kFlag, .where = where});
  }

  std::span<const Key> schema_;
  Config config_;
};

Result<Config> Config::load(std::span<const Key> schema, const Sources& sources) { return Loader(schema).run(sources); }

std::size_t Config::index(std::string_view path, Type type) const {
  for (std::size_t i = 0; i < schema_.size(); ++i) {
    if (schema_[i].path != path) continue;
    const bool fits = schema_[i].type == type || (type == Type::kText && schema_[i].type == Type::kChoice);
    check(fits, "a key is read under the type its schema gives it");
    return i;
  }
  check(false, "a key that is read stands in the schema");
  return 0;
}

std::string_view Config::text(std::string_view path) const { return values_[index(path, Type::kText)].text; }
std::uint64_t Config::number(std::string_view path) const { return values_[index(path, Type::kNumber)].number; }
bool Config::flag(std::string_view path) const { return values_[index(path, Type::kBool)].number != 0; }
const std::vector<std::string>& Config::list(std::string_view path) const {
  return values_[index(path, Type::kTextList)].list;
}

const Origin& Config::origin(std::string_view path) const {
  for (std::size_t i = 0; i < schema_.size(); ++i)
    if (schema_[i].path == path) return values_[i].origin;
  check(false, "a key whose origin is asked stands in the schema");
  return values_[0].origin;
}

std::string Config::print() const {
  std::string out;
  std::string_view section;
  for (std::size_t i = 0; i < schema_.size(); ++i) {
    const Key& key = schema_[i];
    const Value& v = values_[i];
    if (section_of(key.path) != section) {
      section = section_of(key.path);
      out += hanse::text("{}[{}]\n", out.empty() ? "" : "\n", section);
    }
    std::string shown;
    switch (key.type) {
      case Type::kText:
      case Type::kChoice: shown = key.secret && !v.text.empty() ? "\"********\"" : quoted(v.text); break;
      case Type::kNumber: shown = hanse::text("{}", v.number); break;
      case Type::kBool: shown = v.number != 0 ? "true" : "false"; break;
      case Type::kTextList:
        shown = "[";
        for (const auto& item : v.list) shown += (shown.size() > 1 ? ", " : "") + quoted(item);
        shown += "]";
        break;
    }
    out += hanse::text("{} = {}  # {}\n", name_of(key.path), shown, v.origin.where);
  }
  return out;
}

std::unexpected<Error> Config::refuse(std::string_view path, std::string_view expected) const {
  return fail(
      Kind::kInvalid, "config.bad_value",
      hanse::text("{}: found a value of {} that cannot be used, expected {}", origin(path).where, path, expected));
}

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kText: return "text";
    case Type::kNumber: return "number";
    case Type::kBool: return "bool";
    case Type::kChoice: return "choice";
    case Type::kTextList: return "list of text";
  }
  return "text";
}

std::string_view nearest_key(std::span<const Key> schema, std::string_view found) {
  std::string_view best;
  if (found.size() > 128) return best;
  std::size_t least = std::max<std::size_t>(3, found.size() / 3) + 1;  // farther than this is another word
  for (const Key& key : schema) {
    // The right name in the wrong section is nearer than its letters say.
    const std::size_t d = name_of(key.path) == name_of(found) ? 1 : edit_distance(key.path, found);
    if (d < least) {
      least = d;
      best = key.path;
    }
  }
  return best;
}

std::vector<std::pair<std::string, std::string>> process_environment() {
  std::vector<std::pair<std::string, std::string>> out;
  for (char** e = environ; e != nullptr && *e != nullptr; ++e) {
    const std::string_view entry = *e;
    const auto equals = entry.find('=');
    if (equals != entry.npos) out.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return out;
}

std::string reference_page(std::string_view title, std::string_view intro, std::span<const Key> schema) {
  std::string out = text("# {}\n\n{}\n", title, intro);
  std::string_view section;
  for (const Key& key : schema) {
    if (section_of(key.path) != section) {
      section = section_of(key.path);
      out +=
          text("\n## [{}]\n\n| key | type | default | range | unit | meaning |\n|---|---|---|---|---|---|\n", section);
    }
    std::string range;
    if (key.type == Type::kNumber)
      range = key.max == ~std::uint64_t{0} ? text("{} or more", key.min) : text("{}-{}", key.min, key.max);
    if (key.type == Type::kChoice) {
      for (const char c : key.choices) range += c == '|' ? std::string(", ") : std::string(1, c);
    }
    const std::string fallback = key.fallback.empty() ? "" : text("`{}`", key.fallback);
    out += text("| `{}` | {} | {} | {} | {} | {}{} |\n", name_of(key.path), type_name(key.type), fallback, range,
                key.unit, key.help, key.secret ? " (secret: printed masked)" : "");
  }
  return out;
}

}  // namespace hanse::config
