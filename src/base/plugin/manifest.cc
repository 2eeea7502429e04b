#include "base/plugin/manifest.h"

#include <algorithm>
#include <map>

#include "base/core/text.h"

namespace hanse::plugin {

namespace {

constexpr std::size_t kIdMax = 32;
constexpr std::size_t kCapabilityMax = 64;
constexpr std::uint32_t kVersionPartMax = 999'999;

std::unexpected<Error> bad(std::size_t line, std::string_view message) {
  return fail(Kind::kInvalid, "plugin.bad_manifest",
              line == 0 ? std::string(message) : text("line {}: {}", line, message));
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name(std::string_view s, std::string_view also, std::size_t size_max) {
  if (s.empty() || s.size() > size_max || !is_lower(s.front())) return false;
  return std::ranges::all_of(s, [&](char c) { return is_lower(c) || is_digit(c) || also.contains(c); });
}

bool parse_u32(std::string_view s, std::uint32_t max, std::uint32_t& out) {
  if (s.empty() || s.size() > 6 || (s.size() > 1 && s.front() == '0')) return false;
  std::uint32_t v = 0;
  for (const char c : s) {
    if (!is_digit(c)) return false;
    v = v * 10 + static_cast<std::uint32_t>(c - '0');
  }
  out = v;
  return v <= max;
}

std::vector<std::string_view> split(std::string_view s, char by) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto at = s.find(by);
    out.push_back(trim(s.substr(0, at)));
    if (at == std::string_view::npos) return out;
    s.remove_prefix(at + 1);
  }
}

using Fields = std::map<std::string_view, std::pair<std::size_t, std::string_view>>;  // key -> line, value

Status read_line(std::string_view line, std::size_t number, Fields& fields) {
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) return bad(number, text("found '{}', expected key = \"value\"", line));
  const auto key = trim(line.substr(0, equals));
  auto value = trim(line.substr(equals + 1));
  static constexpr std::string_view kKeys[] = {"id",    "version", "abi",    "capabilities",
                                               "needs", "name",    "author", "description"};
  if (std::ranges::find(kKeys, key) == std::end(kKeys))
    return bad(number,
               text("found key '{}', expected one of id version abi capabilities needs name author description", key));
  if (value.size() < 2 || value.front() != '"' || value.back() != '"')
    return bad(number, text("{}: found {}, expected a text in quotes", key, value));
  value = value.substr(1, value.size() - 2);
  for (const char c : value)
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      return bad(number, text("{}: found byte {}, expected no quote, backslash or control character", key,
                              static_cast<unsigned>(static_cast<unsigned char>(c))));
  if (!fields.emplace(key, std::pair{number, value}).second) return bad(number, text("{} is there twice", key));
  return {};
}

Status read_capabilities(std::size_t line, std::string_view value, Manifest& m) {
  if (trim(value).empty()) return {};
  for (const auto name : split(value, ',')) {
    if (!is_name(name, "._/-", kCapabilityMax))
      return bad(line,
                 text("capabilities: found '{}', expected [a-z][a-z0-9._/-]*, at most {} bytes", name, kCapabilityMax));
    if (std::ranges::find(m.capabilities, name) != m.capabilities.end())
      return bad(line, text("capabilities: {} is there twice", name));
    m.capabilities.emplace_back(name);
  }
  if (m.capabilities.size() > kCapabilitiesMax)
    return bad(line, text("capabilities: found {}, expected at most {}", m.capabilities.size(), kCapabilitiesMax));
  return {};
}

Status read_needs(std::size_t line, std::string_view value, Manifest& m) {
  if (trim(value).empty()) return {};
  for (const auto part : split(value, ',')) {
    const auto at = part.find(">=");
    const auto id = trim(part.substr(0, at));
    if (at == std::string_view::npos || !is_name(id, "_-", kIdMax))
      return bad(line, text("needs: found '{}', expected id >= MAJOR.MINOR.PATCH", part));
    auto version = parse_version(trim(part.substr(at + 2)));
    if (!version) return bad(line, text("needs: {}: {}", id, version.error().message()));
    m.needs.push_back({std::string(id), *version});
  }
  if (m.needs.size() > kNeedsMax)
    return bad(line, text("needs: found {}, expected at most {}", m.needs.size(), kNeedsMax));
  return {};
}

Status read_required(const Fields& fields, Manifest& m) {
  for (const std::string_view key : {"id", "version", "abi"})
    if (!fields.contains(key)) return bad(0, text("{} is missing", key));
  const auto& [id_line, id] = fields.at("id");
  if (!is_name(id, "_-", kIdMax))
    return bad(id_line, text("id: found '{}', expected [a-z][a-z0-9_-]*, at most {} bytes", id, kIdMax));
  m.id = id;
  const auto& [version_line, version_text] = fields.at("version");
  auto version = parse_version(version_text);
  if (!version) return bad(version_line, text("version: {}", version.error().message()));
  m.version = *version;
  const auto& [abi_line, abi] = fields.at("abi");
  if (!parse_u32(abi, kVersionPartMax, m.abi)) return bad(abi_line, text("abi: found '{}', expected a number", abi));
  return {};
}

}  // namespace

std::string Version::str() const { return text("{}.{}.{}", major, minor, patch); }

Result<Version> parse_version(std::string_view s) {
  const auto parts = split(s, '.');
  Version v;
  if (parts.size() != 3 || !parse_u32(parts[0], kVersionPartMax, v.major) ||
      !parse_u32(parts[1], kVersionPartMax, v.minor) || !parse_u32(parts[2], kVersionPartMax, v.patch) || v.str() != s)
    return bad(0, text("found '{}', expected MAJOR.MINOR.PATCH", s));
  return v;
}

Result<Manifest> parse_manifest(std::string_view source) {
  if (source.size() > kManifestSizeMax)
    return bad(0, text("found {} bytes, expected at most {}", source.size(), kManifestSizeMax));
  Fields fields;
  std::size_t number = 0;
  while (!source.empty()) {
    ++number;
    const auto end = source.find('\n');
    const auto line = trim(source.substr(0, end));
    source.remove_prefix(end == std::string_view::npos ? source.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    TRY_OK(read_line(line, number, fields));
  }
  Manifest m;
  TRY_OK(read_required(fields, m));
  if (const auto it = fields.find("capabilities"); it != fields.end())
    TRY_OK(read_capabilities(it->second.first, it->second.second, m));
  if (const auto it = fields.find("needs"); it != fields.end())
    TRY_OK(read_needs(it->second.first, it->second.second, m));
  if (const auto it = fields.find("name"); it != fields.end()) m.name = it->second.second;
  if (const auto it = fields.find("author"); it != fields.end()) m.author = it->second.second;
  if (const auto it = fields.find("description"); it != fields.end()) m.description = it->second.second;
  return m;
}

namespace {

// Depth-first post-order; `path` is the chain being followed, so a repeat in it is a ring.
struct Sorter {
  const std::vector<Manifest>& manifests;
  std::map<std::string_view, std::size_t> by_id;
  std::vector<bool> done;
  std::vector<std::size_t> path, order;

  Status visit(std::size_t i) {
    if (done[i]) return {};
    if (const auto at = std::ranges::find(path, i); at != path.end()) {
      std::string ring;
      for (auto it = at; it != path.end(); ++it) ring += manifests[*it].id + " -> ";
      return fail(Kind::kInvalid, "plugin.cycle", text("needs form a ring: {}{}", ring, manifests[i].id));
    }
    path.push_back(i);
    for (const auto& need : manifests[i].needs)
      if (const auto it = by_id.find(need.id); it != by_id.end()) TRY_OK(visit(it->second));
    path.pop_back();
    done[i] = true;
    order.push_back(i);
    return {};
  }
};

}  // namespace

Result<std::vector<std::size_t>> load_order(const std::vector<Manifest>& manifests) {
  Sorter sorter{
      .manifests = manifests, .by_id = {}, .done = std::vector<bool>(manifests.size()), .path = {}, .order = {}};
  for (std::size_t i = 0; i < manifests.size(); ++i) sorter.by_id.emplace(manifests[i].id, i);
  for (std::size_t i = 0; i < manifests.size(); ++i) TRY_OK(sorter.visit(i));
  return std::move(sorter.order);
}

}  // namespace hanse::plugin
