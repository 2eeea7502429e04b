// One JSON line a figure; all ends and threads are in this process. The peer of the same run: a raw UDP ping-pong with
// blocking sockets, which is the floor of any round trip over loopback.
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <string>
#include <thread>

#include "base/core/check.h"
#include "mesh/links/detail/test_net.h"

namespace {

using namespace hanse;  // NOLINT: one small program
using namespace hanse::links;
using detail::body_of;
using detail::kLarge;

constexpr std::size_t kVoteSize = 3500;  // a vote with an ML-DSA-65 signature
constexpr std::size_t kBulkSize = 512 << 10;

// Lets the threads under test have the core while this one has nothing to do.
void rest_us(std::int64_t us) {
  const timespec span{.tv_sec = 0, .tv_nsec = us * 1000};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &span, nullptr);
}

std::int64_t now_ns() { return system_clock().mono_ns(); }
double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct Meter {
  std::int64_t wall_ns = now_ns();
  double cpu = cpu_seconds();
  void line(std::string_view name, double frames, double bytes) const {
    const double w = static_cast<double>(now_ns() - wall_ns) / 1e9, c = cpu_seconds() - cpu;
    std::printf("{\"bench\":\"%s\",\"per_s\":%.0f,\"mb_per_s\":%.0f,\"cpu_us_each\":%.2f,\"cpu_s_per_gb\":%.2f}\n",
                std::string(name).c_str(), frames / w, bytes / w / 1e6, c / frames * 1e6, c / (bytes / 1e9));
    std::fflush(stdout);
  }
};

struct Times {
  std::mutex mutex;
  std::vector<std::int64_t> ns;
  void add(std::int64_t took) {
    const std::lock_guard lock(mutex);
    ns.push_back(took);
  }
  void line(std::string_view name) {
    std::ranges::sort(ns);
    const auto at = [&](std::size_t permille) {
      return ns[std::min(ns.size() - 1, ns.size() * permille / 1000)] / 1000;
    };
    std::printf("{\"bench\":\"%s\",\"p50_us\":%ld,\"p90_us\":%ld,\"p99_us\":%ld,\"max_us\":%ld}\n",
                std::string(name).c_str(), at(500), at(900), at(990), ns.back() / 1000);
    std::fflush(stdout);
  }
};

// Validators of one process that all know each other.
struct Net {
  std::vector<std::unique_ptr<Links>> all;
  std::atomic<int> ups{0};
  std::function<void(std::uint16_t self, std::uint16_t from, Bytes)> on_frame;

  explicit Net(std::uint16_t count) : all(count) {
    for (int i = count - 1; i >= 0; --i) {
      const auto self = static_cast<std::uint16_t>(i);
      detail::Events unused;
      Options o = detail::test_options(self, count, unused);
      o.callbacks = {};
      o.callbacks.on_up = [this](std::uint16_t) { ++ups; };
      o.callbacks.on_frame = [this, self](std::uint16_t from, std::uint8_t, Bytes b) {
        if (on_frame) on_frame(self, from, std::move(b));
      };
      for (PeerSpec& peer : o.peers)
        if (peer.index > i) peer.address = detail::local(all[peer.index]->port());
      auto opened = Links::open(std::move(o));
      check(opened.has_value(), "links open on loopback");
      all[self] = std::move(*opened);
    }
    while (ups < count * (count - 1)) rest_us(1000);
  }
  ~Net() {
    for (auto& one : all) one->stop();
  }
};

void stream(std::string_view name, Priority priority, std::size_t size, std::uint64_t count) {
  Net net(2);
  std::atomic<std::uint64_t> got{0};
  net.on_frame = [&](std::uint16_t, std::uint16_t, Bytes) { ++got; };
  const auto body = body_of(size);
  const Meter meter;
  for (std::uint64_t i = 0; i < count;) {
    if (net.all[0]->send(1, priority, kLarge, body))
      ++i;
    else
      rest_us(500);
  }
  while (got < count) rest_us(200);
  meter.line(name, static_cast<double>(count), static_cast<double>(count * size));
}

void ping_pong(std::string_view name, std::size_t size, std::size_t count) {
  Net net(2);
  Times times;
  std::atomic<bool> end{false};
  std::atomic<std::int64_t> sent{0};
  const auto body = body_of(size);
  net.on_frame = [&](std::uint16_t self, std::uint16_t from, Bytes) {
    if (self == 0) {
      times.add(now_ns() - sent);
      end = times.ns.size() >= count;
      sent = now_ns();
    }
    if (!end) (void)net.all[self]->send(from, Priority::kVote, kLarge, body);
  };
  const Meter meter;
  sent = now_ns();
  (void)net.all[0]->send(1, Priority::kVote, kLarge, body);
  while (!end) rest_us(1000);
  meter.line(name, static_cast<double>(count), static_cast<double>(2 * count * size));
  times.line(name);
}

// Of a vote, while the queue of bulk is never empty.
void vote_under_bulk(std::size_t count) {
  Net net(2);
  Times times;
  std::atomic<bool> end{false};
  std::atomic<std::int64_t> sent{0};
  const auto vote = body_of(kVoteSize), bulk = body_of(kBulkSize);
  net.on_frame = [&](std::uint16_t self, std::uint16_t from, Bytes b) {
    if (b.size() != kVoteSize) return;
    if (self == 0) {
      times.add(now_ns() - sent);
      end = times.ns.size() >= count;
      sent = now_ns();
    }
    (void)net.all[self]->send(from, Priority::kVote, kLarge, vote);
  };
  sent = now_ns();
  (void)net.all[0]->send(1, Priority::kVote, kLarge, vote);
  while (!end)
    if (!net.all[0]->send(1, Priority::kBulk, kLarge, bulk)) rest_us(500);
  times.line("vote's round trip under bulk");
}

// Four validators that each broadcast at a fixed pace: how long from there to each of the others, and what it costs.
void paced(std::string_view name, int per_second, std::size_t size, Priority priority) {
  Net net(4);
  Times times;
  std::atomic<std::uint64_t> got{0};
  net.on_frame = [&](std::uint16_t, std::uint16_t, Bytes b) {
    times.add(now_ns() - static_cast<std::int64_t>(load_be<std::uint64_t>(b.data())));
    ++got;
  };
  const Meter meter;
  const std::int64_t start = now_ns();
  std::uint64_t sent = 0;
  for (int i = 0; i < 2 * per_second; ++i) {
    while (now_ns() - start < std::int64_t{i} * 1'000'000'000 / per_second) rest_us(50);
    for (auto& one : net.all) {
      Bytes body(size);
      store_be(body.data(), static_cast<std::uint64_t>(now_ns()));
      sent += one->broadcast(priority, kLarge, std::make_shared<const Bytes>(std::move(body)));
    }
  }
  while (got < sent) rest_us(100);
  meter.line(name, static_cast<double>(sent), static_cast<double>(sent * size));
  times.line(name);
}

struct RawPair {
  int fds[2];
  RawPair() {
    sockaddr_in where[2];
    socklen_t size = sizeof where[0];
    for (int i : {0, 1}) {
      fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
      where[i] = {.sin_family = AF_INET, .sin_port = 0, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
      check(bind(fds[i], reinterpret_cast<sockaddr*>(&where[i]), size) == 0, "loopback binds");
      getsockname(fds[i], reinterpret_cast<sockaddr*>(&where[i]), &size);
    }
    for (int i : {0, 1}) check(connect(fds[i], reinterpret_cast<sockaddr*>(&where[1 - i]), size) == 0, "connect");
  }
  ~RawPair() {
    for (int fd : fds) close(fd);
  }
};

void raw_ping_pong(std::size_t size, std::uint64_t count) {
  RawPair pair;
  std::thread echo([&] {
    Bytes buffer(size);
    for (std::uint64_t i = 0; i < count; ++i)
      check(read(pair.fds[1], buffer.data(), size) > 0 && write(pair.fds[1], buffer.data(), size) > 0, "echo");
  });
  Bytes buffer(size);
  const Meter meter;
  for (std::uint64_t i = 0; i < count; ++i)
    check(write(pair.fds[0], buffer.data(), size) > 0 && read(pair.fds[0], buffer.data(), size) > 0, "write and read");
  echo.join();
  meter.line("raw UDP ping-pong", static_cast<double>(count), static_cast<double>(2 * count * size));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  const auto wanted = [&](std::string_view part) { return only.empty() || only == part; };
  if (wanted("raw")) raw_ping_pong(kVoteSize, 20'000);
  if (wanted("ping")) ping_pong("ping-pong 64 B", 64, 20'000);
  if (wanted("ping")) ping_pong("ping-pong of votes", kVoteSize, 20'000);
  if (wanted("votes")) stream("votes", Priority::kVote, kVoteSize, 100'000);
  if (wanted("small")) stream("votes of 64 B", Priority::kVote, 64, 1'000'000);
  if (wanted("bulk")) stream("bulk of 512 KiB", Priority::kBulk, kBulkSize, 3'000);
  if (wanted("under")) vote_under_bulk(2000);
  if (wanted("paced")) paced("four, 100 votes/s each", 100, kVoteSize, Priority::kVote);
  if (wanted("paced")) paced("four, 1000 votes/s each", 1000, kVoteSize, Priority::kVote);
  if (wanted("vertices")) paced("four, 100 vertices of 20 KB/s each", 100, 20'000, Priority::kBulk);
  if (wanted("vertices")) paced("four, 20 vertices of 200 KB/s each", 20, 200'000, Priority::kBulk);
  return 0;
}
