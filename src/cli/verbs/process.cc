#include "cli/verbs/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "base/core/text.h"

extern char** environ;

namespace hanse::cli {

namespace {

std::unexpected<Error> io_error(std::string_view what, const std::string& path) {
  const int code = errno;
  const Kind kind = code == ENOENT ? Kind::kNotFound : code == EACCES ? Kind::kDenied : Kind::kUnavailable;
  return fail(kind, "cli.process_io", text("cannot {} {}: {}", what, path, std::strerror(code)));
}

// Field 22 of /proc/PID/stat; 0 when there is no such process or it is a zombie.
std::uint64_t start_ticks_of(int pid) {
  auto stat = read_system_file(text("/proc/{}/stat", pid), 4096);
  if (!stat) return 0;
  const auto paren = stat->rfind(')');  // the program's name may hold blanks
  if (paren == std::string::npos || paren + 2 >= stat->size() || (*stat)[paren + 2] == 'Z') return 0;
  std::string_view rest = std::string_view(*stat).substr(paren + 2);
  for (int field = 3; field < 22; ++field) {
    const auto blank = rest.find(' ');
    if (blank == std::string_view::npos) return 0;
    rest.remove_prefix(blank + 1);
  }
  std::uint64_t ticks = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), ticks);
  return ticks;
}

}  // namespace

Result<Process> start_process(const std::string& program, const std::vector<std::string>& args,
                              const std::string& log_path) {
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const auto& a : args) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  int pid = 0;
  const int bad = posix_spawn(&pid, program.c_str(), &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (bad != 0)
    return fail(Kind::kUnavailable, "cli.start_failed", text("cannot start {}: {}", program, std::strerror(bad)));
  return Process{.pid = pid, .start_ticks = start_ticks_of(pid)};
}

bool is_running(const Process& process) {
  // A child of ours that ended stays a zombie until it is waited for.
  waitpid(process.pid, nullptr, WNOHANG);
  const std::uint64_t ticks = process.pid > 0 ? start_ticks_of(process.pid) : 0;
  return ticks != 0 && ticks == process.start_ticks;
}

void signal_process(const Process& process, int signal) {
  if (is_running(process)) ::kill(process.pid, signal);
}

bool wait_until_gone(const Process& process, std::int64_t wait_ms) {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0));
  if (fd < 0 || !is_running(process)) {
    if (fd >= 0) ::close(fd);
    return true;
  }
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  const int ready = ::poll(&p, 1, static_cast<int>(wait_ms));
  ::close(fd);
  return ready == 1 || !is_running(process);
}

std::string program_folder() {
  std::string path(4096, '\0');
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size());
  path.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return path.substr(0, path.rfind('/'));
}

Result<std::string> read_system_file(const std::string& path, std::size_t size_max) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error("open", path);
  std::string out;
  char buffer[65536];
  ssize_t n = 0;
  while ((n = ::read(fd, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR)) {
    if (n < 0) continue;
    out.append(buffer, static_cast<std::size_t>(n));
    if (out.size() > size_max) {
      ::close(fd);
      return fail(Kind::kExhausted, "cli.process_io", text("{} is larger than {} bytes", path, size_max));
    }
  }
  const int code = errno;
  ::close(fd);
  errno = code;
  if (n < 0) return io_error("read", path);
  return out;
}

}  // namespace hanse::cli
