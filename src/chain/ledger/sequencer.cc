#include "chain/ledger/sequencer.h"

#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::ledger {

Status Sequencer::submit(const Hash32& id, Tx tx, const std::optional<AccountId>& payer) {
  const std::size_t size = encode_tx(tx).size();
  if (size > kTxBytesMax)
    return fail(Kind::kExhausted, "ledger.tx_too_large",
                text("found a transaction of {} bytes, expected at most {}", size, kTxBytesMax));
  if (pending_.contains(id))
    return fail(Kind::kConflict, "ledger.tx_pending", text("transaction {} waits already", id));
  if (queue_.size() >= limits_.txs_max || bytes_ + size > limits_.bytes_max)
    return fail(Kind::kExhausted, "ledger.pool_full",
                text("found {} transactions of {} bytes waiting, at most {} and {}", queue_.size(), bytes_,
                     limits_.txs_max, limits_.bytes_max));
  if (payer) {
    std::size_t& count = per_account_[*payer];
    if (count >= limits_.per_account_max) {
      return fail(Kind::kExhausted, "ledger.account_full",
                  text("found {} transactions of {} waiting, at most {}", count, *payer, limits_.per_account_max));
    }
    ++count;
  }
  pending_.insert(id);
  bytes_ += size;
  queue_.push_back({.id = id, .tx = std::move(tx), .size = size, .payer = payer});
  return {};
}

std::optional<std::int64_t> Sequencer::due_ms() const {
  if (making_) return std::nullopt;
  if (!queue_.empty()) return tip_.time_ms;
  if (tip_.wants_block) return tip_.time_ms + params_.interval_ms;
  return std::nullopt;
}

std::optional<Cut> Sequencer::next(std::int64_t now_ms) {
  const auto due = due_ms();
  if (!due || (queue_.empty() && now_ms < *due)) return std::nullopt;
  Cut cut{.height = tip_.height.plus(1), .time_ms = std::max(tip_.time_ms + 1, now_ms), .leader = leader_, .txs = {}};
  std::size_t bytes = 0;
  while (!queue_.empty() && cut.txs.size() < params_.block_txs_max) {
    Waiting& first = queue_.front();
    if (bytes + first.size > params_.block_bytes_max) break;
    bytes += first.size;
    bytes_ -= first.size;
    if (first.payer) {
      const auto it = per_account_.find(*first.payer);
      if (--it->second == 0) per_account_.erase(it);
    }
    in_flight_.push_back(first.id);
    cut.txs.push_back(std::move(first.tx));
    queue_.pop_front();
  }
  making_ = true;
  return cut;
}

void Sequencer::committed(Tip tip) {
  check(making_ && tip.height == tip_.height.plus(1), "committed a block that was not being made");
  for (const Hash32& id : in_flight_) pending_.erase(id);
  in_flight_.clear();
  tip_ = tip;
  making_ = false;
}

}  // namespace hanse::ledger
