// run_command: another program, run to its end without a shell: what it was given, what it said, how it ended.
// The child gets default signals, this process's environment with `environment` in front of it, and `input` as its
// standard input. It leads a process group, which is killed when it takes longer than ms_max, also with its outputs
// closed, or says more than output_max bytes on either output.
// Threads: any; waits. Errors, each with the program's name: exec.start (unavailable: not found, or no process to be
// had), exec.timeout (timeout), exec.too_much (exhausted), exec.system (internal: a pipe).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace hanse::exec {

struct Command {
  std::vector<std::string> argv;  // argv[0]: a path, or a name that PATH has
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::string input = {};
  std::size_t output_max = 1u << 20;
  std::int64_t ms_max = 30'000;
};

struct CommandEnd {
  int status = 0;  // exit status, or 128 + signal
  std::string out, err;
};

Result<CommandEnd> run_command(const Command& command, Clock& clock = system_clock());

}  // namespace hanse::exec
