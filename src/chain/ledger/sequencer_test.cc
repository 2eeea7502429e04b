#include "chain/ledger/sequencer.h"

#include <gtest/gtest.h>

#include "base/core/text.h"

namespace hanse::ledger {
namespace {

AccountId account(std::uint8_t n) {
  AccountId id;
  id.data.fill(n);
  return id;
}
Tx tx_of(std::uint8_t n, std::size_t size = 100) { return {.app = 1, .body = Bytes(size, n)}; }

struct Fixture : testing::Test {
  light::Params params;
  PoolLimits limits;
  Sequencer make(bool wants_block = false) {
    return Sequencer(params, account(1), limits, {.height = Height{5}, .time_ms = 1'000, .wants_block = wants_block});
  }
  static Status submit(Sequencer& s, const Tx& tx, std::uint8_t payer = 7) {
    return s.submit(tx_id(tx), tx, account(payer));
  }
};
using SequencerTest = Fixture;

TEST_F(SequencerTest, cuts_a_block_only_when_something_waits_and_none_is_being_made) {
  Sequencer s = make();
  EXPECT_FALSE(s.next(5'000));
  EXPECT_FALSE(s.due_ms());
  ASSERT_TRUE(submit(s, tx_of(1)));
  const auto cut = s.next(5'000);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->height.value, 6u);
  EXPECT_EQ(cut->time_ms, 5'000);
  EXPECT_EQ(cut->txs.size(), 1u);
  ASSERT_TRUE(submit(s, tx_of(2)));
  EXPECT_FALSE(s.next(6'000));
  s.committed({.height = Height{6}, .time_ms = 5'000, .wants_block = false});
  EXPECT_EQ(s.next(6'000)->txs.size(), 1u);
}

TEST_F(SequencerTest, block_time_grows_when_the_clock_stands_still_or_goes_back) {
  Sequencer s = make();
  ASSERT_TRUE(submit(s, tx_of(1)));
  EXPECT_EQ(s.next(10)->time_ms, 1'001);
}

TEST_F(SequencerTest, cuts_empty_blocks_at_the_interval_while_an_application_waits) {
  Sequencer s = make(true);
  EXPECT_EQ(*s.due_ms(), 2'000);
  EXPECT_FALSE(s.next(1'999));
  const auto cut = s.next(2'000);
  ASSERT_TRUE(cut);
  EXPECT_TRUE(cut->txs.empty());
  s.committed({.height = Height{6}, .time_ms = 2'000, .wants_block = false});
  EXPECT_FALSE(s.next(99'999));
}

TEST_F(SequencerTest, refuses_what_is_pending_until_its_block_is_committed) {
  Sequencer s = make();
  ASSERT_TRUE(submit(s, tx_of(1)));
  EXPECT_EQ(submit(s, tx_of(1)).error().id(), "ledger.tx_pending");
  ASSERT_TRUE(s.next(2'000));
  EXPECT_TRUE(s.pending(tx_id(tx_of(1))));
  EXPECT_EQ(submit(s, tx_of(1)).error().id(), "ledger.tx_pending");
  s.committed({.height = Height{6}, .time_ms = 2'000, .wants_block = false});
  EXPECT_FALSE(s.pending(tx_id(tx_of(1))));
}

TEST_F(SequencerTest, limits_the_pool_by_count_bytes_and_account) {
  limits = {.txs_max = 4, .bytes_max = 10'000, .per_account_max = 2};
  Sequencer s = make();
  ASSERT_TRUE(submit(s, tx_of(1), 1));
  ASSERT_TRUE(submit(s, tx_of(2), 1));
  EXPECT_EQ(submit(s, tx_of(3), 1).error().id(), "ledger.account_full");
  ASSERT_TRUE(submit(s, tx_of(3), 2));
  EXPECT_EQ(submit(s, tx_of(4, 9'800), 3).error().id(), "ledger.pool_full");
  ASSERT_TRUE(submit(s, tx_of(4), 3));
  EXPECT_EQ(submit(s, tx_of(5), 4).error().id(), "ledger.pool_full");
  EXPECT_EQ(s.pool_count(), 4u);
  ASSERT_TRUE(s.next(2'000));
  EXPECT_EQ(s.pool_count(), 0u);
  EXPECT_EQ(s.pool_bytes(), 0u);
  ASSERT_TRUE(submit(s, tx_of(6), 1));
  ASSERT_TRUE(s.submit(tx_id(tx_of(7)), tx_of(7), std::nullopt));
  EXPECT_EQ(submit(s, tx_of(8, kTxBytesMax), 5).error().id(), "ledger.tx_too_large");
}

TEST_F(SequencerTest, splits_by_block_count_and_bytes_in_order) {
  params.block_txs_max = 3;
  params.block_bytes_max = 1'000;
  Sequencer s = make();
  for (std::uint8_t n = 0; n < 5; ++n) ASSERT_TRUE(submit(s, tx_of(n)));
  ASSERT_TRUE(submit(s, tx_of(5, 850)));
  ASSERT_TRUE(submit(s, tx_of(6)));
  std::string sizes;
  std::uint8_t expected = 0;
  for (std::uint64_t height = 6; s.pool_count() > 0; ++height) {
    const auto cut = s.next(2'000);
    ASSERT_TRUE(cut);
    for (const Tx& tx : cut->txs) EXPECT_EQ(tx.body[0], expected++);
    sizes += text("{} ", cut->txs.size());
    s.committed({.height = Height{height}, .time_ms = cut->time_ms, .wants_block = false});
  }
  EXPECT_EQ(sizes, "3 2 2 ");
}

}  // namespace
}  // namespace hanse::ledger
