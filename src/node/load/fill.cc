#include "node/load/fill.h"

#include <condition_variable>
#include <mutex>
#include <vector>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "base/crypto/keyfile.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/load_app.h"
#include "chain/replica/chain.h"
#include "chain/replica/mem_net.h"
#include "chain/reputation/reputation.h"
#include "exchange/auction/market_app.h"
#include "node/load/load.h"

namespace hanse::load {
namespace {

constexpr std::size_t kOpenMax = 2'000;  // transactions without an answer, of one validator
constexpr std::size_t kAtOnce = 256;     // submitted together
constexpr std::size_t kBodyBytes = 16;
constexpr std::uint64_t kBehindMax = 16;        // blocks
constexpr std::int64_t kSilenceMsMax = 60'000;  // without an answer

using replica::Chain;

std::vector<std::unique_ptr<ledger::App>> apps_of(const light::Genesis& genesis) {
  std::vector<std::unique_ptr<ledger::App>> apps;
  apps.push_back(ledger::make_accounts_app());
  apps.push_back(auction::make_market_app());
  apps.push_back(reputation::make_reputation_app());
  if (genesis.apps.contains(ledger::kLoadApp)) apps.push_back(ledger::make_load_app());
  return apps;
}

class Filler {
 public:
  Filler(const std::string& dir, std::uint64_t wanted) : dir_(dir), wanted_(wanted) {}

  Result<Filled> run(const std::function<void(std::uint64_t)>& progress) {
    TRY_OK(open());
    const std::int64_t began_ns = clock_.mono_ns();
    std::uint64_t told = 0;
    while (made() < wanted_) {
      if (behind() > kBehindMax) {  // one that cannot keep up would be fetching the rest of it for minutes
        wait_a_little();
        continue;
      }
      for (std::size_t n = 0; n < chains_.size(); ++n) submit_some(n);
      if (made() / 10'000 != told / 10'000) progress(told = made());
      TRY_OK(wait_for_room());
    }
    TRY_OK(wait_for_all());
    Filled out{.vertices = made(), .height = 0, .seconds = static_cast<double>(clock_.mono_ns() - began_ns) / 1e9};
    for (const auto& chain : chains_) out.height = std::max(out.height, chain->height().value);
    for (const auto& chain : chains_) chain->wait_above(Height{out.height - 1}, kSilenceMsMax);
    for (const auto& chain : chains_) TRY_OK(chain->health());
    for (const auto& chain : chains_) chain->stop();
    return out;
  }

 private:
  Status open() {
    TRY(const Bytes bytes, read_file(real_fs(), dir_ + "/genesis.cbor", light::kGenesisBytesMax));
    TRY(const light::Genesis genesis, light::decode_genesis(bytes));
    TRY(const auto names, validator_names(dir_));
    const auto hub = std::make_shared<replica::MemHub>(names.size());
    open_.resize(names.size());
    for (const std::string& name : names) {
      const std::string folder = dir_ + "/" + name;
      TRY(const auto seeds, crypto::open_key_file(folder + "/key.json", {}, {.allow_unencrypted = true}));
      TRY(auto key, crypto::SecretKey::from_seed(seeds.alg, seeds.signing.view()));
      for (const char* below : {"/data", "/data/chain"}) TRY_OK(real_fs().mkdir(folder + below));
      Chain::Options options;
      options.pool = {.txs_max = 2 * kOpenMax, .batch_txs_max = 1};
      options.make_net = [hub](replica::PeerNumber self) { return hub->end(self); };
      TRY(auto chain,
          Chain::open(folder + "/data/chain", genesis, apps_of(genesis), std::move(key), std::move(options)));
      chains_.push_back(std::move(chain));
    }
    return {};
  }

  std::uint64_t behind() const {
    std::uint64_t lowest = ~std::uint64_t{0}, highest = 0;
    for (const auto& chain : chains_) {
      const std::uint64_t height = chain->height().value;
      lowest = std::min(lowest, height);
      highest = std::max(highest, height);
    }
    return highest - lowest;
  }
  void wait_a_little() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(5));
  }

  std::uint64_t made() {
    const std::lock_guard lock(mutex_);
    return answered_;
  }

  // A transaction that was refused counts as answered nowhere: it is no vertex.
  void submit_some(std::size_t at) {
    std::vector<ledger::Tx> txs;
    {
      const std::lock_guard lock(mutex_);
      if (open_[at] + kAtOnce > kOpenMax) return;
      open_[at] += kAtOnce;
    }
    for (std::size_t n = 0; n < kAtOnce; ++n) {
      ledger::Tx tx{.app = ledger::kLoadApp, .body = Bytes(kBodyBytes)};
      store_le(tx.body.data(), run_);
      store_le(tx.body.data() + 8, next_++);
      txs.push_back(std::move(tx));
    }
    chains_[at]->submit_each(std::move(txs), [this, at](std::size_t, Result<ledger::Applied> answer) {
      const std::lock_guard lock(mutex_);
      open_[at] -= 1;
      if (answer) ++answered_;
      if (!answer) refused_ = answer.error().str();
      changed_.notify_one();
    });
  }

  Status wait_for_room() {
    std::unique_lock lock(mutex_);
    const bool room = changed_.wait_for(lock, std::chrono::milliseconds(kSilenceMsMax), [this] {
      return std::ranges::any_of(open_, [](std::size_t n) { return n + kAtOnce <= kOpenMax; });
    });
    return room ? Status() : stuck();
  }
  Status wait_for_all() {
    std::unique_lock lock(mutex_);
    const bool done = changed_.wait_for(lock, std::chrono::milliseconds(kSilenceMsMax), [this] {
      return std::ranges::all_of(open_, [](std::size_t n) { return n == 0; });
    });
    return done ? Status() : stuck();
  }
  Status stuck() const {
    std::string where;
    for (std::size_t n = 0; n < chains_.size(); ++n) {
      const consensus::Facts f = chains_[n]->facts();
      where +=
          text("; {} of {}: view {} of {}, committed {}, executed {}, stable {}, lane {}, without answer {}", n,
               chains_.size(), f.view, f.wanted_view, f.committed, f.executed, f.stable, f.lane_vertices, open_[n]);
    }
    return fail(Kind::kTimeout, "load.fill",
                text("found {} of {} vertices and no answer in {} ms, last refusal: {}{}", answered_, wanted_,
                     kSilenceMsMax, refused_, where));
  }

  const std::string dir_;
  const std::uint64_t wanted_;
  const std::uint64_t run_ = system_random().next_u64();
  Clock& clock_ = system_clock();
  std::uint64_t next_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::size_t> open_;
  std::uint64_t answered_ = 0;
  std::string refused_ = "none";
  std::vector<std::unique_ptr<Chain>> chains_;  // last: their answers use what is above
};

}  // namespace

Result<Filled> fill_stores(const std::string& dir, std::uint64_t vertices,
                           const std::function<void(std::uint64_t)>& progress) {
  return Filler(dir, vertices).run(progress);
}

}  // namespace hanse::load
