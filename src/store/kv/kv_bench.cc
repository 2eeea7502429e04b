// What writes and reads of the store cost. HANSE_BENCH_DIR chooses the folder.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/core/check.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "store/kv/kv.h"

namespace hanse::kv {
namespace {

double us_since(std::int64_t before) { return static_cast<double>(system_clock().mono_ns() - before) / 1000; }

double median(std::vector<double>& values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
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
      "{\"room\":\"kv\",\"name\":\"%s\",\"value\":%.2f,\"unit\":\"%s\",\"floor\":%.2f,\"floor_what\":\"%s\",\"ratio\":%"
      ".2f}\n",
      l.name, l.value, l.unit, l.floor, l.floor_what, l.floor > 0 ? l.value / l.floor : 0);
}

Bytes key_of(std::uint64_t n) {
  Bytes key;
  append_be(key, n * 0x9E3779B97F4A7C15ull);
  return key;
}

void run() {
  const char* base = std::getenv("HANSE_BENCH_DIR");
  const std::string dir =
      text("{}/hanse_kv_bench_{}", base != nullptr ? base : ".", static_cast<std::int64_t>(::getpid()));
  std::filesystem::create_directories(dir);
  auto raw = real_fs().open(dir + "/raw", OpenMode::kCreate);
  check(raw && (*raw)->write_at(0, Bytes(4u << 20)) && (*raw)->sync(), "prewrite");
  auto store = Store::open(dir + "/db", {.families = {"a"}});
  check(store.has_value(), "open");
  const Bytes value(512, 1), block(4096, 1);
  std::vector<double> raw_us, synced_us, unsynced_us, read_us;
  std::uint64_t next = 0;
  const auto write = [&](Sync sync, int records, std::vector<double>& out) {
    Batch batch;
    for (int i = 0; i < records; ++i) batch.put({0}, key_of(next++), value);
    const std::int64_t before = system_clock().mono_ns();
    check((*store)->write(std::move(batch), sync).has_value(), "write");
    out.push_back(us_since(before));
  };
  for (std::uint64_t n = 0; n < 200; ++n) {
    const std::int64_t before = system_clock().mono_ns();
    check((*raw)->write_at(n * 4096, block) && (*raw)->sync(), "raw");
    raw_us.push_back(us_since(before));
    write(Sync::kYes, 1, synced_us);
    write(Sync::kNo, 100, unsynced_us);
  }
  for (std::uint64_t n = 0; n < 5'000; ++n) {
    const std::int64_t before = system_clock().mono_ns();
    const auto found = (*store)->get({0}, key_of(n * 7919 % next));
    read_us.push_back(us_since(before));
    check(found && *found, "found");
  }
  const double floor = median(raw_us);
  print({"write_synced_p50", median(synced_us), "us", floor, "raw fdatasync p50"});
  print({"write_100_unsynced_p50", median(unsynced_us), "us", 0, "none"});
  print({"read_p50", median(read_us), "us", 0, "none"});
  store->reset();
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace hanse::kv

int main() { hanse::kv::run(); }
