#include <map>

#include "base/core/text.h"
#include "cli/verbs/verbs.h"

namespace hanse::cli {

namespace {

// "" -> first words; "wallet" -> its second words, "attest log" -> its third ones; "submit" -> its options.
std::map<std::string, std::vector<std::string>> words_by_place(const std::vector<plugin::Verb>& verbs) {
  std::map<std::string, std::vector<std::string>> words;
  const auto add = [&](const std::string& place, const std::string& word) {
    auto& list = words[place];
    if (std::find(list.begin(), list.end(), word) == list.end()) list.push_back(word);
  };
  for (const auto& verb : verbs) {
    if (verb.hidden) continue;
    std::size_t begin = 0;
    for (std::size_t end = verb.name.find(' '); end != std::string::npos; end = verb.name.find(' ', begin)) {
      add(verb.name.substr(0, begin == 0 ? 0 : begin - 1), verb.name.substr(begin, end - begin));
      begin = end + 1;
    }
    add(verb.name.substr(0, begin == 0 ? 0 : begin - 1), verb.name.substr(begin));
    for (const auto& option : verb.options)
      if (option.name.starts_with("--")) add(verb.name, option.name);
    for (const char* common : {"--json", "--quiet", "--help"}) add(verb.name, common);
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : " ") + w;
  return out;
}

std::string bash_script(const std::vector<plugin::Verb>& verbs) {
  std::string out =
      "_hanse() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} place= i words\n"
      "  for ((i = 1; i < COMP_CWORD && i < 4; i++)); do\n"
      "    [[ ${COMP_WORDS[i]} == -* ]] || place=\"${place:+$place }${COMP_WORDS[i]}\"\n"
      "  done\n"
      "  case $place in\n";
  const auto places = words_by_place(verbs);
  // Backwards, so that 'receipt get' is tried before 'receipt'.
  for (auto it = places.rbegin(); it != places.rend(); ++it)
    out += text("    '{}'{}) words='{}' ;;\n", it->first, it->first.empty() ? "" : "*", joined(it->second));
  out +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "  [[ ${#COMPREPLY[@]} -gt 0 || $cur == -* ]] || COMPREPLY=($(compgen -f -- \"$cur\"))\n"
      "}\n"
      "complete -o filenames -F _hanse hanse\n";
  return out;
}

std::string quoted(std::string_view s) {
  std::string out = "'";
  for (char c : s) out += c == '\'' ? std::string("\\'") : std::string(1, c);
  return out + "'";
}

std::string fish_script(const std::vector<plugin::Verb>& verbs) {
  std::string out = "complete -c hanse -f\n";
  for (const auto& verb : verbs) {
    if (verb.hidden) continue;
    const auto space = verb.name.find(' ');
    const std::string first = verb.name.substr(0, space);
    out += text("complete -c hanse -n __fish_use_subcommand -a {} -d {}\n", first,
                quoted(space == std::string::npos ? verb.summary : first + " commands"));
    if (space != std::string::npos)
      out += text("complete -c hanse -n '__fish_seen_subcommand_from {}' -a {} -d {}\n", first,
                  verb.name.substr(space + 1), quoted(verb.summary));
    for (const auto& option : verb.options)
      if (option.name.starts_with("--"))
        out += text("complete -c hanse -n '__fish_seen_subcommand_from {}' -l {} -d {}\n", first, option.name.substr(2),
                    quoted(option.help));
  }
  return out;
}

}  // namespace

plugin::Verb completion_verb() {
  return {
      .name = "completion",
      .summary = "print a completion script for bash, zsh or fish",
      .details =
          "Examples:\n  source <(hanse completion bash)\n  hanse completion fish > "
          "~/.config/fish/completions/hanse.fish",
      .options = {{.name = "SHELL", .value = "SHELL", .help = "bash, zsh or fish", .fallback = {}, .required = true}},
      .run = [](const plugin::VerbArgs& args, plugin::Talk&) -> Result<plugin::Answer> {
        const std::string_view shell = args.get("SHELL");
        std::string script;
        if (shell == "bash") {
          script = bash_script(all_verbs());
        } else if (shell == "zsh") {
          script = "autoload -U +X bashcompinit && bashcompinit\n" + bash_script(all_verbs());
        } else if (shell == "fish") {
          script = fish_script(all_verbs());
        } else {
          return fail(Kind::kInvalid, "cli.usage", text("found shell '{}', expected bash, zsh or fish", shell));
        }
        script.pop_back();
        codec::Json json = codec::Json::object();
        json.set("shell", shell).set("script", script);
        return plugin::Answer{.json = std::move(json), .text = std::move(script)};
      }};
}

}  // namespace hanse::cli
