// How long a job waits for its worker. "hand-over": from the wish for a worker to its word that it has the call, with
// warm workers waiting. "call": from run() to the outcome of a job that does nothing. Floor: one byte there and back
// between two processes over a socket pair, in the same run.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/text.h"
#include "exchange/runtime/call.h"
#include "exchange/runtime/detail/nursery.h"
#include "exchange/runtime/pool.h"

namespace {

using namespace std::string_view_literals;
using hanse::runtime::Pool;

constexpr int kRounds = 1000;

// Lets what the last call left behind be cleared away.
void rest_us(long us) {
  const timespec time{.tv_sec = 0, .tv_nsec = us * 1000};
  ppoll(nullptr, 0, &time, nullptr);
}

double percentile(std::vector<std::int64_t>& sorted_ns, double share) {
  std::ranges::sort(sorted_ns);
  return static_cast<double>(sorted_ns[static_cast<std::size_t>(share * static_cast<double>(sorted_ns.size() - 1))]) /
         1000;
}

std::vector<std::int64_t> ping_pong() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return {};
  const int child = fork();
  if (child == 0) {
    close(pair[0]);
    for (char c; read(pair[1], &c, 1) == 1;)
      if (write(pair[1], &c, 1) != 1) break;
    _exit(0);
  }
  close(pair[1]);
  std::vector<std::int64_t> out;
  for (int i = 0; i < kRounds; ++i) {
    const auto start_ns = hanse::system_clock().mono_ns();
    char c = 'x';
    if (write(pair[0], &c, 1) != 1 || read(pair[0], &c, 1) != 1) break;
    out.push_back(hanse::system_clock().mono_ns() - start_ns);
    rest_us(1000);  // the worker of a pool is asleep too when its call comes
  }
  close(pair[0]);
  waitpid(child, nullptr, 0);
  return out;
}

hanse::runtime::RunRequest small_request() {
  hanse::runtime::RunRequest request;
  request.kind = "echo/v1";
  request.inputs = {hanse::to_bytes("hello"sv)};
  request.limits = {.gas = 10, .mem_pages = 1, .wall_ms = 1000, .out_bytes = 64};
  return request;
}

// Empty when something failed.
std::vector<std::int64_t> hand_overs(const hanse::runtime::PoolOptions& options) {
  using namespace hanse::runtime;
  const auto& clock = hanse::system_clock();
  auto nursery = Nursery::start(options, hanse::system_clock());
  if (!nursery) return {};
  const RunControl control;
  const auto request = encode_request(small_request());
  const auto order = encode_order({.data_max = 1u << 29, .cpu_s_max = 10, .prepare = false, .kind = "echo/v1"});
  std::vector<std::int64_t> out;
  for (int i = 0; i < kRounds; ++i) {
    do {
      rest_us(2000);
    } while ((*nursery)->warm_now() < options.warm);
    const auto start_ns = clock.mono_ns();
    auto worker = (*nursery)->take(control);
    if (!worker) return {};
    (*worker)->queue(FrameType::kCall,
                     {order, encode_call({.op = CallOp::kRun, .request = request, .prepared = {}, .claimed = {}})});
    for (;;) {
      const auto arrived = (*worker)->pump(1000, 1 << 20);
      if (!arrived) return {};
      if (*arrived) break;
    }
    out.push_back(clock.mono_ns() - start_ns);
    (*nursery)->give_back(std::move(*worker), Nursery::Left::kUnfinished);
  }
  return out;
}

void print(std::string_view name, double value, std::string_view unit, double floor, std::string_view floor_what) {
  std::puts(hanse::text("{{\"room\":\"runtime\",\"name\":\"{}\",\"value\":{:.1f},\"unit\":\"{}\",\"floor\":{:.1f},"
                        "\"floor_what\":\"{}\",\"ratio\":{:.2f}}}",
                        name, value, unit, floor, floor_what, value / floor)
                .c_str());
}

}  // namespace

int main() {
  auto floor = ping_pong();
  if (floor.size() != kRounds) return 1;
  hanse::runtime::PoolOptions options;
  const std::filesystem::path bin = std::filesystem::path(hanse::runtime::default_worker_path()).parent_path();
  options.plugins = {(bin / "../lib/hanse-test/kind_echo.so").string()};
  options.warm = 2;
  auto handed = hand_overs(options);
  if (handed.empty()) return 1;
  auto pool = Pool::start(options);
  if (!pool) {
    std::fprintf(stderr, "%s\n", pool.error().str().c_str());
    return 1;
  }
  const auto request = small_request();
  hanse::runtime::RunControl control;
  std::vector<std::int64_t> calls, spawns;
  for (int i = 0; i < kRounds; ++i) {
    const auto spawn_ns = hanse::system_clock().mono_ns();
    while ((*pool)->warm_now() < options.warm) rest_us(100);
    if (i > 0) spawns.push_back(hanse::system_clock().mono_ns() - spawn_ns);
    rest_us(2000);
    const auto start_ns = hanse::system_clock().mono_ns();
    const auto outcome = (*pool)->run(request, (*pool)->level(), control);
    calls.push_back(hanse::system_clock().mono_ns() - start_ns);
    if (!outcome) {
      std::fprintf(stderr, "%s\n", outcome.error().str().c_str());
      return 1;
    }
  }
  constexpr auto kFloor = "socket pair ping-pong between two processes";
  print("hand-over p50", percentile(handed, 0.5), "us", percentile(floor, 0.5), kFloor);
  print("hand-over p99", percentile(handed, 0.99), "us", percentile(floor, 0.99), kFloor);
  print("warm call p50", percentile(calls, 0.5), "us", percentile(floor, 0.5), kFloor);
  print("warm call p99", percentile(calls, 0.99), "us", percentile(floor, 0.99), kFloor);
  print(hanse::text("new worker at level {} p50", (*pool)->level()), percentile(spawns, 0.5), "us", 15600,
        "one bubblewrap launch");
  return 0;
}
