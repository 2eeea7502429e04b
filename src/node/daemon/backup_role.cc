#include "node/daemon/backup_role.h"

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/codec/json.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "base/core/thread_name.h"
#include "base/exec/backoff.h"
#include "base/logging/log.h"
#include "base/telemetry/metrics.h"

extern char** environ;

namespace hanse::daemon {
namespace {

using codec::Json;
using telemetry::Metric;

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kSaidMax = 4u << 20;  // of a child's standard output
constexpr std::size_t kStateBytesMax = 4'096;
constexpr int kNice = 10;

std::string beside_us(std::string_view name) {
  std::error_code ignored;
  return text("{}/{}", std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string(), name);
}

Result<std::uint64_t> number_of(const Json& json, std::string_view key) {
  const Json* found = json.find(key);
  if (found == nullptr)
    return fail(Kind::kUnavailable, "backup.program", text("found no {} in its answer {}", key, json.dump()));
  return found->as_u64(key);
}
Result<std::string> text_of(const Json& json, std::string_view key) {
  const Json* found = json.find(key);
  if (found == nullptr)
    return fail(Kind::kUnavailable, "backup.program", text("found no {} in its answer {}", key, json.dump()));
  TRY(const std::string_view value, found->as_text(key));
  return std::string(value);
}

class Role final : public BackupRole {
 public:
  explicit Role(Options options)
      : options_(std::move(options)),
        program_(options_.settings.program.empty() ? beside_us("hanse-backup") : options_.settings.program),
        backoff_(system_random(), {.first_ms = kRetryFirstMs, .most_ms = kRetryMostMs}) {}
  ~Role() override { stop(); }

  Status begin() {
    info_.target = options_.settings.target;
    TRY_OK(real_fs().mkdir(options_.dir));
    TRY_OK(read_state());
    show();
    const std::int64_t age_ms = clock_.wall_ms() - info_.last_success_ms;
    const std::int64_t wait_ms = info_.last_success_ms == 0 || age_ms < 0 ? 0 : options_.settings.interval_ms - age_ms;
    base_due_ns_ = clock_.mono_ns() + std::max<std::int64_t>(wait_ms, 0) * kNsPerMs;
    blocks_due_ns_ = next_blocks();
    thread_ = std::thread([this] { run(); });
    return {};
  }

  client::BackupInfo info() const override {
    const std::lock_guard lock(mutex_);
    return {.target = info_.target,
            .running = info_.running,
            .last_id = info_.last_id,
            .last_success_ms = info_.last_success_ms,
            .duration_ms = info_.duration_ms,
            .bytes = info_.bytes,
            .height = info_.height,
            .failures = info_.failures,
            .failure = failure_ ? std::optional(failure_->clone()) : std::nullopt};
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      if (child_ > 0) ::kill(child_, SIGTERM);
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::int64_t next_blocks() const {
    const std::int64_t every_ms = options_.settings.blocks_interval_ms;
    return every_ms == 0 ? kNever : clock_.mono_ns() + every_ms * kNsPerMs;
  }

  void run() {
    name_thread("backup");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      const std::int64_t left_ns = std::max(std::min(base_due_ns_, blocks_due_ns_), not_before_ns_) - clock_.mono_ns();
      if (left_ns > 0) {
        wake_.wait_for(lock, std::chrono::nanoseconds(left_ns));
        continue;
      }
      info_.running = true;
      lock.unlock();
      const bool base = base_due_ns_ <= clock_.mono_ns();
      const std::int64_t began_ns = clock_.mono_ns();
      const Status done = base ? take_base(began_ns) : send_blocks();
      remove_copy();
      lock.lock();
      info_.running = false;
      if (!stopping_) ended(base, done);
    }
  }

  // Under mutex_.
  void ended(bool base, const Status& done) {
    telemetry::registry().counter(Metric::kBackupRuns, {base ? "base" : "blocks", done ? "ok" : "failed"}).add();
    if (done) {
      failure_.reset();
      info_.failures = 0;
      backoff_.reset();
      not_before_ns_ = 0;
      if (base) base_due_ns_ = clock_.mono_ns() + options_.settings.interval_ms * kNsPerMs;
      blocks_due_ns_ = next_blocks();
      show();
      logging::log_info("backup made", {{"base", base},
                                        {"id", info_.last_id},
                                        {"height", info_.height.value},
                                        {"bytes", info_.bytes},
                                        {"target", info_.target}});
      return;
    }
    ++info_.failures;
    failure_.emplace(done.error().clone());
    const std::int64_t wait_ms = backoff_.next_ms();
    not_before_ns_ = clock_.mono_ns() + wait_ms * kNsPerMs;
    logging::log_error("backup failed", {{"base", base},
                                         {"id", failure_->id()},
                                         {"reason", failure_->message()},
                                         {"failures", info_.failures},
                                         {"again_ms", wait_ms}});
  }

  Status take_base(std::int64_t began_ns) {
    TRY_OK(copy_store());
    TRY(const Json made, child({"create", "--chain", copy(), "--genesis", options_.genesis_file}));
    TRY(const std::string id, text_of(made, "id"));
    TRY(const std::uint64_t height, number_of(made, "archived_height"));
    if (options_.settings.verify)
      TRY_OK(child({"verify", "--genesis", options_.genesis_file, "--id", id, "--scratch", options_.dir}));
    TRY(const std::uint64_t bytes, size_of(id));
    TRY_OK(child({"prune", "--retention-days", text("{}", options_.settings.retention_days)}));
    {
      const std::lock_guard lock(mutex_);
      info_.last_id = id;
      info_.last_success_ms = clock_.wall_ms();
      info_.height = Height{height};
      info_.bytes = bytes;
      info_.duration_ms = (clock_.mono_ns() - began_ns) / kNsPerMs;
    }
    return write_state();
  }

  Status send_blocks() {
    TRY_OK(copy_store());
    TRY(const Json made, child({"create", "--blocks-only", "--chain", copy(), "--genesis", options_.genesis_file}));
    TRY(const std::uint64_t height, number_of(made, "archived_height"));
    const std::lock_guard lock(mutex_);
    info_.height = Height{height};
    return {};
  }

  Result<std::uint64_t> size_of(const std::string& id) {
    TRY(const Json listed, child({"list"}));
    const Json* all = listed.find("backups");
    if (all != nullptr)
      for (const Json& one : all->items()) {
        TRY(const std::string found, text_of(one, "id"));
        if (found == id) return number_of(one, "packed_bytes");
      }
    return fail(Kind::kUnavailable, "backup.program", text("found no {} among the backups of its target", id));
  }

  std::string copy() const { return options_.dir + "/copy"; }
  Status copy_store() {
    remove_copy();  // left by a process that was killed
    TRY_OK(real_fs().mkdir(copy()));
    return options_.checkpoint(copy() + "/store");
  }
  void remove_copy() {
    std::error_code ignored;
    std::filesystem::remove_all(copy(), ignored);
  }

  // Runs `hanse-backup backup WORDS --target T --json`; its answer, or the error that it names.
  Result<Json> child(std::vector<std::string> words) {
    words.insert(words.begin(), {program_, "backup"});
    if (!std::ranges::contains(words, "--target")) words.insert(words.end(), {"--target", options_.settings.target});
    words.insert(words.end(), {"--json", "--quiet"});
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return lost(text("pipe: {}", std::strerror(errno)));
    Status started = spawn(words, ends[1]);
    ::close(ends[1]);
    const std::string said = started ? read_all(ends[0]) : std::string();
    ::close(ends[0]);
    TRY_OK(std::move(started));
    return answer(said, reap());
  }

  static std::unexpected<Error> lost(std::string_view what) {
    return fail(Kind::kUnavailable, "backup.program", text("hanse-backup: {}", what));
  }

  Status spawn(std::vector<std::string>& words, int out) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_t attributes;  // signals as a program expects them, not as our main thread set them
    ::posix_spawnattr_init(&attributes);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const std::lock_guard lock(mutex_);
    pid_t pid = -1;
    const int code =
        stopping_ ? ECANCELED : ::posix_spawn(&pid, program_.c_str(), &actions, &attributes, argv.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (code != 0) return lost(text("start {}: {}", program_, std::strerror(code)));
    child_ = pid;
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(pid), kNice);
    return {};
  }

  // Until it closes its output; killed when that takes too long.
  std::string read_all(int fd) {
    std::string said;
    const std::int64_t end_ns = clock_.mono_ns() + kRunMsMax * kNsPerMs;
    char buffer[4'096];
    for (;;) {
      pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
      const std::int64_t left_ms = (end_ns - clock_.mono_ns()) / kNsPerMs;
      const int ready = ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left_ms, 0, 60'000)));
      if (ready == 0 && left_ms > 0) continue;
      if (ready == 0) {
        ::kill(child_, SIGKILL);
        return said;
      }
      const ssize_t n = ::read(fd, buffer, sizeof buffer);
      if (n == 0 || (n < 0 && errno != EINTR)) return said;
      if (n > 0 && said.size() < kSaidMax) said.append(buffer, static_cast<std::size_t>(n));
    }
  }

  // Its status. It is a zombie until child_ is forgotten, so that stop() signals nobody else.
  int reap() {
    siginfo_t ignored{};
    while (::waitid(P_PID, static_cast<id_t>(child_), &ignored, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    const std::lock_guard lock(mutex_);
    int status = 0;
    ::waitpid(std::exchange(child_, -1), &status, 0);
    return status;
  }

  static Result<Json> answer(const std::string& said, int status) {
    auto json = codec::parse_json(said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && json) return json;
    const Json* error = json ? json->find("error") : nullptr;
    if (error == nullptr) return lost(text("it ended with status {} and said '{}'", status, said.substr(0, 200)));
    TRY(std::string id, text_of(*error, "id"));
    TRY(std::string message, text_of(*error, "message"));
    return std::unexpected(Error(Kind::kUnavailable, std::move(id), std::move(message)));
  }

  Status read_state() {
    TRY(const bool there, real_fs().exists(options_.state_file));
    if (!there) return {};
    TRY(const Bytes bytes, read_file(real_fs(), options_.state_file, kStateBytesMax));
    const auto parse = [&]() -> Status {
      TRY(const Json json, codec::parse_json(as_text(bytes)));
      TRY(const std::string target, text_of(json, "target"));
      if (target != options_.settings.target) return {};  // begins anew
      TRY(info_.last_id, text_of(json, "id"));
      TRY(const std::uint64_t last_ms, number_of(json, "last_success_ms"));
      TRY(info_.bytes, number_of(json, "bytes"));
      TRY(const std::uint64_t height, number_of(json, "height"));
      TRY(const std::uint64_t duration_ms, number_of(json, "duration_ms"));
      info_.height = Height{height};
      info_.last_success_ms = static_cast<std::int64_t>(last_ms);
      info_.duration_ms = static_cast<std::int64_t>(duration_ms);
      return {};
    };
    // Only when the next one is due depends on it.
    if (const Status parsed = parse(); !parsed)
      logging::log_warn("backup state not read", {{"file", options_.state_file}, {"reason", parsed.error().str()}});
    return {};
  }

  Status write_state() {
    Json json = Json::object();
    json.set("target", info_.target).set("id", info_.last_id).set("last_success_ms", info_.last_success_ms);
    json.set("bytes", info_.bytes).set("height", info_.height.value).set("duration_ms", info_.duration_ms);
    return replace_file(real_fs(), options_.state_file, as_bytes(json.dump() + "\n"));
  }

  void show() const {
    auto& r = telemetry::registry();
    r.gauge(Metric::kBackupLastSuccess).set(info_.last_success_ms * kNsPerMs);
    r.gauge(Metric::kBackupDuration).set(info_.duration_ms * kNsPerMs);
    r.gauge(Metric::kBackupSize).set(static_cast<std::int64_t>(info_.bytes));
    r.gauge(Metric::kBackupHeight).set(static_cast<std::int64_t>(info_.height.value));
  }

  const Options options_;
  const std::string program_;
  Clock& clock_ = system_clock();
  exec::Backoff backoff_;  // the thread's, as the next three
  std::int64_t base_due_ns_ = 0, blocks_due_ns_ = 0, not_before_ns_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  client::BackupInfo info_;  // under mutex_, without failure; written by the thread
  std::optional<Error> failure_;
  pid_t child_ = -1;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<BackupRole>> BackupRole::start(Options options) {
  auto role = std::make_unique<Role>(std::move(options));
  TRY_OK(role->begin());
  return role;
}

}  // namespace hanse::daemon
