// Verb: one command of the command line, as plain data. A room that has a command declares a Verb; cli/verbs collects
// them, parses, renders and turns errors into exit codes, so an engine owns its command without seeing the CLI.
// A verb computes an Answer and prints nothing itself, except through Talk while it works.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/codec/json.h"
#include "base/core/result.h"

namespace hanse::plugin {

struct VerbOption {
  std::string name;   // "--dir", or "FILE" for a positional
  std::string value;  // what follows, e.g. "DIR"; empty for a flag
  std::string help;
  std::string fallback;  // default as text; empty = none
  bool required = false;
  bool repeats = false;
};

// What the user typed, by option name without dashes.
class VerbArgs {
 public:
  void add(std::string name, std::string value) { values_.push_back({std::move(name), std::move(value)}); }
  bool has(std::string_view name) const;
  std::string_view get(std::string_view name, std::string_view fallback = {}) const;
  std::vector<std::string> all(std::string_view name) const;
  // cli.number (invalid) with the option, what was found and the range.
  Result<std::uint64_t> number(std::string_view name, std::uint64_t fallback,
                               std::uint64_t max = ~std::uint64_t{0}) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

// Where a verb talks while it works: progress for people, on stderr, silent with --quiet or --json.
class Talk {
 public:
  virtual ~Talk() = default;
  virtual void say(std::string_view line) = 0;       // one line
  virtual void progress(std::string_view line) = 0;  // overwrites itself on a terminal, else nothing
};

struct Answer {
  codec::Json json;  // printed with --json
  std::string text;  // printed otherwise; ends without a newline
  int exit = 0;      // 0, or 1 for a negative answer
};

struct Verb {
  std::string name;     // "submit", "receipt get"
  std::string summary;  // one line
  std::string details;  // paragraphs and examples under the options
  std::vector<VerbOption> options;
  std::function<Result<Answer>(const VerbArgs&, Talk&)> run;
  bool hidden = false;
};

}  // namespace hanse::plugin
