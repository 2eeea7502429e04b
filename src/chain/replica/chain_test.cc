#include "chain/replica/chain.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/core/mem_fs.h"
#include "chain/ledger/test_net.h"
#include "store/journal/journal.h"

namespace hanse::replica {
namespace {

using ledger::App;
using ledger::Applied;
using ledger::BlockContext;
using ledger::EndResult;
using ledger::Ledger;
using ledger::State;
using ledger::StateReader;
using ledger::TempDir;
using ledger::TestNet;
using ledger::Tx;
using ledger::TxResult;

constexpr std::int64_t kDeadlineMs = 20'000;

struct ChainTest : testing::Test {
  TempDir dir{testing::TempDir()};
  TestNet net{3};
  std::unique_ptr<Chain> chain;

  static Chain::Options options() {
    Chain::Options o;
    o.journal_segment_bytes = 64u << 10;
    o.ledger = {.cache_bytes = 8u << 20, .write_buffer_bytes = 8u << 20};
    o.check_determinism = true;
    return o;
  }
  Result<std::unique_ptr<Chain>> try_open(Chain::Options o = options()) {
    return Chain::open(dir.path(), net.genesis, TestNet::accounts_only(), TestNet::validator_key(), o);
  }
  void open() {
    chain.reset();
    auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().str();
    chain = std::move(*opened);
  }
  void SetUp() override { open(); }
  std::vector<Result<Applied>> submit_each(std::vector<Tx> txs) {
    std::vector<std::promise<Result<Applied>>> outcomes(txs.size());
    chain->submit_each(std::move(txs), [&](std::size_t place, Result<Applied> outcome) {
      outcomes[place].set_value(std::move(outcome));
    });
    std::vector<Result<Applied>> out;
    for (auto& outcome : outcomes) out.push_back(outcome.get_future().get());
    return out;
  }
  std::uint64_t balance(std::size_t user) {
    const auto view = chain->view();
    return ledger::read_account(*view, net.user(user))->balance.value;
  }
};

TEST_F(ChainTest, answers_a_transaction_with_its_result_and_a_proof) {
  const Tx tx = net.transfer(0, net.user(1), 7, 1);
  const auto applied = chain->submit(tx, kDeadlineMs);
  ASSERT_TRUE(applied) << applied.error().str();
  EXPECT_EQ(applied->result.code, 0u);
  EXPECT_EQ(applied->height.value, 1u);
  EXPECT_EQ(balance(1), 1'000'007u);
  const auto view = chain->wait_certified(applied->height, kDeadlineMs);
  ASSERT_TRUE(view) << view.error().str();
  EXPECT_EQ((*view->certificate(view->height()))->attests.size(), 1u);
  EXPECT_TRUE(light::verify(*view->prove_tx(applied->tx_id), light::trust(net.genesis), {}));
  EXPECT_EQ(chain->wait_certified(Height{2}, 0).error().id(), "ledger.uncertified");
  const auto again = chain->submit(tx, kDeadlineMs);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->height, applied->height);
  EXPECT_EQ(chain->height().value, 1u);
}

TEST_F(ChainTest, answers_many_in_order_each_as_if_it_came_alone) {
  const Tx first = net.transfer(0, net.user(1), 7, 1);
  const auto before = chain->submit(first, kDeadlineMs);
  ASSERT_TRUE(before);
  const Tx second = net.transfer(0, net.user(1), 1, 2), third = net.transfer(1, net.user(2), 1, 1);
  const auto outcomes = submit_each({second, {.app = 99, .body = {}}, first, third, second});
  ASSERT_EQ(outcomes.size(), 5u);
  EXPECT_EQ(outcomes[1].error().id(), "ledger.no_app");
  for (const std::size_t i : {0u, 2u, 3u, 4u}) ASSERT_TRUE(outcomes[i]) << i << ": " << outcomes[i].error().str();
  EXPECT_EQ(outcomes[2]->height, before->height);
  EXPECT_EQ(outcomes[2]->tx_id, before->tx_id);
  EXPECT_EQ(outcomes[0]->tx_id, ledger::tx_id(second));
  EXPECT_EQ(outcomes[3]->tx_id, ledger::tx_id(third));
  EXPECT_EQ(outcomes[4]->height, outcomes[0]->height);
  EXPECT_GT(outcomes[0]->height, before->height);
  EXPECT_EQ(balance(1), 1'000'007u);
  EXPECT_TRUE(submit_each({}).empty());
}

TEST_F(ChainTest, refuses_each_of_many_once_it_stopped) {
  const Tx tx = net.transfer(0, net.user(1), 7, 1);
  chain->stop();
  const auto stopped = submit_each({tx, tx});
  ASSERT_EQ(stopped.size(), 2u);
  for (const auto& outcome : stopped) EXPECT_EQ(outcome.error().id(), "ledger.stopped");
}

TEST_F(ChainTest, takes_of_many_what_the_pool_has_room_for) {
  Chain::Options o = options();
  o.pool.txs_max = 2;
  chain.reset();
  auto opened = try_open(std::move(o));
  ASSERT_TRUE(opened);
  chain = std::move(*opened);
  std::vector<Tx> txs;
  for (std::size_t user = 0; user < 3; ++user) txs.push_back(net.transfer(user, net.user(0), 1, 1));
  const auto outcomes = submit_each(std::move(txs));
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_TRUE(outcomes[0]);
  EXPECT_TRUE(outcomes[1]);
  EXPECT_EQ(outcomes[2].error().id(), "ledger.pool_full");
}

TEST_F(ChainTest, refuses_at_the_door_what_the_application_refuses) {
  EXPECT_EQ(chain->submit(net.transfer(0, net.user(1), 2'000'000, 1), kDeadlineMs).error().id(), "ledger.insufficient");
  EXPECT_EQ(chain->submit({.app = 99, .body = {}}, kDeadlineMs).error().id(), "ledger.no_app");
  EXPECT_EQ(chain->height().value, 0u);
}

TEST_F(ChainTest, block_0_is_certified_and_provable) {
  const auto proof = chain->view()->prove(as_bytes("accounts/supply"));
  ASSERT_TRUE(proof) << proof.error().str();
  EXPECT_TRUE(light::verify(*proof, light::trust(net.genesis), {}));
}

TEST_F(ChainTest, applies_many_concurrent_submissions_once_each) {
  constexpr int kThreads = 6, kEach = 20;
  std::atomic<int> applied = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        // Two threads share an account's nonces: each nonce is submitted by both.
        for (std::uint64_t n = 1; n <= kEach; ++n) {
          const auto done =
              chain->submit(net.transfer(static_cast<std::size_t>(t % 3), net.user((t + 1) % 3), 1, n), kDeadlineMs);
          if (done && done->result.code == 0) ++applied;
        }
      });
    }
  }
  // ML-DSA signatures are hedged, so two signings of one transfer are two transactions; one of each pair is applied.
  EXPECT_EQ(applied, 3 * kEach);
  EXPECT_EQ(balance(0) + balance(1) + balance(2), 3'000'000u);
  EXPECT_LT(chain->stats().blocks, chain->stats().txs + 1);
  EXPECT_EQ(chain->stats().pool_count, 0u);
}

TEST_F(ChainTest, answers_what_a_slot_has_no_room_for) {
  chain.reset();
  auto narrow = options();
  narrow.slot_txs_max = 2;
  auto opened = try_open(narrow);
  ASSERT_TRUE(opened) << opened.error().str();
  chain = std::move(*opened);
  std::atomic<int> applied = 0, refused = 0;
  std::vector<Tx> together;  // and so in one batch
  for (std::uint64_t n = 1; n <= 30; ++n) together.push_back(net.transfer(0, net.user(1), 1, n));
  chain->submit_each(std::move(together), [&](std::size_t, Result<Applied> answer) {
    EXPECT_TRUE(answer || answer.error().id() == "replica.slot_full") << answer.error().str();
    ++(answer ? applied : refused);
  });
  // Behind them in the same lane, so all are answered when it is.
  for (std::uint64_t n = 31; applied + refused < 30; ++n)
    (void)chain->submit(net.transfer(0, net.user(1), 1, n), kDeadlineMs);
  EXPECT_GT(applied, 0);
  EXPECT_GT(refused, 0);
}

TEST_F(ChainTest, answers_every_submitter_of_the_same_bytes_alike) {
  const Tx tx = net.transfer(0, net.user(1), 7, 1);
  std::vector<std::future<Result<Applied>>> futures;
  for (int n = 0; n < 8; ++n)
    futures.push_back(std::async(std::launch::async, [&] { return chain->submit(tx, kDeadlineMs); }));
  for (auto& each : futures) {
    const auto applied = each.get();
    ASSERT_TRUE(applied) << applied.error().str();
    EXPECT_EQ(applied->height.value, 1u);
    EXPECT_EQ(applied->result.code, 0u);
  }
  EXPECT_EQ(balance(1), 1'000'007u);
}

TEST_F(ChainTest, goes_on_after_reopening_and_reuses_its_journal) {
  std::uint64_t sent = 0;
  for (int life = 0; life < 3; ++life) {
    for (int n = 0; n < 40; ++n) {
      ++sent;
      const auto applied = chain->submit(net.transfer(0, net.user(1), 1, sent), kDeadlineMs);
      ASSERT_TRUE(applied) << applied.error().str();
    }
    // Certificates follow the blocks: one that a stop overtakes is covered by the next and never made.
    ASSERT_TRUE(chain->wait_certified(chain->height(), kDeadlineMs));
    open();
    EXPECT_FALSE(chain->stats().abstaining);
    EXPECT_EQ(balance(1), 1'000'000u + sent);
  }
  std::int64_t last = 0;
  const auto view = chain->wait_certified(chain->height(), kDeadlineMs);
  ASSERT_TRUE(view) << view.error().str();
  for (std::uint64_t h = 1; h <= view->height().value; ++h) {
    const auto block = view->block(Height{h});
    ASSERT_TRUE(block);
    EXPECT_GT(block->header.time_ms, last);
    EXPECT_EQ(block->header.parent, light::header_hash(view->block(Height{h - 1})->header));
    const auto certificate = view->certificate(Height{h});
    ASSERT_TRUE(certificate);
    if (h % 8 == 0 || h == view->height().value) {
      ASSERT_TRUE(*certificate) << h;
    }
    if (*certificate) {
      EXPECT_EQ(*light::verify_certificate(block->header, **certificate, net.genesis.validators, 10'000), 10'000u);
    }
    last = block->header.time_ms;
  }
}

TEST_F(ChainTest, replays_cuts_that_the_store_lost) {
  for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(chain->submit(net.transfer(0, net.user(1), 1, n), kDeadlineMs));
  const light::BlockHeader tip = chain->view()->header();
  chain.reset();
  std::filesystem::rename(dir.path() + "/store", dir.path() + "/lost");
  // A store that knows the journal but not its blocks, as after a power cut that took the unsynced writes.
  const auto opened_journal = journal::Journal::open(real_fs(), dir.path() + "/journal");
  ASSERT_TRUE(opened_journal);
  {
    auto accounts = ledger::make_accounts_app();
    auto empty = Ledger::open(dir.path() + "/store", net.genesis, {accounts.get()}, {});
    ASSERT_TRUE(empty && (*empty)->put_note("journal-nonce", (*opened_journal)->nonce().view()));
  }
  open();
  EXPECT_EQ(chain->stats().replayed, 5u);
  EXPECT_EQ(chain->view()->header(), tip);
  EXPECT_EQ(balance(1), 1'000'005u);
}

TEST(ChainPower, a_power_cut_takes_nothing_acknowledged) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    TempDir dir(testing::TempDir());
    TestNet net;
    MemFs disk;  // of the journal; the store's unsynced writes are lost as a whole
    for (std::size_t slash = dir.path().find('/', 1); slash != std::string::npos;
         slash = dir.path().find('/', slash + 1))
      ASSERT_TRUE(disk.mkdir(dir.path().substr(0, slash)));
    auto options = ChainTest::options();
    options.fs = &disk;
    const auto open = [&] {
      auto chain = Chain::open(dir.path(), net.genesis, TestNet::accounts_only(), TestNet::validator_key(), options);
      EXPECT_TRUE(chain) << chain.error().str();
      return chain ? std::move(*chain) : nullptr;
    };
    SeededRandom random(seed);
    const std::uint64_t wanted = 3 + random.below(10);
    std::uint64_t acknowledged = 0;
    {
      auto chain = open();
      ASSERT_TRUE(chain);
      disk.fail_at(4 + random.below(4 * wanted), MemFs::Fault::kIo);  // a write or a sync of some block fails
      while (acknowledged < wanted && chain->submit(net.transfer(0, net.user(1), 1, acknowledged + 1), kDeadlineMs))
        ++acknowledged;
      EXPECT_TRUE(acknowledged == wanted || chain->health().error().id() == "ledger.halted");
    }
    disk.crash(seed);
    std::filesystem::remove_all(dir.path() + "/store");
    {
      const auto journal = journal::Journal::open(disk, dir.path() + "/journal");
      ASSERT_TRUE(journal) << journal.error().str();
      auto accounts = ledger::make_accounts_app();
      auto empty = Ledger::open(dir.path() + "/store", net.genesis, {accounts.get()}, {});
      ASSERT_TRUE(empty && (*empty)->put_note("journal-nonce", (*journal)->nonce().view()));
    }
    auto chain = open();
    ASSERT_TRUE(chain);
    EXPECT_FALSE(chain->stats().abstaining);
    EXPECT_GE(ledger::read_account(*chain->view(), net.user(0))->nonce, acknowledged);
    EXPECT_TRUE(chain->audit());
  }
}

TEST_F(ChainTest, takes_a_turn_when_asked) {
  EXPECT_TRUE(chain->responds(kDeadlineMs));
  EXPECT_EQ(chain->facts().reported, 0u);
  EXPECT_FALSE(chain->peer(0).up);
  EXPECT_EQ(chain->valset(0)->validators.size(), 1u);
}

// Holds the replica at its first frame until it is let go.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool reached = false, open = false;
};
class HoldingNet final : public Net {
 public:
  explicit HoldingNet(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  Status start(Events) override { return {}; }
  Sent send(consensus::Index, consensus::Type, const consensus::Frame&) override {
    std::unique_lock lock(gate_->mutex);
    gate_->reached = true;
    gate_->changed.notify_all();
    gate_->changed.wait(lock, [&] { return gate_->open; });
    return Sent::kDown;
  }
  void stop() override {}
  Peer peer(consensus::Index) const override { return {}; }
  std::uint16_t port() const override { return 0; }
  Status set_address(consensus::Index, std::string_view) override { return {}; }

 private:
  std::shared_ptr<Gate> gate_;
};

TEST(Chain, says_when_its_replica_is_stuck) {
  TempDir dir(testing::TempDir());
  TestNet net{2, 1'000, 2};
  const auto gate = std::make_shared<Gate>();
  auto options = ChainTest::options();
  options.make_net = [&](consensus::Index) { return std::make_unique<HoldingNet>(gate); };
  auto chain = Chain::open(dir.path(), net.genesis, TestNet::accounts_only(), TestNet::validator_key(0, 2), options);
  ASSERT_TRUE(chain) << chain.error().str();
  {
    std::unique_lock lock(gate->mutex);
    gate->changed.wait(lock, [&] { return gate->reached; });  // a status report, at the latest
  }
  const Status stuck = (*chain)->responds(20);
  ASSERT_FALSE(stuck);
  EXPECT_EQ(stuck.error().id(), "replica.stuck");
  {
    const std::lock_guard lock(gate->mutex);
    gate->open = true;
  }
  gate->changed.notify_all();
  EXPECT_TRUE((*chain)->responds(kDeadlineMs));
}

TEST_F(ChainTest, says_which_of_its_blocks_held_what_was_submitted_here) {
  const std::int64_t before_ns = system_clock().mono_ns();
  ASSERT_TRUE(chain->submit(net.transfer(0, net.user(1), 7, 1), kDeadlineMs));
  ASSERT_TRUE(chain->responds(kDeadlineMs));
  const auto stats = chain->stats();
  EXPECT_GT(stats.admitted_ns_last, before_ns);
  EXPECT_EQ(stats.consensus.vertices_ordered, 1u);
  EXPECT_GE(stats.facts.log_slots, 1u);
}

TEST_F(ChainTest, abstains_when_its_journal_is_gone_damaged_or_foreign) {
  ASSERT_TRUE(chain->submit(net.transfer(0, net.user(1), 1, 1), kDeadlineMs));
  ASSERT_TRUE(chain->submit(net.transfer(0, net.user(1), 1, 2), kDeadlineMs));
  chain.reset();
  const std::string folder = dir.path() + "/journal", kept = dir.path() + "/kept";
  const auto expect_abstaining = [&](const char* why) {
    open();
    EXPECT_TRUE(chain->stats().abstaining) << why;
    EXPECT_EQ(chain->submit(net.transfer(0, net.user(1), 1, 3), kDeadlineMs).error().id(), "ledger.abstaining") << why;
    EXPECT_EQ(chain->health().error().id(), "ledger.abstaining") << why;
    EXPECT_EQ(balance(1), 1'000'002u) << why;
    chain.reset();
  };
  std::filesystem::rename(folder, kept);
  expect_abstaining("missing");
  ASSERT_TRUE(
      journal::Journal::create(real_fs(), folder, {.segment_bytes = 256u << 10, .segments = 4}, system_random()));
  expect_abstaining("another instance");
  std::filesystem::remove_all(folder);
  std::filesystem::copy(kept, folder);
  for (const char* mirror : {"/a-0.seg", "/b-0.seg"}) {
    auto file = real_fs().open(folder + mirror, OpenMode::kWrite);
    ASSERT_TRUE(file && (*file)->write_at(journal::kBlock + 40, Bytes(8, 0xFF)));
  }
  expect_abstaining("damaged");
  std::filesystem::remove_all(folder);
  std::filesystem::copy(kept, folder);
  for (const char* mirror : {"/a-0.seg", "/b-0.seg"}) {
    auto file = real_fs().open(folder + mirror, OpenMode::kWrite);  // all but the first group: whole, but too short
    Bytes zeros((256u << 10) - 2 * journal::kBlock);
    ASSERT_TRUE(file && (*file)->write_at(2 * journal::kBlock, zeros));
  }
  expect_abstaining("short");
  std::filesystem::remove_all(folder);
  std::filesystem::copy(kept, folder);
  ASSERT_TRUE(replace_file(real_fs(), dir.path() + "/restored", {}));
  expect_abstaining("restored");
  ASSERT_TRUE(real_fs().unlink(dir.path() + "/restored"));
  open();
  EXPECT_FALSE(chain->stats().abstaining);
}

TEST_F(ChainTest, refuses_the_wrong_key_folder_and_several_validators_without_a_network) {
  chain.reset();
  const auto with = [&](const light::Genesis& genesis, crypto::SecretKey key) {
    return Chain::open(dir.path(), genesis, TestNet::accounts_only(), std::move(key), options()).error();
  };
  EXPECT_EQ(with(net.genesis, TestNet::key(3)).id(), "ledger.not_validator");
  light::Genesis other = net.genesis;
  other.name = "other";
  EXPECT_EQ(with(other, TestNet::validator_key()).id(), "ledger.other_network");
  other.validators = light::sorted_set({{.key = TestNet::validator_key().public_key(), .power_bp = 5'000},
                                        {.key = TestNet::key(3).public_key(), .power_bp = 5'000}});
  EXPECT_EQ(with(other, TestNet::validator_key()).id(), "replica.network");
}

TEST_F(ChainTest, refuses_a_second_process_in_the_same_folder) { EXPECT_EQ(try_open().error().id(), "kv.locked"); }

TEST_F(ChainTest, answers_stopped_and_timeouts) {
  EXPECT_EQ(chain->submit(net.transfer(0, net.user(1), 1, 1), 0).error().id(), "ledger.timeout");
  EXPECT_EQ(chain->wait_above(Height{0}, kDeadlineMs).value, 1u);
  chain->stop();
  EXPECT_EQ(chain->submit(net.transfer(0, net.user(1), 1, 2), kDeadlineMs).error().id(), "ledger.stopped");
  EXPECT_EQ(chain->health().error().id(), "ledger.stopped");
}

// Fails in end() at the third block, as a bug would.
class FailingApp final : public App {
 public:
  std::uint8_t number() const override { return 8; }
  std::string_view name() const override { return "failing"; }
  Status genesis(ByteView, const NetworkId&, State&) override { return {}; }
  Status check(const Tx&, const BlockContext&, const StateReader&) const override { return {}; }
  Status begin(const BlockContext&, State&) override { return {}; }
  TxResult apply(const Tx&, const BlockContext&, State&) override { return {}; }
  Result<EndResult> end(const BlockContext& context, State&) override {
    if (context.height.value == 3) return fail(Kind::kInternal, "failing.end", "height 3");
    return EndResult{.events = {}, .wants_block = true};
  }
  Result<Bytes> query(std::string_view, ByteView, const StateReader&) const override { return Bytes(); }
};

TEST(Chain, makes_empty_blocks_while_an_application_waits_and_halts_on_its_bug) {
  TempDir dir(testing::TempDir());
  TestNet net;
  net.genesis.params.interval_ms = 10;
  net.genesis.apps = {{8, {}}};
  std::vector<std::unique_ptr<App>> apps;
  apps.push_back(std::make_unique<FailingApp>());
  auto chain = Chain::open(dir.path(), net.genesis, std::move(apps), TestNet::validator_key(), ChainTest::options());
  ASSERT_TRUE(chain) << chain.error().str();
  ASSERT_TRUE((*chain)->submit({.app = 8, .body = to_bytes("start")}, kDeadlineMs));
  EXPECT_EQ((*chain)->wait_above(Height{1}, kDeadlineMs).value, 2u);
  EXPECT_EQ((*chain)->wait_above(Height{2}, kDeadlineMs).value, 2u);
  EXPECT_EQ((*chain)->health().error().id(), "ledger.halted");
  EXPECT_EQ((*chain)->submit({.app = 8, .body = to_bytes("more")}, kDeadlineMs).error().id(), "ledger.halted");
  EXPECT_EQ((*chain)->view()->block(Height{2})->tx_ids.size(), 0u);
}

}  // namespace
}  // namespace hanse::replica
