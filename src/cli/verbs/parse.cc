#include <unistd.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "base/core/text.h"
#include "cli/verbs/render.h"
#include "cli/verbs/verbs.h"

namespace hanse::cli {

namespace {

void write_all(int fd, std::string_view s) {
  while (!s.empty()) {
    const ssize_t n = ::write(fd, s.data(), s.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // a closed pipe: nobody is reading
    s.remove_prefix(static_cast<std::size_t>(n));
  }
}

class TerminalTalk final : public plugin::Talk {
 public:
  TerminalTalk(int fd, bool quiet) : fd_(fd), quiet_(quiet), terminal_(isatty(fd) == 1) {}
  ~TerminalTalk() override { clear(); }
  void say(std::string_view line) override {
    if (quiet_) return;
    clear();
    write_all(fd_, std::string(line) + "\n");
  }
  void progress(std::string_view line) override {
    if (quiet_ || !terminal_) return;
    write_all(fd_, "\r\x1b[K" + std::string(line));
    shown_ = true;
  }

 private:
  void clear() {
    if (shown_) write_all(fd_, "\r\x1b[K");
    shown_ = false;
  }
  int fd_;
  bool quiet_, terminal_, shown_ = false;
};

// One leaf command and the CLI11 options behind it.
struct Leaf {
  const plugin::Verb* verb = nullptr;
  CLI::App* app = nullptr;
  std::vector<std::pair<const plugin::VerbOption*, CLI::Option*>> options;
  bool json = false;
  bool quiet = false;
};

// The group in which the verb stands, made where it is the first one: "attest log append" stands in "log" of "attest".
CLI::App* folder_of(CLI::App& root, std::string_view name, std::map<std::string, CLI::App*>& folders) {
  const auto space = name.rfind(' ');
  if (space == std::string_view::npos) return &root;
  const std::string group(name.substr(0, space));
  auto& folder = folders[group];
  if (folder == nullptr) {
    folder = folder_of(root, group, folders)->add_subcommand(group.substr(group.rfind(' ') + 1), "");
    folder->require_subcommand(1);
  }
  return folder;
}

void declare(CLI::App& root, const plugin::Verb& verb, Leaf& leaf, std::map<std::string, CLI::App*>& folders) {
  CLI::App* folder = folder_of(root, verb.name, folders);
  const std::string last = verb.name.substr(verb.name.rfind(' ') + 1);
  leaf.verb = &verb;
  leaf.app = folder->add_subcommand(last, verb.summary);
  if (verb.hidden) leaf.app->group("");
  if (folder != &root) {
    std::string all = folder->get_description();
    folder->description(all + (all.empty() ? "" : "; ") + last + ": " + verb.summary);
  }
  if (!verb.details.empty()) leaf.app->footer(verb.details);
  for (const auto& option : verb.options) {
    // const: CLI11 takes a mutable string here for the variable to write the value to.
    const std::string help =
        option.fallback.empty() ? option.help : text("{} (default {})", option.help, option.fallback);
    CLI::Option* o = nullptr;
    if (option.value.empty() && option.name.starts_with("--")) {
      o = leaf.app->add_flag(option.name, help);
    } else {
      o = leaf.app->add_option(option.name, [](const CLI::results_t&) { return true; }, help);
      o->type_name(option.value.empty() ? std::string() : option.value);
      o->expected(1);
      if (option.repeats) o->expected(1, 64)->allow_extra_args(false);
    }
    o->required(option.required);
    if (option.help.empty()) o->group("");
    leaf.options.emplace_back(&option, o);
  }
  leaf.app->add_flag("--json", leaf.json, "print one JSON object");
  leaf.app->add_flag("--quiet", leaf.quiet, "no progress on stderr");
}

plugin::VerbArgs collect(const Leaf& leaf) {
  plugin::VerbArgs args;
  for (const auto& [declared, parsed] : leaf.options) {
    const std::string key = declared->name.starts_with("--") ? declared->name.substr(2) : declared->name;
    if (declared->value.empty() && declared->name.starts_with("--")) {
      if (parsed->count() > 0) args.add(key, "true");
      continue;
    }
    for (const auto& value : parsed->results()) args.add(key, value);
    if (parsed->count() == 0 && !declared->fallback.empty()) args.add(key, declared->fallback);
  }
  // For a verb that another program does.
  if (leaf.json) args.add("json", "true");
  if (leaf.quiet) args.add("quiet", "true");
  return args;
}

std::string usage_message(const CLI::Error& problem, std::span<const std::string> args,
                          const std::vector<plugin::Verb>& verbs) {
  std::string message = problem.what();
  std::vector<std::string> names;
  for (const auto& verb : verbs)
    if (!verb.hidden) names.push_back(verb.name);
  std::string typed;
  for (const auto& arg : args) {
    if (arg.starts_with("-")) break;
    typed += (typed.empty() ? "" : " ") + arg;
  }
  if (!typed.empty() && std::find(names.begin(), names.end(), typed) == names.end()) {
    const std::string near = nearest(typed, names);
    if (!near.empty() && !typed.starts_with(near + " ")) message += text("; did you mean 'hanse {}'?", near);
  }
  return message;
}

int print_error(const Error& error, bool json, int out_fd, int err_fd) {
  if (json)
    write_all(out_fd, error_json(error).dump() + "\n");
  else
    write_all(err_fd, error_text(error));
  return exit_code(error.kind());
}

}  // namespace

int run_command_line(std::span<const std::string> args, const std::vector<plugin::Verb>& verbs, int out_fd,
                     int err_fd) {
  CLI::App root("Hanse: machines that trade computing and can prove it", "hanse");
  root.require_subcommand(1);
  root.get_formatter()->column_width(34);
  std::map<std::string, CLI::App*> folders;
  std::vector<std::unique_ptr<Leaf>> leaves;
  for (const auto& verb : verbs) {
    leaves.push_back(std::make_unique<Leaf>());
    declare(root, verb, *leaves.back(), folders);
  }
  const bool wants_json = std::find(args.begin(), args.end(), "--json") != args.end();
  try {
    std::vector<std::string> reversed(args.rbegin(), args.rend());
    root.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    const CLI::App* shown = &root;
    while (!shown->get_subcommands().empty()) shown = shown->get_subcommands().front();
    write_all(out_fd, shown->help());
    return 0;
  } catch (const CLI::Error& problem) {
    return print_error(Error(Kind::kInvalid, "cli.usage", usage_message(problem, args, verbs)), wants_json, out_fd,
                       err_fd);
  }
  for (const auto& leaf : leaves) {
    if (!leaf->app->parsed()) continue;
    TerminalTalk talk(err_fd, leaf->quiet || leaf->json);
    auto answer = leaf->verb->run(collect(*leaf), talk);
    if (!answer) return print_error(answer.error(), leaf->json, out_fd, err_fd);
    std::string shown = !leaf->json ? answer->text : answer->json.is_null() ? "" : answer->json.dump();
    if (!shown.empty()) write_all(out_fd, shown + "\n");
    return answer->exit;
  }
  return print_error(Error(Kind::kInternal, "cli.usage", "no command was chosen"), wants_json, out_fd, err_fd);
}

}  // namespace hanse::cli
