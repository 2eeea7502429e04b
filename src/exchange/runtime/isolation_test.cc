#include "exchange/runtime/isolation.h"

#include <csignal>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "exchange/runtime/detail/landlock.h"
#include "exchange/runtime/detail/sandbox.h"

namespace hanse::runtime {
namespace {

// The status with which a child inside `level` ends after body.
template <class Body>
int inside(std::uint8_t level, Body body) {
  const SandboxSpec spec{
      .level = level, .landlock_abi = landlock_abi(), .scratch = {}, .scratch_size_max = 1u << 20, .filter = {}};
  auto child = fork_sandboxed(spec, [&] {
    if (!enter_sandbox(spec) || !finish_sandbox(spec)) return 99;
    return body();
  });
  if (!child) return -1;
  close(child->pidfd);
  int status = 0;
  waitpid(child->pid, &status, 0);
  return status;
}

bool lacks(std::uint8_t level) {
  static const Isolation found = probe();
  if (found.level >= level) return false;
  std::printf("skipped: this machine offers isolation level %d, not %d (%s)\n", found.level, level,
              found.missing.c_str());
  return true;
}

TEST(Isolation, probe_reports_a_level_and_why_not_more) {
  const auto found = probe();
  std::printf("%s", describe(found).c_str());
  EXPECT_LE(found.level, kIsolationMax);
  EXPECT_EQ(found.level == kIsolationMax, found.missing.empty());
  EXPECT_TRUE(found.has(Wall::kRlimits));
  EXPECT_TRUE(found.level < 1 || found.has(Wall::kSeccomp));
  EXPECT_TRUE(found.level < 2 || found.landlock_abi > 0);
}

TEST(Isolation, more_than_found_is_refused_with_both_numbers) {
  EXPECT_TRUE(require_isolation(2, 2).has_value());
  const auto refused = require_isolation(3, 2);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().id(), "runtime.isolation");
  EXPECT_EQ(refused.error().kind(), Kind::kUnsupported);
  EXPECT_EQ(refused.error().message(), "found isolation level 2, needed 3");
}

TEST(Isolation, sockets_and_exec_end_the_process) {
  for (const std::uint8_t level : {std::uint8_t{1}, std::uint8_t{3}}) {
    if (lacks(level)) return;
    const int socket_status = inside(level, [] { return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 1 : 0; });
    EXPECT_TRUE(WIFSIGNALED(socket_status) && WTERMSIG(socket_status) == SIGSYS) << socket_status;
    const int exec_status = inside(level, [] { return execl("/bin/true", "true", nullptr); });
    EXPECT_TRUE(WIFSIGNALED(exec_status) && WTERMSIG(exec_status) == SIGSYS) << exec_status;
  }
}

TEST(Isolation, level_1_opens_nothing_and_cannot_signal_others) {
  if (lacks(1)) return;
  const int parent = getpid();
  EXPECT_EQ(inside(1,
                   [&] {
                     if (open("/dev/null", O_RDONLY) >= 0) return 1;
                     if (syscall(SYS_tgkill, parent, parent, 0) == 0) return 2;
                     if (syscall(SYS_tgkill, getpid(), getpid(), 0) != 0) return 3;
                     return 0;
                   }),
            0);
}

TEST(Isolation, level_3_sees_an_empty_root_and_writes_only_to_tmp) {
  if (lacks(3)) return;
  EXPECT_EQ(inside(3,
                   [] {
                     struct stat st{};
                     if (stat("/etc", &st) == 0 || stat("/proc", &st) == 0) return 1;
                     if (mkdir("/new", 0700) == 0) return 2;
                     const int fd = open("/tmp/x", O_CREAT | O_RDWR, 0600);
                     if (fd < 0) return 3;
                     return getpid() == 1 ? 0 : 4;
                   }),
            0);
}

TEST(Isolation, scratch_is_bounded) {
  if (lacks(3)) return;
  // SIGXFSZ is the answer to the first byte beyond RLIMIT_FSIZE, here the size of the scratch directory.
  const int status = inside(3, [] {
    const int fd = open("/tmp/x", O_CREAT | O_RDWR, 0600);
    const std::string block(64 * 1024, 'x');
    for (int i = 0; i < 17; ++i)
      if (write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size())) return 1;
    return 0;
  });
  EXPECT_NE(status, 0);
}

TEST(Isolation, threads_and_compiled_code_work_inside) {
  if (lacks(3)) return;
  EXPECT_EQ(inside(3,
                   [] {
                     int sum = 0;
                     std::thread([&] { sum = 42; }).join();
                     void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                     if (page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0) return 1;
                     return sum == 42 ? 0 : 2;
                   }),
            0);
}

TEST(Isolation, abort_inside_a_pid_namespace_ends_the_process) {
  if (lacks(3)) return;
  EXPECT_TRUE(WIFSIGNALED(inside(3, []() -> int { std::abort(); })));
}

}  // namespace
}  // namespace hanse::runtime
