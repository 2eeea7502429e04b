// What a block costs the processor, in time of all the process' threads (the store works in the background): executing
// and committing 1000 opaque transactions of 256 bytes, for an application that writes one record a block (opaque) and
// for one that writes a new record a transaction (append). The floor is BLAKE3 over the same bytes, once.
#include <cstdio>
#include <ctime>

#include "base/crypto/hash.h"
#include "chain/ledger/test_net.h"

namespace hanse::ledger {
namespace {

constexpr std::uint8_t kBenchApp = 7;
constexpr std::size_t kTxs = 1'000, kBlocks = 40, kBodySize = 256;

class BenchApp final : public App {
 public:
  bool append = false;
  std::uint8_t number() const override { return kBenchApp; }
  std::string_view name() const override { return "bench"; }
  Status genesis(ByteView, const NetworkId&, State&) override { return {}; }
  Status check(const Tx&, const BlockContext&, const StateReader&) const override { return {}; }
  Status begin(const BlockContext&, State&) override {
    bytes_ = 0;
    return {};
  }
  TxResult apply(const Tx& tx, const BlockContext&, State& state) override {
    bytes_ += tx.body.size();
    if (append) {
      std::uint8_t key[6 + 16];
      std::copy_n("bench/", 6, key);
      std::copy_n(tx.body.begin(), 16, key + 6);
      state.put(key, tx.body);
    }
    return {};
  }
  Result<EndResult> end(const BlockContext&, State& state) override {
    std::uint8_t total[8];
    store_be(total, bytes_);
    state.put(as_bytes("bench/bytes"), total);
    return EndResult{};
  }
  Result<Bytes> query(std::string_view, ByteView, const StateReader&) const override { return Bytes{}; }

 private:
  std::uint64_t bytes_ = 0;
};

std::int64_t cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

double us_per_tx(std::int64_t ns) { return static_cast<double>(ns) / 1000 / kTxs / kBlocks; }

void print(const char* name, const char* what, double value, double floor) {
  std::printf(
      "{\"room\":\"ledger\",\"name\":\"%s_%s\",\"value\":%.3f,\"unit\":\"us/tx\",\"floor\":%.3f,\"floor_what\":"
      "\"BLAKE3 of the transaction, once\",\"ratio\":%.2f}\n",
      name, what, value, floor, value / floor);
  std::fflush(stdout);
}

void measure(const std::string& dir, const char* name, bool append) {
  BenchApp app;
  app.append = append;
  light::Genesis genesis = TestNet(1).genesis;
  genesis.apps.clear();
  genesis.apps[kBenchApp] = {};
  auto ledger = Ledger::open(dir, genesis, {&app}, {});
  check(ledger.has_value(), "opens");
  std::int64_t floor_ns = 0, execute_ns = 0, commit_ns = 0;
  SeededRandom random(1);
  for (std::size_t b = 0; b < kBlocks; ++b) {
    const light::BlockHeader& tip = (*ledger)->tip().header;
    Cut cut{.height = tip.height.plus(1),
            .time_ms = tip.time_ms + 1,
            .leader = genesis.validators.validators[0].id(),
            .txs = {}};
    for (std::size_t i = 0; i < kTxs; ++i) {
      Bytes body(kBodySize);
      random.fill(body);
      cut.txs.push_back({.app = kBenchApp, .body = std::move(body)});
    }
    std::int64_t at = cpu_ns();
    for (const Tx& tx : cut.txs) check(!crypto::blake3("hanse/tx/1", {tx.body}).is_zero(), "hashes");
    floor_ns += cpu_ns() - at;
    at = cpu_ns();
    const auto block = (*ledger)->execute(cut);
    execute_ns += cpu_ns() - at;
    check(block && block->tx_ids.size() == kTxs, "executes");
    at = cpu_ns();
    check((*ledger)->commit(*block).has_value(), "commits");
    commit_ns += cpu_ns() - at;
  }
  print(name, "execute", us_per_tx(execute_ns), us_per_tx(floor_ns));
  print(name, "commit", us_per_tx(commit_ns), us_per_tx(floor_ns));
}

}  // namespace

void execute_bench(const std::string& dir) {
  measure(dir + "/opaque", "opaque", false);
  measure(dir + "/append", "append", true);
}

}  // namespace hanse::ledger
