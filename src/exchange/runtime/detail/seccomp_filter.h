// The system calls of a worker, as a compiled BPF program.
// Allowed: memory, threads of the own process, clocks, signals to itself, reading and writing what is open; with
// `files` also opening and changing files (Landlock and the mount namespace decide which). Everything else answers
// EPERM, except calls no honest kind makes (exec, sockets, ptrace, mounts, bpf, ...): those end the process (SIGSYS).
#pragma once

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::runtime {

struct FilterOptions {
  bool files = false;
  int own_pid = 1;  // tgkill goes to this process only
};

Result<Bytes> build_filter(const FilterOptions& options);  // an array of struct sock_filter
Status load_filter(ByteView filter);                       // for the calling thread and what it starts; no way back

}  // namespace hanse::runtime
