// Cost of one call on the thread that logs, beside spdlog's asynchronous logger in the same run: same text and values,
// one producer, both writing to a file under TMPDIR. Bursts stay below the rings' room, so that nothing is dropped and
// no call waits; the queues drain between bursts.
#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/logging/log.h"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/basic_file_sink.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace hanse::logging {
namespace {

constexpr int kBursts = 300, kBurst = 500;

struct Figures {
  double median, p99;
};

template <class Call, class Drain>
Figures per_call(Call call, Drain drain) {
  std::vector<double> ns;
  for (int b = 0; b < kBursts; ++b) {
    const std::int64_t start = system_clock().mono_ns();
    for (int i = 0; i < kBurst; ++i) call(i);
    ns.push_back(static_cast<double>(system_clock().mono_ns() - start) / kBurst);
    drain();
  }
  std::ranges::sort(ns);
  return {ns[ns.size() / 2], ns[ns.size() * 99 / 100]};
}

void print(std::string_view name, double value, double floor, std::string_view what) {
  std::puts(text("{{\"room\":\"logging\",\"name\":\"{}\",\"value\":{:.1f},\"unit\":\"ns/call\",\"floor\":{:.1f},"
                 "\"floor_what\":\"{}\",\"ratio\":{:.3f}}}",
                 name, value, floor, what, value / floor)
                .c_str());
}

int run() {
  const std::string dir = std::filesystem::temp_directory_path() / text("hanse_logging_bench_{}", getpid());
  std::filesystem::create_directory(dir);
  if (!start({.level = Level::kInfo, .format = Format::kJson, .file = dir + "/hanse.log"})) return 70;
  const std::string_view job = "3f2a7c9e11d04b5f";

  auto pool = std::make_shared<spdlog::details::thread_pool>(8192, 1);
  auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(dir + "/spdlog.log");
  auto peer = std::make_shared<spdlog::async_logger>("peer", sink, pool, spdlog::async_overflow_policy::block);

  const Stats before = stats();
  Figures ours{}, theirs{};
  for (int round = 0; round < 2; ++round) {  // the first warms both up
    ours = per_call([&](int i) { log_info("bid accepted", {{"job", job}, {"price_ut", i}, {"share", 0.25}}); },
                    [] { (void)flush(); });
    theirs = per_call([&](int i) { peer->info("bid accepted job={} price_ut={} share={}", job, i, 0.25); },
                      [&] {
                        while (pool->queue_size() != 0) {
                        }
                      });
  }
  print("log_info, 3 fields, median burst", ours.median, theirs.median, "spdlog async, same run");
  print("log_info, 3 fields, p99 burst", ours.p99, theirs.p99, "spdlog async, same run");
  const double quiet = per_call([](int i) { log_debug("quiet", {{"i", i}}); }, [] {}).median;
  print("log_debug below the level", quiet, theirs.median, "spdlog async, same run");
  const Stats after = stats();
  const auto info = static_cast<std::size_t>(Level::kInfo);
  if (after.lost[info] != before.lost[info]) std::puts("# records were dropped: the figures do not compare");
  stop();
  peer.reset();
  pool.reset();
  std::filesystem::remove_all(dir);
  return 0;
}

}  // namespace
}  // namespace hanse::logging

int main() { return hanse::logging::run(); }
