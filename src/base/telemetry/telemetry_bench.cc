// Cost of one bump and of one page, beside a bare relaxed atomic add in the same run.
#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/telemetry/metrics.h"

#include <cstdio>

namespace hanse::telemetry {
namespace {

template <class Step>
double ns_each(int times, Step step) {
  double least = 1e12;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const std::int64_t start = system_clock().mono_ns();
    for (int i = 0; i < times; ++i) step(i);
    least = std::min(least, static_cast<double>(system_clock().mono_ns() - start) / times);
  }
  return least;
}

void print(std::string_view name, double value, double floor) {
  std::puts(text("{{\"room\":\"telemetry\",\"name\":\"{}\",\"value\":{:.2f},\"unit\":\"ns\",\"floor\":{:.2f},"
                 "\"floor_what\":\"one relaxed atomic add, same run\",\"ratio\":{:.2f}}}",
                 name, value, floor, value / floor)
                .c_str());
}

int run() {
  std::atomic<std::uint64_t> bare{0};
  const double floor = ns_each(2'000'000, [&](int) { bare.fetch_add(1, std::memory_order_relaxed); });
  Counter& counter = registry().counter(Metric::kLedgerTxs);
  print("counter add", ns_each(2'000'000, [&](int) { counter.add(); }), floor);
  Histogram& histogram = registry().histogram(Metric::kJournalFsyncSeconds);
  print("histogram observe", ns_each(2'000'000, [&](int i) { histogram.observe(i * 500); }), floor);
  print("counter looked up by two labels",
        ns_each(200'000, [](int) { registry().counter(Metric::kApiRequests, {"submit", "ok"}).add(); }), floor);
  for (int i = 0; i < 100; ++i) registry().counter(Metric::kAuctionMatches, {text("provider {}", i)}).add();
  print("page of 130 series", ns_each(200, [](int) { (void)registry().exposition(); }), floor);
  return 0;
}

}  // namespace
}  // namespace hanse::telemetry

int main() { return hanse::telemetry::run(); }
