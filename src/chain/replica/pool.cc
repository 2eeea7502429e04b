#include "chain/replica/pool.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::replica {

Status Pool::add(const Hash32& id, Bytes tx, const std::optional<AccountId>& payer, std::int64_t now_ns) {
  if (tx.size() > ledger::kTxBytesMax)
    return fail(Kind::kExhausted, "ledger.tx_too_large",
                text("found a transaction of {} bytes, expected at most {}", tx.size(), ledger::kTxBytesMax));
  if (pending_.contains(id))
    return fail(Kind::kConflict, "ledger.tx_pending", text("transaction {} waits already", id));
  if (queue_.size() >= limits_.txs_max || bytes_ + tx.size() > limits_.bytes_max)
    return fail(Kind::kExhausted, "ledger.pool_full",
                text("found {} transactions of {} bytes waiting, at most {} and {}", queue_.size(), bytes_,
                     limits_.txs_max, limits_.bytes_max));
  if (payer) {
    std::size_t& count = per_account_[*payer];
    if (count >= limits_.per_account_max)
      return fail(Kind::kExhausted, "ledger.account_full",
                  text("found {} transactions of {} waiting, at most {}", count, *payer, limits_.per_account_max));
    ++count;
  }
  pending_.insert(id);
  bytes_ += tx.size();
  queue_.push_back({.id = id, .tx = std::move(tx), .payer = payer, .since_ns = now_ns});
  return {};
}

std::optional<std::int64_t> Pool::due_ns(std::int64_t wanted_ns) const {
  if (queue_.empty()) return std::nullopt;
  const std::int64_t oldest_ns = queue_.front().since_ns;
  const bool full = bytes_ >= kBatchBytesGoal || queue_.size() >= limits_.batch_txs_max;
  return full ? oldest_ns : std::clamp(wanted_ns, oldest_ns, oldest_ns + kBatchWaitNs);
}

std::optional<Pool::Batch> Pool::take() {
  if (queue_.empty()) return std::nullopt;
  BatchWriter writer;
  writer.reserve(std::min(consensus::kBatchBytesMax, kBatchHeaderBytes + bytes_ + queue_.size() * kTxHeaderBytes));
  while (!queue_.empty() && writer.count() < limits_.batch_txs_max && writer.fits(queue_.front().tx.size())) {
    const Waiting& first = queue_.front();
    writer.add(first.tx);
    bytes_ -= first.tx.size();
    if (first.payer) {
      const auto it = per_account_.find(*first.payer);
      if (--it->second == 0) per_account_.erase(it);
    }
    queue_.pop_front();
  }
  const std::uint32_t count = writer.count();
  return Batch{.bytes = writer.take(), .count = count};
}

}  // namespace hanse::replica
