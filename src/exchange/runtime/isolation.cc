#include "exchange/runtime/isolation.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/text.h"
#include "exchange/runtime/detail/landlock.h"
#include "exchange/runtime/detail/sandbox.h"
#include "exchange/runtime/detail/seccomp_filter.h"

namespace hanse::runtime {

namespace {

constexpr std::string_view kWallNames[kWalls] = {"rlimits", "no_new_privs", "seccomp",   "landlock",
                                                 "user_ns", "mount_ns",     "pid_ns",    "net_ns",
                                                 "ipc_ns",  "uts_ns",       "pivot_root"};

// Runs body in a child; what it answers comes back through a pipe, "" meaning success.
template <class Body>
std::string in_child(const SandboxSpec& spec, Body body) {
  int answer[2];
  if (pipe2(answer, O_CLOEXEC) != 0) return text("pipe: errno {}", errno);
  auto child = fork_sandboxed(spec, [&] {
    const std::string why = body();
    const std::string out = why.empty() ? "ok" : "no " + why;
    return write(answer[1], out.data(), out.size()) == static_cast<ssize_t>(out.size()) ? 0 : 1;
  });
  close(answer[1]);
  std::string got;
  if (child) {
    char buffer[512];
    const ssize_t n = read(answer[0], buffer, sizeof buffer);
    got.assign(buffer, n > 0 ? static_cast<std::size_t>(n) : 0);
    int status = 0;
    waitpid(child->pid, &status, 0);
    close(child->pidfd);
    if (got.empty()) got = text("no child ended with status {}", status);
  } else {
    got = "no " + child.error().str();
  }
  close(answer[0]);
  return got == "ok" ? "" : got.substr(3);
}

std::string errno_text(bool ok) { return ok ? "" : text("errno {}", errno); }

// With a user namespace in front, as a level 3 worker does it; as root it may work without one too.
std::string try_unshare(int flag) {
  return in_child({}, [&] { return errno_text(unshare(CLONE_NEWUSER | flag) == 0); });
}

std::string try_seccomp() {
  return in_child({}, [] {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_text(false);
    const auto filter = build_filter({.files = false, .own_pid = getpid()});
    if (!filter) return filter.error().str();
    if (const auto loaded = load_filter(*filter); !loaded) return loaded.error().str();
    return std::string(open("/", O_RDONLY | O_CLOEXEC) < 0 && errno == EPERM ? "" : "an open passed the filter");
  });
}

std::string try_landlock(std::uint32_t abi) {
  return in_child({}, [&] {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_text(false);
    if (const auto status = restrict_files("/tmp", "", abi); !status) return status.error().str();
    return std::string(open("/etc", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES ? "" : "an open passed");
  });
}

std::string try_level(std::uint8_t level, std::uint32_t abi) {
  SandboxSpec spec{.level = level, .landlock_abi = abi, .scratch = {}, .scratch_size_max = 1u << 20, .filter = {}};
  char scratch[] = "/tmp/hanse-probe-XXXXXX";
  if (level == 2) {
    if (mkdtemp(scratch) == nullptr) return text("scratch directory: errno {}", errno);
    if (geteuid() == 0 && chown(scratch, 65534, 65534) != 0)
      return text("chown of the scratch directory: errno {}", errno);
    spec.scratch = scratch;
  }
  auto why = in_child(spec, [&]() -> std::string {
    auto status = enter_sandbox(spec);
    if (status) status = finish_sandbox(spec);
    if (status) status = verify_sandbox(spec);
    return status ? "" : status.error().str();
  });
  if (level == 2) rmdir(scratch);
  return why;
}

std::string cgroups_mounted() {
  std::ifstream mounts("/proc/self/mountinfo");
  bool v1 = false, v2 = false;
  for (std::string line; std::getline(mounts, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const auto type = std::string_view(line).substr(dash + 3);
    v2 = v2 || type.starts_with("cgroup2 ");
    v1 = v1 || type.starts_with("cgroup ");
  }
  return v1 && v2 ? "hybrid" : v2 ? "v2" : v1 ? "v1" : "none";
}

}  // namespace

std::string_view wall_name(Wall wall) { return kWallNames[static_cast<std::size_t>(wall)]; }

Isolation probe() {
  Isolation found;
  found.landlock_abi = landlock_abi();
  found.cgroups = cgroups_mounted();
  const auto note = [&](Wall wall, const std::string& why) {
    if (why.empty()) found.walls |= 1u << static_cast<unsigned>(wall);
  };
  note(Wall::kRlimits, in_child({}, [] {
         const rlimit none{.rlim_cur = 0, .rlim_max = 0};
         return errno_text(setrlimit(RLIMIT_CORE, &none) == 0);
       }));
  note(Wall::kNoNewPrivs, in_child({}, [] { return errno_text(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0); }));
  note(Wall::kSeccomp, try_seccomp());
  note(Wall::kLandlock, try_landlock(found.landlock_abi));
  note(Wall::kUserNs, try_unshare(0));
  note(Wall::kMountNs, try_unshare(CLONE_NEWNS));
  note(Wall::kPidNs, try_unshare(CLONE_NEWPID));
  note(Wall::kNetNs, try_unshare(CLONE_NEWNET));
  note(Wall::kIpcNs, try_unshare(CLONE_NEWIPC));
  note(Wall::kUtsNs, try_unshare(CLONE_NEWUTS));
  for (std::uint8_t level = 1; level <= kIsolationMax; ++level) {
    const auto why = try_level(level, found.landlock_abi);
    if (!why.empty()) {
      found.missing = text("level {}: {}", level, why);
      break;
    }
    found.level = level;
  }
  if (found.level == kIsolationMax) note(Wall::kPivotRoot, "");
  return found;
}

std::string describe(const Isolation& isolation) {
  auto out = text("level: {}\n", isolation.level);
  if (!isolation.missing.empty()) out += text("missing: {}\n", isolation.missing);
  for (std::size_t i = 0; i < kWalls; ++i)
    out += text("{}: {}\n", kWallNames[i], isolation.has(static_cast<Wall>(i)) ? "yes" : "no");
  return out + text("landlock abi: {}\ncgroups: {}\n", isolation.landlock_abi, isolation.cgroups);
}

Status require_isolation(std::uint8_t needed, std::uint8_t found) {
  if (needed <= found) return {};
  return fail(Kind::kUnsupported, "runtime.isolation", text("found isolation level {}, needed {}", found, needed));
}

}  // namespace hanse::runtime
