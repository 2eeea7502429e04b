#include "chain/replica/pool.h"

#include <gtest/gtest.h>

#include "base/core/text.h"

namespace hanse::replica {
namespace {

using ledger::Tx;

AccountId account(std::uint8_t n) {
  AccountId id;
  id.data.fill(n);
  return id;
}
Bytes tx_of(std::uint8_t n, std::size_t size = 100) { return ledger::encode_tx({.app = 1, .body = Bytes(size, n)}); }

struct PoolTest : testing::Test {
  PoolLimits limits;
  std::int64_t now_ns = 1'000;
  Status add(Pool& pool, const Bytes& tx, std::uint8_t payer = 7) const {
    return pool.add(ledger::tx_id(ByteView(tx)), tx, account(payer), now_ns);
  }
};

TEST_F(PoolTest, a_batch_is_due_when_it_is_wanted_within_bounds) {
  Pool pool(limits);
  EXPECT_FALSE(pool.due_ns(0));
  EXPECT_FALSE(pool.take());
  ASSERT_TRUE(add(pool, tx_of(1)));
  now_ns = 2'000;
  ASSERT_TRUE(add(pool, tx_of(2)));
  EXPECT_EQ(pool.due_ns(0), 1'000);
  EXPECT_EQ(pool.due_ns(3'000), 3'000);
  EXPECT_EQ(pool.due_ns(std::numeric_limits<std::int64_t>::max()), 1'000 + kBatchWaitNs);
}

TEST_F(PoolTest, a_full_batch_is_due_at_once) {
  Pool pool(limits);
  ASSERT_TRUE(add(pool, tx_of(1)));
  for (std::uint8_t n = 3; pool.bytes() < kBatchBytesGoal; ++n) {
    EXPECT_EQ(pool.due_ns(5'000), 5'000);
    ASSERT_TRUE(add(pool, tx_of(n, 40'000)));
  }
  EXPECT_EQ(pool.due_ns(5'000), 1'000);
}

TEST_F(PoolTest, a_batch_of_the_most_transactions_is_due_at_once_and_no_larger) {
  limits.batch_txs_max = 2;
  Pool pool(limits);
  ASSERT_TRUE(add(pool, tx_of(1)));
  EXPECT_EQ(pool.due_ns(5'000), 5'000);
  for (const std::uint8_t n : {2, 3}) ASSERT_TRUE(add(pool, tx_of(n)));
  EXPECT_EQ(pool.due_ns(5'000), 1'000);
  EXPECT_EQ(pool.take()->count, 2u);
  EXPECT_EQ(pool.take()->count, 1u);
}

TEST_F(PoolTest, batches_keep_the_order_and_fit_a_vertex) {
  Pool pool(limits);
  constexpr std::uint8_t kTxs = 40;
  for (std::uint8_t n = 0; n < kTxs; ++n) ASSERT_TRUE(add(pool, tx_of(n, 60'000)));
  std::uint8_t expected = 0;
  while (const auto batch = pool.take()) {
    EXPECT_LE(batch->bytes.size(), consensus::kBatchBytesMax);
    EXPECT_GT(batch->bytes.size() + 60'100, expected + batch->count < kTxs ? consensus::kBatchBytesMax : 0);
    const auto txs = decode_batch(batch->bytes);
    ASSERT_TRUE(txs) << txs.error().str();
    EXPECT_EQ(txs->size(), batch->count);
    for (const ByteView tx : *txs) EXPECT_EQ(ledger::decode_tx(tx)->body[0], expected++);
  }
  EXPECT_EQ(expected, kTxs);
  EXPECT_EQ(pool.count(), 0u);
  EXPECT_EQ(pool.bytes(), 0u);
}

TEST_F(PoolTest, refuses_what_is_pending_until_it_is_done) {
  Pool pool(limits);
  const Bytes tx = tx_of(1);
  const Hash32 id = ledger::tx_id(ByteView(tx));
  ASSERT_TRUE(add(pool, tx));
  EXPECT_EQ(add(pool, tx).error().id(), "ledger.tx_pending");
  ASSERT_TRUE(pool.take());
  EXPECT_TRUE(pool.pending(id));
  EXPECT_EQ(add(pool, tx).error().id(), "ledger.tx_pending");
  pool.done(id);
  EXPECT_FALSE(pool.pending(id));
  EXPECT_TRUE(add(pool, tx));
}

TEST_F(PoolTest, limits_the_pool_by_count_bytes_and_account) {
  limits = {.txs_max = 4, .bytes_max = 10'000, .per_account_max = 2};
  Pool pool(limits);
  ASSERT_TRUE(add(pool, tx_of(1), 1));
  ASSERT_TRUE(add(pool, tx_of(2), 1));
  EXPECT_EQ(add(pool, tx_of(3), 1).error().id(), "ledger.account_full");
  ASSERT_TRUE(add(pool, tx_of(3), 2));
  EXPECT_EQ(add(pool, tx_of(4, 9'800), 3).error().id(), "ledger.pool_full");
  ASSERT_TRUE(add(pool, tx_of(4), 3));
  EXPECT_EQ(add(pool, tx_of(5), 4).error().id(), "ledger.pool_full");
  EXPECT_EQ(pool.count(), 4u);
  ASSERT_TRUE(pool.take());
  EXPECT_EQ(pool.count(), 0u);
  EXPECT_EQ(pool.bytes(), 0u);
  ASSERT_TRUE(add(pool, tx_of(6), 1));
  const Bytes free = tx_of(7);
  ASSERT_TRUE(pool.add(ledger::tx_id(ByteView(free)), free, std::nullopt, now_ns));
  EXPECT_EQ(add(pool, tx_of(8, ledger::kTxBytesMax), 5).error().id(), "ledger.tx_too_large");
}

TEST_F(PoolTest, a_batch_holds_at_most_so_many_transactions) {
  limits.txs_max = kBatchTxsMax + 1;
  Pool pool(limits);
  for (std::uint32_t n = 0; n <= kBatchTxsMax; ++n) {
    Bytes body(4);
    store_le(body.data(), n);
    const Bytes tx = ledger::encode_tx({.app = 1, .body = body});
    ASSERT_TRUE(pool.add(ledger::tx_id(ByteView(tx)), tx, std::nullopt, now_ns));
  }
  EXPECT_EQ(pool.take()->count, kBatchTxsMax);
  EXPECT_EQ(pool.take()->count, 1u);
}

}  // namespace
}  // namespace hanse::replica
