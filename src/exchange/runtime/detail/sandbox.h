// Makes a child process and shuts it in, level by level (isolation.h says what the levels are).
// Threads: call while the process has one thread.
#pragma once

#include <functional>
#include <string>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::runtime {

struct SandboxSpec {
  std::uint8_t level = 0;
  std::uint32_t landlock_abi = 0;
  std::string scratch;  // host directory of a level 2 worker, made for it alone; level 3 has /tmp
  std::uint64_t scratch_size_max = 256u << 20;  // bytes of files
  ByteView filter;                              // ready-made for level 3; empty: built in the child
};

struct Child {
  int pid = -1;
  int pidfd = -1;
};

// Forks with the namespaces of the level and maps the child to nobody (uid 65534). The child runs body and ends with
// what it returns. Error: runtime.spawn (unavailable).
Result<Child> fork_sandboxed(const SandboxSpec& spec, const std::function<int()>& body);

// To be called first in the child: file system, rlimits, Landlock, privileges. Then finish_sandbox once what must be
// done before the system call filter is done. Error: runtime.sandbox (unsupported), naming the step and errno.
Status enter_sandbox(const SandboxSpec& spec);
Status finish_sandbox(const SandboxSpec& spec);

// From inside: do the walls hold? Error: runtime.sandbox naming the one that does not.
Status verify_sandbox(const SandboxSpec& spec);

}  // namespace hanse::runtime
