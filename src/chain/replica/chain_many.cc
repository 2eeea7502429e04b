// Many transactions in one call: the same steps as one, with the locks and the view taken once.
#include <chrono>

#include "base/core/text.h"
#include "chain/replica/detail/rep.h"

namespace hanse::replica {
namespace {

using ledger::Applied;

// The outcomes of one call. Shared with the answers, which may come after the caller gave up.
class Outcomes {
 public:
  explicit Outcomes(std::size_t count) : all_(count), left_(count) {}

  void set(std::size_t place, Result<Applied> outcome) {
    bool last = false;
    {
      const std::lock_guard lock(mutex_);
      if (all_[place]) return;
      all_[place].emplace(std::move(outcome));
      last = --left_ == 0;
    }
    if (last) done_.notify_all();
  }

  std::vector<Result<Applied>> wait(std::int64_t deadline_ms) {
    std::unique_lock lock(mutex_);
    if (deadline_ms > 0) done_.wait_for(lock, std::chrono::milliseconds(deadline_ms), [this] { return left_ == 0; });
    std::vector<Result<Applied>> out;
    out.reserve(all_.size());
    for (auto& one : all_) {
      if (!one)
        one.emplace(fail(Kind::kTimeout, "ledger.timeout",
                         text("no block within {} ms, the transaction may still be applied", deadline_ms)));
      out.push_back(*std::move(one));
    }
    return out;
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::vector<std::optional<Result<Applied>>> all_;
  std::size_t left_;
};

struct Candidate {
  std::size_t place = 0;
  Hash32 id;
  Bytes bytes;
  std::optional<AccountId> payer;
};

}  // namespace

std::vector<Result<Applied>> Chain::submit_many(std::vector<ledger::Tx> txs, std::int64_t deadline_ms) {
  Rep& r = *rep_;
  const auto outcomes = std::make_shared<Outcomes>(txs.size());
  const auto refuse_all = [&](const Error& why) {
    for (std::size_t i = 0; i < txs.size(); ++i) outcomes->set(i, std::unexpected(why.clone()));
    return outcomes->wait(0);
  };
  {
    const std::lock_guard lock(r.mutex);
    if (const Status open = r.refuse_locked(); !open) return refuse_all(open.error());
  }
  const auto now = r.ledger->view();
  if (!now) return refuse_all(now.error());
  const std::int64_t wall_ms = r.clock->wall_ms();
  std::vector<Candidate> candidates;
  candidates.reserve(txs.size());
  for (std::size_t i = 0; i < txs.size(); ++i) {
    Candidate c{.place = i, .id = {}, .bytes = ledger::encode_tx(txs[i]), .payer = {}};
    c.id = ledger::tx_id(c.bytes);
    auto before = now->tx_result(c.id);
    if (!before) {
      outcomes->set(i, std::unexpected(std::move(before).error()));
    } else if (*before) {
      outcomes->set(i, **std::move(before));
    } else if (Status good = now->check(txs[i], wall_ms); !good) {
      outcomes->set(i, std::unexpected(std::move(good).error()));
    } else {
      c.payer = r.ledger->app(txs[i].app)->payer(txs[i]);
      candidates.push_back(std::move(c));
    }
  }
  const std::int64_t since_ns = r.clock->mono_ns();
  bool due = false;
  {
    const std::lock_guard lock(r.mutex);
    const bool empty_before = r.pool->count() == 0, short_before = r.pool->bytes() < kBatchBytesGoal;
    const Status open = r.refuse_locked();
    for (Candidate& c : candidates) {
      Status taken = open ? Status() : Status(std::unexpected(open.error().clone()));
      if (taken && !r.pool->pending(c.id)) taken = r.pool->add(c.id, std::move(c.bytes), c.payer, since_ns);
      if (!taken) {
        outcomes->set(c.place, std::unexpected(std::move(taken).error()));
        continue;
      }
      const auto [it, fresh] = r.waiting.try_emplace(c.id, Rep::Waiting{.first = {}, .more = {}, .since_ns = since_ns});
      (fresh ? it->second.first : it->second.more.emplace_back()) =
          [outcomes, place = c.place](Result<Applied> answer) { outcomes->set(place, std::move(answer)); };
    }
    due = (empty_before && r.pool->count() > 0) || (short_before && r.pool->bytes() >= kBatchBytesGoal);
  }
  if (due) r.inbox->kick();
  return outcomes->wait(deadline_ms);
}

}  // namespace hanse::replica
