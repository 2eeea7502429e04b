// Validators that run, with stakes: one joins, one leaves, and a proof leads over the sets that certified them.
#include <gtest/gtest.h>

#include "chain/ledger/test_net.h"
#include "chain/light/light_proof.h"
#include "chain/replica/chain.h"
#include "chain/replica/mem_net.h"
#include "chain/stake/stake.h"

namespace hanse::replica {
namespace {

using ledger::TempDir;
using ledger::TestNet;
using ledger::Tx;
using stake::Method;

constexpr std::int64_t kDeadlineMs = 20'000;
constexpr std::size_t kFounders = 4;
constexpr std::uint8_t kNewKey = 100;

struct EpochCluster : testing::Test {
  TempDir dir{testing::TempDir()};
  TestNet net{8, 1'000'000, kFounders};
  std::shared_ptr<MemHub> hub = std::make_shared<MemHub>(stake::kNumbersFrom + 8);
  std::map<std::uint8_t, std::unique_ptr<Chain>> chains;  // by key
  std::vector<std::uint64_t> nonces = std::vector<std::uint64_t>(8);
  bool channels = false;
  stake::StakeParams rules{};

  void start_network() {
    std::vector<stake::Member> members;
    for (std::uint8_t n = 0; n < kFounders; ++n)
      members.push_back({.owner = net.user(n),
                         .key = TestNet::key(static_cast<std::uint8_t>(200 + n)).public_key(),
                         .stake = Amount{200'000},
                         .address = "",
                         .leaving = false,
                         .returns = {}});
    net.genesis.params.interval_ms = 20;
    net.genesis.apps[stake::kStakeApp] = stake::encode_stake_genesis(rules, members);
    for (std::uint8_t n = 0; n < kFounders; ++n) open(static_cast<std::uint8_t>(200 + n));
  }
  void open(std::uint8_t key, PeerNumber number = 0, std::string_view listen = "127.0.0.1:0") {
    Chain::Options o;
    o.journal_segment_bytes = 64u << 10;
    o.ledger = {.cache_bytes = 8u << 20, .write_buffer_bytes = 8u << 20};
    o.check_determinism = true;
    o.network = NetworkOptions{};
    o.network->number = number;
    o.network->listen = listen;
    if (!channels) o.make_net = [this](PeerNumber self) { return hub->end(self); };
    chains[key].reset();
    auto apps = TestNet::accounts_only();
    apps.push_back(stake::make_stake_app());
    auto opened =
        Chain::open(text("{}/{}", dir.path(), key), net.genesis, std::move(apps), TestNet::key(key), std::move(o));
    ASSERT_TRUE(opened) << opened.error().str();
    chains[key] = std::move(*opened);
    if (channels && key >= 200)
      for (const auto& [other, chain] : chains)
        if (chain && other >= 200 && other != key)
          introduce(place(other) < place(key) ? other : key, place(other) < place(key) ? key : other);
  }
  void introduce(std::uint8_t low, std::uint8_t high) {
    EXPECT_TRUE(chains[low]->set_peer_address(place(high), address(high)));
  }
  std::string address(std::uint8_t key) { return text("127.0.0.1:{}", chains[key]->port()); }
  consensus::Index place(std::uint8_t key) const {
    const auto& all = net.genesis.validators.validators;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].key == TestNet::key(key).public_key()) return static_cast<consensus::Index>(i);
    return consensus::kFollower;
  }
  Tx call(std::size_t user, Method method, Bytes args) {
    ledger::SignedCall call{.network = net.network(),
                            .app = stake::kStakeApp,
                            .sender = {},
                            .nonce = ++nonces[user],
                            .expires = Height{1u << 30},
                            .method = static_cast<std::uint16_t>(method),
                            .args = std::move(args),
                            .key = {},
                            .signature = {}};
    ledger::sign_call(call, net.users[user]);
    return ledger::call_tx(call);
  }
  Tx transfer(std::size_t user) { return net.transfer(user, net.user(7), 1, ++nonces[user]); }
  ledger::Applied submit(std::uint8_t at, const Tx& tx) {
    auto applied = chains[at]->submit(tx, kDeadlineMs);
    EXPECT_TRUE(applied) << applied.error().str() << standing();
    if (!applied) return {};
    EXPECT_EQ(applied->result.code, 0u) << applied->result.error_id << applied->result.message;
    return *std::move(applied);
  }
  std::string standing() const {
    std::string out;
    for (const auto& [key, chain] : chains) {
      if (!chain) continue;
      const auto f = chain->facts();
      out += text("\n{}: epoch {} ends {} view {} of {} wants {} stable {} committed {} executed {} lane {} pending {}",
                  int{key}, f.epoch, f.epoch_end, f.view, f.leader, f.wanted_view, f.stable, f.committed, f.executed,
                  f.lane_vertices, f.pending_slots);
      if (const Status good = chain->health(); !good) out += " " + good.error().str();
    }
    return out;
  }
  bool reaches_epoch(std::uint8_t key, std::uint64_t epoch) {
    for (int turn = 0; turn < 600 && chains[key]->facts().epoch < epoch; ++turn)
      (void)chains[key]->wait_above(chains[key]->height(), 50);
    return chains[key]->facts().epoch >= epoch;
  }
  PeerNumber join_new(std::string_view where) {
    const auto secret = TestNet::key(kNewKey);
    submit(200, call(4, Method::kJoin,
                     encode(stake::Join{.key = secret.public_key(),
                                        .proof = stake::prove_key(secret, net.network(), net.user(4)),
                                        .stake = Amount{200'000},
                                        .address = std::string(where)})));
    return stake::member(*chains[200]->view(), net.user(4))->value().number;
  }
  // A transaction of epoch 0 is believed by who knows the genesis alone, over the sets between.
  void expect_proof(std::uint8_t at, const ledger::Applied& applied, std::size_t handovers) {
    auto view = chains[at]->wait_certified(Height{chains[at]->height().value}, kDeadlineMs);
    ASSERT_TRUE(view) << view.error().str();
    const auto proof = view->prove_tx(applied.tx_id);
    ASSERT_TRUE(proof) << proof.error().str();
    EXPECT_EQ(proof->block.handovers.size(), handovers);
    const auto shown = light::verify(*light::decode_tx_proof(light::encode(*proof)), light::trust(net.genesis), {});
    ASSERT_TRUE(shown) << shown.error().str();
    EXPECT_EQ(shown->height, applied.height);
    EXPECT_GE(shown->trusted.epoch, handovers);
    light::TxProof forged = *proof;
    std::swap(forged.block.handovers.back().next.validators.front().power_bp,
              forged.block.handovers.back().next.validators.back().power_bp);
    forged.block.handovers.back().next.validators.front().power_bp += 1;
    forged.block.handovers.back().next.validators.back().power_bp -= 1;
    EXPECT_FALSE(light::verify(forged, light::trust(net.genesis), {}));
  }
  void join_follow_and_leave();
};

void EpochCluster::join_follow_and_leave() {
  start_network();
  const ledger::Applied first = submit(201, transfer(5));
  const PeerNumber number = join_new("127.0.0.1:1");
  EXPECT_EQ(number, stake::kNumbersFrom);
  open(kNewKey, number);
  if (channels) submit(200, call(4, Method::kSetAddress, stake::encode_address(address(kNewKey))));
  // It follows, and takes no transactions before its first epoch.
  EXPECT_EQ(chains[kNewKey]->submit(transfer(6), kDeadlineMs).error().id(), "replica.follower");
  --nonces[6];
  for (const auto& [key, chain] : chains) ASSERT_TRUE(reaches_epoch(key, 1)) << int{key};
  EXPECT_NE(chains[kNewKey]->self(), consensus::kFollower);
  EXPECT_EQ(chains[200]->valset(1)->validators.size(), 5u);
  EXPECT_EQ(chains[200]->validators().validators.size(), 5u);
  EXPECT_EQ(chains[kNewKey]->validator_id(chains[kNewKey]->self()),
            crypto::account_id(TestNet::key(kNewKey).public_key()));
  EXPECT_TRUE(chains[200]->validator_id(5).is_zero());
  const ledger::Applied second = submit(kNewKey, transfer(6));
  EXPECT_EQ(second.result.code, 0u);

  submit(kNewKey, call(0, Method::kLeave, stake::encode_nothing()));
  for (const auto& [key, chain] : chains) ASSERT_TRUE(reaches_epoch(key, 2)) << int{key};
  EXPECT_EQ(chains[200]->self(), consensus::kFollower);
  EXPECT_EQ(chains[200]->submit(transfer(5), kDeadlineMs).error().id(), "replica.follower");
  --nonces[5];
  const Height last = submit(kNewKey, transfer(5)).height;
  EXPECT_GE(chains[200]->wait_above(Height{last.value - 1}, kDeadlineMs), last);  // it goes on with the others
  expect_proof(kNewKey, first, 2);
  expect_proof(200, first, 2);

  // Again from disk: in the epoch that the ledger says, not that of the genesis.
  const std::string where = address(kNewKey);
  chains[kNewKey]->stop();
  open(kNewKey, 0, where);
  EXPECT_NE(chains[kNewKey]->self(), consensus::kFollower);
  ASSERT_TRUE(reaches_epoch(kNewKey, 2));
  const Height again = submit(kNewKey, transfer(5)).height;
  EXPECT_GT(again, last);
  for (auto& [key, chain] : chains) EXPECT_TRUE(chain->audit()) << int{key};
}

TEST_F(EpochCluster, one_joins_and_one_leaves) { join_follow_and_leave(); }

TEST_F(EpochCluster, one_joins_and_one_leaves_over_channels) {
  channels = true;
  join_follow_and_leave();
}

TEST_F(EpochCluster, a_validator_that_was_away_over_the_boundary_comes_back) {
  rules.epoch_slots = 10;
  start_network();
  submit(200, transfer(5));
  chains[203]->stop();
  chains[203].reset();
  while (chains[200]->facts().epoch < 2) submit(200, transfer(5));
  open(203);
  ASSERT_TRUE(reaches_epoch(203, 2));
  const Height height = submit(203, transfer(6)).height;
  EXPECT_GE(chains[200]->wait_above(Height{height.value - 1}, kDeadlineMs), height);
}

TEST_F(EpochCluster, a_key_of_nobody_needs_a_number_and_a_network_with_stakes) {
  start_network();
  Chain::Options o;
  o.make_net = [this](PeerNumber self) { return hub->end(self); };
  auto apps = TestNet::accounts_only();
  apps.push_back(stake::make_stake_app());
  EXPECT_EQ(Chain::open(dir.path() + "/x", net.genesis, std::move(apps), TestNet::key(77), std::move(o)).error().id(),
            "replica.network");
}

}  // namespace
}  // namespace hanse::replica
