// One JSON line a figure; both ends and all threads are in this process. The peers of the same run: a raw TCP loopback
// stream and ping-pong with blocking sockets, and AES-256-GCM over records of 16 KiB, which is the floor of any TLS.
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <thread>

#include "base/core/check.h"
#include "mesh/channel/detail/socket.h"
#include "mesh/channel/detail/test_net.h"

namespace {

using namespace hanse;  // NOLINT: one small program
using namespace hanse::channel;
using detail::body_of;
using detail::kLarge;
using detail::kSmall;

constexpr std::size_t kBulkSize = 512 << 10;

// Lets the threads under test have the core while this one has nothing to do.
void rest_us(std::int64_t us) {
  const timespec span{.tv_sec = 0, .tv_nsec = us * 1000};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &span, nullptr);
}

double seconds() { return static_cast<double>(system_clock().mono_ns()) / 1e9; }
double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct Meter {
  double wall = seconds(), cpu = cpu_seconds();
  void line(const char* name, double frames, double bytes) const {
    const double w = seconds() - wall, c = cpu_seconds() - cpu;
    std::printf("{\"bench\":\"%s\",\"per_s\":%.0f,\"mb_per_s\":%.0f,\"cpu_us_each\":%.2f,\"cpu_s_per_gb\":%.2f}\n",
                name, frames / w, bytes / w / 1e6, c / frames * 1e6, c / (bytes / 1e9));
    std::fflush(stdout);
  }
};

struct Two {
  std::unique_ptr<Channels> sides[2];
  std::atomic<std::uint64_t> got[2] = {0, 0};
  std::atomic<int> ups{0};
  std::function<void(int side, Bytes)> on_frame;

  explicit Two(std::uint32_t receive_buffer = 0) {
    for (int i : {1, 0}) {
      detail::Events unused;
      Options o = detail::test_options(static_cast<std::uint16_t>(i), 2, unused);
      o.receive_buffer_bytes = receive_buffer;
      o.callbacks = {};
      o.callbacks.on_up = [this](std::uint16_t) { ++ups; };
      o.callbacks.on_frame = [this, i](std::uint16_t, std::uint8_t, Bytes b) {
        if (on_frame) on_frame(i, std::move(b));
        got[i].fetch_add(1, std::memory_order_relaxed);
      };
      if (i == 0) o.peers[0].address = detail::local(sides[1]->port());
      auto opened = Channels::open(std::move(o));
      check(opened.has_value(), "channels open on loopback");
      sides[i] = std::move(*opened);
    }
    while (ups < 2) std::this_thread::yield();
  }
};

void stream(const char* name, Priority priority, std::uint8_t type, std::size_t size, std::uint64_t count) {
  Two two;
  const auto body = body_of(size);
  const Meter meter;
  for (std::uint64_t i = 0; i < count;) {
    if (two.sides[0]->send(1, priority, type, body))
      ++i;
    else
      rest_us(1000);
  }
  while (two.got[1] < count) rest_us(200);
  meter.line(name, static_cast<double>(count), static_cast<double>(count * size));
}

void ping_pong(std::uint64_t count) {
  Two two;
  const auto body = body_of(64);
  two.on_frame = [&](int side, Bytes b) {
    if (side == 1) (void)two.sides[1]->send(0, Priority::kVote, kSmall, std::make_shared<const Bytes>(std::move(b)));
    if (side == 0 && two.got[0] + 1 < count) (void)two.sides[0]->send(1, Priority::kVote, kSmall, body);
  };
  const Meter meter;
  (void)two.sides[0]->send(1, Priority::kVote, kSmall, body);
  while (two.got[0] < count) rest_us(1000);
  meter.line("ping-pong 64 B", static_cast<double>(count), static_cast<double>(count * 64));
}

// Time of a vote's round trip while the queue of bulk is never empty.
void vote_under_bulk(std::uint32_t receive_buffer, std::uint64_t count) {
  Two two(receive_buffer);
  std::vector<std::int64_t> times_us;
  std::atomic<std::int64_t> sent_ns{0};
  std::atomic<bool> end{false};
  const auto vote = body_of(64);
  const auto bulk = body_of(kBulkSize);
  two.on_frame = [&](int side, Bytes b) {
    if (b.size() != 64) return;
    if (side == 1) return (void)two.sides[1]->send(0, Priority::kVote, kSmall, vote);
    times_us.push_back((system_clock().mono_ns() - sent_ns) / 1000);
    end = times_us.size() >= count;
    sent_ns = system_clock().mono_ns();
    (void)two.sides[0]->send(1, Priority::kVote, kSmall, vote);
  };
  sent_ns = system_clock().mono_ns();
  (void)two.sides[0]->send(1, Priority::kVote, kSmall, vote);
  while (!end) {
    if (!two.sides[0]->send(1, Priority::kBulk, kLarge, bulk)) rest_us(500);
  }
  two.sides[0]->stop();
  two.sides[1]->stop();
  std::ranges::sort(times_us);
  std::printf(
      "{\"bench\":\"vote round trip under bulk\",\"receive_buffer\":%u,\"p50_us\":%ld,\"p99_us\":%ld,"
      "\"max_us\":%ld}\n",
      receive_buffer, times_us[times_us.size() / 2], times_us[times_us.size() * 99 / 100], times_us.back());
}

// Four validators, each broadcasting votes at a fixed pace: what a vote costs when nothing forces them together.
void paced(int per_second) {
  constexpr std::uint16_t kCount = 4;
  std::atomic<std::uint64_t> got{0};
  std::atomic<int> ups{0};
  std::vector<std::unique_ptr<Channels>> all(kCount);
  for (int i = kCount - 1; i >= 0; --i) {
    detail::Events unused;
    Options o = detail::test_options(static_cast<std::uint16_t>(i), kCount, unused);
    o.callbacks = {};
    o.callbacks.on_up = [&](std::uint16_t) { ++ups; };
    o.callbacks.on_frame = [&](std::uint16_t, std::uint8_t, Bytes) { got.fetch_add(1, std::memory_order_relaxed); };
    for (PeerSpec& peer : o.peers) {
      if (peer.index > i) peer.address = detail::local(all[peer.index]->port());
    }
    all[static_cast<std::size_t>(i)] = std::move(*Channels::open(std::move(o)));
  }
  while (ups < 12) rest_us(1000);
  const auto body = body_of(64);
  const Meter meter;
  const std::int64_t start = system_clock().mono_ns();
  std::uint64_t sent = 0;
  for (int i = 0; i < 2 * per_second; ++i) {
    while (system_clock().mono_ns() - start < std::int64_t{i} * 1'000'000'000 / per_second) rest_us(50);
    for (auto& one : all) sent += one->broadcast(Priority::kVote, kSmall, body);
  }
  while (got < sent) rest_us(100);
  meter.line(per_second == 500 ? "four, 500 broadcasts/s each" : "four, 4000 broadcasts/s each",
             static_cast<double>(sent), static_cast<double>(sent * 64));
}

struct RawPair {
  int a = -1, b = -1;
  RawPair() {
    auto listener = detail::listen_on(*detail::parse_address("127.0.0.1:0"), 0);
    check(listener.has_value(), "loopback can be listened on");
    const auto address = detail::parse_address(detail::local(listener->port));
    a = socket(AF_INET, SOCK_STREAM, 0);
    check(connect(a, reinterpret_cast<const sockaddr*>(&address->storage), address->size) == 0, "loopback connects");
    while (b < 0) b = accept(listener->fd.get(), nullptr, nullptr);
    (void)detail::set_up_stream(a);
    (void)detail::set_up_stream(b);
  }
  ~RawPair() {
    close(a);
    close(b);
  }
};

void raw_stream(std::size_t chunk, std::uint64_t count) {
  RawPair pair;
  const Meter meter;
  std::thread reader([&] {
    Bytes buffer(128 << 10);
    while (read(pair.b, buffer.data(), buffer.size()) > 0) {
    }
  });
  const Bytes bytes(chunk);
  for (std::uint64_t i = 0; i < count; ++i)
    check(write(pair.a, bytes.data(), chunk) == static_cast<long>(chunk), "write");
  shutdown(pair.a, SHUT_WR);
  reader.join();
  meter.line(chunk == 64 ? "raw TCP, write of 64 B" : "raw TCP, write of 16 KiB", static_cast<double>(count),
             static_cast<double>(count * chunk));
}

void raw_ping_pong(std::uint64_t count) {
  RawPair pair;
  std::thread echo([&] {
    Bytes buffer(64);
    while (read(pair.b, buffer.data(), 64) > 0) check(write(pair.b, buffer.data(), 64) == 64, "write");
  });
  Bytes buffer(64);
  const Meter meter;
  for (std::uint64_t i = 0; i < count; ++i)
    check(write(pair.a, buffer.data(), 64) == 64 && read(pair.a, buffer.data(), 64) == 64, "write and read");
  meter.line("raw TCP ping-pong 64 B", static_cast<double>(count), static_cast<double>(count * 64));
  shutdown(pair.a, SHUT_WR);
  echo.join();
}

void aes(std::uint64_t count) {
  Bytes in(16384), out(16384 + 16);
  const std::uint8_t key[32] = {}, iv[12] = {};
  EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), nullptr, key, iv);
  const Meter meter;
  for (std::uint64_t i = 0; i < count; ++i) {
    int n = 0;
    EVP_EncryptInit_ex(ctx, nullptr, nullptr, nullptr, iv);
    EVP_EncryptUpdate(ctx, out.data(), &n, in.data(), static_cast<int>(in.size()));
    EVP_EncryptFinal_ex(ctx, out.data() + n, &n);
  }
  meter.line("AES-256-GCM, one way, 16 KiB", static_cast<double>(count), static_cast<double>(count * in.size()));
  EVP_CIPHER_CTX_free(ctx);
}

}  // namespace

int main() {
  for (int round = 0; round < 3; ++round) {
    aes(100'000);
    raw_stream(16384, 100'000);
    raw_stream(64, 500'000);
    raw_ping_pong(20'000);
    stream("votes of 64 B", Priority::kVote, kSmall, 64, 2'000'000);
    stream("bulk of 512 KiB", Priority::kBulk, kLarge, kBulkSize, 3'000);
    ping_pong(20'000);
    for (const std::uint32_t receive_buffer : {0u, 64u << 10}) vote_under_bulk(receive_buffer, 3000);
    paced(500);
    paced(4000);
  }
  return 0;
}
