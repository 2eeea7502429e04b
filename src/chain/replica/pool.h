// Pool: transactions that wait for a batch of their own, first in first out, and the ids of those on their way. Pure:
// no clock, thread or disk; the driver says what time it is and when the lane is idle. A batch is due at once when none
// of the own vertices waits for its slot (Lane::kIdle); otherwise at kBatchBytesGoal or batch_txs_max, or when the
// oldest has waited kBatchWaitNs. So one transaction alone does not wait, and many share a vertex. An id is pending
// from add() to done(); the same transaction is not taken twice meanwhile. Limits: PoolLimits for what waits; what is
// on its way is bounded by the lane's window. Threads: one at a time. Errors: ledger.pool_full (exhausted),
// ledger.account_full (exhausted), ledger.tx_pending (conflict), ledger.tx_too_large (exhausted).
#pragma once

#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "chain/replica/batch.h"

namespace hanse::replica {

constexpr std::size_t kBatchBytesGoal = 256u << 10;
constexpr std::int64_t kBatchWaitNs = 20'000'000;

struct PoolLimits {
  std::size_t txs_max = 20'000;
  std::size_t bytes_max = 64u << 20;
  std::size_t per_account_max = 4'096;
  std::size_t batch_txs_max = ~std::size_t{0};  // of one batch; small ones make many vertices, for measuring
};

class Pool {
 public:
  explicit Pool(PoolLimits limits) : limits_(limits) {}

  // An encoded transaction that passed its application's check.
  Status add(const Hash32& id, Bytes tx, const std::optional<AccountId>& payer, std::int64_t now_ns);
  bool pending(const Hash32& id) const { return pending_.contains(id); }
  void done(const Hash32& id) { pending_.erase(id); }
  void clear() { *this = Pool(limits_); }

  // When the next batch is due; nothing: nothing waits.
  std::optional<std::int64_t> due_ns(std::int64_t wanted_ns) const;
  // The next batch, full or not. Nothing: nothing waits.
  struct Batch {
    Bytes bytes;
    std::uint32_t count = 0;
  };
  std::optional<Batch> take();

  std::size_t count() const { return queue_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Waiting {
    Hash32 id;
    Bytes tx;
    std::optional<AccountId> payer;
    std::int64_t since_ns = 0;
  };
  PoolLimits limits_;
  std::deque<Waiting> queue_;
  std::unordered_set<Hash32> pending_;
  std::unordered_map<AccountId, std::size_t> per_account_;  // of what waits
  std::size_t bytes_ = 0;
};

}  // namespace hanse::replica
