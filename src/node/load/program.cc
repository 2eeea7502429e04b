#include "node/load/program.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "chain/ledger/load_app.h"
#include "node/client/client.h"
#include "node/load/load.h"

extern char** environ;

namespace hanse::load {
namespace {

constexpr std::size_t kOutputMax = 1 << 20;
constexpr std::int64_t kBackWaitMs = 60'000;

std::string own_folder() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string();
}

}  // namespace

Status Child::start(const std::string& program, const std::vector<std::string>& args) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed("pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  name_ = program;
  const std::string path = own_folder() + "/" + program;
  std::vector<char*> argv = {const_cast<char*>(path.c_str())};  // const: posix_spawn's old signature
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  const int code = ::posix_spawn(&pid_, path.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  out_ = ends[0];
  if (code == 0) return {};
  ::close(out_);
  errno = code;
  return failed("start");
}

Result<std::string> Child::wait(int code_most) {
  std::string text_out;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = ::read(out_, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR))
    if (n > 0 && text_out.size() < kOutputMax) text_out.append(buffer, static_cast<std::size_t>(n));
  ::close(out_);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) <= code_most) return text_out;
  return fail(Kind::kUnavailable, "load.program",
              text("{} ended with status {}: {}", name_, status, text_out.substr(0, 500)));
}

std::unexpected<Error> Child::failed(std::string_view what) const {
  return fail(Kind::kUnavailable, "load.program", text("{} {}: {}", what, name_, std::strerror(errno)));
}

Result<std::string> call(const std::string& program, const std::vector<std::string>& args, int code_most) {
  Child child;
  TRY_OK(child.start(program, args));
  return child.wait(code_most);
}

Result<double> number(const codec::Json& object, std::string_view key) {
  const codec::Json* value = object.find(key);
  if (value == nullptr) return fail(Kind::kUnavailable, "load.program", text("found no {} in {}", key, object.dump()));
  if (value->type() == codec::Json::Type::kDouble) return value->as_double(key);
  TRY(const std::uint64_t whole, value->as_u64(key));
  return static_cast<double>(whole);
}

Status wait_for_answer(const std::string& net, const std::string& name, std::int64_t began_ns) {
  Clock& clock = system_clock();
  ledger::Tx tx{.app = ledger::kLoadApp, .body = Bytes(256)};
  system_random().fill(tx.body);
  for (;;) {
    auto client = client::Client::connect(socket_of(net, name), {.deadline_ms = kBackWaitMs});
    if (client && (*client)->submit(tx)) return {};
    if (clock.mono_ns() - began_ns > kBackWaitMs * 1'000'000)
      return fail(Kind::kTimeout, "load.program", text("found no answer of {} in {} ms", name, kBackWaitMs));
    ::poll(nullptr, 0, 2);
  }
}

}  // namespace hanse::load
