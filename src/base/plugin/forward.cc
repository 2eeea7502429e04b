#include "base/plugin/forward.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/core/fs.h"
#include "base/core/text.h"

namespace hanse::plugin {
namespace {

std::vector<std::string> words_of(const Verb& verb, const VerbArgs& args) {
  std::vector<std::string> words, places;
  for (std::string_view rest = verb.name; !rest.empty();) {
    words.emplace_back(rest.substr(0, rest.find(' ')));
    rest.remove_prefix(std::min(rest.size(), words.back().size() + 1));
  }
  for (const VerbOption& option : verb.options) {
    if (!option.name.starts_with("--")) {
      for (const auto& value : args.all(option.name)) places.push_back(value);
      continue;
    }
    const std::string key = option.name.substr(2);
    if (option.value.empty()) {
      if (args.has(key)) words.push_back(option.name);
      continue;
    }
    for (const auto& value : args.all(key)) words.push_back(option.name + "=" + value);
  }
  for (const char* const flag : {"json", "quiet"})
    if (args.has(flag)) words.push_back(text("--{}", flag));
  if (!places.empty()) words.emplace_back("--");
  words.insert(words.end(), places.begin(), places.end());
  return words;
}

Result<Answer> become(const Verb& verb, const VerbArgs& args, const std::string& name) {
  char self[4096];
  const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self);
  const std::string program = parent_dir({self, static_cast<std::size_t>(size > 0 ? size : 0)}) + "/" + name;
  std::vector<std::string> words = words_of(verb, args);
  words.insert(words.begin(), program);
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  return fail(Kind::kUnavailable, "plugin.no_program", text("cannot run {}: {}", program, std::strerror(errno)));
}

}  // namespace

std::vector<Verb> forwarded(std::vector<Verb> verbs, const std::string& program) {
  for (Verb& one : verbs)
    one.run = [declared = one, program](const VerbArgs& args, Talk&) { return become(declared, args, program); };
  return verbs;
}

}  // namespace hanse::plugin
