#include "cli/verbs/render.h"

#include <algorithm>

#include "base/core/edit_distance.h"
#include "base/core/text.h"

namespace hanse::cli {

namespace {

// Columns, not bytes: continuation bytes of UTF-8 take no room.
std::size_t width(std::string_view s) {
  return static_cast<std::size_t>(
      std::count_if(s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_number(std::string_view s) {
  return !s.empty() && s.find_first_not_of("0123456789.,/") == std::string_view::npos;
}

}  // namespace

std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& h : head) widths.push_back(width(h));
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells, bool is_head) {
    std::string text_line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string pad(widths[i] - std::min(widths[i], width(cells[i])), ' ');
      const bool right = !is_head && is_number(cells[i]);
      text_line += (i > 0 ? "  " : "") + (right ? pad + cells[i] : cells[i] + pad);
    }
    while (!text_line.empty() && text_line.back() == ' ') text_line.pop_back();
    out += text_line + "\n";
  };
  line(head, true);
  for (const auto& row : rows) line(row, false);
  if (!out.empty()) out.pop_back();
  return out;
}

codec::Json error_json(const Error& error) {
  codec::Json inner = codec::Json::object();
  inner.set("id", error.id());
  inner.set("code", error.code());
  std::string message(error.message());
  for (const auto& context : error.context()) message += "; while " + context;
  inner.set("message", message);
  inner.set("path", error.path());
  codec::Json outer = codec::Json::object();
  outer.set("error", std::move(inner));
  return outer;
}

std::string error_text(const Error& error) {
  std::string out = text("error: {}\n", error.message());
  if (!error.path().empty()) out += text("  at    {}\n", error.path());
  for (const auto& context : error.context()) out += text("  while {}\n", context);
  out +=
      error.code() != 0 ? text("  id    {} (code {})\n", error.id(), error.code()) : text("  id    {}\n", error.id());
  if (error.kind() == Kind::kInternal) out += "  this is a bug in Hanse\n";
  return out;
}

std::string nearest(std::string_view found, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t distance_max = std::max<std::size_t>(2, found.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t d = edit_distance(found, candidate);
    if (d < distance_max) {
      distance_max = d;
      best = candidate;
    }
  }
  return best;
}

}  // namespace hanse::cli
