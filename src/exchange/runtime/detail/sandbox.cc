#include "exchange/runtime/detail/sandbox.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/text.h"
#include "exchange/runtime/detail/landlock.h"
#include "exchange/runtime/detail/seccomp_filter.h"

namespace hanse::runtime {

namespace {

constexpr unsigned kNobody = 65534;
constexpr int kPrGetTidAddress = 40;

Status step(bool ok, std::string_view what) {
  if (ok) return {};
  const int code = errno;
  return fail(Kind::kUnsupported, "runtime.sandbox", text("{}: errno {}", what, code));
}

bool write_file(const std::string& path, std::string_view content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool ok = write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  close(fd);
  return ok;
}

// Root maps nobody to nobody; anyone else can only map itself, shown as nobody inside.
bool map_ids(int pid) {
  const auto base = text("/proc/{}/", pid);
  const bool root = geteuid() == 0;
  if (!root && !write_file(base + "setgroups", "deny")) return false;
  return write_file(base + "gid_map", text("{} {} 1", kNobody, root ? kNobody : getegid())) &&
         write_file(base + "uid_map", text("{} {} 1", kNobody, root ? kNobody : geteuid()));
}

std::uint64_t namespaces_of(std::uint8_t level) {
  if (level < 3) return 0;
  return CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
}

Status drop_to_nobody(std::uint8_t level) {
  if (level == 0 || (level < 3 && geteuid() != 0)) return {};
  // Not permitted where setgroups is denied; then there are no groups to lose that matter outside the map.
  if (setgroups(0, nullptr) != 0 && errno != EPERM) return step(false, "setgroups");
  TRY_OK(step(setresgid(kNobody, kNobody, kNobody) == 0, "setresgid"));
  return step(setresuid(kNobody, kNobody, kNobody) == 0, "setresuid");
}

// An empty read-only tmpfs as root, with a writable /tmp of its own.
Status new_root(std::uint64_t scratch_size_max) {
  TRY_OK(step(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts"));
  const char* at = "/tmp";
  TRY_OK(step(mount("hanse", at, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,nr_inodes=16,mode=0755") == 0, "tmpfs root"));
  TRY_OK(step(chdir(at) == 0, "chdir"));
  TRY_OK(step(mkdir("tmp", 0700) == 0, "mkdir tmp"));
  TRY_OK(step(mkdir("dev", 0755) == 0, "mkdir dev"));
  const int fd = open("dev/null", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  TRY_OK(step(fd >= 0, "create dev/null"));
  close(fd);
  TRY_OK(step(mount("/dev/null", "dev/null", nullptr, MS_BIND, nullptr) == 0, "bind /dev/null"));
  const auto options = text("size={},nr_inodes=4096,mode=0700", scratch_size_max);
  TRY_OK(step(mount("hanse", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) == 0, "tmpfs scratch"));
  TRY_OK(step(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root"));
  TRY_OK(step(umount2(".", MNT_DETACH) == 0, "leave old root"));
  TRY_OK(step(chdir("/") == 0, "chdir /"));
  constexpr unsigned long kReadOnly = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  return step(mount(nullptr, "/", nullptr, kReadOnly, nullptr) == 0, "read-only root");
}

Status drop_privileges() {
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; ++cap)
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM) return step(false, "bounding set");
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct none[2] = {};
  TRY_OK(step(syscall(SYS_capset, &header, none) == 0, "capset"));
  return step(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
}

Status limit(__rlimit_resource_t what, std::uint64_t value, std::string_view name) {
  rlimit now{};
  TRY_OK(step(getrlimit(what, &now) == 0, name));
  const rlim_t capped = now.rlim_max == RLIM_INFINITY ? value : std::min<rlim_t>(value, now.rlim_max);
  const rlimit next{.rlim_cur = capped, .rlim_max = capped};
  return step(setrlimit(what, &next) == 0, name);
}

Status set_limits(const SandboxSpec& spec) {
  TRY_OK(limit(RLIMIT_CORE, 0, "rlimit core"));
  TRY_OK(limit(RLIMIT_NOFILE, 128, "rlimit nofile"));
  TRY_OK(limit(RLIMIT_FSIZE, spec.scratch_size_max, "rlimit fsize"));
  // Counted per user namespace at level 3, but over every process of the user below it.
  TRY_OK(limit(RLIMIT_NPROC, spec.level >= 3 ? 64 : 4096, "rlimit nproc"));
  TRY_OK(limit(RLIMIT_MEMLOCK, 0, "rlimit memlock"));
  TRY_OK(limit(RLIMIT_MSGQUEUE, 0, "rlimit msgqueue"));
  return limit(RLIMIT_STACK, 8u << 20, "rlimit stack");
}

}  // namespace

Result<Child> fork_sandboxed(const SandboxSpec& spec, const std::function<int()>& body) {
  int gate[2];
  if (pipe2(gate, O_CLOEXEC) != 0) return fail(Kind::kUnavailable, "runtime.spawn", text("pipe: errno {}", errno));
  int pidfd = -1;
  int* tid_address = nullptr;
  // glibc keeps the thread id at this address; a raw clone must refresh it as fork() would.
  prctl(kPrGetTidAddress, &tid_address, 0, 0, 0);
  clone_args args{};
  args.flags = namespaces_of(spec.level) | CLONE_PIDFD;
  if (tid_address != nullptr) args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  args.child_tid = reinterpret_cast<std::uint64_t>(tid_address);
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) {
    close(gate[1]);
    char go = 0;
    if (read(gate[0], &go, 1) != 1) _exit(120);
    close(gate[0]);
    _exit(body());
  }
  const int clone_errno = errno;
  close(gate[0]);
  if (pid < 0) {
    close(gate[1]);
    return fail(Kind::kUnavailable, "runtime.spawn", text("clone3: errno {}", clone_errno));
  }
  const bool mapped = spec.level < 3 || map_ids(static_cast<int>(pid));
  const int map_errno = errno;
  if (mapped && write(gate[1], "g", 1) == 1) {
    close(gate[1]);
    return Child{.pid = static_cast<int>(pid), .pidfd = pidfd};
  }
  close(gate[1]);  // the child reads the end of the pipe and leaves
  close(pidfd);
  waitpid(static_cast<int>(pid), nullptr, 0);
  return fail(Kind::kUnavailable, "runtime.spawn", text("uid_map: errno {}", map_errno));
}

Status enter_sandbox(const SandboxSpec& spec) {
  TRY_OK(drop_to_nobody(spec.level));
  if (spec.level >= 3) {
    TRY_OK(new_root(spec.scratch_size_max));
    TRY_OK(step(sethostname("worker", 6) == 0, "sethostname"));
  }
  TRY_OK(set_limits(spec));
  if (spec.level >= 1) TRY_OK(drop_privileges());
  // After the last change of credentials: that change would clear it.
  TRY_OK(step(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "pdeathsig"));
  if (spec.level < 2) return {};
  const std::string scratch = spec.level >= 3 ? "/tmp" : spec.scratch;
  TRY_OK(restrict_files(scratch, spec.level >= 3 ? "/dev/null" : "", spec.landlock_abi));
  TRY_OK(step(chdir(scratch.c_str()) == 0, "chdir scratch"));
  return step(setenv("TMPDIR", scratch.c_str(), 1) == 0, "TMPDIR");
}

Status finish_sandbox(const SandboxSpec& spec) {
  if (spec.level == 0) return {};
  if (!spec.filter.empty()) return load_filter(spec.filter);
  TRY(const auto filter, build_filter({.files = spec.level >= 2, .own_pid = getpid()}));
  return load_filter(filter);
}

Status verify_sandbox(const SandboxSpec& spec) {
  if (spec.level == 0) return {};
  const auto wall = [](bool holds, std::string_view what) -> Status {
    if (holds) return {};
    return fail(Kind::kUnsupported, "runtime.sandbox", text("{} does not hold", what));
  };
  TRY_OK(wall(geteuid() != 0, "uid"));
  for (const char* path : {"/etc/passwd", "/proc/self/status", "/"}) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) close(fd);
    TRY_OK(wall(fd < 0, text("open of {}", path)));
  }
  TRY_OK(wall(syscall(SYS_kill, getppid(), 0) != 0, "kill"));
  TRY_OK(wall(syscall(SYS_sethostname, "x", 1) != 0, "sethostname"));
  if (spec.level < 2) return {};
  const int scratch = open("probe", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  TRY_OK(wall(scratch >= 0, "writable scratch directory"));
  close(scratch);
  TRY_OK(wall(unlink("probe") == 0, "removal in the scratch directory"));
  return spec.level < 3 ? Status{} : wall(getpid() == 1 && getppid() == 0, "pid namespace");
}

}  // namespace hanse::runtime
