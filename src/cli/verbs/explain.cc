#include "base/core/text.h"
#include "cli/verbs/render.h"
#include "cli/verbs/verbs.h"

extern "C" const char hanse_errors_page[];
extern "C" const char hanse_errors_page_end[];

namespace hanse::cli {

namespace {

struct Row {
  std::string id, kind, meaning, remedy;
};

std::string trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '`')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '`')) s.remove_suffix(1);
  return std::string(s);
}

// Rows of the page are "| `room.what` | kind | what happened | what to do |".
std::vector<Row> rows_of_page() {
  std::string_view page(hanse_errors_page, static_cast<std::size_t>(hanse_errors_page_end - hanse_errors_page));
  std::vector<Row> rows;
  while (!page.empty()) {
    const auto end = page.find('\n');
    std::string_view line = page.substr(0, end);
    page.remove_prefix(end == std::string_view::npos ? page.size() : end + 1);
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    line.remove_prefix(1);
    for (auto bar = line.find('|'); bar != std::string_view::npos; bar = line.find('|')) {
      cells.push_back(trimmed(line.substr(0, bar)));
      line.remove_prefix(bar + 1);
    }
    if (cells.size() == 4) rows.push_back({cells[0], cells[1], cells[2], cells[3]});
  }
  return rows;
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  const std::string_view wanted = args.get("ID");
  const auto rows = rows_of_page();
  std::vector<std::string> ids;
  for (const auto& row : rows) {
    ids.push_back(row.id);
    if (row.id != wanted) continue;
    codec::Json json = codec::Json::object();
    json.set("id", row.id).set("kind", row.kind).set("meaning", row.meaning).set("remedy", row.remedy);
    Kind kind{};
    const bool known = parse_kind(row.kind, kind);
    if (known) json.set("exit_code", exit_code(kind));
    std::string out =
        text("{} ({}{})\n  {}", row.id, row.kind, known ? text(", exit code {}", exit_code(kind)) : "", row.meaning);
    if (!row.remedy.empty()) out += text("\n  {}", row.remedy);
    return plugin::Answer{.json = std::move(json), .text = std::move(out)};
  }
  const std::string near = nearest(wanted, ids);
  return fail(Kind::kNotFound, "cli.unknown_error",
              text("found error id '{}', expected one of the {} in docs/reference/errors.md{}", wanted, ids.size(),
                   near.empty() ? "" : text("; did you mean '{}'?", near)));
}

}  // namespace

plugin::Verb explain_verb() {
  return {.name = "explain",
          .summary = "say what an error id means and what to do",
          .details = "Example:\n  hanse explain market.unmatched",
          .options = {{.name = "ID",
                       .value = "ID",
                       .help = "an error id such as gxf.price_zero",
                       .fallback = {},
                       .required = true}},
          .run = run};
}

}  // namespace hanse::cli
