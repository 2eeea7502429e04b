// A kind for tests of the worker and the pool. Input 0 is what to do: a word and arguments.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/core/text.h"
#include "exchange/runtime/kind_plugin.h"

#ifndef ECHO_ID
#define ECHO_ID "echo"
#endif

namespace hanse::runtime {
namespace {

std::uint64_t number_after(std::string_view word, std::string_view text) {
  return std::strtoull(std::string(text.substr(word.size())).c_str(), nullptr, 10);
}

// Writes to every page, so that memory is really used.
std::size_t touch(std::size_t size) {
  std::vector<char> block(size);
  for (std::size_t i = 0; i < size; i += 4096) block[i] = 1;
  std::size_t sum = 0;
  for (std::size_t i = 0; i < size; i += 4096) sum += static_cast<std::size_t>(block[i]);
  return sum;
}

class Echo final : public JobKind {
 public:
  std::vector<std::string> names() const override { return {"echo/v1"}; }

  Status check(const RunRequest& request) const override {
    if (request.inputs.empty()) return fail(Kind::kInvalid, "echo.no_input", "found no input, expected at least 1");
    return {};
  }

  Result<Bytes> prepare(const RunRequest& request, RunControl& control) override {
    if (as_text(request.artifact) == "slow")
      while (!control.stop()) std::this_thread::yield();
    if (request.artifact.empty()) return Bytes{};
    Bytes out = to_bytes(std::string_view("prepared:"));
    append(out, request.artifact);
    return out;
  }

  Result<RunOutcome> run(const RunRequest& request, RunControl& control) override {
    const auto word = as_text(request.inputs[0]);
    if (word.starts_with("crash")) return crash(word);
    if (word.starts_with("allocate ")) {
      const auto sum = touch(number_after("allocate ", word));
      return RunOutcome{.outputs = {}, .gas = sum, .detail = "allocated", .kernel_class = "echo/1"};
    }
    if (word == "spin") {  // obeys
      while (!control.stop()) std::this_thread::yield();
      return RunOutcome{
          .status = RunStatus::kCancelled, .outputs = {}, .gas = 0, .detail = "stopped", .kernel_class = "echo/1"};
    }
    if (word == "hang")  // does not
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    if (word == "noise") {
      const std::string line(1000, 'n');
      for (int i = 0; i < 500; ++i) std::fprintf(stderr, "%d %s\n", i, line.c_str());
      std::fprintf(stderr, "last words\n");
    }
    if (word == "escape") return escape();
    if (word == "gas")
      return RunOutcome{.outputs = {}, .gas = request.limits.gas + 1, .detail = {}, .kernel_class = "echo/1"};
    RunOutcome out{.outputs = request.inputs, .gas = 1, .detail = "echo", .kernel_class = "echo/1"};
    if (!request.prepared.empty()) out.outputs.push_back(request.prepared);
    return out;
  }

 private:
  static Result<RunOutcome> crash(std::string_view how) {
    std::fprintf(stderr, "about to %.*s\n", static_cast<int>(how.size()), how.data());
    if (how == "crash segv") *static_cast<volatile int*>(nullptr) = 1;
    if (how == "crash abort") std::abort();
    if (how == "crash exit") _exit(7);
    if (how == "crash throw") throw std::runtime_error("thrown on purpose");
    if (how == "crash socket") (void)socket(AF_INET, SOCK_STREAM, 0);
    if (how == "crash garbage") {
      const char garbage[64] = "this is no frame";
      if (write(3, garbage, sizeof garbage) < 0) _exit(8);
      _exit(0);
    }
    if (how == "crash oversized") {
      const std::uint8_t head[8] = {0xFF, 0xFF, 0xFF, 0x7F, 4, 0, 0, 0};
      if (write(3, head, sizeof head) < 0) _exit(8);
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
    return fail(Kind::kInvalid, "echo.unknown", "no such crash");
  }

  // What can be reached from inside; the outputs are names of things that should have been out of reach.
  static Result<RunOutcome> escape() {
    RunOutcome out{.outputs = {}, .gas = 0, .detail = "escape", .kernel_class = "echo/1"};
    const auto reached = [&](std::string_view what) { out.outputs.push_back(to_bytes(what)); };
    for (const char* path : {"/etc/passwd", "/proc/1/environ", "/root", "/sys/kernel", "/dev/mem"})
      if (const int fd = open(path, O_RDONLY | O_CLOEXEC); fd >= 0) reached(path);
    if (kill(getppid(), 0) == 0) reached("signal");
    for (int fd = 4; fd < 64; ++fd)
      if (fcntl(fd, F_GETFD) >= 0) reached(text("descriptor {}", fd));
    if (geteuid() == 0) reached("root");
    return out;
  }
};

struct Source {
  static constexpr const char* kManifest =
      "id = \"" ECHO_ID "\"\nversion = \"1.0.0\"\nabi = \"1\"\ncapabilities = \"echo/v1\"\n";
  static Result<std::unique_ptr<JobKind>> make(const KindConfig&) { return std::make_unique<Echo>(); }
};

}  // namespace
}  // namespace hanse::runtime

extern "C" const hanse_plugin_v1* hanse_plugin_entry() { return hanse::runtime::kind_plugin<hanse::runtime::Source>(); }
