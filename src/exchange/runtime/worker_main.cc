#include "exchange/runtime/worker_main.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/text.h"
#include "base/plugin/plugin.h"
#include "exchange/runtime/detail/sandbox.h"
#include "exchange/runtime/detail/seccomp_filter.h"
#include "exchange/runtime/detail/wire.h"
#include "exchange/runtime/detail/worker_body.h"
#include "exchange/runtime/isolation.h"

namespace hanse::runtime {

namespace {

constexpr std::size_t kWorkersMax = 256;

struct Arguments {
  bool probe = false;
  int control_fd = -1;
  std::uint8_t level_max = kIsolationMax;
  std::string plugin_dir;
  std::string scratch_root = "/tmp";
  std::vector<std::string> plugins;
};

std::string own_folder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

bool read_number(const char* value, int max, int& out) {
  char* end = nullptr;
  const long v = std::strtol(value, &end, 10);
  if (end == value || *end != '\0' || v < 0 || v > max) return false;
  out = static_cast<int>(v);
  return true;
}

bool read_arguments(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--probe") {
      out.probe = true;
      continue;
    }
    if (!name.starts_with("--")) {
      out.plugins.emplace_back(name);
      continue;
    }
    if (i + 1 >= argc) return false;
    const char* value = argv[++i];
    int number = 0;
    if (name == "--control-fd" && read_number(value, 1 << 20, number)) {
      out.control_fd = number;
    } else if (name == "--level-max" && read_number(value, kIsolationMax, number)) {
      out.level_max = static_cast<std::uint8_t>(number);
    } else if (name == "--plugins") {
      out.plugin_dir = value;
    } else if (name == "--scratch") {
      out.scratch_root = value;
    } else {
      return false;
    }
  }
  return out.probe || out.control_fd >= 0;
}

std::vector<std::string> libraries_in(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".so") out.push_back(entry.path().string());
  std::ranges::sort(out);
  return out;
}

class Zygote {
 public:
  explicit Zygote(const Arguments& args)
      : args_(args), host_(system_clock(), [](std::string_view id, plugin::LogLevel, std::string_view line) {
          std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(id.size()), id.data(), static_cast<int>(line.size()),
                       line.data());
        }) {}

  Status open();
  int serve();

 private:
  struct Running {
    std::uint64_t id;
    Child child;
    std::string scratch;
  };

  Status load_plugin(const std::string& path);
  void spawn(const Control& order);
  Result<Child> fork_worker(const Control& order, std::string& scratch);
  void reap();

  const Arguments& args_;
  plugin::PluginHost host_;
  KindTable kinds_;
  std::string hello_text_;
  SandboxSpec spec_;
  Bytes filter_;
  std::vector<Running> running_;
};

Status Zygote::load_plugin(const std::string& path) {
  TRY(const auto plugin, host_.load(path));
  TRY_OK(plugin->init(as_bytes("scratch = \".\"\n")));
  TRY_OK(plugin->start());
  for (const auto& kind : plugin->manifest().capabilities) {
    if (!kinds_.emplace(kind, plugin).second)
      return fail(Kind::kConflict, "runtime.kind_twice", text("{}: kind {} is taken", path, kind));
    hello_text_ += text("kind {}\n", kind);
  }
  return {};
}

Status Zygote::open() {
  const auto isolation = probe();
  spec_.level = std::min(isolation.level, args_.level_max);
  spec_.landlock_abi = isolation.landlock_abi;
  if (!isolation.missing.empty()) hello_text_ += text("missing {}\n", isolation.missing);
  hello_text_ += text("cgroups {}\n", isolation.cgroups);
  if (spec_.level >= 3) {
    TRY(filter_, build_filter({.files = true, .own_pid = 1}));
    spec_.filter = filter_;
  }
  auto paths = args_.plugins;
  if (paths.empty()) paths = libraries_in(args_.plugin_dir.empty() ? own_folder() + "/../lib/hanse" : args_.plugin_dir);
  for (const auto& path : paths)
    if (const auto loaded = load_plugin(path); !loaded) hello_text_ += text("failed {}\n", loaded.error().str());
  const auto id = isolation.walls | static_cast<std::uint64_t>(isolation.landlock_abi) << 32;
  return send_control(args_.control_fd,
                      {.type = ControlType::kHello, .number = spec_.level, .id = id, .text = hello_text_, .fds = {}});
}

Result<Child> Zygote::fork_worker(const Control& order, std::string& scratch) {
  if (order.fds.size() != kControlFdsMax)
    return fail(Kind::kInvalid, "runtime.control", text("found {} descriptors, expected 3", order.fds.size()));
  if (running_.size() >= kWorkersMax)
    return fail(Kind::kExhausted, "runtime.spawn", text("{} workers run, no more fit", kWorkersMax));
  SandboxSpec spec = spec_;
  if (spec.level == 2) {
    scratch = args_.scratch_root + "/hanse-worker-XXXXXX";
    if (mkdtemp(scratch.data()) == nullptr || (geteuid() == 0 && chown(scratch.c_str(), 65534, 65534) != 0))
      return fail(Kind::kUnavailable, "runtime.spawn", text("scratch directory {}: errno {}", scratch, errno));
    spec.scratch = scratch;
  }
  const WorkerPipes pipes{.socket = order.fds[0], .standard_error = order.fds[1], .stop_page = order.fds[2]};
  return fork_sandboxed(spec, [&] { return worker_body(spec, pipes, kinds_); });
}

void Zygote::spawn(const Control& order) {
  std::string scratch;
  auto child = fork_worker(order, scratch);
  for (const int fd : order.fds) close(fd);
  if (!child) {
    if (!scratch.empty()) rmdir(scratch.c_str());
    (void)send_control(
        args_.control_fd,
        {.type = ControlType::kNotSpawned, .number = 0, .id = order.id, .text = child.error().str(), .fds = {}});
    return;
  }
  running_.push_back({.id = order.id, .child = *child, .scratch = scratch});
  // When this fails the pool is gone, and the next receive ends the zygote.
  (void)send_control(
      args_.control_fd,
      {.type = ControlType::kSpawned, .number = child->pid, .id = order.id, .text = {}, .fds = {child->pidfd}});
}

void Zygote::reap() {
  std::erase_if(running_, [&](const Running& r) {
    int status = 0;
    if (waitpid(r.child.pid, &status, WNOHANG) != r.child.pid) return false;
    close(r.child.pidfd);
    std::error_code error;
    if (!r.scratch.empty()) std::filesystem::remove_all(r.scratch, error);
    (void)send_control(args_.control_fd,
                       {.type = ControlType::kExited, .number = status, .id = r.id, .text = {}, .fds = {}});
    return true;
  });
}

int Zygote::serve() {
  std::vector<pollfd> watched;
  for (;;) {
    watched.assign(1, {.fd = args_.control_fd, .events = POLLIN, .revents = 0});
    for (const auto& r : running_) watched.push_back({.fd = r.child.pidfd, .events = POLLIN, .revents = 0});
    if (poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return 1;
    if (watched[0].revents != 0) {
      auto order = receive_control(args_.control_fd);
      if (!order) break;
      if (order->type == ControlType::kSpawn) spawn(*order);
    }
    reap();
  }
  for (const auto& r : running_) kill(r.child.pid, SIGKILL);
  for (const auto& r : running_) {
    waitpid(r.child.pid, nullptr, 0);
    std::error_code error;
    if (!r.scratch.empty()) std::filesystem::remove_all(r.scratch, error);
  }
  return 0;
}

}  // namespace

int worker_main(int argc, char** argv) {
  Arguments args;
  if (!read_arguments(argc, argv, args)) {
    std::fprintf(
        stderr,
        "usage: hanse-worker --probe\n"
        "       hanse-worker --control-fd N [--plugins DIR] [--level-max 0..3] [--scratch DIR] [PLUGIN.so ...]\n");
    return 2;
  }
  if (args.probe) {
    std::fputs(describe(probe()).c_str(), stdout);
    return 0;
  }
  Zygote zygote(args);
  if (const auto opened = zygote.open(); !opened) {
    std::fprintf(stderr, "hanse-worker: %s\n", opened.error().str().c_str());
    return 1;
  }
  // Plug-ins may hold libraries that crash when they are torn down; the process is over either way.
  _exit(zygote.serve());
}

}  // namespace hanse::runtime
