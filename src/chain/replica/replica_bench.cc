// What a transaction costs from submit to its fast-final answer: one validator, and four in one process over a network
// inside it (every replica's journal synced to disk, so four share disk and processor). The transactions are opaque:
// 256 bytes for an application that only counts. The floor is the disk: raw fdatasync of 4 KiB in a prewritten file,
// measured in the same minute in the same folder. HANSE_BENCH_DIR chooses the folder (default: the current one),
// HANSE_BENCH_SECONDS how long each load lasts.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "chain/ledger/test_net.h"
#include "chain/replica/chain.h"
#include "chain/replica/mem_net.h"

namespace hanse::replica {
namespace {

using ledger::TempDir;
using ledger::TestNet;
using ledger::Tx;

constexpr std::uint8_t kCountApp = 7;
constexpr std::size_t kBodySize = 256;
constexpr std::int64_t kNsPerS = 1'000'000'000;

class CountApp final : public ledger::App {
 public:
  std::uint8_t number() const override { return kCountApp; }
  std::string_view name() const override { return "count"; }
  Status genesis(ByteView, const NetworkId&, ledger::State&) override { return {}; }
  Status check(const Tx&, const ledger::BlockContext&, const ledger::StateReader&) const override { return {}; }
  Status begin(const ledger::BlockContext&, ledger::State&) override {
    count_ = 0;
    return {};
  }
  ledger::TxResult apply(const Tx&, const ledger::BlockContext&, ledger::State&) override {
    ++count_;
    return {};
  }
  Result<ledger::EndResult> end(const ledger::BlockContext&, ledger::State& state) override {
    std::uint8_t total[8];
    store_be(total, count_);
    state.put(as_bytes("count/txs"), total);
    return ledger::EndResult{};
  }
  Result<Bytes> query(std::string_view, ByteView, const ledger::StateReader&) const override { return Bytes{}; }
  std::optional<AccountId> payer(const Tx&) const override { return std::nullopt; }

 private:
  std::uint64_t count_ = 0;
};

std::int64_t now_ns() { return system_clock().mono_ns(); }
std::int64_t cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * kNsPerS + now.tv_nsec;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())))];
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
      "{\"room\":\"replica\",\"name\":\"%s\",\"value\":%.2f,\"unit\":\"%s\",\"floor\":%.2f,\"floor_what\":\"%s\","
      "\"ratio\":%.2f}\n",
      l.name.c_str(), l.value, l.unit, l.floor, l.floor_what, l.floor > 0 ? l.value / l.floor : 0);
  std::fflush(stdout);
}

std::vector<double> raw_fdatasync_us(const std::string& dir, int count) {
  const std::string path = dir + "/raw";
  auto file = real_fs().open(path, OpenMode::kCreate);
  check(file && (*file)->write_at(0, Bytes(4u << 20)) && (*file)->sync(), "prewrite");
  std::vector<double> out;
  const Bytes block(4096, 1);
  for (int n = 0; n < count; ++n) {
    const std::int64_t before = now_ns();
    check((*file)->write_at(static_cast<std::uint64_t>(n % 1024) * 4096, block) && (*file)->sync(), "sync");
    out.push_back(static_cast<double>(now_ns() - before) / 1000);
  }
  check(real_fs().unlink(path).has_value(), "unlink");
  return out;
}

struct Bench {
  TempDir dir;
  std::vector<std::unique_ptr<Chain>> chains;
  std::string prefix;
  std::int64_t load_ns;
  std::uint64_t next = 0;

  Bench(const std::string& base, std::size_t count, std::int64_t seconds)
      : dir(base), prefix(text("n{}_", count)), load_ns(seconds * kNsPerS) {
    TestNet net(0, 0, count);
    net.genesis.apps = {{kCountApp, {}}};
    const auto hub = std::make_shared<MemHub>(count);
    for (std::size_t n = 0; n < count; ++n) {
      std::vector<std::unique_ptr<ledger::App>> apps;
      apps.push_back(std::make_unique<CountApp>());
      Chain::Options o;
      o.pool.txs_max = 200'000;
      o.make_net = [hub](consensus::Index self) { return hub->end(self); };
      auto opened = Chain::open(text("{}/{}", dir.path(), n), net.genesis, std::move(apps),
                                TestNet::validator_key(n, count), std::move(o));
      if (!opened) std::fprintf(stderr, "%s\n", opened.error().str().c_str());
      check(opened.has_value(), "opens");
      chains.push_back(std::move(*opened));
    }
  }
  Tx tx() {
    Tx out{.app = kCountApp, .body = Bytes(kBodySize)};
    store_le(out.body.data(), ++next);
    return out;
  }

  // One after the other: each waits for the one before.
  void latency() {
    std::vector<double> raw = raw_fdatasync_us(dir.path(), 100), submit;
    const std::int64_t end = now_ns() + load_ns / 2;
    while (now_ns() < end) {
      const Tx sent = tx();
      const std::int64_t before = now_ns();
      check(chains[next % chains.size()]->submit(sent, 60'000).has_value(), "applied");
      submit.push_back(static_cast<double>(now_ns() - before) / 1000);
    }
    for (const double r : raw_fdatasync_us(dir.path(), 100)) raw.push_back(r);
    const double floor = quantile(raw, 0.5);
    print({prefix + "raw_fdatasync_p50", floor, "us", floor, "itself"});
    print({prefix + "alone_p50", quantile(submit, 0.5), "us", floor, "raw fdatasync p50"});
    print({prefix + "alone_p99", quantile(submit, 0.99), "us", quantile(raw, 0.99), "raw fdatasync p99"});
  }

  // Open loop: each has its moment, whatever became of the others; its latency counts from there.
  void open_loop(std::int64_t per_s) {
    std::vector<double> raw = raw_fdatasync_us(dir.path(), 100);
    std::mutex mutex;
    std::vector<double> took;
    std::atomic<std::uint64_t> answered = 0;
    std::uint64_t sent = 0;
    const std::int64_t start = now_ns(), gap = kNsPerS / per_s;
    for (std::int64_t due = start; due < start + load_ns; due += gap, ++sent) {
      while (now_ns() < due) std::this_thread::yield();
      const Status accepted =
          chains[sent % chains.size()]->submit_async(tx(), [&, due](const Result<ledger::Applied>& applied) {
            check(applied.has_value(), "applied");
            const std::lock_guard lock(mutex);
            took.push_back(static_cast<double>(now_ns() - due) / 1000);
            ++answered;
          });
      check(accepted.has_value(), "accepted");
    }
    while (answered < sent) std::this_thread::yield();
    for (const double r : raw_fdatasync_us(dir.path(), 100)) raw.push_back(r);
    const double floor = quantile(raw, 0.5);
    print({text("{}at_{}_per_s_p50", prefix, per_s), quantile(took, 0.5), "us", floor, "raw fdatasync p50"});
    print({text("{}at_{}_per_s_p99", prefix, per_s), quantile(took, 0.99), "us", quantile(raw, 0.99),
           "raw fdatasync p99"});
  }

  // As many as there is room for.
  void flood() {
    constexpr std::uint64_t kInFlight = 20'000;
    std::vector<double> raw = raw_fdatasync_us(dir.path(), 100);
    std::atomic<std::uint64_t> answered = 0;
    std::uint64_t sent = 0;
    const std::int64_t start = now_ns(), cpu = cpu_ns();
    while (now_ns() < start + load_ns) {
      for (std::uint64_t seen = answered; sent - seen >= kInFlight; seen = answered) answered.wait(seen);
      const Status accepted =
          chains[sent % chains.size()]->submit_async(tx(), [&](const Result<ledger::Applied>& applied) {
            check(applied.has_value(), "applied");
            if (++answered % 256 == 0) answered.notify_all();
          });
      check(accepted.has_value(), "accepted");
      ++sent;
    }
    const double done = static_cast<double>(answered);
    const double seconds = static_cast<double>(now_ns() - start) / kNsPerS;
    const double cpu_us = static_cast<double>(cpu_ns() - cpu) / 1000 / done;
    while (answered < sent) std::this_thread::yield();
    const ChainStats stats = chains[0]->stats();
    const double raw_per_s = 1e6 / quantile(raw, 0.5);
    print({prefix + "flood", done / seconds, "tx/s", raw_per_s, "raw fdatasyncs a second"});
    print({prefix + "flood_cpu", cpu_us, "us/tx", 0, "none; all replicas and the sender"});
    print({prefix + "txs_per_block", static_cast<double>(stats.txs) / static_cast<double>(stats.blocks), "tx", 0,
           "none"});
    print({prefix + "records_per_sync", static_cast<double>(stats.records) / static_cast<double>(stats.syncs),
           "records", 0, "none"});
    print({prefix + "sync_last", static_cast<double>(stats.sync_ns_last) / 1000, "us", quantile(raw, 0.5),
           "raw fdatasync p50 (ours syncs two mirrors)"});
    print({prefix + "execute_last", static_cast<double>(stats.execute_ns_last) / 1000, "us", 0, "none"});
    print({prefix + "commit_last", static_cast<double>(stats.commit_ns_last) / 1000, "us", 0, "none"});
    print({prefix + "express_slots", static_cast<double>(stats.consensus.slots_express), "slots",
           static_cast<double>(stats.consensus.slots_committed), "all slots"});
  }
};

int run() {
  const char* base = std::getenv("HANSE_BENCH_DIR");
  const char* seconds = std::getenv("HANSE_BENCH_SECONDS");
  for (const std::size_t count : {1, 4}) {
    Bench bench(base != nullptr ? base : ".", count, seconds != nullptr ? std::atoll(seconds) : 5);
    bench.latency();
    bench.open_loop(1'000);
    bench.flood();
  }
  return 0;
}

}  // namespace
}  // namespace hanse::replica

int main() { return hanse::replica::run(); }
