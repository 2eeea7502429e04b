#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/core/text.h"
#include "cli/verbs/process.h"
#include "cli/verbs/verbs.h"

namespace hanse::cli {

plugin::Verb node_run_verb() {
  return {.name = "node run",
          .summary = "run the daemon in the foreground with one configuration file",
          .details =
              "Becomes the program hansed, which stands beside this one.\n"
              "Example:\n  hanse node run --config /etc/hanse/node.toml --set logging.level=debug",
          .options = {{.name = "--config", .value = "FILE", .help = "node.toml", .fallback = {}, .required = true},
                      {.name = "--set",
                       .value = "KEY=VALUE",
                       .help = "overrides one key; may be given often",
                       .fallback = {},
                       .repeats = true},
                      {.name = "--check", .value = {}, .help = "check the configuration and exit", .fallback = {}}},
          .run = [](const plugin::VerbArgs& args, plugin::Talk&) -> Result<plugin::Answer> {
            const std::string program = program_folder() + "/hansed";
            std::vector<std::string> words = {program, "--config", std::string(args.get("config"))};
            for (const auto& set : args.all("set")) {
              words.push_back("--set");
              words.push_back(set);
            }
            if (args.has("check")) words.push_back("--check");
            std::vector<char*> argv;
            for (auto& word : words) argv.push_back(word.data());
            argv.push_back(nullptr);
            ::execv(program.c_str(), argv.data());
            return fail(Kind::kUnavailable, "cli.start_failed",
                        text("cannot run {}: {}", program, std::strerror(errno)));
          }};
}

}  // namespace hanse::cli
