// How far a worker can be shut in on this machine. Tried, never assumed: probe() enters each level for real in a child
// process and looks from inside whether the walls hold.
//
//   0  rlimits only: no level at all, offered where nothing else works
//   1  rlimits, no_new_privs, no capabilities, not root, seccomp allow-list without any open, no sockets, no exec
//   2  1, and Landlock: open works again, inside one private scratch directory only; with ABI 4 no TCP, with ABI 6 no
//      signals and no abstract sockets to the outside either
//   3  2, and user, mount, pid, net, ipc and uts namespaces; the root is an empty read-only tmpfs with a small writable
//      /tmp, so there is nothing to see, nobody to signal and no network device
// Kinds that compile code (wasm) need files for a moment, so in practice level 2.
//
// Threads: probe() forks and must be called while the process has one thread; Pool asks its zygote for it instead.
// Errors: runtime.isolation (unsupported): found, needed.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace hanse::runtime {

constexpr std::uint8_t kIsolationMax = 3;

enum class Wall : std::uint8_t {
  kRlimits,
  kNoNewPrivs,
  kSeccomp,
  kLandlock,
  kUserNs,
  kMountNs,
  kPidNs,
  kNetNs,
  kIpcNs,
  kUtsNs,
  kPivotRoot,
};
constexpr std::size_t kWalls = 11;
std::string_view wall_name(Wall wall);  // "rlimits", "landlock", ...

struct Isolation {
  std::uint8_t level = 0;          // the highest that was entered and found to hold
  std::uint32_t walls = 0;         // bit per Wall that works by itself
  std::uint32_t landlock_abi = 0;  // 0 = none
  std::string cgroups;             // "v1", "v2", "hybrid" or "none", as mounted
  std::string missing;             // why the next level is not there, or ""

  bool has(Wall wall) const { return (walls >> static_cast<unsigned>(wall)) & 1u; }
};

Isolation probe();
std::string describe(const Isolation& isolation);  // lines "wall: yes" for people

Status require_isolation(std::uint8_t needed, std::uint8_t found);

}  // namespace hanse::runtime
