// The price of asking: one permit taken and given back plus one rate check. Floor: one atomic addition and one reading
// of the clock, which no exact limiter can do without.
#include <atomic>
#include <cstdio>
#include <ctime>
#include <thread>

#include "base/core/text.h"
#include "base/governor/gcra.h"
#include "base/governor/permits.h"

namespace {

constexpr std::uint64_t kRounds = 5'000'000;

std::int64_t cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

template <class Body>
double ns_per_round(Body body) {
  const auto start_ns = cpu_ns();
  for (std::uint64_t i = 0; i < kRounds; ++i) body();
  return static_cast<double>(cpu_ns() - start_ns) / kRounds;
}

void print(std::string_view name, double value, std::string_view unit, double floor, std::string_view what) {
  std::puts(hanse::text("{{\"room\":\"governor\",\"name\":\"{}\",\"value\":{:.1f},\"unit\":\"{}\",\"floor\":{:.1f},"
                        "\"floor_what\":\"{}\",\"ratio\":{:.2f}}}",
                        name, value, unit, floor, what, value / floor)
                .c_str());
}

}  // namespace

int main() {
  auto& clock = hanse::system_clock();
  std::atomic<std::uint64_t> counter{0};
  std::uint64_t sink = 0;
  const double floor = ns_per_round([&] {
    counter.fetch_add(1);
    sink += static_cast<std::uint64_t>(clock.mono_ns());
  });
  hanse::governor::Gcra limit({.per_s = 100'000'000, .burst = 1u << 30}, clock);
  hanse::governor::Permits permits(4, 16);
  const double permit = ns_per_round([&] { sink += permits.try_acquire() ? 1 : 0; });
  const double rate = ns_per_round([&] { sink += static_cast<std::uint64_t>(limit.take()); });
  const double both = ns_per_round([&] {
    const auto held = permits.acquire();
    sink += held ? static_cast<std::uint64_t>(limit.take()) : 0;
  });
  constexpr auto kFloor = "atomic add + clock";
  print("permit", permit, "ns cpu", floor, kFloor);
  print("gcra", rate, "ns cpu", floor, kFloor);
  print("permit and gcra", both, "ns cpu", floor, kFloor);

  // Two threads on one bucket, in checks a second; the floor is the same contention on a bare atomic.
  const auto two_threads = [&](auto body) {
    const auto start_ns = clock.mono_ns();
    std::thread other([&] {
      for (std::uint64_t i = 0; i < kRounds; ++i) body();
    });
    for (std::uint64_t i = 0; i < kRounds; ++i) body();
    other.join();
    return 2.0 * kRounds * 1e3 / static_cast<double>(clock.mono_ns() - start_ns);
  };
  const double bare = two_threads([&] { counter.fetch_add(1); });
  const double shared = two_threads([&] {
    if (limit.take() < 0) std::puts("never");
  });
  print("gcra, two threads on one bucket", shared, "M/s", bare, "two threads adding to one atomic");
  return sink == 0 ? 1 : 0;
}
