// A replica that is far behind fetches the state of others that go on meanwhile, and votes with them afterwards.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "chain/ledger/test_net.h"
#include "chain/replica/chain.h"
#include "chain/replica/mem_net.h"
#include "chain/sync/messages.h"

namespace hanse::replica {
namespace {

using ledger::Applied;
using ledger::TempDir;
using ledger::TestNet;
using ledger::Tx;

constexpr std::int64_t kDeadlineMs = 60'000;
constexpr std::size_t kReplicas = 4;
constexpr std::size_t kUsers = 8;
constexpr std::size_t kLate = 3;

// What a host of the network answers to questions of state sync, when the test wants another answer than its own.
using Bend = std::function<std::optional<Bytes>(consensus::Index from, ByteView answer)>;

// The end of one replica, with its answers bent on the way out.
class BentNet final : public Net {
 public:
  BentNet(std::unique_ptr<Net> inner, consensus::Index self, std::shared_ptr<Bend> bend)
      : inner_(std::move(inner)), self_(self), bend_(std::move(bend)) {}
  Status start(Events events) override { return inner_->start(std::move(events)); }
  Sent send(consensus::Index to, consensus::Type type, const consensus::Frame& body) override {
    if (type != consensus::kSyncAnswer || !*bend_) return inner_->send(to, type, body);
    auto bent = (*bend_)(self_, *body);
    if (!bent) return Sent::kYes;  // lost
    return inner_->send(to, type, std::make_shared<const Bytes>(*std::move(bent)));
  }
  void stop() override { inner_->stop(); }
  Peer peer(consensus::Index index) const override { return inner_->peer(index); }
  std::uint16_t port() const override { return inner_->port(); }
  Status set_address(consensus::Index peer, std::string_view address) override {
    return inner_->set_address(peer, address);
  }

 private:
  std::unique_ptr<Net> inner_;
  const consensus::Index self_;
  const std::shared_ptr<Bend> bend_;
};

struct StateSync : testing::Test {
  TempDir dir{testing::TempDir()};
  TestNet net{kUsers, 1'000'000, kReplicas};
  std::shared_ptr<MemHub> hub = std::make_shared<MemHub>(kReplicas);
  std::shared_ptr<Bend> bend = std::make_shared<Bend>();
  std::vector<std::unique_ptr<Chain>> chains{kReplicas};
  std::vector<std::uint64_t> nonces = std::vector<std::uint64_t>(kUsers);

  std::string folder(std::size_t n) const { return text("{}/{}", dir.path(), n); }
  void open(std::size_t n) {
    Chain::Options o;
    o.journal_segment_bytes = 64u << 10;
    o.ledger = {.cache_bytes = 8u << 20, .write_buffer_bytes = 8u << 20};
    o.sync_lag = 40;
    o.snapshot_every = 32;
    o.make_net = [this](consensus::Index self) { return std::make_unique<BentNet>(hub->end(self), self, bend); };
    chains[n].reset();
    auto opened = Chain::open(folder(n), net.genesis, TestNet::accounts_only(), TestNet::validator_key(n, kReplicas),
                              std::move(o));
    ASSERT_TRUE(opened) << opened.error().str();
    chains[n] = std::move(*opened);
  }
  void SetUp() override {
    net.genesis.params.interval_ms = 20;
    for (std::size_t n = 0; n < kReplicas; ++n)
      if (n != kLate) open(n);
  }
  Tx transfer(std::size_t user) { return net.transfer(user, net.user((user + 1) % kUsers), 1, ++nonces[user]); }
  Height submit(std::size_t at, std::size_t user) {
    const auto applied = chains[at]->submit(transfer(user), kDeadlineMs);
    EXPECT_TRUE(applied) << applied.error().str();
    return applied ? applied->height : Height{};
  }
  Height grow_to(std::uint64_t height, std::size_t at = 0) {
    Height last;
    while (last.value < height && !HasFailure()) last = submit(at, at);
    return last;
  }
  // The late one has this block, its own state recomputes, and both say the same of every block.
  void expect_alike(std::size_t with, Height height) {
    ASSERT_GE(chains[kLate]->wait_above(Height{height.value - 1}, kDeadlineMs), height)
        << (chains[kLate]->health() ? "" : chains[kLate]->health().error().str());
    ASSERT_GE(chains[with]->wait_above(Height{height.value - 1}, kDeadlineMs), height);
    const auto mine = chains[kLate]->view(), theirs = chains[with]->view();
    for (std::uint64_t h = 0; h <= height.value; ++h) {
      const auto a = mine->block(Height{h}), b = theirs->block(Height{h});
      ASSERT_TRUE(a && b) << (a ? b : a).error().str();
      ASSERT_EQ(light::header_hash(a->header), light::header_hash(b->header));
    }
    const Status audited = chains[kLate]->audit();
    EXPECT_TRUE(audited) << audited.error().str();
  }
};

TEST_F(StateSync, a_new_validator_joins_a_long_chain_by_its_state_and_votes) {
  const Tx old = transfer(0);
  ASSERT_TRUE(chains[0]->submit(old, kDeadlineMs));
  const Height before = grow_to(100);
  open(kLate);
  expect_alike(0, before);
  EXPECT_EQ(chains[kLate]->stats().synced, 1u);
  EXPECT_GT(chains[kLate]->stats().sync.ranges, 0u);
  EXPECT_LT(chains[kLate]->stats().blocks, 100u);  // executed by itself
  EXPECT_FALSE(chains[kLate]->stats().abstaining);
  // What was applied before is known, and not applied twice by anybody.
  EXPECT_EQ(chains[kLate]->submit(old, kDeadlineMs).error().id(), "ledger.before_sync");
  const Height last = submit(kLate, 5);
  expect_alike(0, last);
  chains[1].reset();  // a quorum needs it now
  expect_alike(0, submit(0, 0));
  // After a restart it is where it was.
  open(kLate);
  expect_alike(0, submit(kLate, 6));
  EXPECT_EQ(chains[kLate]->stats().synced, 0u);
  const auto proof = chains[kLate]->wait_certified(last, kDeadlineMs);
  ASSERT_TRUE(proof) << proof.error().str();
  EXPECT_TRUE(light::verify(*proof->prove(as_bytes("accounts/supply")), light::trust(net.genesis), {}));
}

TEST_F(StateSync, one_that_was_away_for_long_fetches_what_it_lacks) {
  open(kLate);
  const Height had = submit(kLate, 3);
  ASSERT_GE(chains[kLate]->wait_above(Height{had.value - 1}, kDeadlineMs), had);
  chains[kLate].reset();
  const Height before = grow_to(100);
  open(kLate);
  expect_alike(0, before);
  EXPECT_EQ(chains[kLate]->stats().synced, 1u);
  EXPECT_FALSE(chains[kLate]->stats().abstaining);
  expect_alike(0, submit(kLate, 3));
  EXPECT_TRUE(chains[kLate]->view()->tx_result({}));
}

TEST_F(StateSync, completes_with_the_leader_down_and_the_view_that_must_change) {
  const std::size_t leader = chains[0]->facts().leader;
  if (leader == kLate) GTEST_SKIP() << "the late one would lead";
  const std::size_t other = leader == 0 ? 1 : 0;
  const Height before = grow_to(100, other);
  for (std::size_t n = 0; n < kLate; ++n)
    ASSERT_GE(chains[n]->wait_above(Height{before.value - 1}, kDeadlineMs), before);
  chains[leader].reset();
  // Two of four decide nothing: what is submitted now waits for the third and for another leader.
  std::optional<Result<Applied>> waited;
  std::thread waits([&] { waited.emplace(chains[other]->submit(transfer(other), kDeadlineMs)); });
  open(kLate);
  waits.join();
  ASSERT_TRUE(*waited) << waited->error().str();
  expect_alike(other, (*waited)->height);
  EXPECT_EQ(chains[kLate]->stats().synced, 1u);
  EXPECT_GT(chains[kLate]->facts().view, 0u);
}

TEST_F(StateSync, a_host_that_lies_is_avoided_and_one_that_is_silent_replaced) {
  grow_to(100);
  std::atomic<int> lies = 0, silent = 0;
  *bend = [&](consensus::Index from, ByteView answer) -> std::optional<Bytes> {
    const auto reply = sync::decode_reply(answer);
    if (!reply || std::holds_alternative<sync::Offers>(reply->what)) return to_bytes(answer);
    if (from == 1) return ++silent, std::nullopt;
    Bytes bytes = to_bytes(answer);
    if (from == 2) {
      bytes[bytes.size() / 2] ^= 1;
      ++lies;
    }
    return bytes;
  };
  open(kLate);
  const Height last = submit(0, 4);
  expect_alike(0, last);
  EXPECT_EQ(chains[kLate]->stats().synced, 1u);
  EXPECT_GE(lies, 1);
  EXPECT_GE(silent, 1);
  EXPECT_EQ(chains[kLate]->stats().sync.lies, 1u);
}

TEST_F(StateSync, goes_on_with_slots_when_nobody_gives_a_state) {
  const Height before = grow_to(100);
  *bend = [](consensus::Index, ByteView) -> std::optional<Bytes> { return std::nullopt; };
  open(kLate);
  expect_alike(0, before);
  EXPECT_EQ(chains[kLate]->stats().synced, 0u);
  EXPECT_EQ(chains[kLate]->stats().blocks, chains[kLate]->height().value);
}

TEST_F(StateSync, an_emptied_validator_that_wrote_its_lane_abstains_until_it_is_safe) {
  open(kLate);
  const Height had = submit(kLate, 3);
  ASSERT_GE(chains[0]->wait_above(Height{had.value - 1}, kDeadlineMs), had);
  chains[kLate].reset();
  std::filesystem::remove_all(folder(kLate));  // and no mark says so
  const Height before = grow_to(100);
  open(kLate);
  expect_alike(0, before);
  EXPECT_EQ(chains[kLate]->health().error().id(), "ledger.abstaining");
  EXPECT_TRUE(*real_fs().exists(folder(kLate) + "/restored"));
}

TEST_F(StateSync, one_that_stops_in_the_middle_goes_on_where_it_was) {
  grow_to(100);
  std::atomic<int> answers = 0;
  std::atomic<int> limit = 40;
  *bend = [&](consensus::Index, ByteView answer) -> std::optional<Bytes> {
    const auto reply = sync::decode_reply(answer);
    if (reply && std::holds_alternative<sync::Range>(reply->what) && ++answers > limit) return std::nullopt;
    return to_bytes(answer);
  };
  open(kLate);
  while (answers <= limit) std::this_thread::yield();
  chains[kLate].reset();
  limit = 1'000'000;
  open(kLate);
  expect_alike(0, submit(0, 0));
  EXPECT_EQ(chains[kLate]->stats().synced, 1u);
  EXPECT_EQ(chains[kLate]->stats().sync.resumed, 1u);
  EXPECT_LT(chains[kLate]->stats().sync.ranges, 64u);
}

}  // namespace
}  // namespace hanse::replica
