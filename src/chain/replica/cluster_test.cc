// Several validators in one process, over a network inside it or real channels: what one answers, all have.
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <thread>

#include "chain/ledger/test_net.h"
#include "chain/replica/chain.h"
#include "chain/replica/mem_net.h"

namespace hanse::replica {
namespace {

using ledger::Applied;
using ledger::TempDir;
using ledger::TestNet;
using ledger::Tx;

constexpr std::int64_t kDeadlineMs = 60'000;
constexpr std::size_t kReplicas = 4;

struct Cluster : testing::Test {
  TempDir dir{testing::TempDir()};
  TestNet net{8, 1'000'000, kReplicas};
  std::shared_ptr<MemHub> hub = std::make_shared<MemHub>(kReplicas);
  std::vector<std::unique_ptr<Chain>> chains{kReplicas};
  std::vector<std::uint64_t> nonces = std::vector<std::uint64_t>(8);

  bool channels = false;  // instead of the network inside the process

  std::string folder(std::size_t n) const { return text("{}/{}", dir.path(), n); }
  void open(std::size_t n) {
    Chain::Options o;
    o.journal_segment_bytes = 64u << 10;
    o.ledger = {.cache_bytes = 8u << 20, .write_buffer_bytes = 8u << 20};
    o.check_determinism = true;
    if (channels) {
      o.network = NetworkOptions{};
    } else {
      o.make_net = [this](consensus::Index self) { return hub->end(self); };
    }
    chains[n].reset();
    auto opened = Chain::open(folder(n), net.genesis, TestNet::accounts_only(), TestNet::validator_key(n, kReplicas),
                              std::move(o));
    ASSERT_TRUE(opened) << opened.error().str();
    chains[n] = std::move(*opened);
    ASSERT_EQ(chains[n]->self(), n);
    if (channels) introduce(n);
  }
  void introduce(std::size_t n) {  // the lower dials the higher
    for (std::size_t other = 0; other < kReplicas; ++other) {
      if (other == n || !chains[other]) continue;
      const std::size_t low = std::min(n, other), high = std::max(n, other);
      EXPECT_TRUE(chains[low]->set_peer_address(static_cast<consensus::Index>(high),
                                                text("127.0.0.1:{}", chains[high]->port())));
    }
  }
  void SetUp() override {
    net.genesis.params.interval_ms = 20;
    for (std::size_t n = 0; n < kReplicas; ++n) open(n);
  }
  Tx transfer(std::size_t user) { return net.transfer(user, net.user((user + 1) % 8), 1, ++nonces[user]); }
  Height submit(std::size_t at, std::size_t user) {
    const auto applied = chains[at]->submit(transfer(user), kDeadlineMs);
    EXPECT_TRUE(applied) << applied.error().str();
    if (!applied) return {};
    EXPECT_EQ(applied->result.code, 0u) << applied->result.message;
    return applied->height;
  }
  // All that run have the same blocks up to `height`, and the same state after it.
  void expect_alike(Height height) {
    std::optional<std::vector<Hash32>> expected;
    for (std::size_t n = 0; n < kReplicas; ++n) {
      if (!chains[n]) continue;
      ASSERT_GE(chains[n]->wait_above(Height{height.value - 1}, kDeadlineMs), height)
          << "replica " << n << " " << (chains[n]->health() ? "" : chains[n]->health().error().str());
      const auto view = chains[n]->view();
      std::vector<Hash32> hashes;
      for (std::uint64_t h = 1; h <= height.value; ++h)
        hashes.push_back(light::header_hash(view->block(Height{h})->header));
      if (!expected) expected = hashes;
      EXPECT_EQ(*expected, hashes) << "replica " << n;
      const Status audited = chains[n]->audit();
      EXPECT_TRUE(audited) << audited.error().str();
    }
  }
};

struct ChannelCluster : Cluster {
  ChannelCluster() { channels = true; }
};

TEST_F(ChannelCluster, orders_over_real_channels_and_brings_back_one_that_was_away) {
  Height last;
  for (int n = 0; n < 12; ++n) last = submit(static_cast<std::size_t>(n) % kReplicas, static_cast<std::size_t>(n) % 8);
  expect_alike(last);
  EXPECT_TRUE(chains[0]->peer(3).up);
  EXPECT_GT(chains[0]->peer(3).frames_in, 0u);
  chains[3].reset();
  for (int n = 0; n < 12; ++n) last = submit(static_cast<std::size_t>(n % 3), static_cast<std::size_t>(n % 3));
  open(3);
  expect_alike(last);
  expect_alike(submit(3, 3));
}

TEST_F(Cluster, a_second_process_with_its_key_halts_a_replica) {
  submit(0, 0);
  hub->twin(0);
  chains[0]->wait_above(Height{~std::uint64_t{0}}, kDeadlineMs);  // until it halts
  const auto health = chains[0]->health();
  ASSERT_FALSE(health);
  EXPECT_EQ(health.error().id(), "ledger.halted");
  EXPECT_NE(health.error().message().find("replica.twin"), std::string::npos);
  EXPECT_EQ(chains[0]->submit(transfer(1), kDeadlineMs).error().id(), "ledger.halted");
}

TEST_F(Cluster, orders_what_comes_to_each_alike) {
  std::atomic<std::uint64_t> highest = 0;
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (int n = 0; n < 15; ++n) {
          const std::uint64_t height = submit(t % kReplicas, t).value;
          for (std::uint64_t seen = highest; seen < height && !highest.compare_exchange_weak(seen, height);) {
          }
        }
      });
  }
  expect_alike(Height{highest});
  for (const auto& chain : chains)
    for (std::size_t user = 0; user < 8; ++user)
      EXPECT_EQ(ledger::read_account(*chain->view(), net.user(user))->nonce, 15u);
  const auto proof = chains[0]->wait_certified(Height{highest}, kDeadlineMs, light::Grade::kEconomic);
  ASSERT_TRUE(proof) << proof.error().str();
  EXPECT_EQ((*proof->certificate(proof->height()))->attests.size(), kReplicas);
  EXPECT_TRUE(light::verify(*proof->prove(as_bytes("accounts/supply")), light::trust(net.genesis), {}));
}

TEST_F(Cluster, one_transaction_sent_to_all_is_applied_once_and_answered_alike) {
  const Tx tx = transfer(0);
  std::vector<std::future<Result<Applied>>> futures;
  for (auto& chain : chains)
    futures.push_back(std::async(std::launch::async, [&] { return chain->submit(tx, kDeadlineMs); }));
  std::optional<Height> height;
  for (auto& each : futures) {
    const auto applied = each.get();
    ASSERT_TRUE(applied) << applied.error().str();
    EXPECT_EQ(applied->result.code, 0u);
    if (!height) height = applied->height;
    EXPECT_EQ(applied->height, *height);
  }
}

TEST_F(Cluster, a_follower_that_was_away_has_all_afterwards) {
  submit(3, 3);
  chains[3].reset();
  Height last;
  for (int n = 0; n < 30; ++n) last = submit(static_cast<std::size_t>(n % 3), static_cast<std::size_t>(n % 3));
  open(3);
  expect_alike(last);
  expect_alike(submit(3, 3));
}

TEST_F(Cluster, goes_on_without_its_leader_and_with_it_again) {
  submit(1, 1);
  const std::size_t leader = chains[1]->facts().leader;
  const std::size_t other = (leader + 1) % kReplicas;
  chains[leader].reset();
  Height last;
  for (int n = 0; n < 5; ++n) last = submit(other, other);
  EXPECT_GT(chains[other]->facts().view, 0u);
  open(leader);
  expect_alike(last);
  expect_alike(submit(leader, leader));
}

TEST_F(Cluster, two_of_four_answer_nothing_until_a_third_is_back) {
  submit(0, 0);
  hub->cut(2);
  hub->cut(3);
  const auto refused = chains[0]->submit(transfer(1), 300);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "ledger.timeout");
  hub->join(2);
  const Height last = submit(0, 2);
  hub->join(3);
  expect_alike(last);
  EXPECT_EQ(ledger::read_account(*chains[3]->view(), net.user(1))->nonce, 1u);
}

TEST_F(Cluster, all_restart_with_everything_acknowledged) {
  Height last;
  for (int n = 0; n < 20; ++n) last = submit(static_cast<std::size_t>(n) % kReplicas, static_cast<std::size_t>(n) % 8);
  for (auto& chain : chains) chain.reset();
  for (std::size_t n = 0; n < kReplicas; ++n) open(n);
  expect_alike(last);
  expect_alike(submit(2, 2));
}

TEST_F(Cluster, an_emptied_replica_catches_up_abstaining_and_votes_again) {
  Height last;
  for (int n = 0; n < 80; ++n) last = submit(static_cast<std::size_t>(n % 3), static_cast<std::size_t>(n % 3));
  chains[3].reset();
  std::filesystem::remove_all(folder(3));
  std::filesystem::create_directory(folder(3));
  ASSERT_TRUE(replace_file(real_fs(), folder(3) + "/restored", {}));
  open(3);
  EXPECT_EQ(chains[3]->submit(transfer(3), kDeadlineMs).error().id(), "ledger.abstaining");
  EXPECT_EQ(chains[3]->health().error().id(), "ledger.abstaining");
  --nonces[3];
  expect_alike(last);
  EXPECT_TRUE(*real_fs().exists(folder(3) + "/restored"));
  Height seen = chains[3]->height();
  while (!chains[3]->health() && chains[3]->health().error().id() == "ledger.abstaining")
    seen = chains[3]->wait_above(seen, kDeadlineMs);
  EXPECT_FALSE(*real_fs().exists(folder(3) + "/restored"));
  expect_alike(submit(3, 3));
}

}  // namespace
}  // namespace hanse::replica
