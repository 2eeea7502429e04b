// A node of the mix beside a ledger that is held in memory: what it publishes and what it reads.
#include "node/daemon/mix_ledger.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "base/codec/cbor.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"
#include "exchange/market/calls.h"
#include "exchange/market/view.h"
#include "node/client/carried.h"
#include "node/daemon/test_net.h"

namespace hanse::daemon {
namespace {

constexpr std::int64_t kEpochMs = 4'000;
constexpr std::uint32_t kFirst = 5'000;

class WallClock final : public Clock {
 public:
  std::int64_t mono_ns() const override { return system_clock().mono_ns(); }
  std::int64_t wall_ms() const override { return wall_ms_; }
  void next_epoch() { wall_ms_ += kEpochMs; }

 private:
  std::atomic<std::int64_t> wall_ms_{kFirst * kEpochMs + kEpochMs / 2};
};

struct Chain {
  explicit Chain(const Clock& wall) : clock(wall) {
    EXPECT_TRUE(app->genesis(router::encode_mix_genesis({.epoch_ms = kEpochMs, .nodes = {}}), network, state));
    block();
  }
  ledger::BlockContext context() {
    ledger::BlockContext out{.network = network, .height = Height{height}, .time_ms = clock.wall_ms()};
    out.beacon.data[0] = static_cast<std::uint8_t>(height);
    return out;
  }
  void block() {
    const std::lock_guard lock(mutex);
    ++height;
    EXPECT_TRUE(app->begin(context(), state));
  }

  const Clock& clock;
  std::mutex mutex;
  NetworkId network{{9}};
  std::uint64_t height = 0;
  ledger::MemState state;
  std::unique_ptr<ledger::App> app = router::make_mix_app();
  std::map<std::uint32_t, int> published;  // by epoch
  std::vector<bool> exits;
  std::atomic<bool> away{false};
};

class ChainClient final : public client::Client {
 public:
  explicit ChainClient(Chain& chain) : chain_(chain) {}
  Result<client::NodeInfo> info() override {
    const std::lock_guard lock(chain_.mutex);
    client::NodeInfo out;
    out.network = chain_.network;
    out.genesis = Bytes(1);
    out.height = Height{chain_.height};
    return out;
  }
  Result<client::Applied> submit(const ledger::Tx& tx) override {
    TRY_OK(there());
    const std::lock_guard lock(chain_.mutex);
    client::Applied out{.tx_id = {}, .height = Height{chain_.height}, .result = {}};
    ledger::Overlay trial(chain_.state);
    out.result = chain_.app->apply(tx, chain_.context(), trial);
    if (out.result.code == 0) trial.commit_to(chain_.state);
    const auto call = ledger::decode_call(tx.body);
    codec::CborReader r(call->args);
    EXPECT_TRUE(r.enter_array("publish", 4));
    if (out.result.code == 0) ++chain_.published[static_cast<std::uint32_t>(*r.u64("epoch"))];
    if (out.result.code == 0) chain_.exits.push_back((*r.u64("serves") & 2) != 0);
    return out;
  }
  Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) override {
    TRY_OK(there());
    const std::lock_guard lock(chain_.mutex);
    if (app == router::kMixApp) return chain_.app->query(path, argument, chain_.state);
    AccountId id;
    AccountId::from(argument, id);
    TRY(const auto account, ledger::read_account(chain_.state, id));
    return market::encode_account_view({.balance = {}, .nonce = account.nonce});
  }
  Result<Bytes> prove(ByteView) override { return none(); }
  Result<client::ConsensusInfo> consensus() override { return none(); }
  Result<client::CertifiedBlock> certified(Height) override { return none(); }
  Result<BlobId> put_blob(ByteView) override { return none(); }
  Result<Bytes> get_blob(const BlobId&) override { return none(); }
  Result<bool> has_blob(const BlobId&) override { return none(); }
  Status watch(Height, std::string_view, const std::function<bool(const client::LedgerEvent&)>&,
               const std::function<bool()>&) override {
    return none();
  }

 private:
  static std::unexpected<Error> none() { return fail(Kind::kUnsupported, "test.none", "none here"); }
  Status there() const {
    if (!chain_.away) return {};
    return fail(Kind::kUnavailable, "client.unreachable", "found no node");
  }
  Chain& chain_;
};

struct MixLedgerTest : testing::Test {
  MixLedgerTest() {
    std::string pattern = testing::TempDir() + "mix_ledger_XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    peering::MeshSettings s{.bind = {"127.0.0.1:0"}};
    s.network = chain.network;
    s.folder = folder;
    s.gossip = false;
    s.mix.emplace();
    s.mix->ledger = true;
    s.mix->epoch_ms = kEpochMs;
    s.mix->grace_ms = kEpochMs / 10;
    s.mix->clock = &clock;
    auto made = peering::MeshNode::start(std::move(s), identity.mldsa());
    EXPECT_TRUE(made) << made.error().str();
    mesh = std::move(*made);
  }
  ~MixLedgerTest() override {
    mesh->stop(0);
    std::filesystem::remove_all(folder);
  }
  std::unique_ptr<MixLedger> begin(bool exit = false) {
    return std::make_unique<MixLedger>(
        identity, *mesh, link,
        MixLedger::Options{.network = chain.network, .epoch_ms = kEpochMs, .mixes = true, .exit = exit});
  }
  bool published(std::uint32_t epoch, int times = 1) {
    return wait_until([&] {
      const std::lock_guard lock(chain.mutex);
      const auto found = chain.published.find(epoch);
      return found != chain.published.end() && found->second == times;
    });
  }
  void next_epoch() {
    clock.next_epoch();
    chain.block();
  }
  bool knows(std::uint32_t epoch) {
    return wait_until([&] { return mesh->mix()->epoch == epoch && mesh->mix()->nodes == 1 && mesh->mix()->takes; });
  }

  WallClock clock;
  Chain chain{clock};
  const crypto::Identity identity = crypto::Identity::generate(system_random());
  NodeLink link{[this]() -> Result<std::unique_ptr<client::Client>> {
    if (chain.away) return fail(Kind::kUnavailable, "client.unreachable", "found no node");
    return std::make_unique<ChainClient>(chain);
  }};
  std::string folder;
  std::unique_ptr<peering::MeshNode> mesh;
};

TEST_F(MixLedgerTest, publishes_every_epoch_once_and_reads_each_directory_when_it_is_drawn) {
  auto running = begin();
  ASSERT_TRUE(published(kFirst + 2) && published(kFirst + 3));
  EXPECT_FALSE(chain.published.contains(kFirst + 1));  // too near: it would be refused
  EXPECT_FALSE(chain.exits.at(0));
  next_epoch();
  ASSERT_TRUE(published(kFirst + 4));
  EXPECT_EQ(mesh->mix()->nodes, 0u);  // of this epoch, for which nobody could publish
  next_epoch();
  ASSERT_TRUE(knows(kFirst + 2));
  running.reset();
  running = begin(true);  // the ledger has its keys: nothing is published twice
  next_epoch();
  ASSERT_TRUE(published(kFirst + 6));
  for (const auto& [epoch, times] : chain.published) EXPECT_EQ(times, 1) << epoch;
  EXPECT_TRUE(chain.exits.back());
  EXPECT_TRUE(knows(kFirst + 3));
}

TEST_F(MixLedgerTest, goes_on_when_its_node_was_away) {
  chain.away = true;
  auto running = begin();
  const auto refused =
      client::make_carried([&](Bytes question) -> Result<Bytes> { return link.answer(question); })->info();
  EXPECT_EQ(refused.error().id(), "client.unreachable");
  chain.away = false;
  ASSERT_TRUE(published(kFirst + 2));
  chain.away = true;
  next_epoch();
  chain.away = false;
  ASSERT_TRUE(published(kFirst + 4));
  next_epoch();
  EXPECT_TRUE(knows(kFirst + 2));
  const auto info =
      client::make_carried([&](Bytes question) -> Result<Bytes> { return link.answer(question); })->info();
  ASSERT_TRUE(info) << info.error().str();
  EXPECT_EQ(info->network, chain.network);
}

}  // namespace
}  // namespace hanse::daemon
