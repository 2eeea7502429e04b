// What a durable record costs beside the raw fdatasync of the same minute and folder, and how long recovery takes.
// The raw calls and ours alternate, so that both see the same disk. HANSE_BENCH_DIR chooses the folder.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/core/check.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "store/journal/journal.h"

namespace hanse::journal {
namespace {

double us_since(std::int64_t before) { return static_cast<double>(system_clock().mono_ns() - before) / 1000; }

double quantile(std::vector<double>& values, double q) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())))];
}

struct Line {
  const char* name;
  double value;
  const char* unit;
  double floor;
  const char* floor_what;
};
void print(const Line& l) {
  std::printf(
      "{\"room\":\"journal\",\"name\":\"%s\",\"value\":%.2f,\"unit\":\"%s\",\"floor\":%.2f,\"floor_what\":\"%s\","
      "\"ratio\":%.2f}\n",
      l.name, l.value, l.unit, l.floor, l.floor_what, l.floor > 0 ? l.value / l.floor : 0);
}

void run() {
  const char* base = std::getenv("HANSE_BENCH_DIR");
  const std::string dir =
      text("{}/hanse_journal_bench_{}", base != nullptr ? base : ".", static_cast<std::int64_t>(::getpid()));
  std::filesystem::create_directories(dir);
  auto raw = real_fs().open(dir + "/raw", OpenMode::kCreate);
  check(raw && (*raw)->write_at(0, Bytes(4u << 20)) && (*raw)->sync(), "prewrite");
  auto journal = Journal::create(real_fs(), dir + "/j", {}, system_random());
  check(journal.has_value(), "create");
  const Bytes block(4096, 1), record(3000, 2);
  std::vector<double> raw_us, sync_us, group_us;
  for (std::uint64_t n = 0; n < 400; ++n) {
    std::int64_t before = system_clock().mono_ns();
    check((*raw)->write_at(n % 1024 * 4096, block) && (*raw)->sync(), "raw");
    raw_us.push_back(us_since(before));
    const bool group = n % 4 == 3;
    before = system_clock().mono_ns();
    for (int i = 0; i < (group ? 100 : 1); ++i) {
      if ((*journal)->used_share() > 0.6) (*journal)->release((*journal)->last_seq());
      check((*journal)->append(1, record).has_value(), "append");
    }
    check((*journal)->sync().has_value(), "sync");
    (group ? group_us : sync_us).push_back(us_since(before));
  }
  const double floor50 = quantile(raw_us, 0.5), floor99 = quantile(raw_us, 0.99);
  print({"raw_fdatasync_p50", floor50, "us", floor50, "itself"});
  print(
      {"durable_record_p50", quantile(sync_us, 0.5), "us", floor50, "raw fdatasync p50; two mirrors are two of them"});
  print({"durable_record_p99", quantile(sync_us, 0.99), "us", floor99, "raw fdatasync p99"});
  print({"durable_group_of_100_p50", quantile(group_us, 0.5), "us", floor50, "raw fdatasync p50"});
  journal->reset();
  const std::int64_t before = system_clock().mono_ns();
  check(Journal::open(real_fs(), dir + "/j").has_value(), "open");
  print({"recovery_of_32_MiB", us_since(before) / 1000, "ms", 0, "none"});
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace hanse::journal

int main() { hanse::journal::run(); }
