#include "base/exec/command.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/core/fd.h"
#include "base/core/text.h"

extern char** environ;

namespace hanse::exec {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

struct Pipes {
  Fd in, out, err;
};

// Ours do not block. Sockets, so that writing to a child that closed its input raises no signal.
Status open_pair(Fd& ours, Fd& its) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail(Kind::kInternal, "exec.system", text("socketpair: {}", std::strerror(errno)));
  ours = Fd(ends[0]);
  its = Fd(ends[1]);
  (void)::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  return {};
}

Result<pid_t> spawn(const Command& command, const Pipes& its) {
  std::vector<std::string> words = command.argv, variables;
  for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);
  std::vector<char*> argv, envp;
  for (std::string& word : words) argv.push_back(word.data());
  for (std::string& variable : variables) envp.push_back(variable.data());
  for (char** v = environ; *v != nullptr; ++v) {
    const std::string_view set = *v;
    const bool replaced =
        std::ranges::any_of(command.environment, [&](const auto& one) { return set.starts_with(one.first + "="); });
    if (!replaced) envp.push_back(*v);
  }
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, its.in.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, its.out.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, its.err.get(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int code = ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), envp.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return fail(Kind::kUnavailable, "exec.start", text("{}: {}", command.argv[0], std::strerror(code)));
  return pid;
}

// True while there may be more.
bool read_some(int fd, std::string& into, std::size_t size_max, bool& too_much) {
  char buffer[16'384];
  const ssize_t n = ::read(fd, buffer, sizeof buffer);
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  if (n == 0) return false;
  too_much = too_much || into.size() + static_cast<std::size_t>(n) > size_max;
  if (!too_much) into.append(buffer, static_cast<std::size_t>(n));
  return true;
}

std::unexpected<Error> too_slow(const Command& command) {
  return fail(Kind::kTimeout, "exec.timeout", text("{} took more than {} ms", command.argv[0], command.ms_max));
}

Status talk(const Command& command, Pipes ours, Clock& clock, std::int64_t deadline_ns, CommandEnd& end) {
  std::size_t sent = 0;
  bool too_much = false;
  while (ours.out || ours.err) {
    if (ours.in && sent == command.input.size()) ours.in.reset();
    const std::int64_t left_ms = (deadline_ns - clock.mono_ns()) / kNsPerMs;
    if (left_ms <= 0) return too_slow(command);
    pollfd all[3] = {{.fd = ours.in.get(), .events = POLLOUT, .revents = 0},
                     {.fd = ours.out.get(), .events = POLLIN, .revents = 0},
                     {.fd = ours.err.get(), .events = POLLIN, .revents = 0}};
    if (::poll(all, 3, static_cast<int>(std::min<std::int64_t>(left_ms, 1'000))) <= 0) continue;
    if (all[0].revents != 0) {
      const ssize_t n = ::send(ours.in.get(), command.input.data() + sent, command.input.size() - sent, MSG_NOSIGNAL);
      if (n >= 0)
        sent += static_cast<std::size_t>(n);
      else if (errno != EAGAIN && errno != EINTR)
        ours.in.reset();  // it reads no more, which is its own affair
    }
    if (all[1].revents != 0 && !read_some(ours.out.get(), end.out, command.output_max, too_much)) ours.out.reset();
    if (all[2].revents != 0 && !read_some(ours.err.get(), end.err, command.output_max, too_much)) ours.err.reset();
    if (too_much)
      return fail(Kind::kExhausted, "exec.too_much",
                  text("{} said more than {} bytes", command.argv[0], command.output_max));
  }
  return {};
}

// It may have closed its outputs and go on.
Status await_end(const Command& command, pid_t pid, Clock& clock, std::int64_t deadline_ns) {
  const Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  for (;;) {
    const std::int64_t left_ms = std::clamp<std::int64_t>((deadline_ns - clock.mono_ns()) / kNsPerMs, 0, 60'000);
    pollfd wait{.fd = ended.get(), .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, static_cast<int>(left_ms)) > 0) return {};
    if (left_ms == 0) return too_slow(command);
  }
}

}  // namespace

Result<CommandEnd> run_command(const Command& command, Clock& clock) {
  if (command.argv.empty()) return fail(Kind::kUnavailable, "exec.start", "found no program to start");
  CommandEnd end;
  Pipes ours, its;
  TRY_OK(open_pair(ours.in, its.in));
  TRY_OK(open_pair(ours.out, its.out));
  TRY_OK(open_pair(ours.err, its.err));
  TRY(const pid_t pid, spawn(command, its));
  its = {};
  const std::int64_t deadline_ns = clock.mono_ns() + command.ms_max * kNsPerMs;
  Status talked = talk(command, std::move(ours), clock, deadline_ns, end);
  if (talked) talked = await_end(command, pid, clock, deadline_ns);
  if (!talked) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  TRY_OK(std::move(talked));
  end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return end;
}

}  // namespace hanse::exec
