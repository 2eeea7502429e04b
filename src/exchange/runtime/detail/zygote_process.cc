#include "exchange/runtime/detail/zygote_process.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::runtime {

namespace {

constexpr std::uint32_t kHelloMsMax = 60'000;
constexpr int kEndMsMax = 2'000;
constexpr int kControlFd = 3;

std::unexpected<Error> failed(std::string_view what) { return fail(Kind::kUnavailable, "runtime.zygote", what); }

// Nothing of the daemon's environment goes to code that jobs may reach, but what the loader and sanitizers need.
std::vector<std::string> environment() {
  std::vector<std::string> out = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
  for (const char* name : {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE"})
    if (const char* value = std::getenv(name)) out.push_back(text("{}={}", name, value));
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (auto& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

}  // namespace

std::string default_worker_path() {
  std::error_code error;
  return (std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "hanse-worker").string();
}

Status ZygoteProcess::launch(const std::string& path, const PoolOptions& options) {
  int pair[2], out[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return failed(text("socketpair: errno {}", errno));
  control_ = Fd(pair[0]);
  const Fd far(pair[1]);
  if (pipe2(out, O_CLOEXEC) != 0) return failed(text("pipe: errno {}", errno));
  standard_error_ = Fd(out[0]);
  const Fd far_error(out[1]);
  fcntl(standard_error_.get(), F_SETFL, O_NONBLOCK);

  SpawnSetup setup;
  posix_spawn_file_actions_addopen(&setup.actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&setup.actions, far_error.get(), 1);
  posix_spawn_file_actions_adddup2(&setup.actions, far_error.get(), 2);
  posix_spawn_file_actions_adddup2(&setup.actions, far.get(), kControlFd);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&setup.attributes, &none);
  posix_spawnattr_setsigdefault(&setup.attributes, &all);
  // A group of its own: Ctrl-C at the terminal ends the daemon, and the daemon ends its workers.
  posix_spawnattr_setpgroup(&setup.attributes, 0);
  posix_spawnattr_setflags(&setup.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::vector<std::string> args = {
      path,        "--control-fd",      text("{}", kControlFd), "--level-max", text("{}", options.level_max),
      "--scratch", options.scratch_root};
  if (!options.plugin_dir.empty()) args.insert(args.end(), {"--plugins", options.plugin_dir});
  args.insert(args.end(), options.plugins.begin(), options.plugins.end());
  auto env = environment();
  const int rc =
      posix_spawn(&pid_, path.c_str(), &setup.actions, &setup.attributes, pointers(args).data(), pointers(env).data());
  if (rc != 0) {
    pid_ = -1;
    return failed(text("{}: errno {}", path, rc));
  }
  return {};
}

// Before any worker exists: what is forked later is born inside.
Status ZygoteProcess::confine(const PoolOptions& options) {
  if (options.group.empty()) return {};
  const auto refuse = [](const Error& why) {
    return fail(Kind::kUnsupported, "governor.not_enforceable",
                text("workers cannot be kept in a control group: {}", why.str()));
  };
  auto layout = governor::read_layout();
  if (!layout) return refuse(layout.error());
  auto group = governor::Cgroup::create(*layout, options.group);
  if (!group) return refuse(group.error());
  governor::CgroupLimits limits;
  limits.memory_max = options.group_memory_bytes;
  limits.pids_max = options.group_pids_max;
  if (options.group_cpu_percent != 0) limits.cpu_percent = options.group_cpu_percent;
  auto reports = group->apply(limits);
  if (!reports) return refuse(reports.error());
  for (const auto& r : *reports) {
    if (r.state != governor::FieldState::kApplied)
      return refuse(
          Error(Kind::kUnsupported, "governor.cgroup", text("{} is {}", r.field, governor::field_state_name(r.state))));
    report_.enforced.push_back(text("{} {}", r.field, r.read_back));
  }
  if (const auto added = group->add(pid_); !added) return refuse(added.error());
  group_.emplace(std::move(*group));
  return {};
}

Status ZygoteProcess::read_hello(std::uint32_t wait_ms) {
  pollfd watched[2] = {{.fd = control_.get(), .events = POLLIN, .revents = 0},
                       {.fd = standard_error_.get(), .events = POLLIN, .revents = 0}};
  for (std::uint32_t waited_ms = 0; waited_ms < wait_ms; waited_ms += 100) {
    poll(watched, 2, 100);
    drain_standard_error();
    if (watched[0].revents == 0) continue;
    auto hello = receive_control(control_.get());
    if (!hello || hello->type != ControlType::kHello)
      return failed(text("ended or spoke another protocol; its last words: {}", last_words()));
    report_.isolation.level = static_cast<std::uint8_t>(hello->number);
    report_.isolation.walls = static_cast<std::uint32_t>(hello->id);
    report_.isolation.landlock_abi = static_cast<std::uint32_t>(hello->id >> 32);
    std::string_view rest = hello->text;
    while (!rest.empty()) {
      const auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      const auto value = std::string(line.substr(std::min(line.size(), line.find(' ') + 1)));
      if (line.starts_with("kind ")) kinds_.push_back(value);
      if (line.starts_with("failed ")) report_.failed.push_back(value);
      if (line.starts_with("missing ")) report_.isolation.missing = value;
      if (line.starts_with("cgroups ")) report_.isolation.cgroups = value;
    }
    return {};
  }
  return failed(text("said nothing for {} ms", wait_ms));
}

Result<std::unique_ptr<ZygoteProcess>> ZygoteProcess::start(const PoolOptions& options) {
  std::unique_ptr<ZygoteProcess> zygote(new ZygoteProcess());
  TRY_OK(zygote->launch(options.worker_path.empty() ? default_worker_path() : options.worker_path, options));
  TRY_OK(zygote->confine(options));
  TRY_OK(zygote->read_hello(kHelloMsMax));
  zygote->report_.zygote_pid = zygote->pid_;
  return zygote;
}

ZygoteProcess::~ZygoteProcess() {
  control_.reset();
  if (pid_ < 0) return;
  const Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  if (!pidfd || poll(&ended, 1, kEndMsMax) <= 0) ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  if (group_) (void)group_->kill();  // workers of a zygote that was killed are on their way out
}

void ZygoteProcess::drain_standard_error() {
  if (standard_error_ && !drain(standard_error_.get(), ring_)) standard_error_.reset();
}

}  // namespace hanse::runtime
