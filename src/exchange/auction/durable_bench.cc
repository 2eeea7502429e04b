// What a batch of bids costs until it is on disk. The folder is HANSE_BENCH_DIR, else the current one; not a tmpfs.
//   admit_commits   bids a second that one core admits, 1024 under one signature: check before the pool and apply
//   admit_reveals   the same for reveals, each with the signature of its job
//   clear_durable   auctions a second of one core: clear a round, write record and matches in one batch, one fsync
//   block_durable   the same as a block of the ledger: clear, record, lock every match with bond and escrow, state
//   tree,
//                   events, commit, fsync
// Every fsync and fdatasync of the process is counted.
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "base/core/check.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "chain/ledger/test_net.h"
#include "exchange/auction/clear.h"
#include "exchange/auction/market_world.h"
#include "store/kv/kv.h"

namespace {

std::atomic<std::uint64_t> g_syncs{0};

int counted(long number, int fd) {
  ++g_syncs;
  return static_cast<int>(::syscall(number, fd));
}

}  // namespace

// In place of the C library's, for the store too.
extern "C" int fsync(int fd) { return counted(SYS_fsync, fd); }
extern "C" int fdatasync(int fd) { return counted(SYS_fdatasync, fd); }

namespace hanse::auction {

void report(std::string_view name, double value, std::string_view unit, double floor, std::string_view floor_what);
market::Round some_round(std::size_t bids);

namespace {

constexpr double kSecond = 1e9;

double ns_of(const std::function<void()>& work) {
  const std::int64_t start = system_clock().mono_ns();
  work();
  return static_cast<double>(system_clock().mono_ns() - start);
}

double rate(std::size_t things, double ns) { return kSecond * static_cast<double>(things) / ns; }

double verification_ns(const MarketWorld& world) {
  constexpr int kTimes = 2'000;
  const auto& key = world.who[0].mldsa();
  const Bytes message(32, 1), signature = key.sign("hanse/gxf/4", message);
  const auto verifier = crypto::Verifier::create(key.public_key());
  return ns_of([&] {
           for (int i = 0; i < kTimes; ++i)
             check(verifier->verify("hanse/gxf/4", message, signature).has_value(), "the signature is good");
         }) /
         kTimes;
}

market::Params quick_rounds() {
  market::Params params;
  params.commit_blocks = 1;
  params.reveal_blocks = 2;
  params.start_timeout = params.run_timeout = 1'000'000;
  params.deposit = Amount{1};
  return params;
}

// Transactions that were made before; checked for the pool, then applied.
void admit(MarketWorld& world, const std::vector<ledger::Tx>& txs) {
  for (const ledger::Tx& tx : txs)
    check(world.app->check(tx, world.context(), world.state).has_value(), "the transaction is good");
  for (const ledger::Tx& tx : txs) check(world.app->apply(tx, world.context(), world.state).code == 0, "it is applied");
}

void bench_admission() {
  constexpr std::size_t kCalls = 9, kReveals = 2'000;
  market::Params params = quick_rounds();
  MarketWorld world(params, 20, 1'000'000'000'000);
  const double floor = rate(1, verification_ns(world));
  std::vector<ledger::Tx> calls;
  market::Commit call;
  for (std::size_t c = 0; c < kCalls; ++c) {
    call.commits.assign(market::kCommitsPerCallMax, {});
    for (Hash32& commit : call.commits) store_be(commit.data.data(), c);
    calls.push_back(world.call_tx(c, market::Method::kCommit, call));
  }
  const double commits = ns_of([&] { admit(world, calls); });
  report("admit_commits_1024", rate(kCalls * market::kCommitsPerCallMax, commits), "bids/s", floor,
         "one ML-DSA-65 verification a bid");

  world.skip(3);
  std::vector<MarketWorld::Sealed> sealed;
  for (std::size_t p = 0; p < 20; ++p) {
    std::vector<gxf::Job> jobs;
    for (std::size_t i = 0; i < kReveals / 20; ++i) {
      jobs.push_back(world.plain_job(p));
      jobs.back().limit_total.value += i;
      --world.nonces[p];
    }
    sealed.push_back(world.commit(p, std::move(jobs)));
    check(sealed.back().result.code == 0, "the commits are in");
  }
  world.next_block();
  std::vector<ledger::Tx> reveals;
  for (const auto& each : sealed)
    for (std::size_t i = 0; i < each.jobs.size(); ++i) reveals.push_back(world.reveal_tx(world.reveal_of(each, i)));
  const double opened = ns_of([&] { admit(world, reveals); });
  report("admit_reveals", rate(kReveals, opened), "bids/s", floor, "one ML-DSA-65 verification a bid");
}

void report_syncs(std::string_view name, std::uint64_t syncs, std::size_t rounds) {
  report(text("{}_fsyncs", name), static_cast<double>(syncs), "", static_cast<double>(rounds), "rounds written");
}

void bench_clear_durable(const std::string& dir, std::size_t bids) {
  const std::string name = text("clear_durable_{}", bids);
  const std::size_t rounds = std::max<std::size_t>(5, 50'000 / bids);
  market::Round round = some_round(bids);
  auto store = kv::Store::open(dir + "/" + name, {.families = {"rounds", "matches"}});
  check(store.has_value(), "the store opens");
  std::vector<double> each;
  const std::uint64_t before = g_syncs;
  for (std::size_t i = 0; i < rounds; ++i) {
    each.push_back(ns_of([&] {
      round.number = i;
      const market::RoundRecord record{round, *clear(round)};
      kv::Batch batch;
      std::uint8_t key[8];
      store_be(key, round.number);
      batch.put(kv::Family{0}, key, market::encode_round(record));
      for (const market::RoundMatch& m : record.outcome.matches) {
        Bytes value = to_bytes(m.provider.view());
        append(value, m.ask_id.view());
        append_be(value, m.pays.value);
        append_be(value, m.gets.value);
        batch.put(kv::Family{1}, m.job_id.view(), value);
      }
      check((*store)->write(std::move(batch), kv::Sync::kYes).has_value(), "the batch is written");
    }));
  }
  const std::uint64_t syncs = g_syncs - before;
  double sum = 0;
  for (const double ns : each) sum += ns;
  std::ranges::sort(each);
  report(name, rate(bids * rounds, sum), "auctions/s", 100'000, "what is wanted");
  report(name + "_p50", each[rounds / 2] / 1e6, "ms", static_cast<double>(bids) / 100, "10 us a bid");
  report_syncs(name, syncs, rounds);
}

// The blocks of a world in memory again, in a ledger on disk.
class Replay {
 public:
  Replay(const std::string& dir, const market::Params& params, int people, std::uint64_t each)
      : accounts_(ledger::make_accounts_app()), market_(make_market_app()) {
    std::vector<std::pair<AccountId, Amount>> balances;
    for (int i = 0; i < people; ++i)
      balances.emplace_back(crypto::Identity::from_seed(Bytes(32, static_cast<std::uint8_t>(i + 1)))->id(),
                            Amount{each});
    light::Genesis genesis = ledger::TestNet(1).genesis;
    genesis.apps[ledger::kAccountsApp] = ledger::encode_accounts_genesis(balances);
    genesis.apps[market::kMarketApp] = market::encode_params(params);
    leader_ = genesis.validators.validators[0].id();
    auto opened = ledger::Ledger::open(dir, genesis, {accounts_.get(), market_.get()}, {});
    check(opened.has_value(), "the ledger opens");
    ledger_ = std::move(*opened);
  }
  const NetworkId& network() const { return ledger_->network(); }
  // One block with these transactions, on disk at the end. Gives what came of it.
  ledger::Executed block(std::vector<ledger::Tx> txs) {
    const light::BlockHeader& tip = ledger_->tip().header;
    const ledger::Cut cut{
        .height = tip.height.plus(1), .time_ms = tip.time_ms + 1, .leader = leader_, .txs = std::move(txs)};
    auto executed = ledger_->execute(cut);
    check(executed.has_value(), "the block is executed");
    check(ledger_->commit(*executed).has_value() && ledger_->sync().has_value(), "the block is on disk");
    return *std::move(executed);
  }

 private:
  std::unique_ptr<ledger::App> accounts_, market_;
  std::unique_ptr<ledger::Ledger> ledger_;
  AccountId leader_;
};

void bench_block_durable(const std::string& dir, std::size_t bids) {
  constexpr std::size_t kRounds = 5, kPayers = 50, kProviders = 10;
  const std::string name = text("block_durable_{}", bids);
  const market::Params params = quick_rounds();
  constexpr int kPeople = kPayers + kProviders;
  constexpr std::uint64_t kEach = 1'000'000'000'000;
  Replay replay(dir + "/" + name, params, kPeople, kEach);
  MarketWorld world(params, kPeople, kEach, replay.network());
  for (std::size_t p = kPayers; p < kPayers + kProviders; ++p) {
    world.add_provider(p, 0, market::kCapacityMax, 100'000'000'000);
    for (std::uint64_t i = 0; i < 10; ++i) {
      market::AskPost ask = MarketWorld::ask();
      ask.unit_price = Amount{800 + 10 * i + p};
      ask.capacity_cu = bids / 10 * 11'240;
      check(world.call(p, market::Method::kAskPost, ask).code == 0, "the ask stands");
    }
  }
  std::vector<Height> due;
  for (std::size_t r = 0; r < kRounds; ++r) {
    world.next_block();
    std::vector<MarketWorld::Sealed> sealed;
    for (std::size_t p = 0; p < kPayers; ++p) {
      std::vector<gxf::Job> jobs;
      for (std::size_t i = 0; i < bids / kPayers; ++i) {
        jobs.push_back(world.plain_job(p));
        --world.nonces[p];
        jobs.back().limit_total = Amount{11'000 + 100 * i + p};
      }
      sealed.push_back(world.commit(p, std::move(jobs)));
    }
    world.next_block();
    for (const auto& each : sealed)
      for (std::size_t i = 0; i < each.jobs.size(); ++i) check(world.reveal(each, i).code == 0, "it is revealed");
    world.next_block();
    due.push_back(world.height);
    world.next_block();
  }
  std::size_t at = 0, matches = 0;
  std::uint64_t syncs = 0;
  double spent = 0;
  for (Height h{1}; h < world.height; h = h.plus(1)) {
    std::vector<ledger::Tx> txs;
    for (; at < world.log.size() && world.log[at].first == h; ++at) txs.push_back(world.log[at].second);
    if (std::ranges::find(due, h) == due.end()) {
      replay.block(std::move(txs));
      continue;
    }
    const std::uint64_t before = g_syncs;
    std::size_t found = 0;
    spent += ns_of([&] {
      for (const ledger::Event& event : replay.block({}).events) found += event.topic == "market.matched";
    });
    syncs += g_syncs - before;
    matches += found;
  }
  check(matches > bids * kRounds / 2, "most bids find an ask");
  report(name, rate(bids * kRounds, spent), "auctions/s", 100'000, "what is wanted of clearing alone");
  report(name + "_mean", spent / kRounds / 1e6, "ms", static_cast<double>(bids) / 100, "10 us a bid");
  report_syncs(name, syncs, kRounds);
}

}  // namespace

void bench_durable() {
  const char* base = std::getenv("HANSE_BENCH_DIR");
  const ledger::TempDir dir(base != nullptr ? base : ".");
  struct statfs at{};
  constexpr long kTmpfs = 0x01021994;
  check(::statfs(dir.path().c_str(), &at) == 0 && at.f_type != kTmpfs, "a tmpfs has no disk to wait for");
  bench_admission();
  for (const std::size_t bids : {100u, 1'000u, 10'000u}) bench_clear_durable(dir.path(), bids);
  bench_block_durable(dir.path(), 1'000);
}

}  // namespace hanse::auction
