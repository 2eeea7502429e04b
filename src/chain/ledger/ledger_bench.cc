// What a transaction costs: submit to durable answer for one client, and many at once. The floor of both is the disk:
// raw fdatasync of 4 KiB in a prewritten file, measured in the same minute in the same folder.
// HANSE_BENCH_DIR chooses the folder (default: the current one).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <thread>

#include "chain/ledger/test_net.h"

namespace hanse::ledger {

void execute_bench(const std::string& dir);

namespace {

constexpr std::size_t kUsers = 16;

std::int64_t now_ns() { return system_clock().mono_ns(); }

double quantile(std::vector<double> values, double q) {
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
  const double ratio = l.floor > 0 ? l.value / l.floor : 0;
  std::printf(
      "{\"room\":\"ledger\",\"name\":\"%s\",\"value\":%.2f,\"unit\":\"%s\",\"floor\":%.2f,\"floor_what\":\"%s\","
      "\"ratio\":%.2f}\n",
      l.name, l.value, l.unit, l.floor, l.floor_what, ratio);
  std::fflush(stdout);
}

std::vector<double> raw_fdatasync_us(const std::string& dir, int count) {
  const std::string path = dir + "/raw";
  auto file = real_fs().open(path, OpenMode::kCreate);
  check(file && (*file)->write_at(0, Bytes(4u << 20)) && (*file)->sync(), "prewrite");
  std::vector<double> out;
  Bytes block(4096, 1);
  for (int n = 0; n < count; ++n) {
    const std::int64_t before = now_ns();
    check((*file)->write_at(static_cast<std::uint64_t>(n % 1024) * 4096, block) && (*file)->sync(), "sync");
    out.push_back(static_cast<double>(now_ns() - before) / 1000);
  }
  check(real_fs().unlink(path).has_value(), "unlink");
  return out;
}

std::vector<Tx> signed_transfers(const TestNet& net, std::size_t count, std::uint64_t first_nonce) {
  std::vector<Tx> out(count);
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t n = t; n < count; n += 2)
        out[n] = net.transfer(n % kUsers, net.user((n + 1) % kUsers), 1, first_nonce + n / kUsers);
    });
  return threads.clear(), out;
}

void latency(Chain& chain, const TestNet& net, const std::string& dir) {
  const auto txs = signed_transfers(net, 400, 1);
  std::vector<double> raw = raw_fdatasync_us(dir, 200), submit, sync;
  for (const Tx& tx : txs) {
    const std::int64_t before = now_ns();
    const auto applied = chain.submit(tx, 60'000);
    check(applied && applied->result.code == 0, "applied");
    submit.push_back(static_cast<double>(now_ns() - before) / 1000);
    sync.push_back(static_cast<double>(chain.stats().sync_ns_last) / 1000);
  }
  for (const double r : raw_fdatasync_us(dir, 200)) raw.push_back(r);
  const double floor = quantile(raw, 0.5);
  print({"raw_fdatasync_p50", floor, "us", floor, "itself"});
  print({"journal_sync_p50", quantile(sync, 0.5), "us", floor, "raw fdatasync p50 (ours syncs two mirrors)"});
  print({"submit_to_durable_p50", quantile(submit, 0.5), "us", floor, "raw fdatasync p50"});
  print({"submit_to_durable_p99", quantile(submit, 0.99), "us", quantile(raw, 0.99), "raw fdatasync p99"});
}

void throughput(Chain& chain, const TestNet& net) {
  constexpr std::size_t kTxs = 6'000;
  const auto txs = signed_transfers(net, kTxs, 1'000);
  const crypto::Verifier verifier = std::move(*crypto::Verifier::create(net.users[0].public_key()));
  const Bytes message(200), signature = net.users[0].sign("c", message);
  const std::int64_t verify_start = now_ns();
  for (int n = 0; n < 200; ++n) check(verifier.verify("c", message, signature).has_value(), "verify");
  const double verify_per_s = 200e9 / static_cast<double>(now_ns() - verify_start);

  const std::uint64_t blocks_before = chain.stats().blocks;
  std::latch done(kTxs);
  const std::int64_t start = now_ns();
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 2; ++t)
      threads.emplace_back([&, t] {
        // Each thread sends the transactions of half of the users, in the order of their nonces.
        for (std::size_t n = 0; n < kTxs; ++n) {
          if (n % kUsers % 2 != t) continue;
          const Status sent = chain.submit_async(txs[n], [&](Result<Applied> applied) {
            check(applied && applied->result.code == 0, "applied");
            done.count_down();
          });
          check(sent.has_value(), "sent");
        }
      });
  }
  done.wait();
  const double seconds = static_cast<double>(now_ns() - start) / 1e9;
  const double blocks = static_cast<double>(chain.stats().blocks - blocks_before);
  print({"durable_signed_txs", kTxs / seconds, "tx/s", 2 * verify_per_s,
         "signature checks a second of two cores, nothing else"});
  print({"txs_per_block", kTxs / blocks, "tx", 0, "none"});
}

void proofs(const Chain& chain, const TestNet& net) {
  const auto view = chain.proof_view();
  std::vector<double> prove_us, verify_us;
  std::size_t bytes = 0;
  for (int n = 0; n < 200; ++n) {
    Bytes key = to_bytes("accounts/a");
    append(key, net.user(static_cast<std::size_t>(n) % kUsers).view());
    std::int64_t before = now_ns();
    const auto proof = view->prove(key);
    prove_us.push_back(static_cast<double>(now_ns() - before) / 1000);
    before = now_ns();
    check(proof && light::verify(*proof, light::trust(net.genesis), {}).has_value(), "verifies");
    verify_us.push_back(static_cast<double>(now_ns() - before) / 1000);
    bytes = light::encode(*proof).size();
  }
  print({"prove_p50", quantile(prove_us, 0.5), "us", 0, "none"});
  print({"verify_proof_p50", quantile(verify_us, 0.5), "us", 0, "none"});
  print({"proof_size", static_cast<double>(bytes), "bytes", 3309, "one ML-DSA-65 signature"});
}

int run() {
  const char* base = std::getenv("HANSE_BENCH_DIR");
  const TempDir dir(base != nullptr ? base : ".");
  execute_bench(dir.path());
  const TestNet net(kUsers);
  auto chain = Chain::open(dir.path(), net.genesis, TestNet::accounts_only(), TestNet::validator_key(), {});
  if (!chain) {
    std::fprintf(stderr, "%s\n", chain.error().str().c_str());
    return 1;
  }
  latency(**chain, net, dir.path());
  throughput(**chain, net);
  proofs(**chain, net);
  return 0;
}

}  // namespace
}  // namespace hanse::ledger

int main() { return hanse::ledger::run(); }
