#include "exchange/runtime/detail/seccomp_filter.h"

#include <cerrno>
#include <csignal>

#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::runtime {

namespace {

constexpr int kAllowed[] = {
    // memory
    SCMP_SYS(brk),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(membarrier),
    SCMP_SYS(memfd_create),
    SCMP_SYS(pkey_alloc),
    SCMP_SYS(pkey_mprotect),
    SCMP_SYS(mincore),
    // threads of this process and signals to itself
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(gettid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(getcpu),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigpending),
    // time, randomness, who am I
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrusage),
    SCMP_SYS(times),
    SCMP_SYS(getrlimit),
    // what is open
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(fcntl),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fadvise64),
    SCMP_SYS(eventfd2),
};

constexpr int kFileCalls[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),   SCMP_SYS(creat),           SCMP_SYS(stat),       SCMP_SYS(lstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx),    SCMP_SYS(access),          SCMP_SYS(faccessat),  SCMP_SYS(faccessat2),
    SCMP_SYS(unlink),     SCMP_SYS(unlinkat), SCMP_SYS(rename),          SCMP_SYS(renameat),   SCMP_SYS(renameat2),
    SCMP_SYS(mkdir),      SCMP_SYS(mkdirat),  SCMP_SYS(rmdir),           SCMP_SYS(getdents64), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(getcwd),   SCMP_SYS(chdir),           SCMP_SYS(truncate),   SCMP_SYS(chmod),
    SCMP_SYS(fchmod),     SCMP_SYS(fchmodat), SCMP_SYS(umask),           SCMP_SYS(statfs),     SCMP_SYS(fstatfs),
    SCMP_SYS(flock),      SCMP_SYS(sendfile), SCMP_SYS(copy_file_range), SCMP_SYS(utimensat),
};

constexpr int kDeadly[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(socket),
    SCMP_SYS(socketpair),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(capset),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
};

struct Context {
  scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  ~Context() {
    if (ctx != nullptr) seccomp_release(ctx);
  }
};

Status check_rc(int rc, std::string_view what) {
  if (rc == 0) return {};
  return fail(Kind::kInternal, "runtime.seccomp", text("{}: errno {}", what, -rc));
}

Status add_conditional(scmp_filter_ctx ctx, const FilterOptions& options) {
  const auto thread_flag = static_cast<scmp_datum_t>(CLONE_THREAD);
  const auto new_ns = static_cast<scmp_datum_t>(CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET);
  TRY_OK(check_rc(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                   SCMP_A0(SCMP_CMP_MASKED_EQ, thread_flag | new_ns, thread_flag)),
                  "clone"));
  // The flags of clone3 lie in memory, out of reach of a filter; the C library falls back to clone on ENOSYS.
  TRY_OK(check_rc(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3"));
  TRY_OK(check_rc(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                   SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(options.own_pid))),
                  "tgkill"));
  TRY_OK(check_rc(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_EQ, 0)), "prlimit64"));
  for (const int option : {PR_SET_NAME, PR_GET_NAME, 0x53564d41 /* PR_SET_VMA: names of mappings */})
    TRY_OK(check_rc(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                     SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(option))),
                    "prctl"));
  return {};
}

}  // namespace

Result<Bytes> build_filter(const FilterOptions& options) {
  const Context context;
  const auto ctx = context.ctx;
  if (ctx == nullptr) return fail(Kind::kInternal, "runtime.seccomp", "seccomp_init failed");
  // Calls through a second ABI of the same machine (x32, i386) would pass by other numbers.
  TRY_OK(check_rc(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "bad architecture"));
  TRY_OK(check_rc(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize"));
  for (const int call : kAllowed)
    TRY_OK(check_rc(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0), text("call {}", call)));
  if (options.files)
    for (const int call : kFileCalls)
      TRY_OK(check_rc(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0), text("call {}", call)));
  for (const int call : kDeadly)
    TRY_OK(check_rc(seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, call, 0), text("call {}", call)));
  TRY_OK(add_conditional(ctx, options));

  std::size_t size = 0;
  TRY_OK(check_rc(seccomp_export_bpf_mem(ctx, nullptr, &size), "measure"));
  Bytes out(size);
  TRY_OK(check_rc(seccomp_export_bpf_mem(ctx, out.data(), &size), "export"));
  out.resize(size);
  return out;
}

Status load_filter(ByteView filter) {
  Bytes program = to_bytes(filter);  // a copy the kernel interface may point into
  const sock_fprog fprog{.len = static_cast<unsigned short>(program.size() / sizeof(sock_filter)),
                         .filter = reinterpret_cast<sock_filter*>(program.data())};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &fprog) != 0)
    return fail(Kind::kUnsupported, "runtime.seccomp", text("seccomp: errno {}", errno));
  return {};
}

}  // namespace hanse::runtime
