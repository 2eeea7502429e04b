// The program hanse: parse, run one verb, print, exit.
#include <unistd.h>

#include "cli/verbs/verbs.h"

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  return hanse::cli::run_command_line(args, hanse::cli::all_verbs(), STDOUT_FILENO, STDERR_FILENO);
}
