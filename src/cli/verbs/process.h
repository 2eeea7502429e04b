// Daemons as child processes of `hanse up`: started detached, remembered by pid and start time, ended by pid.
// A pid alone may be reused by a stranger; only a process with the same start time is ever signalled.
// Linux /proc. Errors: cli.start_failed (unavailable), cli.process_io (unavailable).
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"

namespace hanse::cli {

struct Process {
  int pid = 0;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat
};

// Starts the program in a session of its own, stdin from nothing, stdout and stderr appended to log_path.
Result<Process> start_process(const std::string& program, const std::vector<std::string>& args,
                              const std::string& log_path);
bool is_running(const Process& process);
void signal_process(const Process& process, int signal);             // nothing when it is gone
bool wait_until_gone(const Process& process, std::int64_t wait_ms);  // true when it ended in time

// The folder of the running program, where its siblings (hansed, hanse-worker) are.
std::string program_folder();

// A file of /proc or /etc, whose size is not known before it was read.
Result<std::string> read_system_file(const std::string& path, std::size_t size_max = 1 << 20);

}  // namespace hanse::cli
