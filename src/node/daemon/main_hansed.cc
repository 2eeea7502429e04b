// hansed: the daemon. Reads its configuration, starts its roles, says on standard output that it is ready, and stops
// cleanly on SIGTERM or SIGINT; a second signal ends it at once.
// Exit codes: 0 ok, 1 conflict or limit, 2 usage or configuration, 3 unreachable, 4 denied, 5 corrupt, 70 bug.
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/exec/loop.h"
#include "base/logging/log.h"
#include "node/daemon/daemon.h"
#include "node/daemon/notify.h"
#include "node/daemon/version.h"

namespace hanse::daemon {
namespace {

constexpr std::string_view kHelp =
    "usage: hansed --config FILE [--set KEY=VALUE]... [--print-config | --check]\n"
    "Runs one node in the foreground until SIGTERM or SIGINT.\n"
    "  --config FILE     node.toml; keys are explained in docs/reference/config.md\n"
    "  --set KEY=VALUE   overrides one key, e.g. logging.level=debug; may be given often\n"
    "  --print-config    prints every key with its value and where it came from, and exits\n"
    "  --check           checks the configuration and exits\n"
    "  --version         prints the version and exits\n"
    "Environment: HANSE_SECTION__KEY=VALUE overrides the file.\n";

struct Arguments {
  std::string config;
  std::vector<std::string> sets;
  bool print = false, check = false, help = false, version = false;
};

void write_all(int fd, std::string_view s) {
  while (!s.empty()) {
    const ssize_t n = ::write(fd, s.data(), s.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    s.remove_prefix(static_cast<std::size_t>(n));
  }
}

Result<Arguments> read_arguments(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--print-config")
      out.print = true;
    else if (word == "--check")
      out.check = true;
    else if (word == "--help" || word == "-h")
      out.help = true;
    else if (word == "--version")
      out.version = true;
    else if ((word == "--config" || word == "--set") && i + 1 < argc) {
      if (word == "--config")
        out.config = argv[++i];
      else
        out.sets.emplace_back(argv[++i]);
    } else {
      return fail(Kind::kInvalid, "daemon.usage", text("found \"{}\"; see hansed --help", word));
    }
  }
  if (out.config.empty() && !out.help && !out.version)
    return fail(Kind::kInvalid, "daemon.usage", "found no --config FILE; see hansed --help");
  return out;
}

// Signals come through the loop: blocked before the first thread, so that no other thread gets them.
Result<int> signal_descriptor() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0)
    return fail(Kind::kInternal, "daemon.signals", text("block signals: {}", std::strerror(errno)));
  std::signal(SIGPIPE, SIG_IGN);
  const int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return fail(Kind::kInternal, "daemon.signals", text("signalfd: {}", std::strerror(errno)));
  return fd;
}

// From here on a signal does what it does by default: the second one does not wait.
void restore_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

// The watchdog is fed as long as the node lives. One that does not take turns any more is started again.
void feed(exec::Loop& loop, Daemon& daemon, const Notify& notify) {
  const Status alive = daemon.live();
  if (alive)
    notify.send("WATCHDOG=1");
  else
    logging::log_error("watchdog not fed", {{"error", alive.error().str()}});
  (void)loop.after(notify.watchdog_ns(), [&] { feed(loop, daemon, notify); });
}

Status serve(Settings settings) {
  TRY(const auto notify, Notify::from_environment());
  TRY(const int signals, signal_descriptor());
  TRY(const auto loop, exec::Loop::create(system_clock()));
  TRY_OK(loop->watch(signals, {}, [&](exec::Ready) {
    signalfd_siginfo info{};
    if (::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      logging::log_info("stopping", {{"signal", info.ssi_signo}});
      loop->stop();
    }
  }));
  TRY_OK(logging::start(settings.log));
  auto daemon = Daemon::start(std::move(settings));
  if (!daemon) {
    logging::stop();
    return std::unexpected(std::move(daemon.error()));
  }
  (*daemon)->on_failed([&] { loop->stop(); });
  write_all(STDOUT_FILENO, (*daemon)->ready_line() + "\n");
  notify.send("READY=1");
  if (notify.watchdog_ns() > 0) feed(*loop, **daemon, notify);
  Status looped = loop->run();
  notify.send("STOPPING=1");
  restore_signals();
  (*daemon)->stop();
  Status failed = (*daemon)->failed();
  daemon->reset();
  ::close(signals);
  logging::stop();
  TRY_OK(std::move(looped));
  return failed;
}

Status run(const Arguments& args) {
  TRY(const auto config,
      config::Config::load(schema(),
                           {.files = {args.config}, .environment = config::process_environment(), .flags = args.sets}));
  if (args.print) {
    write_all(STDOUT_FILENO, config.print());
    return {};
  }
  TRY(auto settings, settings_of(config, parent_dir(args.config)));
  if (args.check) {
    write_all(STDOUT_FILENO, "ok\n");
    return {};
  }
  return serve(std::move(settings));
}

int run_program(int argc, char** argv) {
  ::setenv("GRPC_VERBOSITY", "NONE", 0);  // its own lines on standard error say nothing that our errors do not
  ::umask(0077);
  const auto args = read_arguments(argc, argv);
  if (args && args->help) {
    write_all(STDOUT_FILENO, kHelp);
    return 0;
  }
  if (args && args->version) {
    write_all(STDOUT_FILENO, text("hansed {}\n", version()));
    return 0;
  }
  const Status status = args ? run(*args) : Status(std::unexpected(args.error().clone()));
  if (status) return 0;
  write_all(STDERR_FILENO, text("hansed: {}\n", status.error().str()));
  return exit_code(status.error().kind());
}

}  // namespace
}  // namespace hanse::daemon

int main(int argc, char** argv) { return hanse::daemon::run_program(argc, argv); }
