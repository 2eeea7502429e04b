// What a durable entry costs: a log under load with a checkpoint a group, and the same bytes as batches of the store
// alone. HANSE_BENCH_DIR chooses the folder, HANSE_BENCH_ENTRIES how many entries.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <semaphore>

#include "base/core/check.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "engines/tlog/sequencer.h"

namespace hanse::tlog {
namespace {

constexpr std::size_t kEntrySize = 400;
constexpr std::ptrdiff_t kInFlight = 768;

double seconds_since(std::int64_t before) { return static_cast<double>(system_clock().mono_ns() - before) / 1e9; }

double percentile(std::vector<double>& values, double p) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(values.size() - 1) * p);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

struct Line {
  std::string name;
  double value;
  const char* unit;
  double floor;
  const char* floor_what;
};
void print(const Line& l) {
  std::printf(
      "{\"room\":\"tlog\",\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"floor\":%.3f,\"floor_what\":\"%s\","
      "\"ratio\":%.3f}\n",
      l.name.c_str(), l.value, l.unit, l.floor, l.floor_what, l.floor > 0 ? l.value / l.floor : 0);
  std::fflush(stdout);
}

Bytes body_of(std::uint64_t n) {
  Bytes body(kEntrySize);
  SeededRandom(n, "tlog bench").fill(ByteSpan(body).first(64));
  return body;
}
Hash32 id_of(std::uint64_t n) {
  std::uint8_t number[8];
  store_be(number, n);
  return crypto::blake3(number);
}

// The floor: batches of 256 values of 400 bytes, each batch synced, nothing else. Gives entries a second.
double raw_rate(const std::string& dir, std::uint64_t entries) {
  auto store = kv::Store::open(dir, {.families = {{"entries", kv::Holds::kLargeValues}}});
  check(store.has_value(), "open");
  const Bytes body = body_of(1);
  const std::int64_t before = system_clock().mono_ns();
  for (std::uint64_t n = 0; n < entries; n += kGroupMax) {
    kv::Batch batch;
    for (std::uint64_t i = n; i < n + kGroupMax; ++i) {
      Bytes key;
      append_be(key, i);
      batch.put({0}, key, body);
    }
    check((*store)->write(std::move(batch), kv::Sync::kYes).has_value(), "write");
  }
  return static_cast<double>(entries) / seconds_since(before);
}

struct Load {
  double rate = 0, p50_ms = 0, p95_ms = 0, entries_a_checkpoint = 0;
};
Load log_rate(const std::string& dir, std::uint64_t entries, std::span<const SignatureType> types) {
  Sequencer::Parts parts{.dir = dir, .origin = "bench.hanse/log", .signers = {}, .on_published = {}};
  for (const SignatureType type : types)
    parts.signers.push_back(NoteSigner::create(parts.origin, type, Bytes(32, 7)).value());
  check(Sequencer::create(parts).has_value(), "create");
  auto log = Sequencer::open(std::move(parts)).value();
  std::vector<std::int64_t> began(entries);
  std::vector<double> took_ms(entries);
  std::counting_semaphore<> room(kInFlight);
  std::vector<Entry> made;
  for (std::uint64_t n = 0; n < entries; ++n) made.push_back({id_of(n), body_of(n)});
  const std::int64_t before = system_clock().mono_ns();
  for (std::uint64_t n = 0; n < entries; ++n) {
    room.acquire();
    began[n] = system_clock().mono_ns();
    const Status taken = log->add(std::move(made[n]), [&, n](const Result<Added>& added) {
      check(added.has_value(), "added");
      took_ms[n] = static_cast<double>(system_clock().mono_ns() - began[n]) / 1e6;
      room.release();
    });
    check(taken.has_value(), "taken");
  }
  for (std::ptrdiff_t i = 0; i < kInFlight; ++i) room.acquire();
  Load out;
  out.rate = static_cast<double>(entries) / seconds_since(before);
  check(log->published().size == entries, "all of them are in");
  out.p50_ms = percentile(took_ms, 0.5);
  out.p95_ms = percentile(took_ms, 0.95);
  out.entries_a_checkpoint = static_cast<double>(entries) / static_cast<double>(log->checkpoints());
  return out;
}

double fdatasync_us(const std::string& path) {
  auto file = real_fs().open(path, OpenMode::kCreate).value();
  const Bytes block(4096, 1);
  check(file->write_at(0, Bytes(1u << 20)) && file->sync(), "prewrite");
  std::vector<double> us;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::int64_t before = system_clock().mono_ns();
    check(file->write_at(i * 4096, block) && file->sync(), "sync");
    us.push_back(seconds_since(before) * 1e6);
  }
  return percentile(us, 0.5);
}

void run() {
  const char* base = std::getenv("HANSE_BENCH_DIR");
  const char* count = std::getenv("HANSE_BENCH_ENTRIES");
  const std::uint64_t entries =
      (count != nullptr ? std::strtoull(count, nullptr, 10) : 500'000) / kGroupMax * kGroupMax;
  const std::string dir =
      text("{}/hanse_tlog_bench_{}", base != nullptr ? base : ".", static_cast<std::int64_t>(::getpid()));
  std::filesystem::create_directories(dir);
  print({"fdatasync of a 4 KiB block, median", fdatasync_us(dir + "/raw_file"), "us", 0, ""});
  const double raw = raw_rate(dir + "/raw", entries);
  constexpr const char* kFloor = "store batches of 256 x 400 B, synced";
  const SignatureType plain[] = {SignatureType::kEd25519};
  const SignatureType both[] = {SignatureType::kEd25519, SignatureType::kSubtree};
  const Load one = log_rate(dir + "/one", entries, plain), two = log_rate(dir + "/two", entries, both);
  const auto show = [&](const char* keys, const Load& load) {
    print({text("durable entries of 400 B, {}", keys), load.rate, "1/s", raw, kFloor});
    print({text("latency p50, {}", keys), load.p50_ms, "ms", 0, ""});
    print({text("latency p95, {}", keys), load.p95_ms, "ms", 0, ""});
    print({text("entries a checkpoint, {}", keys), load.entries_a_checkpoint, "entries", 256, "a group"});
  };
  show("Ed25519 checkpoints", one);
  show("Ed25519 and ML-DSA-44 checkpoints", two);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace hanse::tlog

int main() { hanse::tlog::run(); }
