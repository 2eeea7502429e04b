// What a call costs beyond the bytes: a unary query over the Unix socket against a raw socket's round trip of the same
// process, and a blob of 4 MiB against copying its bytes through a socket pair.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "base/core/clock.h"
#include "node/api/grpc_server.h"
#include "node/api/hand_backend.h"

namespace hanse::api {
namespace {

constexpr int kCalls = 3000;

template <class Body>
double median_us(int times, Body&& body) {
  std::vector<std::int64_t> ns;
  for (int i = 0; i < times; ++i) {
    const std::int64_t start = system_clock().mono_ns();
    body();
    ns.push_back(system_clock().mono_ns() - start);
  }
  std::nth_element(ns.begin(), ns.begin() + times / 2, ns.end());
  return static_cast<double>(ns[static_cast<std::size_t>(times / 2)]) / 1000.0;
}

void line(const char* name, double value, double floor, const char* floor_what) {
  std::printf("%s\n", text("{{\"room\":\"api\",\"name\":\"{}\",\"value\":{:.1f},\"unit\":\"us\",\"floor\":{:.1f},"
                           "\"floor_what\":\"{}\",\"ratio\":{:.2f}}}",
                           name, value, floor, floor_what, value / floor)
                          .c_str());
}

// A thread that sends every `size` bytes back as one.
double raw_round_trip_us(std::size_t size, int times) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
  std::thread peer([&] {
    Bytes buffer(64 * 1024);
    std::size_t got = 0;
    for (ssize_t n; (n = ::read(pair[1], buffer.data(), buffer.size())) > 0;)
      for (got += static_cast<std::size_t>(n); got >= size; got -= size)
        if (::write(pair[1], "x", 1) != 1) return;
  });
  const Bytes data(size, 7);
  const double us = median_us(times, [&] {
    for (std::size_t at = 0; at < size;)
      at += static_cast<std::size_t>(std::max<ssize_t>(0, ::write(pair[0], data.data() + at, size - at)));
    char answer = 0;
    if (::read(pair[0], &answer, 1) != 1) std::abort();
  });
  ::shutdown(pair[0], SHUT_RDWR);
  peer.join();
  ::close(pair[0]);
  ::close(pair[1]);
  return us;
}

int run() {
  std::string dir = "/tmp/hanse_api_bench_XXXXXX";
  if (::mkdtemp(dir.data()) == nullptr) return 1;
  HandBackend backend;
  const auto server = GrpcServer::start(backend, {.socket = dir + "/s", .tcp = {}});
  const auto client = client::Client::connect("unix:" + dir + "/s");
  if (!server || !client) return 1;
  const Bytes argument(32, 1), blob(4u << 20, 2);
  if (!(*client)->query(1, "warm", argument)) return 1;
  const double call = median_us(kCalls, [&] { (void)(*client)->query(1, "p", argument); });
  line("query_unix_socket", call, raw_round_trip_us(32, kCalls), "32 bytes and an answer over a socket pair");
  const double put = median_us(30, [&] { (void)(*client)->put_blob(blob); });
  line("put_blob_4MiB", put, raw_round_trip_us(blob.size(), 30), "4 MiB and an answer over a socket pair");
  (*server)->stop(0);
  ::rmdir(dir.c_str());
  return 0;
}

}  // namespace
}  // namespace hanse::api

int main() { return hanse::api::run(); }
