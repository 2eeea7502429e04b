#include "exchange/gxf/detail/fields.h"

#include "exchange/gxf/job_file.h"

#include "base/core/edit_distance.h"
#include "base/core/text.h"

#include <algorithm>
#include <charconv>

namespace hanse::gxf::detail {

namespace {

using codec::Json;

struct UnitName {
  std::string_view name;
  std::uint64_t factor;
};
constexpr UnitName kThousands[] = {{"k", 1'000}, {"M", 1'000'000}, {"G", 1'000'000'000}, {"T", 1'000'000'000'000}};
constexpr UnitName kSizes[] = {{"B", 1},
                               {"kB", 1'000},
                               {"MB", 1'000'000},
                               {"GB", 1'000'000'000},
                               {"KiB", 1ull << 10},
                               {"MiB", 1ull << 20},
                               {"GiB", 1ull << 30}};
constexpr UnitName kTimes[] = {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"min", 60'000}, {"h", 3'600'000}};

Result<std::uint64_t> within(const Spot& spot, std::uint64_t v, std::uint64_t most) {
  if (v > most) return fail_file(spot, text("found {}, expected at most {}", v, most));
  return v;
}

// "64MiB": digits and one unit.
Result<std::uint64_t> with_unit(const Spot& spot, std::span<const UnitName> units, std::string_view expected,
                                std::uint64_t most) {
  if (spot.value->type() != Json::Type::kText)
    return fail_file(spot, text("found {}, expected {}", spot.value->type_name(), expected));
  TRY(const std::string_view s, spot.value->as_text(spot.path));
  std::uint64_t v = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
  const std::string_view unit = s.substr(static_cast<std::size_t>(end - s.data()));
  const auto known = std::find_if(units.begin(), units.end(), [&](const UnitName& u) { return u.name == unit; });
  if (ec != std::errc() || known == units.end())
    return fail_file(spot, text("found '{}', expected {}", s.substr(0, 40), expected));
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(v, known->factor, &product))
    return fail_file(spot, text("found '{}', which does not fit in 64 bits", s.substr(0, 40)));
  return within(spot, product, most);
}

}  // namespace

std::unexpected<Error> fail_file(std::string_view path, std::uint32_t line, std::string_view message) {
  std::string all(message);
  if (line != 0) all += text(" in line {}", line);
  return std::unexpected(Error(Kind::kInvalid, "gxf.job_file", all).at(path));
}

std::unexpected<Error> fail_file(const Spot& spot, std::string_view message) {
  return fail_file(spot.path, spot.value == nullptr ? 0 : spot.value->line(), message);
}

Result<Fields> Fields::open(const Spot& spot, std::span<const std::string_view> known) {
  if (spot.value->type() != Json::Type::kObject)
    return fail_file(spot, text("found {}, expected an object", spot.value->type_name()));
  Fields out(*spot.value, spot.path);
  for (const auto& [key, value] : spot.value->members()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return fail_file(out.at(key),
                     text("found the unknown key '{}', did you mean '{}'?", key.substr(0, 80), nearest(key, known)));
  }
  return out;
}

Spot Fields::at(std::string_view key) const {
  return {.value = object_->find(key), .path = path_.empty() ? std::string(key) : text("{}.{}", path_, key)};
}

Result<Spot> Fields::need(std::string_view key) const {
  Spot spot = at(key);
  if (!spot.present()) return fail_file(spot.path, object_->line(), text("found no {}", key));
  return spot;
}

std::vector<Spot> items_of(const Spot& spot) {
  std::vector<Spot> out;
  for (const Json& item : spot.value->items())
    out.push_back({.value = &item, .path = text("{}[{}]", spot.path, out.size())});
  return out;
}

Result<std::vector<Spot>> list_of(const Spot& spot) {
  if (spot.value->type() != Json::Type::kArray)
    return fail_file(spot, text("found {}, expected a list", spot.value->type_name()));
  return items_of(spot);
}

Result<std::string> word(const Spot& spot) {
  TRY(const std::string_view s, spot.value->as_text(spot.path));
  if (s.empty()) return fail_file(spot, "found an empty text");
  return std::string(s);
}

Result<std::uint64_t> number(const Spot& spot, std::uint64_t most) {
  TRY(const std::uint64_t v, spot.value->as_u64(spot.path));
  return within(spot, v, most);
}

Result<std::uint64_t> count(const Spot& spot, std::uint64_t most) {
  if (spot.value->type() == Json::Type::kUint) return number(spot, most);
  return with_unit(spot, kThousands, "a number such as 50000000 or 50M (k, M, G, T)", most);
}

Result<std::uint64_t> bytes(const Spot& spot, std::uint64_t most) {
  return with_unit(spot, kSizes, "a size such as 64MiB (B, kB, MB, GB, KiB, MiB, GiB)", most);
}

Result<std::uint64_t> milliseconds(const Spot& spot, std::uint64_t most) {
  return with_unit(spot, kTimes, "a time such as 10s (ms, s, m, h)", most);
}

Result<std::uint64_t> choice(const Spot& spot, std::span<const Choice> choices, std::uint64_t number_max) {
  if (number_max > 0 && spot.value->type() == Json::Type::kUint) return number(spot, number_max);
  TRY(const std::string found, word(spot));
  std::string names;
  for (const Choice& c : choices) {
    if (lower(found) == c.name) return c.value;
    names += (names.empty() ? "" : ", ") + std::string(c.name);
  }
  if (number_max > 0) names += text(" or 0 to {}", number_max);
  return fail_file(spot, text("found '{}', expected one of {}", found.substr(0, 40), names));
}

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view nearest(std::string_view found, std::span<const std::string_view> known) {
  found = found.substr(0, 80);
  return *std::min_element(known.begin(), known.end(), [&](std::string_view a, std::string_view b) {
    return edit_distance(found, a) < edit_distance(found, b);
  });
}

std::unexpected<Error> as_job_file_error(const Error& e) {
  return std::unexpected(Error(Kind::kInvalid, "gxf.job_file", e.message()).at(e.path()));
}

Result<Json> parse_text(std::string_view input) {
  if (input.size() > kJobFileMax)
    return fail_file("", 0, text("found {} bytes, a job file has at most {}", input.size(), kJobFileMax));
  const std::size_t first = input.find_first_not_of(" \t\r\n");
  const bool json = first != std::string_view::npos && input[first] == '{';
  return json ? codec::parse_json(input) : codec::parse_yaml(input);
}

}  // namespace hanse::gxf::detail
