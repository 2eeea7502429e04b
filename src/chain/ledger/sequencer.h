// Sequencer: decides the order of transactions for a network with one validator. Pure: no clock, thread or disk; the
// driver (chain.h) tells it the time and carries out what it decides. Several validators replace this class only:
// cuts, headers and certificates are the same.
//
// A block is cut when a transaction waits and none is being made; while one is made durable the pool fills the next.
// Empty blocks are cut only while an application waits for a timeout, one each params.interval_ms.
// Block time is max(previous + 1, now), so it grows strictly even when the clock does not.
// Limits: PoolLimits. Threads: one at a time.
// Errors: ledger.pool_full (exhausted), ledger.account_full (exhausted), ledger.tx_pending (conflict: already in the
// pool), ledger.tx_too_large (exhausted).
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "chain/ledger/ledger.h"

namespace hanse::ledger {

struct PoolLimits {
  std::size_t txs_max = 20'000;
  std::size_t bytes_max = 64u << 20;
  std::size_t per_account_max = 4'096;
};

class Sequencer {
 public:
  struct Tip {
    Height height;
    std::int64_t time_ms = 0;
    bool wants_block = false;
  };
  Sequencer(const light::Params& params, const AccountId& leader, PoolLimits limits, Tip tip)
      : params_(params), leader_(leader), limits_(limits), tip_(tip) {}

  // A transaction that passed its application's check.
  Status submit(const Hash32& id, Tx tx, const std::optional<AccountId>& payer);
  bool pending(const Hash32& id) const { return pending_.contains(id); }

  // The next cut, if one is due. After that, nothing until committed() answers for it.
  std::optional<Cut> next(std::int64_t now_ms);
  // When next() may have something without further submissions; nothing: never.
  std::optional<std::int64_t> due_ms() const;
  void committed(Tip tip);

  std::size_t pool_count() const { return queue_.size(); }
  std::size_t pool_bytes() const { return bytes_; }

 private:
  struct Waiting {
    Hash32 id;
    Tx tx;
    std::size_t size;
    std::optional<AccountId> payer;
  };
  light::Params params_;
  AccountId leader_;
  PoolLimits limits_;
  Tip tip_;
  std::deque<Waiting> queue_;
  std::vector<Hash32> in_flight_;
  std::set<Hash32> pending_;  // queued or in flight
  std::map<AccountId, std::size_t> per_account_;
  std::size_t bytes_ = 0;
  bool making_ = false;
};

}  // namespace hanse::ledger
